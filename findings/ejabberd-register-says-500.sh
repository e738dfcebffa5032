#!/bin/sh
# ejabberd: `register` answers a bad password, a bad name and an unknown host as one: HTTP 500 with code 10001.
#
# A good engineer would guess: 409 for an account that exists, as the documentation says, and other statuses and codes for
# other reasons: 4xx for input that will never be taken, 5xx for a failure that is worth a retry. The neighbours do so:
# `change_password` answers the same password with 400, `unregister` the same host with 400.
#
# What really happens: every refusal but 409 is HTTP 500, code 10001. Who retries on 500 retries a bad password for ever.
# Only the English text tells the reason. In the other direction, an empty name is not refused: it answers 200 and makes
# an account without a local part, whose address is written `@xmpp.test`.
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
hosts: [xmpp.test, guests.test]
host_config: {guests.test: {auth_method: [anonymous]}}
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
const tried = {
  'taken name': { user: 'anna' },
  'refused password': { password: 'good \u{1f600} password' },
  'name with @': { user: 'be@rt' },
  'unknown host': { host: 'elsewhere.test' },
  'host without accounts': { host: 'guests.test' },
  'empty name': { user: '' },
};
const register = (change) => api('register', { user: 'bert', host, password: 'secret', ...change });
await register({ user: 'anna' });
for (const [name, change] of Object.entries(tried)) {
  const { status, body } = await register(change);
  console.log(`register, ${name}: ${status} ${JSON.stringify(body)}`);
  const [wantedStatus, wantedCode] = { 'taken name': [409, 10090], 'empty name': [200, undefined] }[name] ?? [500, 10001];
  if (status !== wantedStatus || body.code !== wantedCode) changed(`The answer is not ${wantedStatus} with code ${wantedCode}.`);
}
const names = (await api('registered_users', { host })).body;
console.log('Accounts afterwards:', JSON.stringify(names));
const change = await api('change_password', { user: 'anna', host, newpass: tried['refused password'].password });
const remove = await api('unregister', { user: 'anna', host: 'elsewhere.test' });
console.log(`change_password, refused password: ${change.status} ${JSON.stringify(change.body)}`);
console.log(`unregister, unknown host: ${remove.status} ${JSON.stringify(remove.body)}`);
if (!names.includes('')) changed('The account without a name is not there.');
if (change.status !== 400 || remove.status !== 400) changed('The neighbours do not answer 400.');
process.exit(0);
JS
timeout 80 node try.mjs || { code=$?; [ $code != 124 ] || echo 'Cannot be tried: no end within 80 s.' >&2; exit $code; }
