#!/bin/sh
# ejabberd: a message that comes in the moment of a login is lost, or waits for the next login.
#
# A good engineer would guess: a message to somebody who is just logging in is delivered to the new session, or is stored
# and read by the login. Nothing comes in between.
#
# What really happens: the sender's process looks for a session first, finds none, and stores the message. The login sets
# its presence and then reads and deletes the storage. If it does so after the sender has looked, the message is stored
# behind that, and the client sees it at its next login only. On Mnesia it may be lost for good: it is written without a
# transaction (`mnesia:dirty_write`), and the login's transaction, which has read the storage just before, deletes all
# that is there when it ends. The sender gets no error.
#
# Versions: ejabberd 23.01 (Debian 12) with mod_offline on Mnesia; @xmpp/client 0.14.0 as the client. The code of 24.12 and
# 26.07 is the same.
# Measured since: 30 November 2026.
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

# A private ejabberd: its own folder and ports, loopback only, no cluster. It ends by itself after 200 s at the latest.
ports=$(node -e "const n = require('net'), a = n.createServer(), b = n.createServer();
  a.listen(0, '127.0.0.1', () => b.listen(0, '127.0.0.1', () => {
    console.log(a.address().port, b.address().port); a.close(); b.close(); }));")
export C2S_PORT="${ports% *}" API_PORT="${ports#* }"
mkdir spool
beam=$(dpkg -L ejabberd | grep '/ebin/ejabberd\.beam$')
cat >ejabberd.yml <<YAML
hosts: [xmpp.test]
loglevel: warning
listen:
  - {port: $C2S_PORT, ip: 127.0.0.1, module: ejabberd_c2s, access: all, backlog: 100}
  - {port: $API_PORT, ip: 127.0.0.1, module: ejabberd_http, request_handlers: {/api: mod_http_api}}
acl: {local: {user_regexp: ""}}
access_rules: {local: {allow: local}}
api_permissions: {all: {from: [mod_http_api], who: {ip: 127.0.0.1/8}, what: ["*"]}}
shaper_rules: {max_user_offline_messages: 10000}
modules:
  mod_admin_extra: {}
  mod_http_api: {}
  mod_offline: {}
YAML
env HOME="$work" ERL_LIBS="${beam%/*/ebin/ejabberd.beam}" ERL_CRASH_DUMP="$work/dump" \
  EJABBERD_CONFIG_PATH="$work/ejabberd.yml" EJABBERD_LOG_PATH="$work/ejabberd.log" \
  erl +K true +sbwt none -pa "$work" -mnesia dir "\"$work/spool\"" -noinput -s ejabberd \
  -eval 'timer:apply_after(200000, erlang, halt, []).' >"$work/console.log" 2>&1 &
server=$!

cat >try.mjs <<'JS'
import { client, xml } from '@xmpp/client';
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const host = 'xmpp.test';
const MOST_LOGINS = 400;
/** A command of ejabberd's admin API. */
async function api(command, body = {}) {
  const response = await fetch(`http://127.0.0.1:${process.env.API_PORT}/api/${command}`, { method: 'POST', body: JSON.stringify(body) });
  return { status: response.status, body: await response.json() };
}
for (let tries = 0; !(await api('status').catch(() => undefined)); tries++) {
  if (tries === 300) { console.error('Cannot be tried: ejabberd did not start.'); process.exit(2); }
  await sleep(100);
}
for (const user of ['anna', 'bert']) await api('register', { user, host, password: 'secret' });
async function login(username) {
  const xmpp = client({ service: `xmpp://127.0.0.1:${process.env.C2S_PORT}`, domain: host,
    credentials: (authenticate) => authenticate({ username, password: 'secret' }, 'PLAIN') });
  xmpp.reconnect.stop();
  const ids = [];
  let errors = 0;
  xmpp.on('error', () => {});
  xmpp.on('stanza', (stanza) => {
    if (stanza.is('message') && stanza.attrs.type === 'error') errors += 1;
    else if (stanza.is('message')) ids.push(stanza.attrs.id);
  });
  await xmpp.start();
  await xmpp.send(xml('presence'));
  return { xmpp, ids, errors: () => errors };
}
const bert = await login('bert');
/** Messages that no login has shown so far: all, and those that the next login should have shown. */
const missing = new Set();
let lost = 0, sent = 0, late = 0, logins = 0;
while (logins < MOST_LOGINS && (lost === 0 || late === 0)) {
  logins += 1;
  const mine = [];
  const say = () => {
    sent += 1;
    const id = `m${sent}`;
    mine.push(id);
    return bert.xmpp.send(xml('message', { type: 'chat', to: `anna@${host}`, id }, xml('body', {}, 'Hello')));
  };
  let isOn = true;
  const stream = (async () => { while (isOn) { await Promise.all([say(), say(), say()]); await sleep(1); } })();
  const anna = await login('anna');
  await sleep(30); // the login has long read what was stored
  isOn = false;
  await stream;
  await say();
  for (let tries = 0; !anna.ids.includes(mine.at(-1)); tries++) {
    if (tries === 1000) { console.error('Cannot be tried: a message after the login does not come.'); process.exit(2); }
    await sleep(10);
  }
  await sleep(50);
  for (const id of anna.ids) if (missing.delete(id)) late += 1;
  lost = missing.size;
  for (const id of mine) if (!anna.ids.includes(id)) missing.add(id);
  await anna.xmpp.stop();
}
console.log(`${sent} messages in ${logins} logins: ${late} came with the next login, ${lost} never; the sender got ${bert.errors()} errors.`);
if (late === 0) { console.log('CHANGED: no message waited for the next login.'); process.exit(1); }
if (lost === 0) { console.log('CHANGED: no message was lost.'); process.exit(1); }
process.exit(0);
JS
timeout 180 node try.mjs || { code=$?; [ $code != 124 ] || echo 'Cannot be tried: no end within 180 s.' >&2; exit $code; }
