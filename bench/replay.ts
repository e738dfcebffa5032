/**
 * The replay of a whole log: read, folded with the machines, and compared with nothing. The reference scans the same rows
 * and parses their JSON. Rows of lanes and keys are in the log too, and neither of them parses those.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { openSqliteEventStore } from '../src/eventstore/sqlite/store.ts';
import { replayLog } from '../src/replay/whole-log.ts';
import { mediansOf, type Round, type Row } from './row.ts';
import { seed } from './seed.ts';

const PAST = { visitors: 20_000, chats: 5_000 };
const ROUNDS = 9;

/** The facts of actors. The log has visitors alone. */
const ROWS = `SELECT e.stream_id, e.revision, e.type, e.body FROM events e CROSS JOIN streams s ON s.id = e.stream_id
  WHERE substr(s.name, 1, 8) = 'visitor-' ORDER BY e.position`;

/** The least that any replay needs. @returns the number of rows */
function scan(file: string): number {
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    let count = 0;
    let at = 0;
    for (const { body } of db.prepare(ROWS).iterate()) {
      at += JSON.parse(String(body)).metadata.at;
      count += 1;
    }
    if (at === 0) throw new Error('nothing was parsed');
    return count;
  } finally {
    db.close();
  }
}

/** @returns the number of facts */
async function replay(file: string): Promise<number> {
  const store = await openSqliteEventStore(file, { readOnly: true });
  try {
    for await (const report of replayLog(store)) {
      if (!('done' in report)) continue;
      const { events, unfit } = report.done;
      if (unfit > 0) throw new Error(`${unfit} facts do not fit`);
      return events;
    }
    throw new Error('the replay has no end');
  } finally {
    await store.close();
  }
}

const perSecond = async (work: () => Promise<number> | number): Promise<number> => {
  const start = performance.now();
  const count = await work();
  return (count / (performance.now() - start)) * 1000;
};

export async function benchReplay(): Promise<Row[]> {
  const dir = mkdtempSync(join(tmpdir(), 'bench-replay-'));
  try {
    await seed(dir, 'demo', PAST);
    const file = join(dir, 'events.db');
    if ((await replay(file)) !== scan(file)) throw new Error('they read different facts');
    const rounds: Round[] = [];
    for (let round = 0; round <= ROUNDS; round++) {
      const value = await perSecond(() => replay(file));
      rounds.push({ value, reference: await perSecond(() => scan(file)) });
    }
    return [
      {
        name: 'replay of the whole log',
        unit: 'events/s',
        ...mediansOf(rounds.slice(1)), // The first round is the warm-up.
        aim: 0.5,
        better: 'higher',
      },
    ];
  } finally {
    rmSync(dir, { recursive: true });
  }
}
