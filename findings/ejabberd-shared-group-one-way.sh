#!/bin/sh
# ejabberd: a shared roster group gives "subscription both" in one direction, and no presence.
#
# A good engineer would guess: when group `operators` displays group `visitors`, an operator has every visitor in the
# roster with `subscription="both"`. "Both" means that presence flows both ways, so the operator sees who is online.
#
# What really happens: the contact stands there with `subscription="both"` and stays grey for ever. A visitor who comes
# online sends presence to the contacts of their own roster, and that is empty, because `visitors` does not display
# `operators`. Only when both groups display each other does presence arrive.
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
  mod_roster: {}
  mod_shared_roster: {}
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
const group = (name, display) => api('srg_create', { group: name, host, label: name, description: '', display });
const member = (user, name) => api('srg_user_add', { user, host, group: name, grouphost: host });
for (const user of ['operator', 'visitor']) await account(user);
for (const name of ['operators', 'visitors']) await group(name, '');
await member('operator', 'operators');
await member('visitor', 'visitors');

/** Both log in: what stands in the operator's roster, and which presence of the visitor arrives. */
async function seen() {
  const [operator, visitor] = ['operator', 'visitor'].map((user) => connect(user, 'web'));
  const presences = [];
  operator.on('stanza', (stanza) => {
    if (stanza.is('presence') && stanza.attrs.from.startsWith('visitor@')) presences.push(stanza.attrs.type ?? 'available');
  });
  await operator.start();
  const roster = await operator.iqCaller.get(xml('query', { xmlns: 'jabber:iq:roster' }));
  await operator.send(xml('presence'));
  await visitor.start();
  await visitor.send(xml('presence'));
  await sleep(1_500);
  for (const one of [operator, visitor]) one.reconnect.stop();
  await visitor.stop();
  await operator.stop();
  return { subscription: roster.getChild('item')?.attrs.subscription, presences };
}

await group('operators', 'visitors');
const oneWay = await seen();
console.log('operators displays visitors:    ', oneWay);
await group('visitors', 'operators');
const bothWays = await seen();
console.log('and visitors displays operators:', bothWays);
if (oneWay.subscription !== 'both') changed(`The roster says subscription "${oneWay.subscription}".`);
if (oneWay.presences.length > 0) changed('Presence arrives with one direction alone.');
if (bothWays.presences[0] !== 'available') changed('Presence does not arrive with both directions.');
process.exit(0);
JS
timeout 80 node try.mjs || { code=$?; [ $code != 124 ] || echo 'Cannot be tried: no end within 80 s.' >&2; exit $code; }
