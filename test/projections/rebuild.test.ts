import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type ActorState, emptyState } from '../../src/actors/machine/decider.ts';
import { operatorDecider, operatorState } from '../../src/actors/operator/decisions.ts';
import type { OperatorSnapshot } from '../../src/actors/operator/machine.ts';
import { visitorState } from '../../src/actors/visitor/decisions.ts';
import type { VisitorSnapshot } from '../../src/actors/visitor/machine.ts';
import type { Profile } from '../../src/actors/visitor/profile.ts';
import { operatorCommand, timed, visitorCommand } from '../actors/arbitraries.ts';
import { closeChat, DELAYS, startChat } from '../actors/facts.ts';
import { startEventStoreDouble } from '../support/eventstoredb/server.ts';
import { type Log, openTestLog } from './log.ts';

const viewPage = (digest: string, profile: Profile) =>
  ({ type: 'ViewPage', digest, department: null, delays: DELAYS, profile }) as const;

let log: Log;
const ofFile = (): Log => log;
beforeAll(async () => {
  log = await openTestLog();
});
afterAll(() => log.close());

describe('rows', () => {
  test('agree with the state of a visitor after any history', async () => {
    const { projections } = log.follow('machines.db');
    let n = 0;
    const history = timed(visitorCommand);
    await fc.assert(
      fc.asyncProperty(history, async (commands) => {
        n += 1;
        const key = `v${n}`;
        for (const { command, passes } of commands) {
          log.passes(Math.max(0, passes));
          await log.visitor(key, command);
        }
        const state = (await log.state('visitor', key)) as ActorState<VisitorSnapshot> | null;
        if (!state || state.core.revision < 0) return;
        await projections.waitFor(await log.head(), 5000);
        const { presence, conversation, context } = visitorState(state.core);
        const row = projections.visitors.get('acme', key);
        // The row of somebody who was erased goes, until they come back.
        if (row === null) {
          expect(presence).toBe('cleanedUp');
          expect(context.erasure.generation).toBeGreaterThan(0);
          expect(
            projections.messages.list({ tenant: 'acme', visitor: key, limit: 1 }).items,
          ).toEqual([]);
          return;
        }
        expect(row).toMatchObject({
          presence,
          conversation,
          chatId: context.chat?.id ?? null,
          operator: context.chat
            ? context.chat.operator
            : conversation === 'invited'
              ? context.inviter
              : null,
          department: context.chat?.department ?? context.department,
          loggedIn: context.loggedIn,
          lastSeen: context.lastSeen,
          revision: state.core.revision,
        });
        const { items } = projections.messages.list({ tenant: 'acme', visitor: key, limit: 200 });
        const onTheWay = items.filter((message) => ['sent', 'taken'].includes(message.state));
        expect(onTheWay.map(({ id, state: now }) => ({ id, taken: now === 'taken' }))).toEqual(
          context.openMessages.map(({ id, taken }) => ({ id, taken })),
        );
        const chats = projections.chats.list({ tenant: 'acme', visitor: key, limit: 200 }).items;
        const { chat: has } = context;
        // Two chats may begin in the same millisecond, so the newest one is not always the first.
        const open = chats.filter(({ state: now }) => now !== 'closed');
        expect(open.map(({ chatId }) => chatId)).toEqual(has ? [has.id] : []);
        const [chat] = open;
        if (!has) return;
        const offered = has.accepted ? [] : has.operator ? [has.operator] : has.offeredTo;
        expect(chat).toMatchObject({
          chatId: has.id,
          state: has.accepted ? 'active' : offered.length > 0 || has.inLhc ? 'offered' : 'waiting',
          offered: expect.toSatisfy(
            (some: string[]) => some.toSorted().join() === offered.toSorted().join(),
          ),
          operator: has.operator,
          department: has.department,
          startedAt: has.startedAt,
          visitorMessages: context.chatMessages,
          missed: false,
        });
        // Who is asked in LHC does not wait in a queue of ours.
        expect(chat?.waitingSince === null).toBe(has.accepted || has.byLhc || has.inLhc !== null);
      }),
      { numRuns: 40 },
    );
  });

  test('agree with the state of an operator after any history', async () => {
    const { projections } = log.follow('operators.db');
    let n = 0;
    await fc.assert(
      fc.asyncProperty(timed(operatorCommand), async (commands) => {
        n += 1;
        const name = `o${n}`;
        for (const { command, passes } of commands) {
          log.passes(Math.max(0, passes));
          await log.operator(name, command);
        }
        const state = ((await log.state('operator', name)) ??
          emptyState(operatorDecider)) as ActorState<OperatorSnapshot>;
        if (state.core.revision < 0) return;
        await projections.waitFor(await log.head(), 5000);
        const { availability, context } = operatorState(state.core);
        const row = projections.operators.get('acme', name);
        if (!context.registered) {
          expect(row).toBeNull();
          return;
        }
        expect(row).toMatchObject({
          availability,
          lhcUserId: context.lhcUserId,
          departments: context.departments,
          capacity: context.capacity,
          revision: state.core.revision,
        });
        const sessions = Object.values(context.sessions).map(({ priority = 0, ...session }) => ({
          ...session,
          priority,
        }));
        expect(row?.sessions.map(({ status: _, ...session }) => session)).toEqual(
          expect.arrayContaining(sessions),
        );
        expect(row?.sessions).toHaveLength(sessions.length);
        expect(row?.chats.map(({ chatId, state: now }) => [chatId, now === 'open']).sort()).toEqual(
          Object.entries(context.chats)
            .map(([id, { open }]) => [id, open])
            .sort(),
        );
      }),
      { numRuns: 40 },
    );
  });

  test('of an operator are the same before a summary, after it, and built from a stream that was cut before it', async () => {
    const live = log.follow('cut.db');
    let n = 0;
    const row = async (name: string) => {
      await live.projections.waitFor(await log.head(), 5000);
      const { revision: _, ...others } = live.projections.operators.get('acme', name) ?? {};
      return others;
    };
    await fc.assert(
      fc.asyncProperty(timed(operatorCommand), timed(operatorCommand), async (before, after) => {
        n += 1;
        const name = `cut${n}`;
        for (const { command, passes } of before) {
          log.passes(Math.max(0, passes));
          await log.operator(name, command);
        }
        const state = (await log.state('operator', name)) as ActorState<OperatorSnapshot> | null;
        if (!state || state.core.revision < 0) return;
        const { context } = operatorState(state.core);
        const known = await row(name);
        const summary = await log.operator(name, {
          type: 'Summarise',
          seenRevision: state.core.revision,
          name: context.nameRevision < 0 ? null : 'Ada',
          statuses: Object.fromEntries(Object.keys(context.statusRevisions).map((id) => [id, ''])),
        });
        if (!summary?.facts) return; // a timer runs
        expect(await row(name)).toEqual(known);
        for (const { command, passes } of after) {
          log.passes(Math.max(0, passes));
          await log.operator(name, command);
        }
        await log.store.truncateBefore(`operator-acme.${name}`, summary.revision);
      }),
      { numRuns: 40 },
    );
    await live.projections.waitFor(await log.head(), 5000);
    const fresh = await log.caughtUp('after-cut.db');
    expect(log.hashes('after-cut.db', fresh.projections)).toEqual(
      log.hashes('cut.db', live.projections),
    );
  });

  test.each([
    ['cut after the retention', 25, null],
    ['cut, and scavenged by an EventStoreDB', 25, startEventStoreDouble],
  ])(
    'of visitors are the same from the whole log and from one that was %s',
    async (_how, numRuns, startServer) => {
      const server = await startServer?.();
      const log = server ? await openTestLog(server.url) : ofFile();
      onTestFinished(async () => {
        if (log !== ofFile()) await log.close();
        await server?.close();
      });
      const { store, vault } = log;
      const live = log.follow('retained.db');
      let n = 0;
      const over = async (key: string, pick: number): Promise<void> => {
        const stream = `visitor-acme.${key}`;
        const facts = await store.readStream(stream);
        const ends = facts.filter(({ type }) => type === 'CleanedUp');
        const end = ends[pick % Math.max(1, ends.length)];
        const last = facts.at(-1);
        if (!end || !last) return;
        const forgot = await log.visitor(key, { type: 'Forget', revision: last.revision });
        if (forgot?.facts && pick % 3 > 0) {
          // What a kill between the two leaves behind is tried elsewhere.
          await vault.erase(`acme.${key}`);
          await store.deleteStream(stream, { expected: forgot.revision });
        } else if (forgot?.facts) {
          await log.visitor(key, viewPage('again', { nick: 'Ada' }));
          await store.truncateBefore(stream, forgot.revision);
        } else {
          const cut = await log.visitor(key, { type: 'ApplyRetention', before: end.revision });
          if (cut?.facts) await store.truncateBefore(stream, end.revision);
        }
      };
      const history = fc.array(
        fc.record({ passes: fc.nat(600_000), command: visitorCommand, pick: fc.nat(11) }),
        { minLength: 10, maxLength: 60 },
      );
      await fc.assert(
        fc.asyncProperty(history, async (steps) => {
          n += 1;
          const key = `r${n}`;
          for (const { command, passes, pick } of steps) {
            log.passes(passes);
            await log.visitor(key, command);
            if (pick === 0) await log.visitor(key, { type: 'CleanUp' });
            if (pick > 9) await over(key, pick + n);
          }
        }),
        { numRuns },
      );
      await live.projections.waitFor(await log.head(), 5000);
      // SQLite removes in the background, EventStoreDB in a scavenge alone.
      if (server) {
        const before = await store.readAll({ limit: 10_000 });
        server.scavenge();
        expect((await store.readAll({ limit: 10_000 })).length).toBeLessThan(before.length);
      }
      const fresh = await log.caughtUp('retained-anew.db');
      const hashes = log.hashes('retained.db', live.projections);
      // The index of streams has the streams of keys until they are looked at.
      const { streams: _, ...rows } = hashes;
      expect(log.hashes('retained-anew.db', fresh.projections)).toMatchObject(rows);
      expect(
        (await store.readAll({ prefixes: ['visitor-acme.r'] })).some(
          ({ type }) => type === 'RetentionApplied',
        ),
      ).toBe(true);
    },
  );

  test('are the same whether they grew live, in pieces, or were built again', async () => {
    const live = log.follow('live.db');
    const pieces = log.follow('pieces.db');
    await log.visitor('late', { type: 'ReportSessionFailed', reason: 'unknown yet' });
    await pieces.stop(); // at any moment
    for (const command of fc.sample(visitorCommand, 60)) {
      await log.visitor('late', command);
    }
    await live.projections.waitFor(await log.head(), 5000);
    const fresh = await log.caughtUp('fresh.db');
    const resumed = await log.caughtUp('pieces.db');
    const hashes = log.hashes('live.db', live.projections);
    expect(log.hashes('fresh.db', fresh.projections)).toEqual(hashes);
    expect(log.hashes('pieces.db', resumed.projections)).toEqual(hashes);
  });

  test('of a visitor who was erased are gone, and the same built again without the key', async () => {
    const live = log.follow('erased-live.db');
    await log.visitor(
      'erased',
      viewPage('home', { nick: 'Zebedee', page: 'https://x.test/secret' }),
    );
    await log.visitor('erased', startChat('e1', 'm1'));
    await log.visitor('erased', { ...closeChat('e1'), reason: 'Zebedee was rude' });
    await live.projections.waitFor(await log.head(), 5000);
    expect(live.projections.visitors.get('acme', 'erased')).toMatchObject({ nick: 'Zebedee' });
    expect(live.projections.chats.get('acme', 'e1', 'erased')).toMatchObject({
      nick: 'Zebedee',
      reason: 'Zebedee was rude',
    });
    const stored = JSON.stringify(await log.store.readStream('visitor-acme.erased'));
    expect(stored).not.toContain('rude');

    await log.visitor('erased', { type: 'ErasePersonalData' });
    await log.vault.destroy('acme.erased');
    await live.projections.waitFor(await log.head(), 5000);
    const { visitors, messages, chats } = live.projections;
    expect(visitors.get('acme', 'erased')).toBeNull();
    expect(messages.list({ tenant: 'acme', visitor: 'erased', limit: 10 }).items).toEqual([]);
    expect(chats.get('acme', 'e1', 'erased')).toMatchObject({
      nick: null,
      reason: null,
      state: 'closed',
      visitorMessages: 1,
    });
    await log.visitor('erased', viewPage('prices', { nick: 'Florence' }));
    await live.projections.waitFor(await log.head(), 5000);
    expect(visitors.get('acme', 'erased')).toMatchObject({ nick: 'Florence', page: null });
    expect(chats.get('acme', 'e1', 'erased')).toMatchObject({ nick: null });
    const fresh = await log.caughtUp('erased-fresh.db');
    expect(log.hashes('erased-fresh.db', fresh.projections)).toEqual(
      log.hashes('erased-live.db', live.projections),
    );
  });

  test('include a write whose position was waited for, and the wait has a deadline', async () => {
    const { projections } = log.follow('live.db.2');
    const done = await log.visitor('fresh', {
      type: 'StartChat',
      chatId: 'c1',
      department: null,
      delays: {
        hardTimeout: 1,
        cleanupAfter: 1,
        invitationTimeout: 1,
        offerTimeout: 1,
        chatIdle: 1,
      },
    });
    if (!done?.position) throw new Error('a write has a position');
    await projections.waitFor(done.position, 5000);
    expect(projections.visitors.get('acme', 'fresh')).toMatchObject({ chatId: 'c1' });
    const far = log.store.parsePosition(done.position.replace(/\d+$/, '999999999'));
    await expect(projections.waitFor(far, 20)).rejects.toMatchObject({ code: 'timeout' });
  });
});
