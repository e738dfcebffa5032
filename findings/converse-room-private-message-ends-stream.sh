#!/bin/sh
# Converse.js: a private message to somebody in a chat room ends the connection, and is lost.
#
# A good engineer would guess: a client leaves `from` out of what it sends, or writes its own address there (RFC 6120 §8.1.2.1).
# So a private message (XEP-0045 §7.5) in a room that the client has entered reaches that occupant.
#
# What really happens: Converse.js writes its address in the room as the sender, `room@conference.host/nick`. ejabberd ends
# the stream with `invalid-from`, as RFC 6120 §4.9.3.9 says. Converse.js logs in anew and shows the message as sent.
#
# Versions: converse.js 14.0.0; any Chromium; ejabberd 23.01 (Debian 12).
# Measured since: 30 November 2026.
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

# A private ejabberd: its own folder and ports, loopback only, no cluster. It ends by itself after 120 s at the latest.
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
  mod_http_api: {}
  mod_muc: {}
YAML
beam=$(dpkg -L ejabberd | grep '/ebin/ejabberd\.beam$')
env HOME="$work" ERL_LIBS="${beam%/*/ebin/ejabberd.beam}" ERL_CRASH_DUMP="$work/dump" \
  EJABBERD_CONFIG_PATH="$work/ejabberd.yml" EJABBERD_LOG_PATH="$work/ejabberd.log" \
  erl +K true +sbwt none -pa "$work" -mnesia dir "\"$work/spool\"" -noinput -s ejabberd \
  -eval 'timer:apply_after(120000, erlang, halt, []).' >"$work/console.log" 2>&1 &
server=$!

cat >try.mjs <<'JS'
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const api = `http://127.0.0.1:${process.env.API_PORT}/api`;
// The page logs in, enters a room, says something there, then writes to somebody in it, and tells how the stream ended.
const page = `<!doctype html><meta charset="utf-8"><body>
<script type="module">
import converse from '/converse.min.js';
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const ended = { groupchat: 'no', chat: 'no' };
let doing = 'groupchat';
converse.plugins.add('tell', { initialize() {
  const { _converse } = this;
  const { api } = _converse;
  let begun = false;
  api.listen.on('connected', async () => {
    if (begun) return;
    begun = true;
    api.listen.on('will-reconnect', () => {
      ended[doing] = 'yes';
    });
    const room = await api.rooms.open('room@conference.xmpp.test', { nick: 'anna' });
    for (let tries = 0; !room.isEntered(); tries++) {
      if (tries === 200) return fetch('/told?entered=no');
      await sleep(100);
    }
    await room.sendMessage({ body: 'Hello' });
    await sleep(2000);
    doing = 'chat';
    const ben = room.occupants.create({ nick: 'ben', from: 'room@conference.xmpp.test/ben' });
    await ben.sendMessage({ body: 'Psst' });
    await sleep(2000);
    fetch('/told?groupchat=' + ended.groupchat + '&chat=' + ended.chat);
  });
} });
converse.initialize({ authentication: 'login', auto_login: true, jid: 'anna@xmpp.test', password: 'secret',
  websocket_url: 'ws://127.0.0.1:${process.env.API_PORT}/ws', discover_connection_methods: false,
  view_mode: 'fullscreen', assets_path: '/', whitelisted_plugins: ['tell'] });
</script>`;
let told;
const types = { '.js': 'text/javascript', '.css': 'text/css', '.json': 'application/json' };
createServer(async (request, response) => {
  const url = new URL(request.url, 'http://x');
  // Nothing leaves the machine.
  response.setHeader('content-security-policy', "default-src 'self' 'unsafe-inline' data:; connect-src 'self' ws://127.0.0.1:*");
  if (url.pathname === '/told') { told = url.searchParams; return response.end(); }
  if (url.pathname === '/') {
    response.setHeader('content-type', 'text/html');
    return response.end(page);
  }
  const file = await readFile(`node_modules/converse.js/dist/${url.pathname.replaceAll('..', '')}`).catch(() => null);
  if (!file) { response.statusCode = 404; return response.end(); }
  response.setHeader('content-type', types[/\.\w+$/.exec(url.pathname)?.[0]] ?? 'application/octet-stream');
  response.end(file);
}).listen(Number(process.env.SITE_PORT), '127.0.0.1');
for (let tries = 0; !(await fetch(`${api}/status`, { method: 'POST', body: '{}' }).catch(() => undefined)); tries++) {
  if (tries === 300) { console.error('Cannot be tried: ejabberd did not start.'); process.exit(2); }
  await sleep(100);
}
await fetch(`${api}/register`, { method: 'POST', body: JSON.stringify({ user: 'anna', host: 'xmpp.test', password: 'secret' }) });
console.log('ready');
for (let tries = 0; !told; tries++) {
  if (tries === 600) { console.error('Cannot be tried: the page told nothing.'); process.exit(2); }
  await sleep(100);
}
if (told.get('entered')) { console.error('Cannot be tried: the page did not enter the room.'); process.exit(2); }
console.log(`The stream has ended: ${told.get('groupchat')} after a message to all, ${told.get('chat')} after one to somebody in the room.`);
const changed = told.get('groupchat') !== 'no' || told.get('chat') !== 'yes';
if (changed) console.log('CHANGED: the private message alone was expected to end the stream.');
process.exit(changed ? 1 : 0);
JS
timeout 100 node try.mjs >told.log 2>&1 &
told=$!
for _ in $(seq 1 600); do
  grep -q ready told.log && break
  kill -0 "$told" 2>/dev/null || { cat told.log >&2; exit 2; }
  sleep 0.1
done
HOME="$work" chromium --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run \
  --disable-background-networking --user-data-dir="$work/profile" --remote-debugging-port=0 \
  "http://127.0.0.1:$SITE_PORT/" >/dev/null 2>&1 &
browser=$!
code=0
wait "$told" || code=$?
grep -v '^ready$' told.log || :
[ "$code" != 124 ] || { echo 'Cannot be tried: no end within 100 s.' >&2; exit 2; }
exit "$code"
