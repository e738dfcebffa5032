/** Histories whose retention is over go, on both event stores, and nobody who comes back loses anything. */
import { afterEach, describe, expect, it } from 'vitest';
import { Username, visitorRef } from '../../../src/actors/ids.ts';
import { serialize } from '../../../src/actors/machine/state-json.ts';
import type { VisitorCommand } from '../../../src/actors/visitor/decisions.ts';
import type { VisitorContext } from '../../../src/actors/visitor/state.ts';
import { openEsdbEventStore } from '../../../src/eventstore/esdb/store.ts';
import type { EventStore } from '../../../src/eventstore/port.ts';
import { XMPP_FILTER } from '../../../src/reactors/conversation/xmpp-lane.ts';
import { LHC_FILTER } from '../../../src/reactors/lhc/drafts.ts';
import {
  createDesiredVisitors,
  DESIRED_VISITORS_TABLE,
} from '../../../src/reactors/visitors/desired.ts';
import {
  createRetention,
  LONG_SILENCE_MS,
  type RetentionOptions,
  SILENCE_HELD_MS,
} from '../../../src/reactors/visitors/retention.ts';
import {
  openRetentionTables,
  RETENTION_TABLE,
} from '../../../src/reactors/visitors/retention-table.ts';
import { DEAD_LETTERS_TABLE } from '../../../src/runtime/lanes/dead-letter-table.ts';
import { createLaneLog } from '../../../src/runtime/lanes/log.ts';
import { laneTable } from '../../../src/runtime/lanes/pending-effects.ts';
import { soleOwner } from '../../../src/runtime/leases/ownership.ts';
import { closeChat, HOUR, receive, sendMessage, startChat, viewPage } from '../../actors/facts.ts';
import { startEventStoreDouble } from '../../support/eventstoredb/server.ts';
import { visitorKey } from '../../support/names.ts';
import { ACME, newId, openRig, type Rig, silent } from '../../support/rig.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const DAY = 24 * HOUR;
const RETENTION_DAYS = 30;
const STREAM = 'visitor-acme.7';
const KEY = 'key-acme.7';
const TABLES = [
  laneTable([XMPP_FILTER, LHC_FILTER]),
  DESIRED_VISITORS_TABLE,
  DEAD_LETTERS_TABLE,
  RETENTION_TABLE,
];
const settings = { retention: (RETENTION_DAYS * DAY) / 1000 };
const PROFILE = { nick: 'Ada Lovelace', page: 'https://shop.test/' };

type Disturb = (store: EventStore) => EventStore;
const STORES = {
  sqlite: (disturb: Disturb = (store) => store) => openRig({ disturb, settings }),
  async eventstoredb(disturb: Disturb = (store) => store) {
    const server = await startEventStoreDouble();
    closing.push(() => server.close());
    const store = await openEsdbEventStore(server.url);
    closing.push(() => store.close());
    return openRig({ disturb: () => disturb(store), settings });
  },
} as const;

async function start(rig: Rig, more: Partial<RetentionOptions> = {}) {
  closing.push(() => rig.close());
  const { actors, store, vault, workFile: db, tenants, clock } = rig;
  const caughtUp = await rig.follow(TABLES, [rig.host]);
  const tables = openRetentionTables(db);
  const retention = createRetention({
    ...{ tables, store, vault, actors, tenants, caughtUp, logger: silent },
    destinations: [XMPP_FILTER.name, LHC_FILTER.name],
    ownership: soleOwner,
    now: clock.now,
    monotonic: clock.monotonic,
    share: 1,
    ...more,
  });
  retention.start(null);
  const lane = createLaneLog({ ...rig, newId });
  const desired = createDesiredVisitors(db);
  const key = visitorKey('7');
  const send = async (command: VisitorCommand | { type: 'Wake' }, apart = 1_000) => {
    clock.passes(apart);
    if (command.type === 'Wake') await rig.host.wake(STREAM);
    else await rig.toVisitor('7', command);
    await caughtUp();
  };
  /** All effects up to now are done. */
  const perform = async () => {
    const last = (await rig.facts(STREAM)).at(-1);
    for (const place of last ? [XMPP_FILTER.name, LHC_FILTER.name] : []) {
      if (last) await lane.advance(STREAM, place, last);
    }
    await caughtUp();
    desired.accountRemoved({ tenant: ACME, key });
  };
  const arrive = (apart?: number) =>
    send({ ...viewPage('home'), profile: PROFILE } as VisitorCommand, apart);
  /** A visitor comes, chats, and leaves for good, as far as they know. */
  const visit = async (chat: string) => {
    await arrive();
    await send(startChat(chat, `m-${chat}`));
    await send(receive('ada', `o-${chat}`));
    await send({ type: 'ReportMessageDelivered', messageIds: [`m-${chat}`], by: 'receipt' });
    await send(closeChat(chat));
    await send({ type: 'Wake' }, HOUR);
    await send({ type: 'Wake' }, DAY);
    await perform();
  };
  const nick = async (): Promise<unknown[]> => {
    const facts = await rig.facts(STREAM);
    const arrivals = facts.filter(({ type }) => type === 'VisitorArrived');
    return Promise.all(arrivals.map(async (fact) => (await vault.open(fact))?.nick));
  };
  const streams = async (): Promise<string[]> => {
    const found = await Promise.all(
      [STREAM, KEY, `${KEY}~1`, `lane-${STREAM}.xmpp`, `lane-${STREAM}.lhc`].map(async (stream) =>
        (await rig.facts(stream)).length > 0 ? [stream] : [],
      ),
    );
    return found.flat();
  };
  /** The state in memory is that which the log gives. */
  const sameFolded = async () => {
    const ref = visitorRef(ACME, key);
    const live = await rig.host.load(ref);
    const cold = await rig
      .makeHost({
        snapshots: { load: () => null, save: () => {}, delete: () => {}, deleteBetween: () => {} },
      })
      .load(ref);
    const contextOf = (state: typeof live) =>
      state && (serialize(state) as { context: unknown; value: unknown });
    expect(contextOf(cold)?.context).toEqual(contextOf(live)?.context);
    expect(contextOf(cold)?.value).toEqual(contextOf(live)?.value);
  };
  return {
    send,
    perform,
    arrive,
    visit,
    nick,
    streams,
    sameFolded,
    caughtUp,
    retention,
    tables,
    lane,
  };
}

const gone = { ended: 0, gone: 0, work: 0 };

describe.each(Object.keys(STORES) as (keyof typeof STORES)[])('on %s', (name) => {
  it('a visitor who never returns leaves nothing, and is a new one if they do', async () => {
    const rig = await STORES[name]();
    const w = await start(rig);
    await w.visit('c1');
    await w.visit('c2');
    rig.clock.passes((RETENTION_DAYS - 1) * DAY);
    await w.retention.look();
    expect((await w.streams()).length).toBe(4);
    rig.clock.passes(DAY);
    await w.retention.look();
    expect(await w.streams()).toEqual([]);
    expect(w.tables.counts()).toEqual(gone);
    expect(rig.snapshots.load(STREAM, 'visitor/10')).toBeNull();

    await w.arrive();
    expect(await rig.types(STREAM)).toEqual(['VisitorArrived']);
    expect(await w.nick()).toEqual(['Ada Lovelace']);
    expect(await w.streams()).toEqual([STREAM, KEY]);
    await w.sameFolded();
    await w.visit('c1'); // the id is not a repeat any more
    rig.clock.passes(RETENTION_DAYS * DAY);
    await w.retention.look();
    expect(await w.streams()).toEqual([]);
    expect(w.tables.counts()).toEqual(gone);
  });

  it('a visitor who returns keeps what came after the clean-up', async () => {
    const rig = await STORES[name]();
    const w = await start(rig);
    await w.visit('c1');
    rig.clock.passes(20 * DAY);
    await w.visit('c2');
    await w.arrive();
    await w.perform();
    const before = await rig.facts(STREAM);
    const cleanedUp = before.filter(({ type }) => type === 'CleanedUp').map((e) => e.revision);
    rig.clock.passes(11 * DAY);
    await w.retention.look();
    const facts = await rig.facts(STREAM);
    expect(facts.slice(0, -1)).toEqual(before.filter((e) => e.revision >= (cleanedUp[0] ?? -1)));
    expect(facts.at(-1)).toMatchObject({
      type: 'RetentionApplied',
      data: { before: cleanedUp[0] },
    });
    await w.sameFolded();
    await w.retention.look();
    expect(await rig.facts(STREAM)).toEqual(facts); // once
    rig.clock.passes(20 * DAY);
    await w.retention.look();
    expect((await rig.facts(STREAM))[0]).toMatchObject({ revision: cleanedUp[1] });
    expect(await w.nick()).toEqual(['Ada Lovelace']);
    await w.sameFolded();
    expect(w.tables.counts()).toEqual(gone);
  });

  it.each([
    ['their stream is deleted', (stream: string) => stream === STREAM],
    ['their key is deleted', (stream: string) => stream === KEY],
  ])('a visitor who comes in the moment in which %s loses nothing', async (_what, isIt) => {
    let race: (() => Promise<void>) | null = null;
    const rig = await STORES[name]((store) => ({
      ...store,
      deleteStream: async (stream, options) => {
        const runs = isIt(stream) ? race : null;
        if (runs) race = null;
        await runs?.();
        return store.deleteStream(stream, options);
      },
    }));
    const w = await start(rig);
    await w.visit('c1');
    rig.clock.passes(RETENTION_DAYS * DAY);
    race = async () => {
      await w.arrive();
      await rig.toVisitor('7', startChat('c2', 'm9'));
    };
    await w.retention.look();
    expect(race).toBeNull();
    expect((await rig.types(STREAM)).slice(0, 3)).toEqual([
      'RetentionApplied',
      'VisitorArrived',
      'ChatStarted',
    ]);
    expect(await w.nick()).toEqual(['Ada Lovelace']);
    expect(await w.streams()).toContain(`${KEY}~1`);
    expect(await w.streams()).not.toContain(KEY);
    await w.sameFolded();
    await rig.toVisitor('7', sendMessage('m10'));
    expect(w.tables.counts()).toEqual(gone);
    // And once more, from this generation on.
    await w.send({ type: 'ReportMessageDelivered', messageIds: ['m9', 'm10'], by: 'ping' });
    await w.send(closeChat('c2'));
    await w.send({ type: 'Wake' }, HOUR);
    await w.send({ type: 'Wake' }, DAY);
    await w.perform();
    rig.clock.passes(RETENTION_DAYS * DAY);
    await w.retention.look();
    expect(await w.streams()).toEqual([]);
    await w.arrive();
    expect(await w.nick()).toEqual(['Ada Lovelace']);
  });

  it('a process that remembers a visitor whose stream was deleted begins anew', async () => {
    const rig = await STORES[name]();
    const w = await start(rig);
    await w.visit('c1');
    const other = rig.makeHost({ shared: true });
    const ref = visitorRef(ACME, visitorKey('7'));
    expect(await other.load(ref)).not.toBeNull();
    const late = rig.makeHost({ shared: true });
    expect(await late.load(ref)).not.toBeNull();
    rig.clock.passes(RETENTION_DAYS * DAY);
    await w.retention.look();
    const view = { ...viewPage('home'), profile: PROFILE } as VisitorCommand;
    await rig.toVisitor('7', view, undefined, other);
    await rig.toVisitor('7', startChat('c9', 'm9'), undefined, late);
    expect(await rig.types(STREAM)).toEqual([
      'VisitorArrived',
      'ChatStarted',
      'VisitorMessageSent',
    ]);
    expect((await late.load(ref))?.seen).toEqual((await rig.makeHost().load(ref))?.seen);
    expect(await w.nick()).toEqual(['Ada Lovelace']);
  });

  it.each([
    ['brings it back', true],
    ['finds the next life there', false],
  ])('a process that has read the last fact of a deleted stream %s', async (_what, isFirst) => {
    const ref = visitorRef(ACME, visitorKey('7'));
    const found: { late?: Rig['host'] } = {};
    const rig: Rig = await STORES[name]((store) => ({
      ...store,
      deleteStream: async (stream, options) => {
        if (stream === STREAM && !found.late) {
          found.late = rig.makeHost({ shared: true });
          expect(await found.late.load(ref)).not.toBeNull();
        }
        return store.deleteStream(stream, options);
      },
    }));
    const w = await start(rig);
    await w.visit('c1');
    rig.clock.passes(RETENTION_DAYS * DAY);
    await w.retention.look();
    expect(await w.streams()).toEqual([]);
    const late = found.late ?? expect.unreachable();
    // Nothing but an arrival begins a life, whatever the process remembers.
    const operator = Username.parse('ada');
    const note = { type: 'AddNote', operator, noteId: 'n1', body: 'rich' } as const;
    await expect(rig.toVisitor('7', note, undefined, late)).rejects.toThrow('is not known');

    const [first, second] = isFirst ? [late, rig.host] : [rig.host, late];
    const view = { ...viewPage('home'), profile: PROFILE } as VisitorCommand;
    await rig.toVisitor('7', view, undefined, first);
    await rig.toVisitor('7', startChat('c2', 'm9'), undefined, second);
    expect(await rig.types(STREAM)).toEqual([
      'VisitorArrived',
      'ChatStarted',
      'VisitorMessageSent',
    ]);
    const keys = (await rig.facts(STREAM)).flatMap(({ personal }) => personal?.key ?? []);
    expect(new Set(keys).size).toBe(1);
    const erasureIn = async (host: Rig['host']) => {
      const state = (await host.latest(ref)) ?? expect.unreachable();
      return (serialize(state) as unknown as { context: VisitorContext }).context.erasure;
    };
    expect(await erasureIn(late)).toEqual(await erasureIn(rig.makeHost()));
    expect(await w.nick()).toEqual(['Ada Lovelace']);

    await w.send({ type: 'ReportMessageDelivered', messageIds: ['m9'], by: 'ping' });
    await w.send(closeChat('c2'));
    await w.send({ type: 'Wake' }, HOUR);
    await w.send({ type: 'Wake' }, DAY);
    await w.perform();
    rig.clock.passes(RETENTION_DAYS * DAY);
    await w.retention.look();
    expect(await w.streams()).toEqual([]);
  });
});

it('effects, dead letters, accounts and open messages hold a history', async () => {
  const rig = await STORES.sqlite();
  const w = await start(rig);
  await w.arrive();
  await w.send(startChat('c1', 'm1'));
  await w.send(closeChat('c1'));
  await w.send({ type: 'Wake' }, HOUR);
  await w.send({ type: 'CleanUp' });
  const last = (await rig.facts(STREAM)).at(-1) ?? expect.unreachable();
  const kept = async () => {
    await w.retention.look();
    expect((await rig.types(STREAM))[0]).toBe('VisitorArrived');
  };
  rig.clock.passes(RETENTION_DAYS * DAY);
  await kept(); // the account and effects
  rig.workFile.exec('DELETE FROM desired_visitors');
  await kept(); // effects
  await w.lane.advance(STREAM, 'lhc', last);
  await w.lane.advance(STREAM, 'xmpp', last, 'nobody took it');
  await w.caughtUp();
  await kept(); // a dead letter
  rig.workFile.exec('DELETE FROM dead_letters');
  rig.workFile.exec(
    "INSERT INTO dead_letters VALUES (1, 'l1', 'acme', 0, 'webhook', 'inbox-q', 0, 'service', '', 'acme.7')",
  );
  await kept(); // what they wrote and nobody could use
  rig.workFile.exec('DELETE FROM dead_letters');
  rig.workFile.exec("INSERT INTO desired_visitors VALUES ('acme', '7', 0, 0, 0, 1, 0)");
  await kept(); // the account
  await w.perform();
  await w.retention.look();
  expect(await w.streams()).toEqual([]);
});

it('an effect holds the history of a visitor who is back, before its fact and behind it', async () => {
  const rig = await STORES.sqlite();
  const w = await start(rig);
  await w.arrive();
  await w.send({ type: 'Wake' }, HOUR);
  await w.send({ type: 'CleanUp' });
  await w.arrive();
  rig.clock.passes(RETENTION_DAYS * DAY);
  await w.retention.look();
  expect(await rig.types(STREAM)).not.toContain('RetentionApplied');
  const effects = rig.workFile.prepare('SELECT * FROM lane_work').all();
  rig.workFile.exec('DELETE FROM lane_work');
  const cut = { type: 'ApplyRetention', before: 2 } as const;
  await w.send(cut);
  // Such a table may be built anew behind the fact.
  const insert = rig.workFile.prepare('INSERT INTO lane_work VALUES (?, ?, ?, ?)');
  for (const row of effects) insert.run(...Object.values(row));
  await w.retention.look();
  expect((await rig.types(STREAM))[0]).toBe('VisitorArrived');
  await w.perform();
  await w.retention.look();
  expect((await rig.types(STREAM))[0]).toBe('CleanedUp');
});

it('the visitors of a tenant that is being removed are left to the removal', async () => {
  const rig = await STORES.sqlite();
  const all = () => rig.tenants.all().map((tenant) => ({ ...tenant, removing: true }));
  const w = await start(rig, { tenants: { ...rig.tenants, all, isComplete: () => true } });
  await w.visit('c1');
  rig.clock.passes(RETENTION_DAYS * DAY);
  await w.retention.look();
  expect(await w.streams()).toContain(STREAM);
});

it('a lane that has gone on in the moment of its deletion stays', async () => {
  const lane = `lane-${STREAM}.xmpp`;
  let race: (() => Promise<void>) | null = null;
  const rig = await STORES.sqlite((store) => ({
    ...store,
    deleteStream: async (stream, options) => {
      if (stream === lane) await race?.();
      return store.deleteStream(stream, options);
    },
  }));
  const w = await start(rig);
  await w.visit('c1');
  const last = (await rig.facts(STREAM)).at(-1) ?? expect.unreachable();
  race = () => w.lane.advance(STREAM, 'xmpp', last);
  rig.clock.passes(RETENTION_DAYS * DAY);
  await w.retention.look();
  expect(await w.streams()).toEqual([lane]);
});

it('a history is held for a day by a message that nobody has taken', async () => {
  const rig = await openRig({ settings: { retention: 3600 } });
  const w = await start(rig);
  await w.arrive();
  await w.send(startChat('c1', 'm1'));
  await w.send(closeChat('c1'));
  await w.send({ type: 'CleanUp' });
  await w.perform();
  rig.clock.passes(2 * HOUR);
  await w.retention.look();
  expect(await rig.types(STREAM)).toContain('VisitorMessageSent');
  rig.clock.passes(DAY);
  await w.retention.look();
  expect(await w.streams()).toEqual([]);
});

it('a process that is killed at any point leaves work that is done again from the log', async () => {
  for (let point = 0; ; point++) {
    let calls = Number.NEGATIVE_INFINITY;
    const dies = () => {
      if (calls++ === point) throw new Error('the process ended');
    };
    const rig = await openRig({
      settings,
      disturb: (store) => ({
        ...store,
        append: async (...args) => {
          dies();
          return store.append(...args);
        },
        deleteStream: async (...args) => {
          dies();
          return store.deleteStream(...args);
        },
        truncateBefore: async (...args) => {
          dies();
          return store.truncateBefore(...args);
        },
      }),
    });
    const w = await start(rig);
    await w.visit('c1');
    rig.clock.passes(RETENTION_DAYS * DAY);
    calls = 0;
    await w.retention.look();
    const killed = calls > point;
    calls = Number.NEGATIVE_INFINITY;
    const next = await start(await rig.restart({ withoutWork: true }));
    await next.perform(); // the account is removed again
    await next.retention.look();
    const left = await next.streams();
    // Without its table, a lane of a stream that is gone already stays: one fact.
    expect(left.filter((stream) => !stream.startsWith('lane-'))).toEqual([]);
    if (!killed) break;
    expect(point).toBeLessThan(12);
  }
});

it('nothing is deleted while the clock may be wrong', async () => {
  const rig = await STORES.sqlite();
  const w = await start(rig);
  await w.visit('c1');
  const newest = rig.clock.now();
  rig.clock.passes(RETENTION_DAYS * DAY);
  let fault: string | null = 'it was set forward by 40 days';
  w.retention.watchClock(() => (fault ? Promise.reject(new Error(fault)) : Promise.resolve()));
  const isKept = async () => {
    await w.retention.look();
    return (await w.streams()).includes(STREAM);
  };
  expect(await isKept()).toBe(true);
  fault = null;
  w.retention.start(newest); // a process that begins after a month
  expect(await isKept()).toBe(true);
  rig.clock.passes(SILENCE_HELD_MS - 1);
  expect(await isKept()).toBe(true);
  rig.clock.passes(1);
  w.retention.start(rig.clock.now() - LONG_SILENCE_MS);
  expect(await isKept()).toBe(false);
});

it('a clean-up from the future gets the right time', async () => {
  const rig = await STORES.sqlite();
  const w = await start(rig);
  rig.clock.isSet(4000 * DAY);
  await w.visit('c1');
  rig.clock.isSet(-4000 * DAY);
  await w.retention.look();
  await w.caughtUp();
  expect((await rig.facts(STREAM)).at(-1)).toMatchObject({
    type: 'CleanedUp',
    data: { silent: { account: false, loggedIn: false } },
  });
  expect(w.tables.hasAccount(ACME, visitorKey('7'))).toBe(false); // it was removed before
  await w.perform();
  rig.clock.passes(RETENTION_DAYS * DAY);
  await w.retention.look();
  expect(await w.streams()).toEqual([]);
});

it('a backlog is worked off in steps', async () => {
  const rig = await STORES.sqlite();
  const tables = openRetentionTables(rig.workFile);
  const read: number[] = [];
  const counted =
    <A extends unknown[], T>(list: (...args: A) => readonly T[]) =>
    (...args: A): readonly T[] => {
      const found = list(...args);
      read.push(found.length);
      return found;
    };
  const { gone: goneOnes, ended, work } = tables;
  const w = await start(rig, {
    step: 5,
    tables: { ...tables, gone: counted(goneOnes), ended: counted(ended), work: counted(work) },
  });
  for (let n = 0; n < 23; n++) {
    await rig.toVisitor(`v${n}`, viewPage('home'));
    await rig.toVisitor(`v${n}`, { type: 'CleanUp' });
    if (n % 2 > 0) await rig.toVisitor(`v${n}`, viewPage('home')); // they are back
  }
  await w.caughtUp();
  rig.workFile.exec('DELETE FROM lane_work; DELETE FROM desired_visitors');
  rig.clock.passes(RETENTION_DAYS * DAY);
  await w.retention.look();
  for (let n = 0; n < 23; n++) {
    const [first] = await rig.types(`visitor-acme.v${n}`);
    expect(first).toBe(n % 2 > 0 ? 'CleanedUp' : undefined);
  }
  expect(Math.max(...read)).toBe(5);
  expect(w.tables.counts()).toEqual(gone);
});
