#!/bin/sh
# ejabberd: a WebSocket session has the shaper of the first TCP listener in the file.
#
# A good engineer would guess: the limits of a session stand at the listener that it came in by. The listener for
# WebSockets (ejabberd_http) knows no option `shaper`, so a limit there is not foreseen, or global. The order of listeners
# is of no account.
#
# What really happens: ejabberd looks for the first listener of `ejabberd_c2s` in the file, and gives its shaper to every
# WebSocket session (by the source its `access` and `max_stanza_size` too). Here two TCP listeners have a slow shaper and
# a fast one. WebSockets are slow or fast with the one that stands first, and change when the two lines are swapped.
#
# Versions: ejabberd 23.01 (Debian 12); @xmpp/client 0.14.0 with ws 8.18.3 as the client.
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
timeout 180 npm install --silent --no-audit --no-fund --ignore-scripts --before=2026-11-29 @xmpp/client@0.14.0 ws@8.18.3 ||
  cannot 'npm could not install the packages.'

# A private ejabberd: its own folder and ports, loopback only, no cluster. It ends by itself after 100 s at the latest.
ports=$(node -e "const servers = [1, 2, 3].map(() => require('net').createServer());
  Promise.all(servers.map((one) => new Promise((done) => one.listen(0, '127.0.0.1', done)))).then(() => {
    console.log(...servers.map((one) => one.address().port)); for (const one of servers) one.close(); });")
set -- $ports
export SLOW_PORT="$1" FAST_PORT="$2" API_PORT="$3"
mkdir spool
beam=$(dpkg -L ejabberd | grep '/ebin/ejabberd\.beam$')
# The arguments are the port and the shaper of the first TCP listener and those of the second one.
start_ejabberd() {
  cat >ejabberd.yml <<YAML
hosts: [xmpp.test]
loglevel: warning
listen:
  - {port: $1, ip: 127.0.0.1, module: ejabberd_c2s, access: all, shaper: $2, backlog: 100}
  - {port: $3, ip: 127.0.0.1, module: ejabberd_c2s, access: all, shaper: $4, backlog: 100}
  - {port: $API_PORT, ip: 127.0.0.1, module: ejabberd_http,
     request_handlers: {/api: mod_http_api, /ws: ejabberd_http_ws}}
acl: {local: {user_regexp: ""}}
access_rules: {local: {allow: local}}
api_permissions: {all: {from: [mod_http_api], who: {ip: 127.0.0.1/8}, what: ["*"]}}
modules:
  mod_admin_extra: {}
  mod_http_api: {}
  mod_ping: {}
shaper: {slow: 2000, fast: 1000000}
shaper_rules: {slow: slow, fast: fast}
YAML
  env HOME="$work" ERL_LIBS="${beam%/*/ebin/ejabberd.beam}" ERL_CRASH_DUMP="$work/dump" \
    EJABBERD_CONFIG_PATH="$work/ejabberd.yml" EJABBERD_LOG_PATH="$work/ejabberd.log" \
    erl +K true +sbwt none -pa "$work" -mnesia dir "\"$work/spool\"" -noinput -s ejabberd \
    -eval 'timer:apply_after(100000, erlang, halt, []).' >"$work/console.log" 2>&1 &
  server=$!
}

cat >try.mjs <<'JS'
import { client, xml } from '@xmpp/client';
import { WebSocket } from 'ws';
globalThis.WebSocket ??= WebSocket; // Node 20 has none
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
function changed(sentence) {
  console.log(`CHANGED: ${sentence}`);
  process.exit(1);
}
const [, , first] = process.argv;
if (first === 'slow') await api('register', { user: 'anna', host, password: 'secret' });
/** How long a session takes to send 10 messages of 1 kB and to have a ping answered. */
async function measure(service) {
  const anna = client({ service, domain: host, resource: 'web',
    credentials: (authenticate) => authenticate({ username: 'anna', password: 'secret' }, 'PLAIN') });
  anna.reconnect.stop();
  await anna.start();
  await sleep(3_000); // the login itself has used up what the shaper lets through at once
  const started = Date.now();
  for (let n = 0; n < 10; n++) await anna.send(xml('message', { to: `anna@${host}/nowhere`, type: 'headline' }, xml('body', {}, 'a'.repeat(1_000))));
  await anna.iqCaller.get(xml('ping', { xmlns: 'urn:xmpp:ping' }), host, 25_000);
  const ms = Date.now() - started;
  await anna.stop();
  return ms;
}
const slow = await measure(`xmpp://127.0.0.1:${process.env.SLOW_PORT}`);
const fast = await measure(`xmpp://127.0.0.1:${process.env.FAST_PORT}`);
const web = await measure(`ws://127.0.0.1:${process.env.API_PORT}/ws`);
console.log(`The ${first} listener first: 10 kB take ${slow} ms by the slow one, ${fast} ms by the fast one, ${web} ms by WebSocket.`);
if (slow < 2_500) changed('The slow listener is not slow.');
if (fast > 1_500) changed('The fast listener is not fast.');
if (first === 'slow' && web < 2_500) changed('A WebSocket is not as slow as the first listener.');
if (first === 'fast' && web > 1_500) changed('A WebSocket is slow though the first listener is fast.');
process.exit(0);
JS
for first in slow fast; do
  if [ $first = slow ]; then start_ejabberd $SLOW_PORT slow $FAST_PORT fast; else start_ejabberd $FAST_PORT fast $SLOW_PORT slow; fi
  timeout 80 node try.mjs $first || { code=$?; [ $code != 124 ] || echo 'Cannot be tried: no end within 80 s.' >&2; exit $code; }
  stop_ejabberd
done
