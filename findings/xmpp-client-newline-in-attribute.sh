#!/bin/sh
# @xmpp/client: a line break in an attribute arrives as a space.
#
# A good engineer would guess: the XML builder escapes what XML needs to be escaped, so an attribute arrives as it was
# set. A test that builds an element, writes it and parses it with the same library agrees.
#
# What really happens: ltx (under @xmpp/xml) writes line breaks and tabs in attributes as they are. XML 1.0 (3.3.3) tells
# every parser to read such a character as a space, and ejabberd's does. Only `&#10;` would survive. ltx's own parser does
# not normalise, so tests of the library against itself do not see the loss. Texts of elements are not concerned.
#
# Versions: @xmpp/client 0.14.0 (ltx 3.1.2); ejabberd 23.01 (Debian 12); Node 20 or newer.
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
timeout 180 npm install --silent --no-audit --no-fund --ignore-scripts @xmpp/client@0.14.0 ltx@3.1.2 ||
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
import { client, xml } from '@xmpp/client';
import parse from 'ltx/lib/parse.js';
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
for (const user of ['anna', 'bert']) await account(user);
const [anna, bert] = [connect('anna', 'web'), connect('bert', 'web')];
for (const one of [anna, bert]) one.reconnect.stop();
await anna.start();
await bert.start();
const arrived = new Promise((resolve) => bert.on('stanza', (stanza) => stanza.is('message') && resolve(stanza)));
const label = 'first line\nsecond line';
const field = xml('field', { xmlns: 'urn:example', label }, label);
await anna.send(xml('message', { to: `bert@${host}/web`, type: 'chat' }, field));
const received = (await arrived).getChild('field');
const own = parse(field.toString());
console.log('Sent by anna:            ', JSON.stringify(label));
console.log('Text for bert:           ', JSON.stringify(received.getText()));
console.log('Attribute for bert:      ', JSON.stringify(received.attrs.label));
console.log('Attribute, ltx with ltx: ', JSON.stringify(own.attrs.label));
if (received.getText() !== label || own.attrs.label !== label) changed('The text, or what ltx reads of its own, is another one.');
if (received.attrs.label !== 'first line second line') changed('The line break in the attribute arrived.');
process.exit(0);
JS
timeout 80 node try.mjs || { code=$?; [ $code != 124 ] || echo 'Cannot be tried: no end within 80 s.' >&2; exit $code; }
