#!/bin/sh
# ejabberd: members of a shared group that does not exist are kept, and wait for it.
#
# A good engineer would guess: `srg_user_add` with a misspelt or missing group fails. If it does not, it does nothing. And
# `unregister` removes an account with all that belongs to it.
#
# What really happens: the command answers 0 and stores the membership. On the day when a group of that name is made, the
# user is in it. `unregister` clears the groups that exist, not this one. So whoever gets the user name later is a member
# of the group, and all its members stand in their roster.
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
const group = (name) => api('srg_create', { group: name, host, label: name, description: '', display: name });
const add = (user, name) => api('srg_user_add', { user, host, group: name, grouphost: host });
const members = async (name) => (await api('srg_get_members', { group: name, host })).body;
for (const user of ['boss', 'temp']) await account(user);
await group('existing');
await add('temp', 'existing');
const answer = await add('temp', 'managment'); // nobody has made this group
console.log('srg_list:', (await api('srg_list', { host })).body);
console.log('srg_user_add to the group "managment" answers', answer.status, answer.body);

await api('unregister', { user: 'temp', host });
const left = { existing: await members('existing'), managment: await members('managment') };
console.log('Members after unregister:', left);

await account('temp'); // somebody else, months later
await group('managment');
await add('boss', 'managment');
const temp = connect('temp', 'web');
temp.reconnect.stop();
await temp.start();
const roster = await temp.iqCaller.get(xml('query', { xmlns: 'jabber:iq:roster' }));
const contacts = roster.getChildren('item').map((item) => item.attrs.jid);
console.log('The group is made, for boss alone. The roster of the new temp:', contacts);
if (answer.status !== 200 || answer.body !== 0) changed('srg_user_add to a missing group is refused.');
if (left.existing.length !== 0) changed('unregister left an existing group, too.');
if (left.managment.length !== 1) changed('The membership of the missing group is gone.');
if (!contacts.includes(`boss@${host}`)) changed('The new account is not in the group.');
process.exit(0);
JS
timeout 80 node try.mjs || { code=$?; [ $code != 124 ] || echo 'Cannot be tried: no end within 80 s.' >&2; exit $code; }
