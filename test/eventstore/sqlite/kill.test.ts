import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { EventStore, RecordedEvent } from '../../../src/eventstore/port.ts';
import { openSqliteEventStore } from '../../../src/eventstore/sqlite/store.ts';
import { startChild } from '../../support/child-process.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { seeded } from '../../support/seeded.ts';
import type { Intent } from './intent.ts';

const folder = temporaryFolder('eventstore-kill');
afterAll(() => rmSync(folder, { recursive: true }));

const CHILD = new URL('./child.ts', import.meta.url);

const everything = async (store: EventStore): Promise<RecordedEvent[]> => {
  const all: RecordedEvent[] = [];
  for (;;) {
    const after = all.at(-1)?.position;
    const page = await store.readAll({ limit: 5000, ...(after && { after }) });
    if (page.length === 0) return all;
    all.push(...page);
  }
};

/** Checks the log that a killed child left: it has every acknowledged append, and each open one completely or not at all. */
const examine = async (path: string, lines: readonly string[]): Promise<{ unanswered: number }> => {
  // The child prints nothing else.
  const reports = lines.map(
    (line) => JSON.parse(line) as { intent?: Intent; acknowledged?: string[] },
  );
  const acknowledged = new Set(reports.flatMap((line) => line.acknowledged ?? []));
  const open = reports.flatMap(({ intent }) =>
    intent && !intent.events.every(({ id }) => acknowledged.has(id)) ? [intent] : [],
  );

  const store = await openSqliteEventStore(path);
  try {
    const found = new Set((await everything(store)).map(({ id }) => id));
    expect([...acknowledged].filter((id) => !found.has(id))).toEqual([]);
    for (const { stream, events, expected } of open) {
      // The log has both events or none, and repeating the append succeeds in either case.
      expect(new Set(events.map(({ id }) => found.has(id))).size).toBe(1);
      await store.append(stream, events, expected);
    }
    const all = await everything(store);
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
    const next = new Map<string, number>();
    for (const { stream, revision } of all) {
      expect(revision).toBe(next.get(stream) ?? 0);
      next.set(stream, revision + 1);
    }
    const written = open.filter(({ events }) => events.every(({ id }) => found.has(id)));
    return { unanswered: written.length };
  } finally {
    await store.close();
  }
};

test('a kill at any moment loses no acknowledged append', async () => {
  const path = join(folder, 'any.db');
  const random = seeded(1);
  for (let round = 0; round < 8; round += 1) {
    const child = startChild(CHILD, [path, String(1 + Math.floor(random() * 32))]);
    const kills = 20 + Math.floor(random() * 600);
    await child.until(kills);
    await child.kill();
    await examine(path, child.lines);
  }
});

test('after a kill between flush and answer the log has the events, and repeating the append succeeds', async () => {
  const path = join(folder, 'flushed.db');
  const random = seeded(2);
  for (let round = 0; round < 6; round += 1) {
    // The writer's first message is `ready`.
    const message = 2 + Math.floor(random() * 30);
    const child = startChild(CHILD, [path, '8', String(message)]);
    await child.ended();
    const { unanswered } = await examine(path, child.lines);
    expect(unanswered).toBeGreaterThan(0);
  }
});
