#!/bin/sh
# Converse.js: of two messages that open a conversation, one can be lost.
#
# A good engineer would guess: a client shows every message that the server has delivered to it. Two messages from one
# sender, one right after the other, are both shown, in their order.
#
# What really happens: a message from somebody with whom there is no conversation yet makes Converse.js open one, which
# takes some asynchronous steps. A second message that arrives meanwhile is sometimes stored nowhere and shown nowhere;
# sometimes it is the first one. The server has an acknowledgement and the sender a receipt, so nobody learns of it.
# Messages that are a second apart are never lost, and none are once the conversation is there.
#
# Versions: converse.js 14.0.0; any Chromium; ejabberd 23.01 (Debian 12).
# Measured since: 29 November 2026. How many of the conversations lose a message differs from run to run.
# Exit code: 0 as described, 1 changed, 2 could not be tried.
set -eu
work=$(mktemp -d)
server=
browser=
stop() {
  for pid in $browser $server; do
    kill "$pid" 2>/dev/null || :
    wait "$pid" 2>/dev/null || :
  done
  rm -rf "$work" 2>/dev/null || { sleep 2; rm -rf "$work"; }
}
trap stop EXIT
trap 'exit 2' HUP INT TERM
cannot() {
  echo "Cannot be tried: $1" >&2
  exit 2
}
case $(dpkg-query -W -f '${Version}' ejabberd 2>/dev/null) in
  23.01*) ;;
  *) cannot 'this needs ejabberd 23.01 from Debian 12 (apt-get install --no-install-recommends ejabberd).' ;;
esac
command -v chromium >/dev/null || cannot 'this needs Chromium (apt-get install --no-install-recommends chromium).'
cd "$work"
echo '{}' >package.json
timeout 180 npm install --silent --no-audit --no-fund --ignore-scripts --before=2026-11-29 converse.js@14.0.0 ||
  cannot 'npm could not install the package.'

# A private ejabberd: its own folder and ports, loopback only, no cluster. It ends by itself after 200 s at the latest.
ports=$(node -e "const n = require('net'), a = n.createServer(), b = n.createServer();
  a.listen(0, '127.0.0.1', () => b.listen(0, '127.0.0.1', () => {
    console.log(a.address().port, b.address().port); a.close(); b.close(); }));")
export SITE_PORT="${ports% *}" API_PORT="${ports#* }"
mkdir spool
cat >ejabberd.yml <<YAML
hosts: [xmpp.test]
loglevel: warning
listen:
  - {port: $API_PORT, ip: 127.0.0.1, module: ejabberd_http,
     request_handlers: {/api: mod_http_api, /ws: ejabberd_http_ws}}
acl: {local: {user_regexp: ""}}
access_rules: {local: {allow: local}}
api_permissions: {all: {from: [mod_http_api], who: {ip: 127.0.0.1/8}, what: ["*"]}}
modules:
  mod_admin_extra: {}
  mod_disco: {}
  mod_http_api: {}
  mod_ping: {}
  mod_roster: {}
  mod_vcard: {}
YAML
beam=$(dpkg -L ejabberd | grep '/ebin/ejabberd\.beam$')
env HOME="$work" ERL_LIBS="${beam%/*/ebin/ejabberd.beam}" ERL_CRASH_DUMP="$work/dump" \
  EJABBERD_CONFIG_PATH="$work/ejabberd.yml" EJABBERD_LOG_PATH="$work/ejabberd.log" \
  erl +K true +sbwt none -pa "$work" -mnesia dir "\"$work/spool\"" -noinput -s ejabberd \
  -eval 'timer:apply_after(200000, erlang, halt, []).' >"$work/console.log" 2>&1 &
server=$!

cat >try.mjs <<'JS'
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const host = 'xmpp.test';
const CONVERSATIONS = { burst: 40, slow: 10 };
/** A command of ejabberd's admin API. */
async function api(command, body = {}) {
  const response = await fetch(`http://127.0.0.1:${process.env.API_PORT}/api/${command}`, { method: 'POST', body: JSON.stringify(body) });
  return { status: response.status, body: await response.json() };
}
// The page tells what it has, by itself: the number of messages of each conversation, twice a second.
const page = `<!doctype html><meta charset="utf-8"><body><script type="module">
import converse from '/converse.min.js';
converse.plugins.add('report', { initialize() {
  const { _converse } = this;
  setInterval(() => {
    if (!_converse.api.connection.connected()) return;
    const boxes = (_converse.state.chatboxes?.models ?? []).map((box) => [box.get('jid'), (box.messages?.models ?? []).map((each) => each.get('body'))]);
    fetch('/report', { method: 'POST', body: JSON.stringify(boxes) });
  }, 500);
} });
converse.initialize({ authentication: 'login', auto_login: true, jid: 'anna@${host}', password: 'secret',
  websocket_url: 'ws://127.0.0.1:${process.env.API_PORT}/ws', discover_connection_methods: false,
  view_mode: 'fullscreen', assets_path: '/', whitelisted_plugins: ['report'] });
</script>`;
let report;
createServer(async (request, response) => {
  if (request.url === '/report') {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    report = new Map(JSON.parse(Buffer.concat(chunks)));
    return response.end();
  }
  const type = /\.js$/.test(request.url) ? 'text/javascript' : /\.css$/.test(request.url) ? 'text/css' : 'text/html';
  const content = request.url === '/' ? page : await readFile(`node_modules/converse.js/dist${request.url.split('?')[0]}`).catch(() => null);
  response.writeHead(content === null ? 404 : 200, { 'content-type': type }).end(content);
}).listen(Number(process.env.SITE_PORT), '127.0.0.1');
for (let tries = 0; !(await api('status').catch(() => undefined)); tries++) {
  if (tries === 300) { console.error('Cannot be tried: ejabberd did not start.'); process.exit(2); }
  await sleep(100);
}
await api('register', { user: 'anna', host, password: 'secret' });
// Senders are contacts of Anna: from others Converse.js takes nothing.
const names = (kind) => Array.from({ length: CONVERSATIONS[kind] }, (_, n) => `${kind}${n + 1}`);
for (const user of [...names('burst'), ...names('slow')]) {
  await api('register', { user, host, password: 'secret' });
  await api('add_rosteritem', { localuser: 'anna', localhost: host, user, host, nick: user, group: 'all', subs: 'both' });
}
console.error('ready');
for (let tries = 0; report === undefined; tries++) {
  if (tries === 600) { console.error('Cannot be tried: Converse.js did not log in.'); process.exit(2); }
  await sleep(100);
}
await sleep(3_000);
const send = (from, body) => api('send_stanza', { from: `${from}@${host}/web`, to: `anna@${host}`,
  stanza: `<message type='chat' id='${from}-${body}'><body>${body}</body></message>` });
/** Two messages into each new conversation. @returns the conversations that lack one */
async function play(kind, pauseOf, rest) {
  const lacking = [];
  for (const [n, from] of names(kind).entries()) {
    await send(from, 'one');
    await sleep(pauseOf(n));
    await send(from, 'two');
    await sleep(rest);
  }
  await sleep(3_000);
  for (const from of names(kind)) {
    const bodies = report.get(`${from}@${host}`) ?? [];
    if (bodies.length < 2) lacking.push(bodies.join() || 'neither');
  }
  return lacking;
}
const burst = await play('burst', (n) => n % 8 * 8, 700);
console.log(`${CONVERSATIONS.burst} conversations that begin with two messages, up to 56 ms apart: ${burst.length} lack one${burst.length ? ` (they have: ${burst.join(', ')})` : ''}.`);
const slow = await play('slow', () => 1_000, 0);
console.log(`${CONVERSATIONS.slow} conversations with a second between the two: ${slow.length} lack one.`);
if (burst.length === 0) { console.log('CHANGED: no message is lost.'); process.exit(1); }
if (slow.length > 0) { console.log('CHANGED: messages are lost that are a second apart.'); process.exit(1); }
process.exit(0);
JS
(
  until grep -q ready log 2>/dev/null; do sleep 1; done
  exec chromium --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run \
    --disable-background-networking --remote-debugging-port=0 --user-data-dir="$work/profile" "http://127.0.0.1:$SITE_PORT/" >/dev/null 2>&1
) &
browser=$!
timeout 180 node try.mjs 2>log || { code=$?; grep -v ready log >&2 || :; [ $code != 124 ] || echo 'Cannot be tried: no end within 180 s.' >&2; exit $code; }
