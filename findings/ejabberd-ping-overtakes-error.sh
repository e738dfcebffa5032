#!/bin/sh
# ejabberd: the answer to a ping overtakes the error of a message that was sent before it.
#
# A good engineer would guess: XMPP keeps the order. When a client sends a message and then a ping, and the ping is
# answered, the message has gone its way: an error for it would have come first. So a ping after a message is a cheap
# proof that the message was not refused.
#
# What really happens: order holds only between the same two addresses. The receiver's session refuses the message of a
# blocked sender (XEP-0191), in a process of its own, and the sender's session answers the ping meanwhile. In nearly all of
# 100 tries the answer comes first and the error behind it. A ping to the receiver's full address takes the message's way,
# and its answer, an error, comes behind the message's error.
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
  mod_privacy: {}
  mod_blocking: {}
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
for (const user of ['anna', 'bert']) await account(user);
const connect = (username) =>
  client({ service: `xmpp://127.0.0.1:${process.env.C2S_PORT}`, domain: host, resource: 'web',
    credentials: (authenticate) => authenticate({ username, password: 'secret' }, 'PLAIN') });
const [anna, bert] = [connect('anna'), connect('bert')];
for (const one of [anna, bert]) one.reconnect.stop();
await anna.start();
await bert.start();
await bert.send(xml('presence'));
await bert.iqCaller.set(xml('block', { xmlns: 'urn:xmpp:blocking' }, xml('item', { jid: `anna@${host}` })));

/** Sends a message to Bert and a ping 100 times: how often which answer comes first. */
async function race(pinged) {
  const first = { message: 0, ping: 0 };
  for (let n = 0; n < 100; n++) {
    const order = [];
    const both = new Promise((resolve) => {
      anna.on('stanza', function listen(stanza) {
        if (stanza.attrs.id !== `message-${n}` && stanza.attrs.id !== `ping-${n}`) return;
        order.push({ kind: stanza.attrs.id.split('-')[0], type: stanza.attrs.type });
        if (order.length < 2) return;
        anna.off('stanza', listen);
        resolve();
      });
    });
    await anna.sendMany([
      xml('message', { to: `bert@${host}/web`, id: `message-${n}`, type: 'chat' }, xml('body', {}, 'Are you there?')),
      xml('iq', { to: pinged, id: `ping-${n}`, type: 'get' }, xml('ping', { xmlns: 'urn:xmpp:ping' })),
    ]);
    await Promise.race([both, sleep(10_000)]);
    if (order.length < 2 || order.find(({ kind }) => kind === 'message').type !== 'error') changed('The message is not refused with an error.');
    first[order[0].kind]++;
  }
  return first;
}
const server = await race(host);
const receiver = await race(`bert@${host}/web`);
console.log(`A ping to the server: its answer came first ${server.ping} times, the error of the message ${server.message} times.`);
console.log(`A ping to the receiver: its answer came first ${receiver.ping} times, the error of the message ${receiver.message} times.`);
if (server.ping < 10) changed('The error of a message comes before the answer to the ping.');
if (receiver.ping > 0) changed('A ping to the receiver overtakes the message.');
process.exit(0);
JS
timeout 80 node try.mjs || { code=$?; [ $code != 124 ] || echo 'Cannot be tried: no end within 80 s.' >&2; exit $code; }
