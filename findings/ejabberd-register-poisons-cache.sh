#!/bin/sh
# ejabberd: of two registrations of one name at the same time, the one that loses can lock the account out for an hour.
#
# A good engineer would guess: one is answered 200, the other 409, and the account works. So a `register` that had no
# answer in time may be repeated.
#
# What really happens: the one that loses inside the database puts its `{error, exists}` into the cache of passwords, in
# place of the password. Then each login, `check_account`, `register` and `change_password` of that account crashes in
# ejabberd, until the cache forgets it after an hour (`auth_cache_life_time`). `unregister` helps, a restart too.
# `auth_use_cache: false` avoids it, and calls take as long as before (measured).
#
# Versions: ejabberd 23.01 (Debian 12). The source of 26.07 still has it (ejabberd_auth_mnesia:try_register_multiple).
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
hosts: [cached.test, plain.test]
host_config: {plain.test: {auth_use_cache: false}}
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
const NAMES = 40;
const crashed = async (account) => (await api('check_account', account)).status === 500;
/** How many accounts of the host cannot be used after two registrations at the same time. */
async function lockedOut(host) {
  const locked = [];
  for (let number = 0; number < NAMES; number++) {
    const account = { user: `user${number}`, host };
    const once = () => api('register', { ...account, password: 'secret' });
    await Promise.all([once(), once()]);
    if (await crashed(account)) locked.push(account);
  }
  console.log(`${host}: ${locked.length} of ${NAMES} accounts are locked out`);
  return locked;
}
const [first] = await lockedOut('cached.test');
if (!first) changed('Every account can be used.');
const change = await api('change_password', { ...first, newpass: 'other' });
console.log(`change_password: ${change.status}`);
if (!(await crashed(first))) changed('change_password helps.');
await api('unregister', first);
await api('register', { ...first, password: 'secret' });
if (await crashed(first)) changed('unregister does not help.');
if ((await lockedOut('plain.test')).length > 0) changed('It happens without the cache, too.');
process.exit(0);
JS
timeout 80 node try.mjs || { code=$?; [ $code != 124 ] || echo 'Cannot be tried: no end within 80 s.' >&2; exit $code; }
