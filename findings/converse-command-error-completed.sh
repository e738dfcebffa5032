#!/bin/sh
# Converse.js: a step of an ad-hoc command that is answered with an error is shown as "Completed".
#
# A good engineer would guess: where the last step of a command (XEP-0050) is answered with an IQ error, the window of
# commands says that it failed, and why. Its source has a text for that: "Sorry, an error occurred".
#
# What really happens: Converse.js takes the status from an element that an error does not have, and shows every unknown
# status as "Completed". The reason of the error is shown nowhere. A command that answers with a note of the type `error`
# and the status `completed` is shown with its reason.
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
  mod_adhoc: {}
  mod_admin_extra: {}
  mod_disco: {}
  mod_http_api: {}
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
// The page logs in, shows the form of a command that the server does not have, completes it, and tells what is shown then.
const page = `<!doctype html><meta charset="utf-8"><body>
<script type="module">
import converse from '/converse.min.js';
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
converse.plugins.add('tell', { async initialize() {
  const { _converse } = this;
  await new Promise((resolve) => _converse.api.listen.on('connected', resolve));
  const commands = document.createElement('converse-adhoc-commands');
  commands.view = 'list-commands';
  commands.commands = [{ jid: 'xmpp.test', node: 'nothing', name: 'Nothing', actions: ['complete'], fields: [] }];
  commands.showform = 'nothing';
  document.body.append(commands);
  for (let button; !button; await sleep(100)) {
    button = commands.querySelector('[data-action=complete]');
    button?.click();
  }
  for (let alert; !alert; await sleep(100)) {
    alert = commands.querySelector('.alert')?.textContent;
    if (alert) fetch('/told?alert=' + encodeURIComponent(alert) + '&why=' + /item-not-found|not found/i.test(commands.textContent));
  }
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
const [alert, why] = [told.get('alert'), told.get('why')];
console.log(`Of a command that the server does not have, the window says "${alert}"; the reason is shown: ${why}.`);
const changed = alert !== 'Completed' || why !== 'false';
if (changed) console.log('CHANGED: "Completed" was expected, without the reason.');
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
