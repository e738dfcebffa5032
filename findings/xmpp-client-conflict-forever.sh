#!/bin/sh
# @xmpp/client: two clients with the same resource throw each other out for ever.
#
# A good engineer would guess: a stream error `conflict` ("replaced by new connection") ends the older client. A
# reconnecting library stops there, or waits longer each time.
#
# What really happens: the client comes back after 1,000 ms, whatever the reason was, and takes the session from the other
# one, which comes back in turn. There is no growing pause, no jitter and no end. An administrator's `kick_session` keeps
# somebody out for one second.
#
# Versions: @xmpp/client 0.14.0 (@xmpp/reconnect 0.14.0); ejabberd 23.01 (Debian 12); Node 20 or newer.
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
  mod_ping: {}
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
import { client } from '@xmpp/client';
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
await account('anna');
const logins = { first: [], second: [] };
const conditions = new Set();
const begin = Date.now();
const clients = Object.keys(logins).map((name) => {
  const one = connect('anna', 'web');
  one.on('error', (error) => conditions.add(error.condition));
  one.on('online', () => logins[name].push(Date.now() - begin));
  return one;
});
for (const one of clients) await one.start();
await sleep(9_000);
console.log('Logins at (ms):', logins);
console.log('Stream errors:', [...conditions]);
if (!conditions.has('conflict')) changed('The server did not say conflict.');
if (logins.first.length < 4 || logins.second.length < 3) changed('The clients gave up fighting.');

clients[1].reconnect.stop();
await clients[1].stop().catch(() => {});
await sleep(1_500);
let back = 0;
clients[0].on('online', () => { back = Date.now(); });
const kicked = Date.now();
await api('kick_session', { user: 'anna', host, resource: 'web', reason: 'Go away' });
await sleep(4_000);
console.log(`After kick_session the client was back in ${back - kicked} ms.`);
if (back === 0) changed('A kicked client stays away.');
process.exit(0);
JS
timeout 80 node try.mjs || { code=$?; [ $code != 124 ] || echo 'Cannot be tried: no end within 80 s.' >&2; exit $code; }
