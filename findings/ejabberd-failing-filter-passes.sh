#!/bin/sh
# ejabberd: a message filter that raises an error lets the message through.
#
# A good engineer would guess: a module hooks `user_send_packet` to check messages before they go on. When the check fails
# with an error, the message fails too: an error for the sender, or the session ends ("let it crash").
#
# What really happens: the hook is called in a catch. The error goes to the log, with the text of the message in it, and the
# message goes on as if the module were not there. It is delivered, and acknowledged to the sender. A module whose check
# must not be skipped has to catch everything by itself (also a `gen_server:call` that times out) and answer with an error.
#
# Versions: ejabberd 23.01 (Debian 12, with its Erlang 25); @xmpp/client 0.14.0 as the client.
# Measured since: 29 November 2026.
# Exit code: 0 as described, 1 changed, 2 could not be tried.
set -eu
work=$(mktemp -d)
server=
stop_ejabberd() {
  if [ -n "$server" ]; then
    kill "$server" 2>/dev/null || :
    wait "$server" 2>/dev/null || :
    server=
  fi
}
trap 'stop_ejabberd; rm -rf "$work"' EXIT
trap 'exit 2' HUP INT TERM
cannot() {
  echo "Cannot be tried: $1" >&2
  exit 2
}
case $(dpkg-query -W -f '${Version}' ejabberd 2>/dev/null) in
  23.01*) ;;
  *) cannot 'this needs ejabberd 23.01 from Debian 12 (apt-get install --no-install-recommends ejabberd).' ;;
esac
cd "$work"
echo '{}' >package.json
timeout 180 npm install --silent --no-audit --no-fund --ignore-scripts --before=2026-11-29 @xmpp/client@0.14.0 ||
  cannot 'npm could not install the packages.'

# The module of the example: it lets only messages with the word "please" go on, and asks a process that is away.
cat >mod_polite.erl <<'ERL'
-module(mod_polite).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_doc/0, check/1]).
start(Host, _Options) -> ejabberd_hooks:add(user_send_packet, Host, ?MODULE, check, 50).
stop(Host) -> ejabberd_hooks:delete(user_send_packet, Host, ?MODULE, check, 50).
reload(_Host, _New, _Old) -> ok.
depends(_Host, _Options) -> [].
mod_options(_Host) -> [].
mod_doc() -> #{}.
check({Packet, State}) when element(1, Packet) =:= message ->
    case gen_server:call(politeness, {allowed, Packet}, 1000) of
        true -> {Packet, State};
        false -> {stop, {drop, State}}
    end;
check(Accumulator) -> Accumulator.
ERL
erlc mod_polite.erl || cannot 'erlc could not compile the module.'

# A private ejabberd: its own folder and ports, loopback only, no cluster. It ends by itself after 100 s at the latest.
ports=$(node -e "const n = require('net'), a = n.createServer(), b = n.createServer();
  a.listen(0, '127.0.0.1', () => b.listen(0, '127.0.0.1', () => {
    console.log(a.address().port, b.address().port); a.close(); b.close(); }));")
export C2S_PORT="${ports% *}" API_PORT="${ports#* }"
mkdir spool
cat >ejabberd.yml <<YAML
hosts: [xmpp.test]
loglevel: warning
listen:
  - {port: $C2S_PORT, ip: 127.0.0.1, module: ejabberd_c2s, access: all, backlog: 100}
  - {port: $API_PORT, ip: 127.0.0.1, module: ejabberd_http, request_handlers: {/api: mod_http_api}}
acl: {local: {user_regexp: ""}}
access_rules: {local: {allow: local}}
api_permissions: {all: {from: [mod_http_api], who: {ip: 127.0.0.1/8}, what: ["*"]}}
modules:
  mod_admin_extra: {}
  mod_http_api: {}
  mod_polite: {}
YAML
beam=$(dpkg -L ejabberd | grep '/ebin/ejabberd\.beam$')
start_ejabberd() {
  env HOME="$work" ERL_LIBS="${beam%/*/ebin/ejabberd.beam}" ERL_CRASH_DUMP="$work/dump" \
    EJABBERD_CONFIG_PATH="$work/ejabberd.yml" EJABBERD_LOG_PATH="$work/ejabberd.log" \
    erl +K true +sbwt none -pa "$work" -mnesia dir "\"$work/spool\"" -noinput -s ejabberd \
    -eval 'timer:apply_after(100000, erlang, halt, []).' >"$work/console.log" 2>&1 &
  server=$!
}
start_ejabberd

cat >try.mjs <<'JS'
import { readFile } from 'node:fs/promises';
import { client, xml } from '@xmpp/client';
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const host = 'xmpp.test';
/** A command of ejabberd's admin API. */
async function api(command, body = {}) {
  const response = await fetch(`http://127.0.0.1:${process.env.API_PORT}/api/${command}`, { method: 'POST', body: JSON.stringify(body) });
  return { status: response.status, body: await response.json() };
}
for (let tries = 0; !(await api('status').catch(() => undefined)); tries++) {
  if (tries === 300) { console.error('Cannot be tried: ejabberd did not start.'); process.exit(2); }
  await sleep(100);
}
const account = (user) => api('register', { user, host, password: 'secret' });
function changed(sentence) {
  console.log(`CHANGED: ${sentence}`);
  process.exit(1);
}
/** A client of @xmpp/client, with PLAIN because the connection is loopback without TLS. */
const connect = (username, resource, mechanism = 'PLAIN') =>
  client({ service: `xmpp://127.0.0.1:${process.env.C2S_PORT}`, domain: host, resource,
    credentials: (authenticate) => authenticate({ username, password: 'secret' }, mechanism) });
for (const user of ['anna', 'bert']) await account(user);
const [anna, bert] = [connect('anna', 'web'), connect('bert', 'web')];
for (const one of [anna, bert]) one.reconnect.stop();
const forAnna = [];
const forBert = [];
anna.on('stanza', (stanza) => stanza.is('message') && forAnna.push(stanza.attrs.type));
bert.on('stanza', (stanza) => stanza.is('message') && forBert.push(stanza.getChildText('body')));
await anna.start();
await bert.start();
await anna.send(xml('message', { to: `bert@${host}/web`, type: 'chat' }, xml('body', {}, 'do it now')));
await sleep(1_500);
const log = await readFile('ejabberd.log', 'utf8');
console.log('In the log:', /.*Hook user_send_packet crashed.*/.exec(log)?.[0] ?? 'nothing');
console.log('The text of the message is in the log:', log.includes('do it now'));
console.log(`Bert received ${JSON.stringify(forBert)}, Anna's errors: ${JSON.stringify(forAnna)}, Anna is ${anna.status}.`);
if (!log.includes('Hook user_send_packet crashed')) changed('The hook did not fail, or nothing is logged.');
if (forBert[0] !== 'do it now') changed('The message was not delivered.');
process.exit(0);
JS
timeout 80 node try.mjs || { code=$?; [ $code != 124 ] || echo 'Cannot be tried: no end within 80 s.' >&2; exit $code; }
