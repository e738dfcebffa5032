#!/bin/sh
# node:sqlite: the number 42 is stored as the text "42.0".
#
# A good engineer would guess: a whole number that is bound to a statement is an INTEGER, and in a column of texts
# it becomes '42'. The documentation's table of types has numbers beside INTEGER as well as beside REAL.
#
# What really happens: every JavaScript number is bound as REAL. INTEGER columns put it right, and hide it. A TEXT column
# stores '42.0', so an id that was written as a number is not found by its text, nor the other way round. The same in
# `'order-' || ?`, in `json_object`, in columns without a type and in `? / 2`. Literals in SQL and bigints are not
# concerned. STRICT tables do not refuse it.
#
# Versions: Node 26.10.0 (from npm; on Linux it needs libatomic).
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
timeout 180 npm install --silent --no-audit --no-fund --before=2026-11-29 node@26.10.0 || cannot 'npm could not install the package.'
./node_modules/.bin/node --version >/dev/null 2>&1 || cannot 'this Node does not start here (on Debian: apt-get install libatomic1).'

cat >try.mjs <<'JS'
import { DatabaseSync } from 'node:sqlite';

function changed(sentence) {
  console.log(`CHANGED: ${sentence}`);
  process.exit(1);
}
const database = new DatabaseSync(':memory:');
database.exec('CREATE TABLE visitors (id TEXT, name TEXT) STRICT');
const insert = database.prepare('INSERT INTO visitors VALUES (?, ?)');
insert.run(42, 'by number');
insert.run(42n, 'by bigint');
insert.run('42', 'by string');
const rows = database.prepare('SELECT name, id FROM visitors').all().map(({ name, id }) => `${name}: ${JSON.stringify(id)}`);
const found = database.prepare("SELECT name FROM visitors WHERE id = '42'").all().map(({ name }) => name);
const made = { ...database.prepare("SELECT 'order-' || ? AS key, json_object('n', ?) AS json, ? / 2 AS half, typeof(?) AS type").get(7, 7, 7, 7) };
console.log('Stored as 42:', rows.join(', '));
console.log("WHERE id = '42' finds:", found.join(', '));
console.log('Made of 7:', JSON.stringify(made));
if (rows[0] !== 'by number: "42.0"' || found.includes('by number')) changed('A number in a TEXT column is stored in another way.');
if (made.key !== 'order-7.0' || made.type !== 'real') changed('Numbers are bound in another way.');
if (!rows[1].endsWith('"42"')) changed('bigints are bound in another way.');
JS
timeout 60 ./node_modules/.bin/node try.mjs
