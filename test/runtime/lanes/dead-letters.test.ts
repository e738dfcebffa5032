import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pino } from 'pino';
import { afterEach, expect, it } from 'vitest';
import { createSetAside } from '../../../src/inbox/set-aside.ts';
import { createDeadLetterExpiry } from '../../../src/runtime/lanes/dead-letter-expiry.ts';
import {
  DEAD_LETTERS_TABLE,
  MAX_LETTERS_PER_TENANT,
} from '../../../src/runtime/lanes/dead-letter-table.ts';
import { createDeadLetters } from '../../../src/runtime/lanes/dead-letters.ts';
import { ADMIN, fakeApp } from '../../http/fakes.ts';
import { ALL_PARTITIONS, movableOwnership } from '../../support/ownership.ts';
import { newId, openRig, type Rig, silent } from '../../support/rig.ts';
import { waitFor } from '../../support/wait.ts';
import { done, lanesOn, lettersOf, place, retry, said, speak } from './rig.ts';

const rigs: Rig[] = [];
const stopping: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stopping.splice(0)) await stop();
  for (const rig of rigs.splice(0)) await rig.close();
});

async function withDeadEffect() {
  const rig = await openRig();
  rigs.push(rig);
  const lhc = place('lhc');
  lhc.state.answer = async ({ n, again }) =>
    n === 1 && !again ? { kind: 'dead', reason: 'never' } : done;
  const all = await lanesOn(rig, [lhc.destination]);
  stopping.push(all.lanes.stop);
  all.lanes.start();
  await speak(rig, 'a', [1, 2]);
  await waitFor(async () => {
    await all.caughtUp();
    return (await lettersOf(all.letters)).length === 1;
  });
  const [letter] = await lettersOf(all.letters);
  if (!letter) throw new Error('there is no letter');
  return { rig, lhc, letter, ...all };
}

it('an effect that was given up is listed and shown, for its tenant only', async () => {
  const { letters, letter } = await withDeadEffect();
  expect(letter).toMatchObject({ kind: 'effect', tenant: 'acme', reason: 'never' });
  expect(letter).toMatchObject({ type: 'Said', operator: null });
  expect(await lettersOf(letters, 'acme')).toEqual([letter]);
  expect(await lettersOf(letters, 'beta')).toEqual([]);
  expect(await letters.show(letter.id)).toEqual({
    ...letter,
    content: { type: 'Said', data: { n: 1 }, personal: null },
  });
  expect(await letters.show('none')).toBeNull();
});

it('a letter is sent again out of order with its id; then it is gone, after a rebuild too', async () => {
  const { rig, letters, lhc, letter, lanes } = await withDeadEffect();
  await letters.sendAgain(letter.id);
  expect(lhc.made.map(({ n, again }) => [n, again])).toEqual([
    [2, false],
    [1, true],
  ]);
  await expect(letters.sendAgain(letter.id)).rejects.toMatchObject({ code: 'not-found' });
  expect(await lettersOf(letters)).toEqual([]);
  await lanes.stop();
  const anew = await rig.restart({ withoutWork: true });
  rigs.push(anew);
  expect(await lettersOf((await lanesOn(anew, [lhc.destination])).letters)).toEqual([]);
});

it('a letter that fails again stays, and the error says why', async () => {
  const { letters, lhc, letter } = await withDeadEffect();
  lhc.state.answer = async () => retry;
  await expect(letters.sendAgain(letter.id)).rejects.toMatchObject({
    code: 'unavailable',
    message: 'lhc cannot take it now: away',
  });
  expect(await lettersOf(letters)).toEqual([letter]);
  // As a person reads it over HTTP.
  const { ask } = fakeApp({ deadLetters: letters });
  const path = `/debug/dead-letters/${letter.id}/send`;
  const away = await ask('POST', path, { key: ADMIN });
  expect([away.status, away.json.detail]).toEqual([503, 'lhc cannot take it now: away']);
  lhc.state.answer = async () => ({ kind: 'dead', reason: 'service-unavailable' });
  const refused = await ask('POST', path, { key: ADMIN });
  expect([refused.status, refused.json.detail]).toEqual([
    409,
    'lhc refused it: service-unavailable',
  ]);
  lhc.state.answer = async () => ({ kind: 'parked', reason: 'nobody is there' });
  const parked = await ask('POST', path, { key: ADMIN });
  expect([parked.status, parked.json.detail]).toEqual([
    503,
    'lhc cannot take it now: nobody is there',
  ]);
  expect(await lettersOf(letters)).toEqual([letter]);
});

it('a letter is sent by one request at a time, and not discarded meanwhile', async () => {
  const { letters, lhc, letter } = await withDeadEffect();
  const answered = Promise.withResolvers<void>();
  lhc.state.answer = async () => {
    await answered.promise;
    return done;
  };
  const sending = letters.sendAgain(letter.id);
  await waitFor(async () => lhc.attempts.some(({ again }) => again));
  await expect(letters.sendAgain(letter.id)).rejects.toMatchObject({ code: 'conflict' });
  await expect(letters.discard(letter.id)).rejects.toMatchObject({ code: 'conflict' });
  answered.resolve();
  await sending;
  expect(lhc.attempts.filter(({ again }) => again)).toHaveLength(1);
  await expect(letters.discard(letter.id)).rejects.toMatchObject({ code: 'not-found' });
});

it('a letter of a deleted event says so', async () => {
  const { rig, letters, letter } = await withDeadEffect();
  await rig.store.deleteStream('visitor-acme.a');
  await expect(letters.sendAgain(letter.id)).rejects.toMatchObject({ code: 'not-found' });
  await expect(letters.show(letter.id)).rejects.toMatchObject({ code: 'not-found' });
  expect(await lettersOf(letters)).toEqual([{ ...letter, type: null }]);
});

it('the list names the operator of a fact', async () => {
  const rig = await openRig();
  const { letters, caughtUp } = await follow(rig);
  const at = rig.now();
  const accepted = { ...said(0, at, 'ChatAccepted'), data: { chatId: 'c1', operator: 'olga' } };
  await rig.store.append('visitor-acme.a', [accepted], 'any');
  await rig.store.append('operator-acme.otto', [said(0, at, 'OperatorRemoved')], 'any');
  const dead = letterFact('acme', 0, at, 'effect');
  const other = letterFact('acme', 0, at, 'effect');
  const ofOtto = { ...other, data: { ...other.data, stream: 'operator-acme.otto' } };
  await rig.store.append('lane-x', [dead, ofOtto], 'any');
  await caughtUp();
  expect(await lettersOf(letters)).toMatchObject([
    { type: 'OperatorRemoved', operator: 'otto' },
    { type: 'ChatAccepted', operator: 'olga' },
  ]);
});

it('a webhook event is shown opened, and sent again once, with an id of its own', async () => {
  const rig = await openRig();
  rigs.push(rig);
  const { store, vault, now, workFile: db } = rig;
  const again: { content: unknown; commandId: string }[] = [];
  let refused = true;
  const letters = createDeadLetters({
    db,
    store,
    vault,
    destinations: [],
    now,
    newId,
    logger: silent,
    again: async (content, commandId) => {
      if (refused) throw new Error('still unusable');
      again.push({ content, commandId });
    },
  });
  const caughtUp = await rig.follow([DEAD_LETTERS_TABLE]);
  const setAside = createSetAside({ store, vault, now, newId });
  const content = { type: 'message', body: { '': 'Hello' } };
  const sealingKey = 'acme.1';
  const operator = 'olga';
  const about = { queueId: newId(), seq: 3, tenant: 'acme', operator, sealingKey };
  const event = { ...about, reason: 'nobody', content };
  await setAside.keep(event);
  await setAside.keep(event);
  await caughtUp();
  const [letter, ...others] = await lettersOf(letters, 'acme');
  expect(others).toEqual([]);
  if (!letter) throw new Error('there is no letter');
  expect(letter).toMatchObject({ kind: 'webhook', destination: 'service', reason: 'nobody' });
  expect(letter).toMatchObject({ type: 'message', operator });
  expect((await letters.show(letter.id))?.content).toMatchObject({ personal: { content } });
  await expect(letters.sendAgain(letter.id)).rejects.toThrow('still unusable');
  expect(await lettersOf(letters)).toHaveLength(1);
  refused = false;
  await letters.sendAgain(letter.id);
  expect(again).toEqual([{ content, commandId: `again:${letter.id}` }]);
  await expect(letters.sendAgain(letter.id)).rejects.toMatchObject({ code: 'not-found' });
});

it('a discarded letter is gone at once, though the fold is behind', async () => {
  const { rig, letter } = await withDeadEffect();
  const path = join(rig.folder, 'behind.db');
  rig.workFile.prepare('VACUUM INTO ?').run(path);
  using db = new DatabaseSync(path);
  const { store, vault, now } = rig;
  const again = async () => {};
  const letters = createDeadLetters({
    db,
    store,
    vault,
    now,
    newId,
    again,
    destinations: [],
    logger: silent,
  });
  expect(await lettersOf(letters)).toEqual([letter]);
  await letters.discard(letter.id);
  expect(await lettersOf(letters)).toEqual([]);
  expect(await letters.show(letter.id)).toBeNull();
  await expect(letters.discard(letter.id)).rejects.toMatchObject({ code: 'not-found' });
});

it('a discarded letter is gone, after a rebuild too', async () => {
  const { rig, letters, letter, lanes, lhc } = await withDeadEffect();
  await letters.discard(letter.id);
  expect(await lettersOf(letters)).toEqual([]);
  await expect(letters.discard(letter.id)).rejects.toMatchObject({ code: 'not-found' });
  await expect(letters.sendAgain(letter.id)).rejects.toMatchObject({ code: 'not-found' });
  expect(await rig.types(`letter-${letter.id}`)).toEqual(['DeadLetterDiscarded']);
  await lanes.stop();
  const anew = await rig.restart({ withoutWork: true });
  rigs.push(anew);
  expect(await lettersOf((await lanesOn(anew, [lhc.destination])).letters)).toEqual([]);
});

/** A fact of a lane or of the inbox that makes a letter. */
const letterFact = (tenant: string | null, n: number, at: number, kind: 'effect' | 'webhook') => {
  const id = newId();
  const effect = { stream: `visitor-${tenant}.a`, destination: 'lhc', through: 'x', revision: n };
  return {
    id,
    type: kind === 'effect' ? 'LaneAdvanced' : 'EventSetAside',
    schemaVersion: 1,
    data: kind === 'effect' ? { ...effect, dead: `reason ${n}` } : { reason: `reason ${n}` },
    personal: null,
    metadata: {
      tenant,
      at,
      commandId: id,
      correlationId: id,
      causationId: id,
      machine: 'lane/1',
    },
  };
};

const everything = (db: DatabaseSync) => ({
  letters: db.prepare('SELECT * FROM dead_letters ORDER BY number').all(),
  dropped: db.prepare('SELECT * FROM dead_letters_dropped').all(),
});

const follow = async (rig: Rig, logger = silent) => {
  rigs.push(rig);
  const { store, vault, now, workFile: db } = rig;
  const again = async () => {};
  const common = { db, store, vault, destinations: [], now, newId, again, logger };
  const letters = createDeadLetters(common);
  const caughtUp = await rig.follow([DEAD_LETTERS_TABLE], [letters]);
  return { letters, caughtUp };
};

it('a tenant has 1,000 letters; the oldest effects are dropped first, and a rebuild drops the same', async () => {
  const rig = await openRig();
  const warned: string[] = [];
  const logger = pino({ level: 'warn' }, { write: (line: string) => void warned.push(line) });
  const { letters, caughtUp } = await follow(rig, logger);
  const put = async (
    tenant: string | null,
    kind: 'effect' | 'webhook',
    from: number,
    n: number,
  ) => {
    const facts = Array.from({ length: n }, (_, i) =>
      letterFact(tenant, from + i, rig.now(), kind),
    );
    const stream = kind === 'effect' ? `lane-visitor-${tenant}.a.lhc` : `inbox-${tenant}`;
    await rig.store.append(stream, facts, 'any');
    await caughtUp();
  };
  await put('beta', 'effect', 0, 3);
  await put(null, 'webhook', 0, 2);
  await put('acme', 'webhook', 0, 10);
  await put('acme', 'effect', 0, 995);
  const reasons = async (tenant: string) =>
    (await lettersOf(letters, tenant)).map(({ kind, reason }) => `${kind} ${reason}`);
  let listed = await reasons('acme');
  expect(listed).toHaveLength(MAX_LETTERS_PER_TENANT);
  expect(listed.slice(-11)).toEqual([
    'effect reason 5',
    ...Array.from({ length: 10 }, (_, n) => `webhook reason ${9 - n}`),
  ]);
  const discarded = (await lettersOf(letters, 'acme'))[7];
  await letters.discard(discarded?.id ?? '');
  await put('acme', 'effect', 995, 1); // takes the free place
  expect((await reasons('acme')).at(-11)).toBe('effect reason 5');
  await put('acme', 'webhook', 10, MAX_LETTERS_PER_TENANT);
  listed = await reasons('acme');
  expect(listed).toHaveLength(MAX_LETTERS_PER_TENANT);
  expect(listed.at(-1)).toBe('webhook reason 10');
  expect(letters.counts()).toEqual([
    { tenant: null, letters: 2, dropped: 0 },
    { tenant: 'acme', letters: MAX_LETTERS_PER_TENANT, dropped: 5 + 10 + 990 },
    { tenant: 'beta', letters: 3, dropped: 0 },
  ]);
  const dropped = (lines: readonly string[]) =>
    lines.reduce((sum, line) => {
      const { tenant, dropped: n } = JSON.parse(line);
      expect(tenant).toBe('acme');
      return sum + n;
    }, 0);
  expect(dropped(warned)).toBe(5 + 10 + 990);

  const live = everything(rig.workFile);
  const anew = await rig.restart({ withoutWork: true });
  // At a rebuild the letters that were dropped are dropped again, and the log says whose they were.
  warned.length = 0;
  await follow(anew, logger);
  expect(everything(anew.workFile)).toEqual(live);
  expect(dropped(warned)).toBe(5 + 10 + 990);
});

it('lists page by page, the newest first, and nothing is missed or repeated', async () => {
  const rig = await openRig();
  const { letters, caughtUp } = await follow(rig);
  const facts = Array.from({ length: 25 }, (_, n) =>
    letterFact(n % 5 === 0 ? 'beta' : 'acme', n, rig.now(), 'webhook'),
  );
  await rig.store.append('inbox-q', facts, 'any');
  await caughtUp();
  const found: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await letters.list({ tenant: 'acme', limit: 7, cursor });
    found.push(...page.items.map(({ id }) => id));
    cursor = page.next ?? undefined;
    if (found.length === 7) await letters.discard(found[6] ?? '');
    await caughtUp();
  } while (cursor !== undefined);
  const expected = facts.filter(({ metadata }) => metadata.tenant === 'acme').map(({ id }) => id);
  expect(found).toEqual(expected.toReversed());
  for (const bad of ['x', '-1', '9e9', ' ', '1'.repeat(16)]) {
    await expect(letters.list({ limit: 1, cursor: bad })).rejects.toMatchObject({
      code: 'invalid',
      details: { field: 'cursor' },
    });
  }
});

it('letters expire with the retention of their tenant, and a rebuild after a change of it agrees', async () => {
  const day = 86_400_000;
  const rig = await openRig({ settings: { retention: (30 * day) / 1000 } });
  const { letters, caughtUp } = await follow(rig);
  const { workFile: db, store, now, tenants } = rig;
  const ownership = movableOwnership(ALL_PARTITIONS);
  const expiry = createDeadLetterExpiry({
    db,
    store,
    tenants,
    ownership,
    now,
    newId,
    logger: silent,
  });
  const put = async (n: number) => {
    for (const tenant of ['acme', 'gone', null]) {
      await store.append(`inbox-${tenant}`, [letterFact(tenant, n, now(), 'webhook')], 'any');
    }
    await caughtUp();
  };
  const left = async () =>
    (await lettersOf(letters)).map(({ tenant, reason }) => `${tenant} ${reason.at(-1)}`).sort();
  await put(1);
  rig.clock.passes(20 * day);
  await put(2);
  rig.clock.passes(11 * day);
  await expiry.look();
  await caughtUp();
  await expiry.look();
  expect(await left()).toEqual(['acme 2', 'gone 1', 'gone 2', 'null 1', 'null 2']);
  expect(await rig.types('letter-acme')).toEqual(['DeadLettersExpired']);
  rig.clock.passes(160 * day);
  ownership.lose(...ALL_PARTITIONS);
  await expiry.look();
  await caughtUp();
  expect(await left()).toHaveLength(5);
  ownership.gain(...ALL_PARTITIONS);
  await expiry.look();
  await caughtUp();
  expect(await left()).toEqual(['gone 2', 'null 2']);

  const live = everything(db);
  const anew = await rig.restart({ withoutWork: true });
  await follow(anew);
  expect(everything(anew.workFile)).toEqual(live);
});
