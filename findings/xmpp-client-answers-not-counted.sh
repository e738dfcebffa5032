#!/bin/sh
# @xmpp/client does not count answers to its own requests (stream management).
#
# A good engineer would guess: after a lost connection, stream management (XEP-0198) resumes the session. What was
# handled before is not delivered again.
#
# What really happens: the answer to a request made with `iqCaller` ends in the caller. The counter of received stanzas
# stands behind it in the same chain and never sees that answer. So the client acknowledges too little, for good.
# - After a resumption the server sends the last stanzas again. A message that was handled is handled twice.
# - The server keeps every answer as unacknowledged. At its limit (`max_ack_queue`, 5,000 in ejabberd by default, 100
#   here) it ends the session of a client that has done nothing but ping.
#
# Versions: @xmpp/client 0.14.0; ejabberd 23.01 (Debian 12); Node 20 or newer.
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
  mod_stream_mgmt: {resume_timeout: 60, max_ack_queue: 100}
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
await account('anna');
const anna = connect('anna', 'web');
const ping = () => anna.iqCaller.get(xml('ping', { xmlns: 'urn:xmpp:ping' }), host, 3000);
const bodies = [];
const errors = [];
anna.on('error', (error) => errors.push(error.message));
anna.on('stanza', (stanza) => {
  if (stanza.is('message')) bodies.push(stanza.getChildText('body'));
});
await anna.start();
await sleep(500);

for (let n = 0; n < 3; n++) await ping();
await api('send_message', { type: 'chat', from: `bert@${host}`, to: `anna@${host}/web`, subject: '', body: 'Hello once' });
await sleep(500);
const counted = anna.streamManagement.inbound;
console.log(`Received: 3 answers and 1 message. Counted by the client: ${counted}. Handled: ${JSON.stringify(bodies)}.`);

const resumed = new Promise((resolve) => anna.streamManagement.once('resumed', resolve));
anna.socket.destroy(); // the connection is lost
await Promise.race([resumed, sleep(10_000)]);
await sleep(500);
console.log(`After the resumption, handled: ${JSON.stringify(bodies)}.`);
if (counted !== 1) changed(`The client counted ${counted} stanzas, not 1.`);
if (bodies.length !== 2) changed(`The message was handled ${bodies.length} times, not twice.`);

anna.reconnect.stop();
let pings = 0;
while (pings < 200 && (await ping().then(() => true, () => false))) pings++;
console.log(`Then ${pings} pings were answered before the server ended the session: ${errors.at(-1)}.`);
if (!/unacked/.test(errors.at(-1) ?? '')) changed('The server did not end the session for unacknowledged stanzas.');
process.exit(0);
JS
timeout 80 node try.mjs || { code=$?; [ $code != 124 ] || echo 'Cannot be tried: no end within 80 s.' >&2; exit $code; }
