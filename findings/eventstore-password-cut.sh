#!/bin/sh
# EventStoreDB's client for Node: a password with a colon is cut at the colon.
#
# A good engineer would guess: in `esdb://USER:PASSWORD@HOST` everything between the first colon and the `@` is the
# password, as in other URLs (RFC 3986 allows colons there). If a colon is not supported, there is an error.
#
# What really happens: the part is split at every colon and the first two pieces are taken. The password `s3:cr3t` is sent
# as `s3`. Nothing is said, and the server answers that the credentials are wrong. Written as `s3%3Acr3t` it works.
#
# Versions: @eventstore/db-client 6.2.1 (the last under this name); Node 20 or newer. No server is needed: the parser that
# `EventStoreDBClient.connectionString` calls is asked.
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
echo '{}' >package.json
timeout 180 npm install --silent --no-audit --no-fund --ignore-scripts --before=2026-11-29 @eventstore/db-client@6.2.1 ||
  cannot 'npm could not install the packages.'

cat >try.mjs <<'JS'
import parser from '@eventstore/db-client/dist/Client/parseConnectionString.js';

function changed(sentence) {
  console.log(`CHANGED: ${sentence}`);
  process.exit(1);
}
const read = (userinfo) => parser.parseConnectionString(`esdb://${userinfo}@127.0.0.1:2113?tls=false`).defaultCredentials.password;
const plain = read('admin:s3:cr3t');
const encoded = read('admin:s3%3Acr3t');
const url = new URL('esdb://admin:s3:cr3t@127.0.0.1:2113');
console.log('admin:s3:cr3t    -> password', JSON.stringify(plain));
console.log('admin:s3%3Acr3t  -> password', JSON.stringify(encoded));
console.log('WHATWG URL reads -> password', JSON.stringify(decodeURIComponent(url.password)));
if (plain !== 's3' || encoded !== 's3:cr3t') changed('The password is read in another way.');
JS
timeout 80 node try.mjs || { code=$?; [ $code != 124 ] || echo 'Cannot be tried: no end within 80 s.' >&2; exit $code; }
