#!/bin/sh
# @xmpp/client: a login with SCRAM-SHA-1 costs a hundred times the CPU of one with PLAIN.
#
# A good engineer would guess: SCRAM costs the client one PBKDF2 with 4,096 rounds, 1 or 2 ms in Node. That is nothing.
#
# What really happens: the package runs the 4,096 rounds as 4,096 awaited calls of `crypto.subtle`, each one a job of its
# own, hundreds of milliseconds of CPU. A process that logs in 500 users spends minutes on it. The client takes SCRAM
# whenever it is offered and no mechanism is named.
#
# Versions: @xmpp/client 0.14.0 (sasl-scram-sha-1 1.4.0); ejabberd 23.01 (Debian 12); Node 20 or newer.
# Measured since: 29 November 2026. Milliseconds are of a shared machine; the ratios are of one run.
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
import { pbkdf2Sync } from 'node:crypto';
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
/** CPU of this process, in ms. */
async function cpu(work) {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
const median = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
const costs = { PLAIN: [], 'SCRAM-SHA-1': [], pbkdf2: [] };
for (let round = 0; round < 7; round++) {
  for (const mechanism of ['PLAIN', 'SCRAM-SHA-1']) {
    const anna = connect('anna', 'web', mechanism);
    anna.reconnect.stop();
    costs[mechanism].push(await cpu(() => anna.start()));
    await anna.stop();
  }
  costs.pbkdf2.push(await cpu(() => pbkdf2Sync('secret', 'salt', 4096, 20, 'sha1')));
}
const [plain, scram, pbkdf2] = Object.values(costs).map(median);
console.log(`CPU of a login, median of 7: PLAIN ${plain.toFixed(1)} ms, SCRAM-SHA-1 ${scram.toFixed(1)} ms, ratio ${(scram / plain).toFixed(0)}.`);
console.log(`The same 4,096 rounds by crypto.pbkdf2Sync: ${pbkdf2.toFixed(1)} ms.`);
if (scram / plain < 15 || scram / pbkdf2 < 15) changed('SCRAM no longer costs 15 times as much as PLAIN and as pbkdf2Sync.');
process.exit(0);
JS
timeout 80 node try.mjs || { code=$?; [ $code != 124 ] || echo 'Cannot be tried: no end within 80 s.' >&2; exit $code; }
