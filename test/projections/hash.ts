import { createHash } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';

/** Tables that differ between two builds of the same rows. So do those of the search. */
const OF_THE_BUILD = ['build', 'checkpoints', 'facts_by_id', 'fact_seq', 'removed_tenants'];
/** Numbers that a build gives its rows. */
const NUMBERED: Readonly<Record<string, string>> = { streams: 'n' };

/** A hash of every row of the read models in a file, by table. Equal rows have equal hashes. */
export function hashRows(path: string): Record<string, string> {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    const tables = db
      .prepare(`SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name`)
      .all()
      .map(({ name }) => String(name))
      .filter((name) => !OF_THE_BUILD.includes(name) && !name.startsWith('search_'));
    return Object.fromEntries(tables.map((table) => [table, hashOf(db, table)]));
  } finally {
    db.close();
  }
}

function hashOf(db: DatabaseSync, table: string): string {
  const key = db
    .prepare('SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk')
    .all(table)
    .map(({ name }) => String(name));
  const number = NUMBERED[table];
  const order = number === undefined ? key.join(', ') : '2';
  const hash = createHash('sha256');
  for (const row of db.prepare(`SELECT * FROM ${table} ORDER BY ${order}`).iterate()) {
    if (number !== undefined) delete row[number];
    hash.update(`${JSON.stringify(row)}\n`);
  }
  return hash.digest('hex');
}
