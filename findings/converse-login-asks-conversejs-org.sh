#!/bin/sh
# Converse.js: the form of the login loads pictures from conversejs.org.
#
# A good engineer would guess: a page that serves all files of the package itself, and names one server in its settings, asks
# nobody else.
#
# What really happens: below the form of the login, in the view of the whole window, are the logos of three sponsors, loaded
# from conversejs.org. There is no setting against it. So that site learns who opens the page of a login, and when.
#
# Here a Content-Security-Policy keeps the browser from asking, and reports what it would have asked for.
#
# Versions: converse.js 14.0.0; any Chromium.
# Measured since: 30 November 2026.
# Exit code: 0 as described, 1 changed, 2 could not be tried.
set -eu
work=$(mktemp -d)
browser=
stop() {
  for pid in $browser; do
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
command -v chromium >/dev/null || cannot 'this needs Chromium (apt-get install --no-install-recommends chromium).'
cd "$work"
echo '{}' >package.json
timeout 180 npm install --silent --no-audit --no-fund --ignore-scripts --before=2026-11-29 converse.js@14.0.0 ||
  cannot 'npm could not install the package.'
SITE_PORT=$(node -e "const a = require('net').createServer();
  a.listen(0, '127.0.0.1', () => { console.log(a.address().port); a.close(); });")
export SITE_PORT
cat >try.mjs <<'JS'
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const page = `<!doctype html><meta charset="utf-8"><body>
<script type="module">
import converse from '/converse.min.js';
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const asked = [];
addEventListener('securitypolicyviolation', ({ blockedURI }) => asked.push(blockedURI));
converse.initialize({ authentication: 'login', websocket_url: 'ws://127.0.0.1:1/ws', discover_connection_methods: false,
  allow_registration: false, view_mode: 'fullscreen', assets_path: '/' });
while (!document.querySelector('#converse-login-password')) await sleep(100);
await sleep(2000);
fetch('/told', { method: 'POST', body: JSON.stringify(asked) });
</script>`;
let told;
const types = { '.js': 'text/javascript', '.css': 'text/css', '.json': 'application/json', '.wasm': 'application/wasm' };
createServer(async (request, response) => {
  const { pathname } = new URL(request.url, 'http://x');
  response.setHeader('content-security-policy', "default-src 'self' 'unsafe-inline' 'wasm-unsafe-eval' data:");
  if (pathname === '/told') {
    let text = '';
    for await (const chunk of request) text += chunk;
    told = JSON.parse(text);
    return response.end();
  }
  if (pathname === '/') { response.setHeader('content-type', 'text/html'); return response.end(page); }
  const file = await readFile(`node_modules/converse.js/dist/${pathname.replaceAll('..', '')}`).catch(() => null);
  if (!file) { response.statusCode = 404; return response.end(); }
  response.setHeader('content-type', types[/\.\w+$/.exec(pathname)?.[0]] ?? 'application/octet-stream');
  response.end(file);
}).listen(Number(process.env.SITE_PORT), '127.0.0.1');
for (let tries = 0; !told; tries++) {
  if (tries === 600) { console.error('Cannot be tried: the page told nothing.'); process.exit(2); }
  await sleep(100);
}
console.log(`The page wanted to load:\n${told.join('\n') || 'nothing'}`);
const isAsDescribed = told.some((address) => address.startsWith('https://conversejs.org/'));
if (!isAsDescribed) console.log('CHANGED: nothing of conversejs.org is among it.');
process.exit(isAsDescribed ? 0 : 1);
JS
timeout 100 node try.mjs >told.log 2>&1 &
told=$!
sleep 1
HOME="$work" chromium --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run \
  --disable-background-networking --user-data-dir="$work/profile" --remote-debugging-port=0 \
  "http://127.0.0.1:$SITE_PORT/" >/dev/null 2>&1 &
browser=$!
code=0
wait "$told" || code=$?
cat told.log
[ "$code" != 124 ] || { echo 'Cannot be tried: no end within 100 s.' >&2; exit 2; }
exit "$code"
