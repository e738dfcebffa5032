#!/bin/sh
# ejabberd: delete_rosteritem stores a contact that a shared group shows.
#
# A good engineer would guess: the command removes the contact from the user's own roster. If the user has it from a shared
# group alone, there is nothing to remove, and nothing changes.
#
# What really happens: it answers 0 and *stores* the contact in the user's own roster, with the subscription "both". Nobody
# sees that while the group shows the contact. When the contact leaves the group, or its account is removed, it stays on
# the roster for ever. The same happens when a client deletes or renames such a contact. A second delete_rosteritem, after
# the contact has left the group, removes it.
#
# Versions: ejabberd 23.01 (Debian 12). The same on 24.12 and 26.07.
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
const group = (name, display) => api('srg_create', { group: name, host, label: name, description: '', display });
const member = (user, name) => ({ user, host, group: name, grouphost: host });
const roster = async () => (await api('get_roster', { user: 'boss', host })).body.map(({ jid, subscription }) => `${jid} ${subscription}`);
const remove = () => api('delete_rosteritem', { localuser: 'boss', localhost: host, user: 'guest', host });
for (const user of ['boss', 'guest']) await account(user);
await group('guests', 'guests');
await group('hosts', 'guests');
await api('srg_user_add', member('boss', 'hosts'));
await api('srg_user_add', member('guest', 'guests'));
const before = await roster();
console.log('The roster of boss, from the shared group alone:', before);
const answer = await remove();
console.log('delete_rosteritem answers', answer.status, answer.body);
await api('srg_user_del', member('guest', 'guests'));
await api('unregister', { user: 'guest', host });
const after = await roster();
console.log('The guest has left the group, and has no account any more. The roster of boss:', after);
await remove();
const again = await roster();
console.log('After another delete_rosteritem:', again);
if (before.length !== 1) changed('The group does not show its member.');
if (answer.status !== 200 || answer.body !== 0) changed('delete_rosteritem is refused.');
if (after.length !== 1) changed('The contact is not stored.');
if (again.length !== 0) changed('The contact cannot be removed.');
process.exit(0);
JS
timeout 80 node try.mjs || { code=$?; [ $code != 124 ] || echo 'Cannot be tried: no end within 80 s.' >&2; exit $code; }
