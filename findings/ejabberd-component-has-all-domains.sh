#!/bin/sh
# ejabberd: a component gets the stanzas of every domain that its listener names, not only of its own.
#
# A good engineer would guess: a listener for components (XEP-0114) names two domains in `hosts`, and two programs log in,
# each by its own domain. Each program gets what is sent to its domain.
#
# What really happens: `global_routes` is true by default. With it, each connection gets the routes of all domains of the
# listener. While one program is away, the other one gets its stanzas, and answers or drops them. While both are there,
# ejabberd spreads the stanzas of each domain over both connections. `global_routes: false` gives each one its own domain.
#
# Versions: ejabberd 23.01 (Debian 12, with its Erlang 25). Nothing is installed.
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

# A private ejabberd: its own folder and ports, loopback only, no cluster. It ends by itself after 100 s at the latest.
ports=$(node -e "const n = require('net'), a = n.createServer(), b = n.createServer();
  a.listen(0, '127.0.0.1', () => b.listen(0, '127.0.0.1', () => {
    console.log(a.address().port, b.address().port); a.close(); b.close(); }));")
export DEFAULT_PORT="${ports% *}" OWN_PORT="${ports#* }"
mkdir spool
cat >ejabberd.yml <<YAML
hosts: [xmpp.test]
loglevel: warning
s2s_access: none
listen:
  - {port: $DEFAULT_PORT, ip: 127.0.0.1, module: ejabberd_service, hosts: {one.test: {password: secret}, two.test: {password: secret}}}
  - {port: $OWN_PORT, ip: 127.0.0.1, module: ejabberd_service, global_routes: false, hosts: {one.test: {password: secret}, two.test: {password: secret}}}
modules: {}
YAML
beam=$(dpkg -L ejabberd | grep '/ebin/ejabberd\.beam$')
env HOME="$work" ERL_LIBS="${beam%/*/ebin/ejabberd.beam}" ERL_CRASH_DUMP="$work/dump" \
  EJABBERD_CONFIG_PATH="$work/ejabberd.yml" EJABBERD_LOG_PATH="$work/ejabberd.log" \
  erl +K true +sbwt none -mnesia dir "\"$work/spool\"" -noinput -s ejabberd \
  -eval 'timer:apply_after(100000, erlang, halt, []).' >"$work/console.log" 2>&1 &
server=$!

cat >try.mjs <<'JS'
import { createHash } from 'node:crypto';
import { connect } from 'node:net';
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
/** A component's connection, logged in by this domain. */
async function component(port, domain) {
  for (let tries = 0; tries < 300; tries++, await sleep(100)) {
    const socket = connect(port, '127.0.0.1').setEncoding('utf8');
    if (!(await new Promise((resolve) => socket.once('connect', () => resolve(true)).once('error', () => resolve(false))))) continue;
    const one = { text: '', socket };
    socket.on('data', (text) => { one.text += text; });
    socket.write(`<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='${domain}'>`);
    const sees = async (pattern) => {
      for (let waited = 0; waited < 100 && !pattern.test(one.text); waited++) await sleep(50);
      return pattern.exec(one.text) ?? [];
    };
    const [, id = ''] = await sees(/<stream:stream[^>]* id='([^']+)/);
    socket.write(`<handshake>${createHash('sha1').update(`${id}secret`).digest('hex')}</handshake>`);
    await sees(/<handshake/);
    return { socket, sees };
  }
  console.error('Cannot be tried: ejabberd did not start.');
  process.exit(2);
}
/** What the component one.test gets back when it writes to two.test, which has not logged in. */
async function answer(port) {
  const one = await component(port, 'one.test');
  one.socket.write("<message from='a@one.test' to='b@two.test' id='m'><body>for two.test</body></message>");
  const [what = 'nothing'] = await one.sees(/<message[^>]*to='b@two\.test'|<error/);
  one.socket.destroy();
  await sleep(500);
  return what === '<error' ? 'an error' : what === 'nothing' ? what : 'the message itself';
}
const byDefault = await answer(process.env.DEFAULT_PORT);
const withOwn = await answer(process.env.OWN_PORT);
console.log(`one.test writes to two.test, which is away. By default one.test gets ${byDefault}; with global_routes: false, ${withOwn}.`);
function changed(sentence) {
  console.log(`CHANGED: ${sentence}`);
  process.exit(1);
}
if (byDefault !== 'the message itself') changed('By default a connection gets its own domain alone.');
if (withOwn !== 'an error') changed('With global_routes: false a connection gets other domains too.');
process.exit(0);
JS
timeout 80 node try.mjs || { code=$?; [ $code != 124 ] || echo 'Cannot be tried: no end within 80 s.' >&2; exit $code; }
