#!/bin/sh
# ejabberd: srg_create takes a list of groups and glues their names together.
#
# A good engineer would guess: `display` of `srg_create` takes a list of group names, as the command's later documentation
# says. A release that does not know lists refuses them with 400, as it refuses a number or a missing argument.
#
# What really happens: the answer is 200 and 0, and `["a", "b"]` is stored as one group with the name "ab". Nobody sees
# anybody, and nothing says why. In this release several groups are one string, separated by a line break.
#
# Versions: ejabberd 23.01 (Debian 12). ejabberd has an API with lists from 24.02 on (not run here).
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
async function stored(display) {
  const { status, body } = await api('srg_create', { group: 'staff', host, label: 'staff', description: '', display });
  const info = await api('srg_get_info', { group: 'staff', host });
  const displayed = Array.isArray(info.body) ? info.body.find(({ key }) => key === 'displayed_groups')?.value : undefined;
  console.log(`display ${JSON.stringify(display)} -> ${status} ${JSON.stringify(body)}, stored: ${JSON.stringify(displayed)}`);
  return { status, displayed };
}
for (const name of ['sales', 'support']) await api('srg_create', { group: name, host, label: name, description: '', display: '' });
const list = await stored(['sales', 'support']);
const lines = await stored('sales\nsupport');
const missing = await api('srg_create', { group: 'staff', host, label: 'staff', description: '' });
console.log(`without display -> ${missing.status} ${JSON.stringify(missing.body)}`);
if (list.status !== 200) changed('A list is refused.');
if (list.displayed !== 'salessupport') changed('A list is not stored as one name.');
if (missing.status !== 400 || lines.displayed !== 'sales\nsupport') changed('Other arguments are treated in another way.');
process.exit(0);
JS
timeout 80 node try.mjs || { code=$?; [ $code != 124 ] || echo 'Cannot be tried: no end within 80 s.' >&2; exit $code; }
