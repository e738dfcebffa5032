#!/bin/sh
# node:sqlite and FTS5: `MATCH ? AND rowid = ?` finds every row that matches, and not the one with this rowid.
#
# A good engineer would guess: rowids are integers, so a JavaScript number that is one names a row, as it does in every other
# query: `WHERE rowid = ?` alone finds row 3 for 3.
#
# What really happens: node:sqlite hands every number over as a REAL. A column with an integer type turns it into an
# integer before it compares. FTS5 is a virtual table and gets it as it is: beside MATCH, `rowid = ?` with a REAL has no
# effect, and nothing is an error. A BigInt is an integer, and so is `CAST(? AS INTEGER)`. BETWEEN keeps its meaning. A literal
# `3.0` in the SQL does the same, so it is not the binding alone.
#
# Versions: SQLite 3.53.4 of Node 26.10.0 (from npm; on Linux it needs libatomic).
# Measured since: 30 November 2026.
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

const database = new DatabaseSync(':memory:');
database.exec('CREATE VIRTUAL TABLE notes USING fts5(body)');
const insert = database.prepare('INSERT INTO notes (rowid, body) VALUES (?, ?)');
for (let id = 1; id <= 5; id++) insert.run(id, `order number ${id}`);
const rows = (condition, ...values) =>
  database.prepare(`SELECT rowid FROM notes WHERE ${condition} ORDER BY rowid`).all(...values).map(({ rowid }) => rowid).join(' ');

const seen = {
  'rowid = ?, number': rows('rowid = ?', 3),
  'MATCH ? AND rowid = ?, number': rows('notes MATCH ? AND rowid = ?', 'order', 3),
  'MATCH ? AND rowid = ?, BigInt': rows('notes MATCH ? AND rowid = ?', 'order', 3n),
  'MATCH ? AND rowid = CAST(? AS INTEGER), number': rows('notes MATCH ? AND rowid = CAST(? AS INTEGER)', 'order', 3),
  'MATCH ? AND rowid BETWEEN ? AND ?, numbers': rows('notes MATCH ? AND rowid BETWEEN ? AND ?', 'order', 3, 3),
  'MATCH ? AND rowid = 3.0': rows("notes MATCH ? AND rowid = 3.0", 'order'),
};
for (const [what, found] of Object.entries(seen)) console.log(`${what}: ${found}`);
if (Object.values(seen).join() !== '3,1 2 3 4 5,3,3,3,1 2 3 4 5') {
  console.log('CHANGED: other rows are found.');
  process.exit(1);
}
JS
timeout 60 ./node_modules/.bin/node try.mjs
