/** Routing with tiers, languages, limits, opening hours and overflow, on a real store (docs/adr/0059). */
import { afterEach, describe, expect, it } from 'vitest';
import { streamOf, visitorRef } from '../../../src/actors/ids.ts';
import type { OperatorCommand } from '../../../src/actors/operator/decisions.ts';
import { createRouting } from '../../../src/reactors/routing/routing.ts';
import { ROUTING_TABLE } from '../../../src/reactors/routing/table-queries.ts';
import { createActors } from '../../../src/runtime/host/actors.ts';
import { soleOwner } from '../../../src/runtime/leases/ownership.ts';
import {
  acceptChat,
  changePresence,
  closeChat,
  DELAYS,
  declineChat,
  openSession,
  receive,
  SECOND,
  viewPage,
} from '../../actors/facts.ts';
import { username, visitorKey } from '../../support/names.ts';
import { ACME, newId, openRig, type Rig, silent } from '../../support/rig.ts';
import { waitFor } from '../../support/wait.ts';

const stopping: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stopping.splice(0).reverse()) await stop();
});

/** The rig's clock begins on Thursday, 1 January 2026, at 00:00 UTC. */
const FROM_ONE = { timezone: 'UTC', week: { thu: ['01:00-24:00'] }, message: 'Back at one.' };
const NEVER = { timezone: 'UTC', week: {}, message: 'Never.' };
const HOUR = 3600 * SECOND;

type Skills = Partial<Omit<Extract<OperatorCommand, { type: 'Register' }>, 'type'>>;

/** A tenant whose routing has these settings, with routing that runs. */
async function scene(routing: Record<string, unknown>) {
  let rig = await openRig({ settings: { offerTimeout: 60, routing } });
  let process = await begin(rig);

  async function begin(on: Rig) {
    const { workFile: db, names, now } = on;
    // Each pass asks for its tenant when it begins, and one begins when the one before it has ended.
    let passes = 0;
    const tenants: typeof on.tenants = {
      ...on.tenants,
      get: (id) => {
        passes += 1;
        return on.tenants.get(id);
      },
    };
    const made = createRouting({
      isOnline: async () => true,
      db,
      actors: createActors(on.host, newId),
      tenants,
      names,
      now,
      newId,
      ownership: soleOwner,
      logger: silent,
      random: () => 0,
      sweepEveryMs: 20,
    });
    const caughtUp = await on.follow([ROUTING_TABLE], [on.host, made]);
    made.start();
    stopping.push(async () => {
      await made.stop();
      await on.close();
    });
    return { made, caughtUp, passes: () => passes };
  }

  const chatOf = async (key: string) => (await rig.visitor(key).state())?.context.chat ?? null;
  const factsOf = async (key: string, type: string) =>
    (await rig.facts(`visitor-acme.${key}`))
      .filter((fact) => fact.type === type)
      .map(({ data }) => data);
  return {
    chatOf,
    factsOf,
    async hires(name: string, skills: Skills = {}) {
      await rig.toOperator(name, {
        type: 'Register',
        lhcUserId: null,
        departments: [],
        capacity: 1,
        name: null,
        nameChanged: false,
        ...skills,
      });
      await rig.toOperator(name, openSession(`s-${name}`));
      await rig.toOperator(name, changePresence('available', `s-${name}`));
    },
    starts: (key: string, department: string | null, language?: string) =>
      rig.toVisitor(key, {
        type: 'StartChat',
        chatId: `c${key}`,
        department,
        delays: { ...DELAYS, offerTimeout: 60 * SECOND },
        ...(language !== undefined && { language }),
      }),
    sends: (...args: Parameters<Rig['toVisitor']>) => rig.toVisitor(...args),
    async has(name: string, key: string) {
      await waitFor(async () => (await chatOf(key))?.operator === name, {
        every: 5,
        what: () => `${name} has the chat of ${key}`,
      });
    },
    /** Passes have run, and nobody has got the chat. */
    async waits(key: string) {
      await process.caughtUp();
      const before = process.passes();
      // A wake asks once more than its pass.
      await waitFor(() => process.passes() >= before + 6, { every: 5, what: 'three passes' });
      await process.caughtUp();
      expect(await chatOf(key)).toMatchObject({ operator: null, offeredTo: [] });
    },
    async told(key: string) {
      let found: unknown[] = [];
      await waitFor(async () => {
        found = await factsOf(key, 'VisitorNotified');
        return found.length > 0;
      });
      return found;
    },
    async passes(seconds: number, keys: readonly string[] = []) {
      rig.clock.passes(seconds * SECOND);
      for (const key of keys) {
        await rig.host.wake(streamOf(visitorRef(ACME, visitorKey(key))));
      }
    },
    async restart() {
      await process.made.stop();
      rig = await rig.restart();
      process = await begin(rig);
    },
    now: () => rig.now(),
  };
}

describe('tiers', () => {
  it('the second one is asked when nobody of the first is free', async () => {
    const { hires, starts, has, chatOf, factsOf } = await scene({});
    await hires('ada', { tier: 2, capacity: 5 });
    await hires('bob', { tier: 2, tiers: { sales: 1 } });
    await starts('1', 'sales');
    await has('bob', '1');
    await starts('2', 'sales');
    await has('ada', '2');
    expect((await chatOf('2'))?.operator).toBe('ada');
    expect((await factsOf('2', 'ChatAssigned'))[0]?.considered).toEqual({
      free: 1,
      first: [{ operator: 'ada', chats: 0, capacity: 5, tier: 2 }],
    });
  });

  it('with tierWait a chat waits that long for somebody of the first who is there', async () => {
    const { hires, starts, has, waits, passes } = await scene({ tierWait: 30 });
    await hires('bob');
    await hires('ada', { tier: 2 });
    await starts('1', 'sales');
    await has('bob', '1');
    await starts('2', 'sales');
    await waits('2');
    await passes(29);
    await waits('2');
    await passes(1);
    await has('ada', '2');
  });
});

describe('languages', () => {
  it('who speaks the visitor’s is preferred, before who has fewer chats', async () => {
    const { hires, starts, has, factsOf } = await scene({});
    await hires('ada', { capacity: 5 });
    await hires('bob', { capacity: 5, languages: ['en', 'de-CH'] });
    for (const key of ['1', '2']) {
      await starts(key, 'sales', 'de-AT');
      await has('bob', key);
    }
    expect((await factsOf('1', 'ChatAssigned'))[0]?.considered).toEqual({
      free: 2,
      language: 'de-AT',
      first: [
        { operator: 'bob', chats: 0, capacity: 5, speaks: true },
        { operator: 'ada', chats: 0, capacity: 5 },
      ],
    });
    await starts('3', 'sales', 'fr');
    await has('ada', '3');
  });

  it('required, others are asked after the wait', async () => {
    const { hires, starts, has, waits, passes } = await scene({
      departments: { sales: { language: { match: 'require', wait: 30 } } },
    });
    await hires('ada', { capacity: 5 });
    await starts('1', 'sales', 'de');
    await starts('2', 'support', 'de');
    await starts('3', 'sales');
    await has('ada', '2');
    await has('ada', '3');
    await waits('1');
    await passes(30);
    await has('ada', '1');
  });
});

describe('a department', () => {
  it('has no more chats than maxChats', async () => {
    const { hires, starts, has, waits, sends } = await scene({
      departments: { sales: { maxChats: 2 } },
    });
    await hires('ada', { capacity: 9 });
    for (const key of ['1', '2', '3']) await starts(key, 'sales');
    await has('ada', '1');
    await has('ada', '2');
    await waits('3');
    await starts('4', 'support');
    await has('ada', '4');
    await sends('1', closeChat('c1'));
    await has('ada', '3');
  });

  it('tells visitors beyond maxWaiting once, and they keep their place', async () => {
    const { hires, starts, has, told, factsOf, waits } = await scene({
      fullMessage: 'Many are waiting.',
      departments: { sales: { maxWaiting: 2 } },
    });
    for (const key of ['1', '2', '3']) await starts(key, 'sales');
    expect(await told('3')).toEqual([
      { chatId: 'c3', reason: 'full', text: 'Many are waiting.', until: null },
    ]);
    await waits('3');
    expect(await factsOf('1', 'VisitorNotified')).toEqual([]);
    expect(await factsOf('2', 'VisitorNotified')).toEqual([]);
    expect(await factsOf('3', 'VisitorNotified')).toHaveLength(1);
    await hires('ada', { capacity: 9 });
    await has('ada', '3');
  });
});

describe('opening hours', () => {
  it('a chat waits for them, its visitor is told once, and it is offered then', async () => {
    const { hires, starts, has, waits, told, factsOf, passes, now } = await scene({
      hours: FROM_ONE,
    });
    await hires('ada', { capacity: 9 });
    const start = now();
    await starts('1', 'sales');
    expect(await told('1')).toEqual([
      { chatId: 'c1', reason: 'closed', text: 'Back at one.', until: start + HOUR },
    ]);
    await waits('1');
    await passes(3_599);
    await waits('1');
    expect(await factsOf('1', 'VisitorNotified')).toHaveLength(1);
    await passes(1);
    await has('ada', '1');
  });

  it('a visitor who has gone is asked about when they are back', async () => {
    const { hires, starts, has, waits, told, passes, sends, chatOf } = await scene({
      departments: { sales: { hours: FROM_ONE } },
    });
    await hires('ada', { capacity: 9 });
    await starts('1', 'sales');
    await told('1');
    await passes(301, ['1']);
    expect(await chatOf('1')).toMatchObject({ left: true });
    await waits('1');
    await passes(3_600);
    await waits('1');
    await sends('1', viewPage('home'));
    await has('ada', '1');
  });

  it('!take works at any time, and the inviter is asked', async () => {
    const { hires, starts, has, waits, sends, chatOf } = await scene({ hours: NEVER });
    await hires('ada', { capacity: 9 });
    await hires('bob', { capacity: 9 });
    await sends('1', viewPage('home'));
    await sends('1', receive('bob', 'o1'));
    await starts('1', 'sales');
    await has('bob', '1');
    await starts('2', 'sales');
    await waits('2');
    await sends('2', { ...acceptChat('ada') });
    expect(await chatOf('2')).toMatchObject({ operator: username('ada'), accepted: true });
  });

  it('only who is in the chat is asked: neither their colleagues, nor who answered an earlier one', async () => {
    const { hires, starts, has, waits, sends } = await scene({
      departments: { sales: { hours: NEVER } },
    });
    await hires('ada', { capacity: 9 });
    await hires('bob', { capacity: 9 });
    await sends('1', viewPage('home'));
    await sends('1', receive('bob', 'o1'));
    await starts('1', 'sales');
    await has('bob', '1');
    await sends('1', declineChat('bob'));
    await waits('1');
    await starts('2', 'support');
    await has('ada', '2');
    await sends('2', receive('ada', 'o2'));
    await sends('2', closeChat('c2'));
    await sends('2', {
      type: 'StartChat',
      chatId: 'c2b',
      department: 'sales',
      delays: { ...DELAYS, offerTimeout: 60 * SECOND },
    });
    await waits('2');
  });

  it('without a message nobody is told', async () => {
    const { starts, waits, factsOf } = await scene({
      hours: { timezone: 'UTC', week: {} },
      departments: { support: { hours: NEVER } },
    });
    await starts('1', 'sales');
    await waits('1');
    expect(await factsOf('1', 'VisitorNotified')).toEqual([]);
  });
});

describe('overflow', () => {
  const CHAIN = {
    sales: { overflow: { to: 'support', after: 30 } },
    support: { overflow: { to: 'billing', after: 60 } },
  };

  it('goes to the next department once somebody there is free, and says from where', async () => {
    const { hires, starts, has, waits, passes, factsOf, chatOf } = await scene({
      departments: CHAIN,
    });
    await starts('1', 'sales');
    await passes(60);
    await waits('1');
    expect(await chatOf('1')).toMatchObject({ department: 'sales' });
    await hires('bob', { departments: ['support'] });
    await has('bob', '1');
    expect(await factsOf('1', 'ChatTransferred')).toEqual([
      {
        chatId: 'c1',
        from: null,
        operator: null,
        department: 'support',
        reservation: null,
        by: 'overflow',
        fromDepartment: 'sales',
      },
    ]);
    expect(await chatOf('1')).toMatchObject({ department: 'support', overflowed: ['sales'] });
  });

  it('not before its time, also after a restart, and further on in the chain', async () => {
    const { hires, starts, has, waits, passes, restart, chatOf } = await scene({
      departments: CHAIN,
    });
    await hires('cid', { departments: ['billing'] });
    await starts('1', 'sales');
    await passes(89);
    await waits('1');
    await restart();
    await waits('1');
    await passes(1);
    await has('cid', '1');
    expect(await chatOf('1')).toMatchObject({ department: 'billing', overflowed: ['sales'] });
  });

  it('a chat that nobody there takes goes on from there', async () => {
    const { hires, starts, has, waits, passes, chatOf } = await scene({
      departments: CHAIN,
    });
    await hires('bob', { departments: ['support'] });
    await starts('1', 'sales');
    await passes(30);
    await has('bob', '1');
    await passes(60, ['1']);
    await waits('1');
    await hires('cid', { departments: ['billing'] });
    await has('cid', '1');
    expect(await chatOf('1')).toMatchObject({ overflowed: ['sales', 'support'] });
  });

  it('at once from a department that is closed, whose visitors are not told then', async () => {
    const { hires, starts, has, waits, factsOf } = await scene({
      departments: { ...CHAIN, sales: { ...CHAIN.sales, hours: NEVER } },
    });
    await starts('1', 'sales');
    await waits('1');
    await hires('bob', { departments: ['support'] });
    await has('bob', '1');
    expect(await factsOf('1', 'VisitorNotified')).toEqual([]);
  });

  it('never to a department that is closed', async () => {
    const { hires, starts, waits, passes, told } = await scene({
      departments: {
        sales: { hours: NEVER, overflow: { to: 'support', after: 30 } },
        support: { hours: NEVER },
      },
    });
    await hires('bob', { departments: ['support'] });
    await starts('1', 'sales');
    expect(await told('1')).toMatchObject([{ reason: 'closed' }]);
    await passes(60);
    await waits('1');
  });

  it('at once from a department that is full, the chats beyond the limit alone', async () => {
    const { hires, starts, has, waits, passes, chatOf } = await scene({
      departments: { ...CHAIN, sales: { ...CHAIN.sales, maxWaiting: 1 } },
    });
    await hires('bob', { departments: ['support'], capacity: 9 });
    await starts('1', 'sales');
    await passes(1);
    await starts('2', 'sales');
    await has('bob', '2');
    await waits('1');
    expect(await chatOf('1')).toMatchObject({ department: 'sales' });
  });

  it('not while the visitor is away, and who invited them is still asked first', async () => {
    const { hires, starts, has, waits, passes, sends, chatOf } = await scene({
      departments: { sales: { overflow: { to: 'support', after: 400 } } },
    });
    await hires('ida', { departments: ['other'] });
    await sends('1', viewPage('home'));
    await sends('1', receive('ida', 'o1'));
    await starts('1', 'sales');
    await has('ida', '1');
    await sends('1', declineChat('ida'));
    await passes(301, ['1']);
    expect(await chatOf('1')).toMatchObject({ left: true });
    await hires('bob', { departments: ['support'] });
    await passes(100);
    await waits('1');
    expect(await chatOf('1')).toMatchObject({ department: 'sales' });
    await sends('1', viewPage('home'));
    await has('bob', '1');
    expect(await chatOf('1')).toMatchObject({ department: 'support', invitedBy: 'ida' });
  });

  it('the oldest first, and no more than there are places', async () => {
    const { hires, starts, has, waits, passes, chatOf } = await scene({ departments: CHAIN });
    for (const key of ['1', '2', '3']) {
      await starts(key, 'sales');
      await passes(1);
    }
    await passes(60);
    await hires('bob', { departments: ['support'], capacity: 2 });
    await has('bob', '1');
    await has('bob', '2');
    await waits('3');
    expect(await chatOf('3')).toMatchObject({ department: 'sales' });
  });
});
