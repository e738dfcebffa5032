#!/bin/sh
# EventStoreDB's client for Node: an unknown option prints the connection string, password included.
#
# A good engineer would guess: an option of the connection string that the client does not know is refused or passed over.
# If there is a warning, it names the option.
#
# What really happens: the warning goes to the console with the whole connection string in it, so the password is in the
# service's log. No mistake is needed: options that other clients of the same server know are enough, and so is
# `tlsVerifyCert=false`. The error for a bad value has the string too, as the property `connectionString`, which loggers
# print with the error.
#
# Versions: @eventstore/db-client 6.2.1 (the last under this name); Node 20 or newer. No server is needed.
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
import { inspect } from 'node:util';
import client from '@eventstore/db-client';

function changed(sentence) {
  console.log(`CHANGED: ${sentence}`);
  process.exit(1);
}
const warnings = [];
console.warn = (...words) => warnings.push(words.join(' '));
const address = 'esdb://admin:made-up-password@127.0.0.1:2113?tls=false';
for (const option of ['tlsVerifyCert=false', 'userAgent=shop']) {
  client.EventStoreDBClient.connectionString(`${address}&${option}`);
}
let error;
try {
  client.EventStoreDBClient.connectionString(`${address}&gossipTimeout=soon`);
} catch (reason) {
  error = reason;
}
for (const text of warnings) console.log(`Printed on the console:\n${text}\n`);
console.log(`The error as a logger prints it:\n${inspect(error).replace(/^ +at .*\n/gm, '')}`);
const shown = warnings.filter((text) => text.includes('made-up-password')).length;
if (shown !== 2) changed(`The password is in ${shown} of 2 warnings.`);
if (!inspect(error).includes('made-up-password')) changed('The error does not have the password.');
process.exit(0);
JS
timeout 80 node try.mjs || { code=$?; [ $code != 124 ] || echo 'Cannot be tried: no end within 80 s.' >&2; exit $code; }
