#!/bin/sh
# @xmpp/client: requests with 5 ms between them take 40 ms each, on loopback.
#
# A good engineer would guess: a ping to a server on the same machine takes 1 or 2 ms, however often it is sent.
#
# What really happens: the client leaves Nagle's algorithm on. With stream management each answer also makes the client
# send an `<a/>` of its own. A request 5 ms later is a second small write, which Nagle holds until the first one is
# acknowledged. Nothing answers an `<a/>`, so Linux delays that acknowledgement by 40 ms.
# Requests without a pause and those with 200 ms between them are hardly held, so a test of one request does not see it.
# There is no option for it: `xmpp.socket.setNoDelay(true)` after each connect ends it.
#
# Versions: @xmpp/client 0.14.0; ejabberd 23.01 (Debian 12); Node 20 or newer; Linux.
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
  mod_stream_mgmt: {}
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
await anna.start();
await sleep(500);
/** Median time of pings, each sent some time after the one before was answered. */
async function pings(pauseMs, count = 60) {
  const times = [];
  for (let n = 0; n < count; n++) {
    if (pauseMs > 0) await sleep(pauseMs);
    const begin = performance.now();
    await anna.iqCaller.get(xml('ping', { xmlns: 'urn:xmpp:ping' }), host);
    times.push(performance.now() - begin);
  }
  return times.sort((a, b) => a - b)[count / 2];
}
const normal = await pings(5);
const others = [await pings(0), await pings(200, 20)];
anna.socket.setNoDelay(true);
const noDelay = await pings(5);
console.log(`Median of 60 pings, 5 ms apart: ${normal.toFixed(1)} ms. After socket.setNoDelay(true): ${noDelay.toFixed(1)} ms.`);
console.log(`Without a pause: ${others[0].toFixed(1)} ms. 200 ms apart: ${others[1].toFixed(1)} ms.`);
if (normal < 20 || normal / noDelay < 3) changed('Pings are not held back any more.');
process.exit(0);
JS
timeout 80 node try.mjs || { code=$?; [ $code != 124 ] || echo 'Cannot be tried: no end within 80 s.' >&2; exit $code; }
