#!/bin/sh
# SQLite: words that were deleted from a full-text index stay in its file, through `secure_delete` and VACUUM.
#
# A good engineer would guess: `PRAGMA secure_delete` overwrites what is deleted, and VACUUM writes the file anew from what
# is left. So a word whose only row was deleted is not in the file any more.
#
# What really happens: FTS5 keeps its index in ordinary tables. A deletion appends a note to them that the row is gone, and the
# word stays in a live row until segments are merged, which may be never. To SQLite nothing of it was deleted, so
# neither of the two touches it, while MATCH finds nothing. The option 'secure-delete' of the FTS5 table (not the pragma)
# takes the word out. With `contentless_delete=1` that option is taken without an error, and the word stays; only
# 'optimize' takes it out there.
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
import { readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

const WORD = 'zanzibar';

function changed(sentence) {
  console.log(`CHANGED: ${sentence}`);
  process.exit(1);
}
/** @returns whether the word is in the file after its only row was deleted */
function stays({ options = '', before = '', after = '' }) {
  const file = `${process.hrtime.bigint()}.db`;
  const database = new DatabaseSync(file);
  database.exec(`PRAGMA secure_delete = ON; CREATE VIRTUAL TABLE words USING fts5(body${options}); ${before}`);
  const insert = database.prepare('INSERT INTO words (rowid, body) VALUES (?, ?)');
  for (let id = 1; id <= 50; id++) insert.run(id, id === 7 ? `my secret is ${WORD}` : `a plain text ${id}`);
  database.exec(`DELETE FROM words WHERE rowid = 7; ${after}; VACUUM`);
  const found = database.prepare('SELECT rowid FROM words WHERE words MATCH ?').all(WORD);
  database.close();
  if (found.length > 0) changed('The deleted row is found.');
  return readFileSync(file).includes(WORD);
}
const SECURE = "INSERT INTO words (words, rank) VALUES ('secure-delete', 1)";
const OPTIMIZE = "INSERT INTO words (words) VALUES ('optimize')";
const CONTENTLESS = ", content='', contentless_delete=1";
const seen = {
  'PRAGMA secure_delete and VACUUM': stays({}),
  "and FTS5's secure-delete": stays({ before: SECURE }),
  'contentless_delete=1': stays({ options: CONTENTLESS }),
  "contentless_delete=1 and FTS5's secure-delete": stays({ options: CONTENTLESS, before: SECURE }),
  'contentless_delete=1 and optimize': stays({ options: CONTENTLESS, after: OPTIMIZE }),
};
for (const [what, is] of Object.entries(seen)) console.log(`${what}: the word is ${is ? 'still' : 'not'} in the file`);
if (Object.values(seen).join() !== 'true,false,true,true,false') changed('Deleted words stay in other cases.');
JS
timeout 60 ./node_modules/.bin/node try.mjs
