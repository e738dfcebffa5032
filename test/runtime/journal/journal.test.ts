/** The journal: bounded, forgetful, and never in the way. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, describe, expect, test } from 'vitest';
import type { RecordedEvent } from '../../../src/eventstore/port.ts';
import { causedBy, forRequest } from '../../../src/runtime/cause.ts';
import type { AttemptEntry, JournalEntry } from '../../../src/runtime/journal/entries.ts';
import { MAX_REASON_CHARACTERS } from '../../../src/runtime/journal/file.ts';
import { createJournal } from '../../../src/runtime/journal/journal.ts';
import {
  observedClient,
  observedDestination,
  observedFetch,
  observedRequest,
} from '../../../src/runtime/journal/observed.ts';
import type { Outcome } from '../../../src/runtime/lanes/destination.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { silent } from '../../support/rig.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const open: { close(): void }[] = [];
afterEach(() => {
  for (const journal of open.splice(0)) journal.close();
});

function journalAt(
  folder = temporaryFolder('journal'),
  more: Partial<Parameters<typeof createJournal>[0]> = {},
) {
  const path = join(folder, 'journal.db');
  const journal = createJournal({ path, now: () => NOW, logger: silent, ...more });
  open.push(journal);
  return { journal, path, folder };
}
const attempt = (key: string, revision = 0, more: Partial<AttemptEntry> = {}): AttemptEntry => ({
  kind: 'attempt',
  at: NOW,
  ms: 1.5,
  stream: `visitor-acme.${key}`,
  revision,
  destination: 'lhc',
  outcome: 'retry',
  reason: 'answered 503',
  ...more,
});
const of = (key: string, revision = 0) => ({ stream: `visitor-acme.${key}`, revision });
const bytesOf = (path: string): string =>
  ['', '-wal'].map((end) => readFileSync(path + end, 'latin1')).join('');

test('entries come back as they were, after a restart too', () => {
  const { journal, folder } = journalAt();
  const entries: JournalEntry[] = [
    {
      kind: 'request',
      at: NOW,
      ms: 3,
      ...of('1'),
      id: 'req-1',
      name: 'POST /x',
      status: 202,
      reason: null,
    },
    attempt('1', 0, { detail: 'register 3 ms, log in 9 ms' }),
    {
      kind: 'callback',
      at: NOW,
      ms: 1,
      ...of('1'),
      id: '00f067aa0ba902b7',
      name: 'message.delivered',
      status: null,
      reason: 'x',
    },
  ];
  for (const entry of entries) journal.record(entry);
  journal.record(attempt('2'));
  journal.close();
  const { journal: again } = journalAt(folder);
  expect(again.of([of('1'), of('3')])).toEqual(entries);
  expect(again.requests('req-1')).toEqual([entries[0]]);
  expect(again.requests('req-2')).toEqual([]);
});

describe('its bounds', () => {
  test('what does not fit into the queue is dropped and counted', () => {
    const { journal } = journalAt(undefined, { bounds: { queued: 2 } });
    for (const revision of [0, 1, 2]) journal.record(attempt('1', revision));
    expect(journal.of([of('1', 0), of('1', 1), of('1', 2)])).toHaveLength(2);
    expect(journal.counts).toEqual({ written: 2, dropped: 1 });
  });

  test('of a tenant the oldest go, and of nobody else', () => {
    const { journal } = journalAt(undefined, { bounds: { ofTenant: 3 } });
    journal.record(attempt('1', 0, { stream: 'visitor-other.1' }));
    for (const revision of [0, 1, 2, 3, 4]) journal.record(attempt('1', revision));
    const all = [0, 1, 2, 3, 4].map((revision) => of('1', revision));
    expect(journal.of(all).map(({ revision }) => revision)).toEqual([2, 3, 4]);
    expect(journal.of([{ stream: 'visitor-other.1', revision: 0 }])).toHaveLength(1);
  });

  test('of all the oldest go, and what is too old', () => {
    let now = NOW;
    const { journal } = journalAt(undefined, {
      now: () => now,
      bounds: { all: 3, ageMs: 1_000 },
    });
    const all = [0, 1, 2, 3, 4].map((revision) => of('1', revision));
    for (const revision of [0, 1, 2, 3, 4]) journal.record(attempt('1', revision));
    expect(journal.of(all).map(({ revision }) => revision)).toEqual([2, 3, 4]);
    now += 3_600_000;
    journal.record(attempt('2', 0, { at: now }));
    expect(journal.of([...all, of('2')]).map(({ at }) => at)).toEqual([now]);
  });

  test('far too many go by and by, with what is written meanwhile', () => {
    const { journal } = journalAt(undefined, { bounds: { all: 3 } });
    const all = Array.from({ length: 5_000 }, (_, revision) => of('1', revision));
    for (const { revision } of all) journal.record(attempt('1', revision));
    const left = () => journal.of(all).length;
    expect(left()).toBe(3_000);
    const more = [0, 1].map((revision) => {
      journal.record(attempt('2', revision));
      return left();
    });
    expect(more).toEqual([1_000, 1]);
  });

  test('a reason is cut', () => {
    const { journal } = journalAt();
    journal.record(attempt('1', 0, { reason: '😀'.repeat(MAX_REASON_CHARACTERS) }));
    expect(journal.of([of('1')])[0]?.reason).toHaveLength(MAX_REASON_CHARACTERS);
  });
});

test('a damaged file is made anew', () => {
  const { journal, path, folder } = journalAt();
  journal.record(attempt('1'));
  journal.close();
  writeFileSync(path, 'not SQLite at all, but long enough to be looked at');
  const { journal: anew } = journalAt(folder);
  anew.record(attempt('1'));
  expect(anew.of([of('1')])).toHaveLength(1);
});

const fact = (stream: string, type: string, revision = 0, data = {}) =>
  ({ stream, type, revision, data }) as unknown as RecordedEvent;

test('it forgets a visitor who was erased, and a tenant that was removed, in the file too', () => {
  const { journal, path } = journalAt();
  journal.record(attempt('1', 0, { reason: 'Ada Lovelace said no' }));
  journal.record(attempt('1', 4, { reason: 'they are back' }));
  journal.record(attempt('2', 0, { reason: 'Grace Hopper said no' }));
  journal.record(attempt('3', 0, { stream: 'visitor-other.3' }));
  const others = ['operator-acme.olga', 'tenant-acme'].map((stream) => ({ stream, revision: 0 }));
  for (const { stream } of others) journal.record(attempt('', 0, { stream }));
  expect(journal.of([of('1')])).toHaveLength(1);
  journal.forget([fact('visitor-acme.1', 'PersonalDataErased', 3)]);
  expect(journal.of([of('1')])).toEqual([]);
  expect(journal.of([of('1', 4)])).toHaveLength(1);
  expect(bytesOf(path)).not.toContain('Lovelace');
  expect(bytesOf(path)).toContain('Hopper');
  expect(journal.of(others)).toHaveLength(2);
  journal.forget([fact('tenant-acme', 'TenantRemoved')]);
  expect(journal.of([of('2'), ...others])).toEqual([]);
  expect(bytesOf(path)).not.toContain('Hopper');
  expect(journal.of([{ stream: 'visitor-other.3', revision: 0 }])).toHaveLength(1);
});

test('it forgets what a retention ends', () => {
  const { journal } = journalAt();
  for (const revision of [0, 1, 2, 3]) journal.record(attempt('1', revision));
  const revisions = () =>
    journal.of([0, 1, 2, 3].map((each) => of('1', each))).map(({ revision }) => revision);
  journal.forget([fact('visitor-acme.1', 'RetentionApplied', 2, { before: 1 })]);
  expect(revisions()).toEqual([1, 2, 3]);
  journal.forget([fact('visitor-acme.1', 'RetentionApplied', 4, { before: 1, generation: 0 })]);
  expect(revisions()).toEqual([]);
});

test('what was on its way at an erasure leaves no reason, and what begins later does', () => {
  let now = NOW;
  const { journal, path } = journalAt(undefined, { now: () => now });
  journal.forget([fact('visitor-acme.1', 'PersonalDataErased', 3)]);
  now += 1_000;
  journal.record(attempt('1', 2, { reason: 'Ada Lovelace said no' }));
  journal.record(attempt('1', 2, { at: now, reason: 'answered 503' }));
  expect(journal.of([of('1', 2)]).map(({ reason }) => reason)).toEqual([null, 'answered 503']);
  expect(bytesOf(path)).not.toContain('Lovelace');
});

test('a file that cannot forget goes', () => {
  const { journal, path } = journalAt();
  journal.record(attempt('1', 0, { reason: 'Ada Lovelace said no' }));
  journal.record(attempt('2'));
  expect(journal.of([of('1'), of('2')])).toHaveLength(2);
  const other = new DatabaseSync(path);
  other.exec(
    "CREATE TRIGGER never BEFORE DELETE ON entries BEGIN SELECT raise(ABORT, 'never'); END",
  );
  other.close();
  journal.forget([fact('visitor-acme.1', 'PersonalDataErased', 3)]);
  expect(journal.of([of('1'), of('2')])).toEqual([]);
  expect(bytesOf(path)).not.toContain('Lovelace');
  journal.record(attempt('2'));
  expect(journal.of([of('2')])).toHaveLength(1);
});

describe('what is observed', () => {
  const event = {
    ...of('1', 7),
    id: 'e7',
    metadata: { correlationId: 'req-1' },
  } as unknown as RecordedEvent;
  const clock = { now: () => NOW };
  const place = (outcomes: (Outcome | Error)[]) => ({
    name: 'lhc',
    concerns: () => true,
    concurrency: 1,
    retry: { firstMs: 1, mostMs: 1 },
    perform: async (): Promise<Outcome> => {
      const outcome = outcomes.shift() ?? { kind: 'done' };
      if (outcome instanceof Error) throw outcome;
      return outcome;
    },
  });

  test('each attempt of an effect; not that nothing had to be sent, nor that a lane still waits', async () => {
    const { journal } = journalAt();
    const parked: Outcome = { kind: 'parked', reason: 'nobody is there' };
    const outcomes: (Outcome | Error)[] = [
      { kind: 'done', idle: true },
      parked,
      parked,
      { kind: 'retry', reason: 'answered 503' },
      new Error('broken'),
      { kind: 'done' },
    ];
    const { perform } = observedDestination(place(outcomes), journal, clock);
    const { signal } = new AbortController();
    for (let n = outcomes.length; n > 0; n--) await perform(event, signal).catch(() => null);
    expect(journal.of([event])).toMatchObject([
      { outcome: 'parked', reason: 'nobody is there', destination: 'lhc', at: NOW },
      { outcome: 'retry', reason: 'answered 503' },
      { outcome: 'retry', reason: 'broken' },
      { outcome: 'done', reason: null },
    ]);
  });

  test('each callback, with the headers of its trace', async () => {
    const { journal } = journalAt();
    const sent: Headers[] = [];
    const fetch = observedFetch(
      async (_input, init) => {
        sent.push(new Headers(init?.headers));
        if (sent.length === 1) throw new TypeError('fetch failed', { cause: new Error('refused') });
        return new Response(null, { status: 204 });
      },
      journal,
      clock,
    );
    const { deliver } = observedClient({
      deliver: (url: string, _callback: { type: string }) =>
        fetch(url, { method: 'POST', headers: { 'webhook-id': 'e7' } }),
    });
    const callback = { type: 'message.delivered' };
    const url = 'http://lhc.test/';
    await expect(causedBy(event, () => deliver(url, callback))).rejects.toThrow('fetch failed');
    await causedBy(event, () => deliver(url, callback));
    await deliver(url, callback);
    const [first, second] = journal.of([event]);
    expect([first, second]).toMatchObject([
      { kind: 'callback', name: 'message.delivered', status: null, reason: 'refused' },
      { kind: 'callback', name: 'message.delivered', status: 204, reason: null },
    ]);
    expect(sent.map((headers) => headers.get('webhook-id'))).toEqual(['e7', 'e7', 'e7']);
    const parents = sent.map((headers) => headers.get('traceparent')?.split('-'));
    expect(parents[0]?.[1]).toBe(parents[1]?.[1]);
    expect(parents[1]?.[2]).toBe(second?.kind === 'callback' ? second.id : null);
    expect(parents[0]?.[2]).not.toBe(parents[1]?.[2]);
    expect(parents[2]).toBeUndefined();
  });

  test('a request that caused facts, and no other', async () => {
    const { journal } = journalAt();
    const name = 'POST /v1/{tenant}/x';
    const observer = { name, journal, ...clock };
    const none = () =>
      observedRequest({ correlationId: 'none' }, observer, async () => 200, Number);
    await none();
    const { currentScope } = await import('../../../src/runtime/cause.ts');
    const work = async () => {
      currentScope()?.request?.onFact?.(of('1', 3));
      currentScope()?.request?.onFact?.(of('1', 4));
      return 202;
    };
    await observedRequest({ correlationId: 'req-1' }, observer, work, (status) => status);
    expect(journal.requests('none')).toEqual([]);
    expect(journal.requests('req-1')).toMatchObject([{ ...of('1', 3), name, status: 202 }]);
    await forRequest({ correlationId: 'outer' }, none);
  });
});
