#!/bin/sh
# ejabberd: with stream management, a message to a client that is being restarted comes back as an error.
#
# A good engineer would guess: stream management (XEP-0198) makes delivery safer. A message that arrives while a client
# is away for a second is kept for it: it goes to its next session, or to offline storage, which is loaded.
#
# What really happens: for the time of `resume_timeout` (300 s by default) ejabberd keeps messages for the old session,
# and only for a resumption. A client that is started again logs in anew. Then, or at the end of that time, what the old
# session had not read goes back to its sender as `service-unavailable`, though the receiver is online. Without stream
# management the same message is stored and delivered at the login. `resend_on_timeout: true` of mod_stream_mgmt ends it;
# the default is `false`.
#
# Versions: ejabberd 23.01 (Debian 12); @xmpp/client 0.14.0 as the client.
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
beam=$(dpkg -L ejabberd | grep '/ebin/ejabberd\.beam$')
# The argument has the options of stream management; empty: without it.
start_ejabberd() {
  cat >ejabberd.yml <<YAML
hosts: [xmpp.test]
loglevel: warning
listen:
  - {port: $C2S_PORT, ip: 127.0.0.1, module: ejabberd_c2s, access: all, backlog: 100}
  - {port: $API_PORT, ip: 127.0.0.1, module: ejabberd_http, request_handlers: {/api: mod_http_api}}
acl: {local: {user_regexp: ""}}
access_rules: {local: {allow: local}}
api_permissions: {all: {from: [mod_http_api], who: {ip: 127.0.0.1/8}, what: ["*"]}}
shaper_rules: {max_user_offline_messages: 100}
modules:
  mod_admin_extra: {}
  mod_http_api: {}
  mod_offline: {}
$1
YAML
  env HOME="$work" ERL_LIBS="${beam%/*/ebin/ejabberd.beam}" ERL_CRASH_DUMP="$work/dump" \
    EJABBERD_CONFIG_PATH="$work/ejabberd.yml" EJABBERD_LOG_PATH="$work/ejabberd.log" \
    erl +K true +sbwt none -pa "$work" -mnesia dir "\"$work/spool\"" -noinput -s ejabberd \
    -eval 'timer:apply_after(100000, erlang, halt, []).' >"$work/console.log" 2>&1 &
  server=$!
}

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
const [, , name, expected] = process.argv;
for (const user of ['anna', 'bert']) await api('register', { user, host, password: 'secret' });
/** Logs in with this resource. @returns the client, and the messages that it gets */
async function login(username, resource) {
  const xmpp = client({ service: `xmpp://127.0.0.1:${process.env.C2S_PORT}`, domain: host, resource,
    credentials: (authenticate) => authenticate({ username, password: 'secret' }, 'PLAIN') });
  xmpp.reconnect.stop();
  xmpp.on('error', () => {});
  const messages = [];
  xmpp.on('stanza', (stanza) => { if (stanza.is('message')) messages.push(stanza); });
  await xmpp.start();
  await xmpp.send(xml('presence'));
  await sleep(500);
  return { xmpp, messages };
}
const bert = await login('bert', 'desk');
const anna = await login('anna', 'desk');
// The client is ended, as by a crash or by its user; its connection closes.
anna.xmpp.socket.destroy();
await sleep(500);
await bert.xmpp.send(xml('message', { type: 'chat', to: `anna@${host}`, id: 'm1' }, xml('body', {}, 'Are you there?')));
await sleep(500);
const again = await login('anna', 'desk');
await sleep(2_000);
const read = again.messages.some((each) => each.getChildText('body') === 'Are you there?');
const back = bert.messages.find((each) => each.attrs.type === 'error');
const condition = back?.getChild('error')?.children[0]?.name;
console.log(`${name}: the new session ${read ? 'has the message' : 'does not have it'}${back ? `, and the sender got ${condition}` : ''}.`);
const outcome = read && !back ? 'read' : !read && condition === 'service-unavailable' ? 'back' : 'else';
if (outcome !== expected) { console.log(`CHANGED: ${name}: ${outcome} and not ${expected}.`); process.exit(1); }
process.exit(0);
JS
try() {
  start_ejabberd "$3"
  timeout 60 node try.mjs "$1" "$2" || { code=$?; [ $code != 124 ] || echo 'Cannot be tried: no end within 60 s.' >&2; exit $code; }
  stop_ejabberd
}
try 'without stream management' read ''
try 'stream management as it comes' back '  mod_stream_mgmt: {}'
try 'with resend_on_timeout: true' read '  mod_stream_mgmt: {resend_on_timeout: true}'
