/**
 * Read models that are built anew from a log with visitors, their pages and their chats. The reference scans the same rows
 * of the log and parses their JSON.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { openSqliteEventStore } from '../src/eventstore/sqlite/store.ts';
import { createProjections } from '../src/projections/projections.ts';
import { deriveSecrets } from '../src/runtime/vault/secrets.ts';
import { createVault } from '../src/runtime/vault/vault.ts';
import { mediansOf, type Round, type Row } from './row.ts';
import { seed } from './seed.ts';

const PAST = { visitors: 20_000, chats: 5_000 };
const ROUNDS = 4;
const BUILD_DEADLINE_MS = 300_000;

/** The least that any build needs: it reads every row and parses its JSON. @returns the number of rows */
function scan(file: string): number {
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    let count = 0;
    let at = 0;
    const rows = db.prepare('SELECT stream_id, revision, type, body FROM events ORDER BY position');
    for (const { body } of rows.iterate()) {
      at += JSON.parse(String(body)).metadata.at;
      count += 1;
    }
    if (at === 0) throw new Error('nothing was parsed');
    return count;
  } finally {
    db.close();
  }
}

/** Builds the read models anew, beside those of earlier rounds. */
async function build(dir: string, round: number): Promise<void> {
  const store = await openSqliteEventStore(join(dir, 'events.db'), { readOnly: true });
  const secret = readFileSync(join(dir, 'service-secret'), 'utf8').trim();
  const readOnly = () => Promise.reject(new Error('the benchmark only reads'));
  const vault = createVault({
    store: {
      readStream: store.readStream,
      append: readOnly,
      deleteStream: readOnly,
      truncateBefore: readOnly,
    },
    wrapping: deriveSecrets([secret]).wrapping,
    now: Date.now,
    newId: () => '',
  });
  const projections = createProjections({ path: join(dir, `rows-${round}.db`), store, vault });
  const following = new AbortController();
  const done = projections.start(following.signal);
  await projections.ready(BUILD_DEADLINE_MS);
  await projections.settled();
  following.abort();
  await done;
  projections.close();
  await store.close();
}

const secondsOf = async (work: () => Promise<void> | void): Promise<number> => {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
};

export async function benchRebuild(): Promise<Row[]> {
  const dir = mkdtempSync(join(tmpdir(), 'bench-rebuild-'));
  try {
    await seed(dir, 'demo', PAST);
    const file = join(dir, 'events.db');
    const count = scan(file);
    const rounds: Round[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const reference = count / (await secondsOf(() => void scan(file)));
      rounds.push({ reference, value: count / (await secondsOf(() => build(dir, round))) });
    }
    return [
      {
        name: 'read models built anew',
        unit: 'events/s',
        ...mediansOf(rounds),
        aim: 0.2,
        better: 'higher',
      },
    ];
  } finally {
    rmSync(dir, { recursive: true });
  }
}
