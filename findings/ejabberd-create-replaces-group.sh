#!/bin/sh
# ejabberd: srg_create writes over a shared group that exists, and answers 0.
#
# A good engineer would guess: `srg_create` of a group that exists fails, as `register` of an account that exists does (409).
# Or it does nothing, so that it can be called at every start. Or it makes the group anew, and empty.
#
# What really happens: the answer is 200 and 0. Label, description and displayed groups are replaced by those of the call.
# Members who were added by name stay. "Everybody" (the member `@all@`) is thrown out, because ejabberd keeps it beside the
# label. So a second call with the same arguments takes the group out of all rosters. The documentation says "Create a
# Shared Roster Group".
#
# Versions: ejabberd 23.01 (Debian 12). The source of 26.07 writes over the group as well (not run here).
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
const group = (name, label, description, display) => api('srg_create', { group: name, host, label, description, display });
const add = (user, name) => api('srg_user_add', { user, host, group: name, grouphost: host });
const members = async (name) => (await api('srg_get_members', { group: name, host })).body.sort();
const roster = async (user) => (await api('get_roster', { user, server: host })).body.map(({ jid }) => jid).sort();
async function look(name) {
  const info = {};
  for (const { key, value } of (await api('srg_get_info', { group: name, host })).body) info[key] = value;
  return { ...info, members: await members(name) };
}
const say = (what, { status, body }) => console.log(`${what}: ${status} ${JSON.stringify(body)}`);
for (const user of ['anna', 'ben', 'carl']) await account(user);
const again = await account('anna');
say('register of an account that exists', again);

await group('sales', 'Sales', 'made by one script', 'sales');
for (const user of ['anna', 'ben']) await add(user, 'sales');
console.log('sales:', await look('sales'));
const second = await group('sales', 'Verkauf', 'made by another script', '');
say('srg_create of a group that exists', second);
const after = await look('sales');
console.log('sales:', after);

await group('all', 'All', '', 'all');
await add('@all@', 'all');
const before = { ...(await look('all')), roster: await roster('carl') };
console.log("all, and carl's roster:", before);
const same = await group('all', 'All', '', 'all');
say('srg_create with the same arguments', same);
const left = { ...(await look('all')), roster: await roster('carl') };
console.log("all, and carl's roster:", left);
if (again.status !== 409) changed('register of an account that exists is not answered with 409.');
if (second.status !== 200 || second.body !== 0 || same.status !== 200 || same.body !== 0) changed('srg_create of a group that exists is refused.');
if (after.label !== 'Verkauf' || after.displayed_groups !== '') changed('What the group was is kept.');
if (after.members.join() !== `anna@${host},ben@${host}`) changed('The members are not kept.');
if (before.all_users !== 'true' || before.roster.length !== 2) changed('@all@ does not put everybody into the group.');
if (left.all_users !== undefined || left.roster.length !== 0) changed('@all@ is kept.');
process.exit(0);
JS
timeout 80 node try.mjs || { code=$?; [ $code != 124 ] || echo 'Cannot be tried: no end within 80 s.' >&2; exit $code; }
