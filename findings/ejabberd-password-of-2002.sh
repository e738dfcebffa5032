#!/bin/sh
# ejabberd: good passwords are refused, among them "Hebrew and a digit", emoji and the signs of young currencies.
#
# A good engineer would guess: a password is any text. At least it is what RFC 8265 (OpaqueString, 2017) allows: letters,
# digits, symbols and spaces of today's Unicode, in any direction.
#
# What really happens: ejabberd takes a password only if it would also be good as the resource of an address (RFC 3454 of
# 2002, Resourceprep). So it refuses
# - characters that came after Unicode 3.2: emoji, the signs of the rupee and of bitcoin, the capital sharp s;
# - right-to-left letters together with Latin ones, and right-to-left letters with a digit at the end;
# - the Ogham space, though OpaqueString maps it to a space;
# - 1,024 bytes and more.
# It only tests the password so, and stores it as it came: wide letters stay wide, though RFC 4013 and Resourceprep narrow
# them.
#
# Versions: ejabberd 23.01 (Debian 12) with its default storage of passwords.
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
const refused = {
  'emoji': 'pass\u{1f600}word',
  'rupee sign': 'price \u20b9',
  'bitcoin sign': 'price \u20bf',
  'capital sharp s': 'STRA\u1e9eE',
  'Hebrew and Latin': 'abc \u05e9\u05dc\u05d5\u05dd',
  'Hebrew, then a digit': '\u05e9\u05dc\u05d5\u05dd1',
  'Arabic, then a digit': '\u0633\u0644\u0627\u06451',
  'Ogham space': 'good\u1680word',
  '1,024 bytes': 'a'.repeat(1_024),
};
const taken = {
  'Hebrew': '\u05e9\u05dc\u05d5\u05dd',
  'Hebrew around a digit': '\u05e91\u05e9',
  'euro sign': 'price \u20ac',
  'sharp s': 'stra\u00dfe',
  'spaces at both ends': ' good ',
  '1,023 bytes': 'a'.repeat(1_023),
  'wide letters': '\uff21\uff22\uff23',
};
let count = 0;
const register = (password) => api('register', { user: `user${count++}`, host, password });
for (const [name, password] of Object.entries(refused)) {
  const { status, body } = await register(password);
  console.log(`Refused: ${name}: ${status} ${body.message ?? body}`);
  if (status !== 500 || !body.message?.includes('unacceptable characters')) changed(`This password is not refused: ${name}.`);
}
for (const [name, password] of Object.entries(taken)) {
  const { status, body } = await register(password);
  console.log(`Taken: ${name}: ${status} ${body.message ?? body}`);
  if (status !== 200) changed(`This password is refused: ${name}.`);
}
const matches = async (password) => (await api('check_password', { user: `user${count - 1}`, host, password })).body === 0;
const [wide, plain] = [await matches(taken['wide letters']), await matches('ABC')];
console.log(`The account with wide letters: the wide password matches: ${wide}; ABC matches: ${plain}.`);
if (!wide || plain) changed('The password is prepared before it is stored.');
process.exit(0);
JS
timeout 80 node try.mjs || { code=$?; [ $code != 124 ] || echo 'Cannot be tried: no end within 80 s.' >&2; exit $code; }
