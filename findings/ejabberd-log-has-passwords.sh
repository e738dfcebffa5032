#!/bin/sh
# ejabberd: the ordinary log has the passwords and the text of messages that come by the HTTP API.
#
# A good engineer would guess: at the default loglevel, `info`, the log says who called which command. Passwords are never
# written. At the latest, `hide_sensitive_log_data: true` keeps people's secrets and words out.
#
# What really happens: mod_http_api logs each call with all its arguments at level info. `register`, `check_password` and
# `change_password` write the passwords in clear. With `hide_sensitive_log_data: true`
# passwords are replaced by `hidden_by_ejabberd`, but the body of `send_message` is still written, word for word. What helps:
# `loglevel: warning`.
#
# Versions: ejabberd 23.01 (Debian 12). Newer releases hide passwords without the option.
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
beam=$(dpkg -L ejabberd | grep '/ebin/ejabberd\.beam$')
# The argument is the value of hide_sensitive_log_data. The loglevel is the default one.
start_ejabberd() {
  cat >ejabberd.yml <<YAML
hosts: [xmpp.test]
hide_sensitive_log_data: $1
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
  env HOME="$work" ERL_LIBS="${beam%/*/ebin/ejabberd.beam}" ERL_CRASH_DUMP="$work/dump" \
    EJABBERD_CONFIG_PATH="$work/ejabberd.yml" EJABBERD_LOG_PATH="$work/$1.log" \
    erl +K true +sbwt none -pa "$work" -mnesia dir "\"$work/spool\"" -noinput -s ejabberd \
    -eval 'timer:apply_after(100000, erlang, halt, []).' >"$work/console.log" 2>&1 &
  server=$!
}

cat >try.mjs <<'JS'
import { readFile } from 'node:fs/promises';
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
const [, , hidden] = process.argv;
const says = async (command, body) => {
  const { status } = await api(command, body);
  if (status !== 200) changed(`${command} answers ${status}.`);
};
if (hidden === 'false') await says('register', { user: 'anna', host, password: 'PASSWORD-registered' });
await says('check_password', { user: 'anna', host, password: 'PASSWORD-checked' });
await says('change_password', { user: 'anna', host, newpass: 'PASSWORD-changed' });
await says('send_message', { type: 'chat', from: `bert@${host}`, to: `anna@${host}`, subject: '', body: 'MESSAGE between two' });
await sleep(1_500);
const log = await readFile(`${hidden}.log`, 'utf8');
const found = [...new Set(log.match(/(PASSWORD|MESSAGE)-?[a-z ]*/g))];
console.log(`hide_sensitive_log_data: ${hidden}. In the log: ${JSON.stringify(found)}.`);
const wanted = hidden === 'true' ? ['MESSAGE between two']
  : ['PASSWORD-registered', 'PASSWORD-checked', 'PASSWORD-changed', 'MESSAGE between two'];
if (JSON.stringify(found) !== JSON.stringify(wanted)) changed(`The log does not have ${JSON.stringify(wanted)}.`);
if (hidden === 'true' && !log.includes('hidden_by_ejabberd')) changed('The log does not say that something is hidden.');
process.exit(0);
JS
for hidden in false true; do
  start_ejabberd $hidden
  timeout 80 node try.mjs $hidden || { code=$?; [ $code != 124 ] || echo 'Cannot be tried: no end within 80 s.' >&2; exit $code; }
  stop_ejabberd
done
