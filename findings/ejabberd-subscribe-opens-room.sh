#!/bin/sh
# ejabberd: subscribe_room makes a room for members only one for everybody, from the next start on.
#
# A good engineer would guess: subscribing somebody to a room (MUC/Sub) with the admin command `subscribe_room` adds a
# subscriber. The room's other settings are as before, and a persistent room comes back from a restart as it was.
#
# What really happens: while it subscribes, the room pretends that everybody may enter, and stores itself like that.
# `get_room_options` says `members_only` = true until ejabberd is restarted, and false from then on. Any `change_room_option`
# behind the subscription stores the room as it really is.
#
# Versions: ejabberd 23.01 (Debian 12). The same was seen on 24.12 and 26.07.
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

# A private ejabberd: its own folder and port, loopback only, no cluster. It ends by itself after 100 s at the latest.
API_PORT=$(node -e "const a = require('net').createServer();
  a.listen(0, '127.0.0.1', () => { console.log(a.address().port); a.close(); });")
export API_PORT
mkdir spool
cat >ejabberd.yml <<YAML
hosts: [xmpp.test]
loglevel: warning
listen:
  - {port: $API_PORT, ip: 127.0.0.1, module: ejabberd_http, request_handlers: {/api: mod_http_api}}
acl: {local: {user_regexp: ""}}
access_rules: {local: {allow: local}}
api_permissions: {all: {from: [mod_http_api], who: {ip: 127.0.0.1/8}, what: ["*"]}}
modules:
  mod_admin_extra: {}
  mod_http_api: {}
  mod_muc: {}
  mod_muc_admin: {}
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
function changed(sentence) {
  console.log(`CHANGED: ${sentence}`);
  process.exit(1);
}
const service = `conference.${host}`;
async function membersOnly(name) {
  return (await api('get_room_options', { name, service })).body.members_only;
}
const option = (name, option) => api('change_room_option', { name, service, option, value: 'true' });
const ROOMS = ['without', 'subscribed', 'repaired'];
if (process.argv[2] === 'make') {
  for (const name of ROOMS) {
    await api('create_room', { name, service, host });
    for (const each of ['persistent', 'allow_subscription', 'members_only']) await option(name, each);
    if (name === 'without') continue;
    const { status } = await api('subscribe_room', { user: `anna@${host}/x`, nick: 'Anna', room: `${name}@${service}`, nodes: 'urn:xmpp:mucsub:nodes:messages' });
    if (status !== 200) changed('subscribe_room is refused.');
    if (name === 'repaired') await option(name, 'members_only');
  }
}
const found = {};
for (const name of ROOMS) found[name] = await membersOnly(name);
console.log(`members_only ${process.argv[2] === 'make' ? 'before' : 'after'} a restart: ${JSON.stringify(found)}`);
const { without, subscribed, repaired } = found;
if (without !== 'true' || repaired !== 'true') changed('Rooms come back from a restart in another way.');
if (process.argv[2] === 'make' && subscribed !== 'true') changed('The room is open at once.');
if (process.argv[2] !== 'make' && subscribed !== 'false') changed('The room is for members only after the restart.');
process.exit(0);
JS
timeout 40 node try.mjs make || { code=$?; [ $code != 124 ] || echo 'Cannot be tried: no end within 40 s.' >&2; exit $code; }
stop_ejabberd
start_ejabberd
timeout 40 node try.mjs look || { code=$?; [ $code != 124 ] || echo 'Cannot be tried: no end within 40 s.' >&2; exit $code; }
