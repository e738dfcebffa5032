#!/bin/sh
# Erlang's httpc: the option socket_opts in a request gives every request a connection of its own.
#
# A good engineer would guess: `{socket_opts, [{nodelay, true}]}` in the options of a request sets an option of the socket.
# Keep-alive stays on, and small requests get faster.
#
# What really happens: a request with socket options is never given a connection that exists, and its own is not used
# again. 20 requests make 20 connections, and against a receiver some way off each costs one more round trip. The same
# option by `httpc:set_options/1` keeps to one connection.
#
# Versions: inets of Erlang/OTP 25 (Debian 12, packages erlang-base and erlang-inets); Node 20 or newer as the receiver.
# Measured since: 29 November 2026.
# Exit code: 0 as described, 1 changed, 2 could not be tried.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 2' HUP INT TERM
cannot() {
  echo "Cannot be tried: $1" >&2
  exit 2
}
cd "$work"

[ -n "$(command -v erl)" ] || cannot 'this needs erlang-base and erlang-inets from Debian 12.'
case $(dpkg-query -W -f '${Version}' erlang-inets 2>/dev/null) in
  1:25.*) ;;
  *) cannot 'this needs erlang-inets 25 from Debian 12.' ;;
esac

cat >try.mjs <<'JS'
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import { promisify } from 'node:util';

function changed(sentence) {
  console.log(`CHANGED: ${sentence}`);
  process.exit(1);
}
let connections = 0;
const receiver = createServer((request, response) => request.resume().on('end', () => response.end('ok')));
receiver.keepAliveTimeout = 60_000;
receiver.on('connection', () => { connections++; });
await new Promise((resolve) => receiver.listen(0, '127.0.0.1', resolve));
/** How many connections 20 requests, one after the other, make. */
async function count(before, options) {
  connections = 0;
  const post = `httpc:request(post, {"http://127.0.0.1:${receiver.address().port}/", [], "text/plain", "x"}, [], [${options}])`;
  const code = `{ok, _} = application:ensure_all_started(inets), ${before} [{ok, _} = ${post} || _ <- lists:seq(1, 20)], halt().`;
  await promisify(execFile)('erl', ['-noinput', '-eval', code], { timeout: 25_000, env: { ...process.env, HOME: process.cwd() } });
  return connections;
}
const plain = await count('', '');
const inRequest = await count('', '{socket_opts, [{nodelay, true}]}');
const inProfile = await count('ok = httpc:set_options([{socket_opts, [{nodelay, true}]}]),', '');
console.log(`Connections of 20 requests: ${plain} without options, ${inRequest} with socket_opts in the request, ${inProfile} with set_options.`);
receiver.closeAllConnections();
receiver.close();
if (plain > 2 || inProfile > 2) changed('Keep-alive does not work without the option either.');
if (inRequest < 20) changed('Requests with socket_opts share connections.');
JS
timeout 80 node try.mjs
