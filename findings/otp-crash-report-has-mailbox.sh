#!/bin/sh
# Erlang/OTP: `format_status` hides a gen_server's secrets in one report, and the next report has its mailbox.
#
# A good engineer would guess: `format_status/1` (since OTP 25) is made for removing sensitive data. A gen_server whose
# `format_status` hides state, message, reason and log writes none of its secrets to the log when it crashes.
#
# What really happens: a crash makes two reports. gen_server's own report is hidden. The crash report of proc_lib stands
# behind it, and has the messages that were not handled yet, word for word, the process dictionary, and the reason as it
# was raised. It never asks `format_status`. With the default logger both are printed. What helps: catch in the callbacks
# and end with `{shutdown, Reason}`, which has no crash report; or a filter of logger.
#
# Versions: Erlang/OTP 25 (Debian 12, package erlang-base).
# Measured since: 29 November 2026.
# Exit code: 0 as described, 1 changed, 2 could not be tried.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 2' HUP INT TERM
cannot() {
  echo "Cannot be tried: $1" >&2
  exit 2
}
cd "$work"

[ -n "$(command -v erl)" ] || cannot 'this needs erlang-base from Debian 12.'
case $(dpkg-query -W -f '${Version}' erlang-base 2>/dev/null) in
  1:25.*) ;;
  *) cannot 'this needs erlang-base 25 from Debian 12.' ;;
esac

# A server that hides everything that it is asked to hide. It is busy while two logins come; the first one fails.
cat >vault.erl <<'ERL'
-module(vault).
-behaviour(gen_server).
-export([start/0, init/1, handle_call/3, handle_cast/2, format_status/1]).
start() -> gen_server:start(?MODULE, [], []).
init([]) -> put(token, "SECRET-dictionary"), {ok, "SECRET-state"}.
handle_call(_, _, State) -> {reply, ok, State}.
handle_cast({busy_until, Word}, State) -> receive Word -> {noreply, State} end;
handle_cast({login, Password, How}, _State) ->
    case How of
        error -> error({no_such_account, Password});
        shutdown -> exit({shutdown, crashed})
    end.
format_status(Status) -> maps:map(fun(log, _) -> []; (_, _) -> hidden end, Status).
ERL
cat >try.erl <<'ERL'
-module('try').
-export([main/1]).
main([How]) ->
    {ok, Server} = vault:start(),
    Ends = monitor(process, Server),
    gen_server:cast(Server, {busy_until, free}),
    gen_server:cast(Server, {login, "SECRET-raised", How}),
    gen_server:cast(Server, {login, "SECRET-waiting", How}),
    Server ! free,
    receive {'DOWN', Ends, process, Server, _} -> timer:sleep(500), halt() end.
ERL
erlc vault.erl try.erl || cannot 'erlc could not compile the modules.'
for how in error shutdown; do
  HOME="$work" timeout 30 erl -noinput -eval "'try':main([$how])." >$how.log 2>&1 || cannot 'erl did not end.'
done

changed() {
  echo "CHANGED: $1"
  exit 1
}
sed '/CRASH REPORT/,$d' error.log >own.log
sed -n '/CRASH REPORT/,$p' error.log >crash.log
echo "gen_server's report:"
grep -E 'Last message|Server state|SECRET' own.log || :
echo "proc_lib's report:"
grep -E 'exception error|messages:|dictionary|SECRET' crash.log || echo nothing
echo "After {shutdown, crashed}: $(grep -c REPORT shutdown.log || :) reports of its own or of proc_lib, secrets in $(grep -c SECRET shutdown.log || :) lines."
grep -q 'Server state == hidden' own.log || changed "There is no report of gen_server's own."
grep -q SECRET own.log && changed "format_status does not hide everything in gen_server's report."
grep -q 'messages:.*SECRET-waiting' crash.log || changed 'The mailbox is not in the crash report.'
grep -q SECRET-dictionary crash.log || changed 'The dictionary is not in the crash report.'
grep -q SECRET-raised crash.log || changed 'The reason is hidden in the crash report.'
grep -q -E 'REPORT|SECRET' shutdown.log && changed 'An end with {shutdown, _} is reported.'
exit 0
