#!/bin/sh
# Erlang's httpc: asynchronous requests arrive out of order, mostly last first.
#
# A good engineer would guess: requests that one process starts one after the other, with `{sync, false}`, for the same
# host over one kept-alive connection, go out in the order in which they were started. Or at least mostly.
#
# What really happens: they wait while the connection is set up, and are then sent mostly last first. 30 requests arrive
# as 13, 12 ... 1, 30, 29 ... 14, or the like; it differs from run to run. A module that posts events so delivers "session
# closed" before "session opened". The answer has to be waited for before the next request is started.
#
# Versions: inets of Erlang/OTP 25 (Debian 12, packages erlang-base and erlang-inets); Node 20 or newer as the receiver.
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

[ -n "$(command -v erl)" ] || cannot 'this needs erlang-base and erlang-inets from Debian 12.'
case $(dpkg-query -W -f '${Version}' erlang-inets 2>/dev/null) in
  1:25.*) ;;
  *) cannot 'this needs erlang-inets 25 from Debian 12.' ;;
esac

cat >try.mjs <<'JS'
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import { promisify } from 'node:util';

function changed(sentence) {
  console.log(`CHANGED: ${sentence}`);
  process.exit(1);
}
/** The numbers in the order in which they arrive. */
async function order(mode) {
  const arrived = [];
  const receiver = createServer(async (request, response) => {
    let body = '';
    for await (const piece of request) body += piece;
    arrived.push(Number(body));
    response.end('ok');
  });
  await new Promise((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const post = `httpc:request(post, {"http://127.0.0.1:${receiver.address().port}/", [], "text/plain", integer_to_list(N)}, [], [{sync, ${mode === 'sync'}}])`;
  const wait = mode === 'sync' ? '' : '[receive {http, _} -> ok end || _ <- lists:seq(1, 30)], ';
  const code = `{ok, _} = application:ensure_all_started(inets), [{ok, _} = ${post} || N <- lists:seq(1, 30)], ${wait}halt().`;
  await promisify(execFile)('erl', ['-noinput', '-eval', code], { timeout: 25_000, env: { ...process.env, HOME: process.cwd() } });
  receiver.closeAllConnections();
  receiver.close();
  return arrived;
}
const sync = await order('sync');
const async = await order('async');
console.log('Each waits for its answer:', sync.join(' '));
console.log('Asynchronous:             ', async.join(' '));
let backwards = 0;
for (let n = 1; n < async.length; n++) if (async[n] < async[n - 1]) backwards++;
console.log(`${backwards} of 29 neighbours are the wrong way round.`);
if (sync.some((n, place) => n !== place + 1) || async.length !== 30) changed('Not all arrived, or synchronous ones out of order.');
if (backwards < 15) changed('Asynchronous requests arrive mostly in order.');
JS
timeout 80 node try.mjs
