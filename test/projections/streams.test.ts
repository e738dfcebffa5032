/** The index of streams, and of the facts by their ids. */
import { randomUUIDv7 } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TenantId } from '../../src/actors/ids.ts';
import type { Position, RecordedEvent } from '../../src/eventstore/port.ts';
import { INDEXES, SCHEMA, sweepOf } from '../../src/projections/models.ts';
import { REMOVED_TENANTS } from '../../src/projections/removed-tenants.ts';
import { streamQueries } from '../../src/projections/stream-queries.ts';
import { STREAMS } from '../../src/projections/streams.ts';
import { waitFor } from '../support/wait.ts';
import { type Log, openTestLog } from './log.ts';

const delays = {
  hardTimeout: 300_000,
  cleanupAfter: 3_600_000,
  invitationTimeout: 120_000,
  offerTimeout: 60_000,
  chatIdle: 3_600_000,
};
const view = (page: string) =>
  ({ type: 'ViewPage', digest: page, department: null, delays, profile: { page } }) as const;

/** The index on a file of its own. */
function index(scanRows?: number) {
  const db = new DatabaseSync(':memory:');
  db.exec(`${SCHEMA} ${INDEXES.join(';')}`);
  const apply = STREAMS.apply(db);
  const revisions = new Map<string, number>();
  let at = 1000;
  let isOpen = false;
  return {
    db,
    /** Adds events in one transaction. */
    together(work: () => void) {
      apply.begin();
      isOpen = true;
      work();
      isOpen = false;
      apply.write();
    },
    queries: streamQueries(db, scanRows),
    /** The tenant is removed, and its rows go. */
    forget(tenant: string) {
      REMOVED_TENANTS.apply(db).remove(tenant);
      const sweep = sweepOf(db);
      while (sweep.step());
    },
    /** @returns the fact's id */
    add(stream: string, type = 'Happened', ids: { command?: string; request?: string } = {}) {
      const revision = (revisions.get(stream) ?? -1) + 1;
      revisions.set(stream, revision);
      at += 10;
      const id = randomUUIDv7();
      const { command = id, request = command } = ids;
      const event: RecordedEvent = {
        id,
        stream,
        type,
        revision,
        schemaVersion: 1,
        data: {},
        personal: null,
        position: `p:${at}` as Position, // The index reads none.
        metadata: {
          tenant: stream.startsWith('service') ? null : 'acme',
          at,
          commandId: command,
          correlationId: request,
          causationId: command,
          machine: 'm/1',
        },
      };
      if (!isOpen) apply.begin();
      apply.add(event);
      if (!isOpen) apply.write();
      return id;
    },
  };
}

describe('a list of streams', () => {
  test('has each kind of stream, with its tenant and name, the newest fact first', () => {
    const { add, queries } = index();
    for (const stream of [
      'service-log',
      'key-acme.7',
      'visitor-acme.7',
      'lane-visitor-acme.7.chat.xmpp',
      'operator-acme.o.l-ga',
      'tenant-acme',
      'letter-0198-x',
      'retention-acme',
    ]) {
      add(stream);
    }
    add('visitor-acme.7', 'PageViewed');
    const { items, next } = queries.list({ limit: 50 });
    expect(next).toBeNull();
    expect(
      items.map(({ stream, category, tenant, name }) => [stream, category, tenant, name]),
    ).toEqual([
      ['visitor-acme.7', 'visitor', 'acme', '7'],
      ['retention-acme', 'other', 'acme', 'acme'],
      ['letter-0198-x', 'letter', 'acme', '0198-x'],
      ['tenant-acme', 'tenant', 'acme', 'acme'],
      ['operator-acme.o.l-ga', 'operator', 'acme', 'o.l-ga'],
      ['lane-visitor-acme.7.chat.xmpp', 'lane', 'acme', 'visitor-acme.7.chat.xmpp'],
      ['key-acme.7', 'key', 'acme', 'acme.7'],
      ['service-log', 'other', null, 'log'],
    ]);
    expect(items[0]).toMatchObject({ lastRevision: 1, lastType: 'PageViewed', erased: false });
  });

  test('pages through all streams, whatever few of them match', () => {
    const { add, queries } = index(3);
    for (let n = 0; n < 20; n += 1) add(n % 7 === 0 ? `operator-acme.o${n}` : `visitor-acme.v${n}`);
    const found: string[] = [];
    let cursor: string | undefined;
    do {
      const page = queries.list({ category: 'operator', limit: 2, cursor });
      found.push(...page.items.map(({ name }) => name));
      cursor = page.next ?? undefined;
    } while (cursor !== undefined);
    expect(found).toEqual(['o14', 'o7', 'o0']);
  });

  test('of a visitor has their lanes and data keys, and nothing of a visitor with a longer name', () => {
    const { add, queries } = index();
    const own = [
      'visitor-acme.7',
      'lane-visitor-acme.7.xmpp',
      'lane-visitor-acme.7.lhc',
      'key-acme.7',
      'key-acme.7~1',
    ];
    const others = [
      'visitor-acme.7.chat',
      'lane-visitor-acme.7.chat.xmpp',
      'key-acme.7.chat',
      'visitor-acme.77',
      'lane-visitor-acme.77.lhc',
      'key-acme.77',
      'key-acme',
    ];
    for (const stream of [...own, ...others]) add(stream);
    const { items } = queries.list({ actors: ['visitor-acme.7'], limit: 50 });
    expect(items.map(({ stream }) => stream).toSorted()).toEqual(own.toSorted());
    const only = queries.list({ actors: ['visitor-acme.7'], category: 'lane', limit: 50 });
    expect(only.items).toHaveLength(2);
    expect(queries.list({ actors: [], limit: 50 }).items).toEqual([]);
  });

  test('finds a part of a name, in which % and _ are no patterns', () => {
    const { add, queries } = index();
    for (const key of ['anna-1', 'anna_1', 'bert']) add(`visitor-acme.${key}`);
    const named = (text: string) => queries.list({ text, limit: 50 }).items.map(({ name }) => name);
    expect(named('ANNA')).toEqual(['anna_1', 'anna-1']);
    expect(named('a_1')).toEqual(['anna_1']);
    expect(named('%')).toEqual([]);
  });
});

describe('facts by an id', () => {
  test('are those with the id of their own, their command or their request, in order of the log', () => {
    const { add, queries } = index();
    const command = randomUUIDv7();
    const first = add('visitor-acme.7', 'A', { command, request: 'req:1' });
    add('operator-acme.olga', 'B', { command: 'another', request: 'req:1' });
    add('visitor-acme.7', 'C', { command, request: 'req:1' });
    add('visitor-acme.8', 'D', { request: 'req:2' });
    const found = (id: string) =>
      queries.factsOf(id).map(({ stream, revision }) => `${stream}/${revision}`);
    expect(found('req:1')).toEqual([
      'visitor-acme.7/0',
      'operator-acme.olga/0',
      'visitor-acme.7/1',
    ]);
    expect(found(command)).toEqual(['visitor-acme.7/0', 'visitor-acme.7/1']);
    expect(found(first.toUpperCase())).toEqual(['visitor-acme.7/0']);
    expect(found('another')).toEqual(['operator-acme.olga/0']);
    expect(found('req')).toEqual([]);
    expect(queries.factsOf('req:1', 2)).toHaveLength(2);
  });

  test('share a row where they follow each other in a transaction, and are found one by one', () => {
    const { add, queries, db, together } = index();
    together(() => {
      for (let n = 0; n < 5; n += 1) add('visitor-acme.7', 'A', { request: 'req:1' });
      add('visitor-acme.8', 'A', { request: 'req:1' });
      for (let n = 0; n < 50; n += 1) add('visitor-acme.7', 'A', { request: 'req:1' });
    });
    const found = queries.factsOf('req:1');
    expect(found.map(({ revision }) => revision)).toEqual([
      ...[0, 1, 2, 3, 4, 0],
      ...Array.from({ length: 50 }, (_, n) => 5 + n),
    ]);
    expect(found[5]).toEqual({ stream: 'visitor-acme.8', revision: 0 });
    expect(queries.factsOf('req:1', 8)).toEqual(found.slice(0, 8));
    expect(db.prepare('SELECT count(*) AS n FROM facts_by_id').get()?.n).toBe(56 + 3);
    db.exec(`UPDATE streams SET first_revision = 3 WHERE stream = 'visitor-acme.7'`);
    expect(queries.factsOf('req:1')).toEqual(found.slice(3));
  });

  test('of streams that are gone are removed, little by little', () => {
    const { add, queries, forget, db } = index();
    const count = () => Number(db.prepare('SELECT count(*) AS n FROM facts_by_id').get()?.n);
    for (let n = 0; n < 1000; n += 1) add(`visitor-acme.v${n % 10}`, 'A', { request: 'req:1' });
    forget('acme');
    expect(queries.factsOf('req:1')).toEqual([]);
    expect(count()).toBeGreaterThan(1000);
    for (let n = 0; n < 1500; n += 1) add('service-log');
    expect(count()).toBe(1500);
    // The number of a stream is used again, and the ids of before do not lead to it.
    expect(queries.factsOf('req:1')).toEqual([]);
  });
});

describe('on a real log', () => {
  let log: Log;
  beforeEach(async () => {
    log = await openTestLog();
  });
  afterEach(() => log.close());

  test('every stream is there, live and built anew; those of a removed tenant go', async () => {
    const live = log.follow('live.db');
    await log.visitor('7', view('/'));
    await log.visitor('8', view('/'), TenantId.parse('beta'));
    const [position] = await log.store.readAll({ direction: 'backwards', limit: 1 });
    await live.projections.waitFor(await log.head(), 5000);
    const names = ({ projections }: typeof live) =>
      projections.streams
        .list({ limit: 50 })
        .items.map(({ stream }) => stream)
        .toSorted();
    const all = ['key-acme.7', 'key-beta.8', 'visitor-acme.7', 'visitor-beta.8'];
    expect(names(live)).toEqual(expect.arrayContaining(all));
    expect(names(await log.caughtUp('fresh.db'))).toEqual(names(live));
    expect(live.projections.streams.factsOf(position?.id ?? '')).toEqual([
      { stream: 'visitor-beta.8', revision: 0 },
    ]);
    await log.store.append(
      'tenant-beta',
      [
        {
          id: randomUUIDv7(),
          type: 'TenantRemoved',
          schemaVersion: 1,
          data: { purged: true },
          personal: null,
          metadata: {
            tenant: 'beta',
            at: log.now(),
            commandId: 'c',
            correlationId: 'c',
            causationId: 'c',
            machine: 'tenant/1',
          },
        },
      ],
      'any',
    );
    await live.projections.waitFor(await log.head(), 5000);
    const hasGone = (of: typeof live) => async () =>
      names(of)
        .filter((stream) => stream.includes('beta'))
        .join() === 'tenant-beta';
    await waitFor(hasGone(live), { what: 'the removal' });
    const anew = await log.caughtUp('removed.db');
    await waitFor(hasGone(anew), { what: 'the removal in the new build' });
    expect(names(anew)).toEqual(names(live));
  });
});
