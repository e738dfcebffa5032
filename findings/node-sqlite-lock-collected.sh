#!/bin/sh
# node:sqlite: the garbage collector ends a transaction, and the lock of the file with it.
#
# A good engineer would guess: a lock is held until it is given back or the process ends. Who takes an exclusive lock to keep a
# second process out needs no variable for it. If a connection is ever closed without `close()`, there is a warning.
#
# What really happens: a `DatabaseSync` that nobody can reach any more is closed by the next big garbage collection. Its open
# transaction is rolled back, and another process takes the lock. Node says nothing, and the documentation is silent
# about it. It happens without `--expose-gc`, too, after some ordinary work. A prepared statement that is still reachable keeps
# the connection and the lock.
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
import { spawnSync } from 'node:child_process';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate as turn } from 'node:timers/promises';

function changed(sentence) {
  console.log(`CHANGED: ${sentence}`);
  process.exit(1);
}
const warnings = [];
process.on('warning', ({ message }) => warnings.push(message));
/** Takes the lock, writes a row without COMMIT, and returns what the caller keeps. */
function lock(file, kept) {
  const database = new DatabaseSync(file);
  database.exec('CREATE TABLE rows (id INTEGER); BEGIN EXCLUSIVE; INSERT INTO rows VALUES (1)');
  return kept?.(database);
}
const attempt = `const database = new (require('node:sqlite').DatabaseSync)(process.argv[1]);
  try { database.exec('BEGIN EXCLUSIVE'); console.log('takes the lock and finds ' + database.prepare('SELECT * FROM rows').all().length + ' rows'); }
  catch ({ message }) { console.log('is told: ' + message); }`;
const otherProcess = (file) => spawnSync(process.execPath, ['-e', attempt, file], { encoding: 'utf8' }).stdout.trim();
const files = ['nothing', 'statement', 'database'];
function ask(when) {
  const answers = {};
  for (const file of files) answers[file] = otherProcess(file);
  console.log(`${when}, by what the holder keeps, another process`, answers);
  return answers;
}

lock('nothing');
const statement = lock('statement', (database) => database.prepare('SELECT 1'));
const database = lock('database', (database) => database);
const before = ask('Before');
let made = 0;
if (globalThis.gc) {
  gc();
  await turn();
} else {
  // Ordinary work that makes garbage, until the lock is gone.
  for (; made < 5_000 && (made % 50 !== 0 || otherProcess('nothing').startsWith('is told')); made++) {
    JSON.parse(JSON.stringify(Array.from({ length: 10_000 }, (_, id) => ({ id }))));
    await turn();
  }
}
const after = ask(globalThis.gc ? 'After gc()' : `After ${made} rounds of ordinary work`);
console.log('Warnings:', warnings.length);
for (const file of files) if (before[file] !== 'is told: database is locked') changed(`There is no lock in the beginning: ${file}.`);
if (after.nothing !== 'takes the lock and finds 0 rows') changed('The lock outlives the garbage collection.');
if (warnings.length !== 0) changed('Node warns.');
for (const file of ['statement', 'database']) if (after[file] !== 'is told: database is locked') changed(`The lock is gone: ${file}.`);
console.log('Still in a transaction at the end:', database.isTransaction, statement.get() !== undefined);
JS
try() {
  mkdir "$work/$1"
  cd "$work/$1"
  timeout 60 ../node_modules/.bin/node $2 ../try.mjs || { code=$?; [ $code != 124 ] || cannot 'no end within 60 s.'; exit $code; }
}
try at-once --expose-gc
try in-time ''
