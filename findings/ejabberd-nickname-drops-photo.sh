#!/bin/sh
# ejabberd: set_nickname deletes the picture.
#
# A good engineer would guess: the command `set_nickname` ("Set nickname in a user's vCard") changes one field.
#
# What really happens: it replaces the whole vCard by one that holds the nickname alone. Picture, address and title that the
# user had set with their client are gone. `set_vcard` with the name NICKNAME changes the one field.
#
# Versions: ejabberd 23.01 (Debian 12).
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
  mod_vcard: {}
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
await account('anna');
const anna = { user: 'anna', host };
const photo = { ...anna, name: 'PHOTO', subname: 'BINVAL' };
const title = { ...anna, name: 'TITLE' };
const read = async () => {
  const [picture, job] = [await api('get_vcard2', photo), await api('get_vcard', title)];
  return { picture: picture.body.content ?? picture.body, title: job.body.content ?? job.body };
};
await api('set_vcard2', { ...anna, name: 'PHOTO', subname: 'TYPE', content: 'image/png' });
await api('set_vcard2', { ...photo, content: 'iVBORw0KGgo=' });
await api('set_vcard', { ...title, content: 'Advisor' });
await api('set_vcard', { ...anna, name: 'NICKNAME', content: 'Ann' });
const before = await read();
console.log('After set_vcard of NICKNAME:', before);
const { status, body } = await api('set_nickname', { ...anna, nickname: 'Anna' });
const after = await read();
console.log(`After set_nickname (${status} ${body}):`, after);
if (before.picture !== 'iVBORw0KGgo=' || before.title !== 'Advisor') changed('set_vcard does not keep the other fields.');
if (after.picture === before.picture || after.title === before.title) changed('set_nickname keeps the other fields.');
process.exit(0);
JS
timeout 80 node try.mjs || { code=$?; [ $code != 124 ] || echo 'Cannot be tried: no end within 80 s.' >&2; exit $code; }
