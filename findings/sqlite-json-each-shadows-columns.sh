#!/bin/sh
# SQLite: `json_each` in a subquery hides the columns of the table around it.
#
# A good engineer would guess: `DELETE FROM settings WHERE EXISTS (SELECT 1 FROM json_each(?) WHERE value = key)` deletes the
# settings whose key is in the list. The subquery names no table with a column `key`, so it can only mean that of
# `settings`.
#
# What really happens: the table-valued function has the columns `key`, `value`, `type`, `atom`, `id`, `parent`, `fullkey` and
# `path`, and the nearest table wins. `key` is the place in the list, and the condition does not look at `settings` at
# all: it is true for all rows or for none. With [3, 4] nothing is deleted, with [0, 5] everything. No warning comes.
# Columns need the name of their table (`settings.key`), or `IN (SELECT value FROM json_each(?))`.
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

function changed(sentence) {
  console.log(`CHANGED: ${sentence}`);
  process.exit(1);
}
/** @returns the keys that are left after the deletion of those in the list */
function left(condition, list) {
  const database = new DatabaseSync(':memory:');
  database.exec('CREATE TABLE settings (key INTEGER); INSERT INTO settings VALUES (1), (3), (4)');
  database.prepare(`DELETE FROM settings WHERE ${condition}`).run(JSON.stringify(list));
  return database.prepare('SELECT key FROM settings').all().map(({ key }) => key).join(' ');
}
const BARE = 'EXISTS (SELECT 1 FROM json_each(?) WHERE value = key)';
const NAMED = 'EXISTS (SELECT 1 FROM json_each(?) WHERE json_each.value = settings.key)';
const seen = [left(BARE, [3, 4]), left(BARE, [0, 5]), left(NAMED, [3, 4]), left('key IN (SELECT value FROM json_each(?))', [3, 4])];
console.log(`Keys 1, 3, 4. Deleted where key is in [3, 4]: "${seen[0]}" are left. In [0, 5]: "${seen[1]}" are left.`);
console.log(`With the names of the tables, in [3, 4]: "${seen[2]}". With IN: "${seen[3]}".`);
if (seen.join() !== '1 3 4,,1,1') changed('The columns are found in another way.');
JS
timeout 60 ./node_modules/.bin/node try.mjs
