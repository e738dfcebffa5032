/**
 * 100 chats at once for 10 operators who log in and out, over real XMPP connections. test/reactors/routing/routing.test.ts
 * has 200 chats for 20 operators, without the connections.
 */
import { randomInt } from 'node:crypto';
import { setTimeout as pace } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { Operator } from '../support/operator.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';
import { seeded } from './campaign/random.ts';
import { ownersOf, routingFaults } from './campaign/routing-faults.ts';

const CHATS = 100;
const OPERATORS = 10;
const RESTLESS = 5;
/** There are 120 places for 100 chats. While some operators are away, chats wait. */
const CAPACITY = 12;
const ROUTING_DEADLINE_MS = 120_000;
const seed = Number(process.env.SEED ?? randomInt(1, 1_000_000));

const world = await testWorld({
  tenants: [
    {
      id: 'crowd',
      host: 'crowd.test',
      settings: {
        offerTimeout: 5,
        ownerGrace: 2,
        routing: {
          policy: 'least-loaded',
          departments: { b: { policy: 'round-robin' }, c: { policy: 'random' } },
        },
      },
    },
  ],
});
const crowd = world.tenant('crowd');
const names = Array.from({ length: OPERATORS }, (_, n) => `op${n}`);
const chats = Array.from({ length: CHATS }, (_, n) => ({ visitor: `${n}`, chatId: `c${n}` }));

it(`each chat has one owner, and no place is given twice or lost (seed ${seed})`, async () => {
  const random = seeded(seed);
  const sessions = new Map<string, Operator>();
  for (const name of names) {
    await crowd.register(name, { departments: [], capacity: CAPACITY });
    sessions.set(name, await crowd.connect(name));
  }
  await Promise.all(names.map((name) => crowd.operatorIs(name, 'available')));

  let over = false;
  /** Answers every offered chat after a short while. */
  async function answerOffers(name: string): Promise<void> {
    const read = new Map<Operator, number>();
    for (; !over; await pace(20)) {
      const session = sessions.get(name);
      if (!session || session.lost) continue;
      const { messages } = session;
      for (const { from } of messages.slice(read.get(session) ?? 0)) {
        const to = from.split('/', 1)[0] ?? from;
        if (from.startsWith('visitor.')) session.send(to, 'Hello');
      }
      read.set(session, messages.length);
    }
  }
  /** Leaves and returns several times, in different ways. At the end the operator is logged in. */
  async function leaveAndReturn(name: string): Promise<void> {
    for (let times = 0; times < 3; times++) {
      await pace(random.int(50, 1500));
      const session = sessions.get(name);
      if (times === 1) {
        session?.setPresence('away');
        await pace(random.int(50, 500));
        session?.setPresence();
        continue;
      }
      sessions.delete(name);
      if (random.next() < 0.5) session?.drop();
      else await session?.disconnect();
      await pace(random.int(50, 3000));
      sessions.set(name, await crowd.connect(name));
    }
  }
  const answering = Promise.all(names.map(answerOffers));
  const starting = Promise.all(
    chats.map(({ visitor, chatId }, n) =>
      crowd.ask('POST', `/visitors/${visitor}/chats`, {
        chatId,
        department: ['a', 'b', 'c'][n % 3],
        message: { id: `m${visitor}`, body: 'Is anybody there?' },
      }),
    ),
  );
  await Promise.all([starting, ...names.slice(0, RESTLESS).map(leaveAndReturn)]);
  const accepted = () =>
    new Set(crowd.callbacks('chat.accepted').map(({ data }) => data.visitor)).size;
  let owned = 0;
  await waitFor(
    async () => {
      const owners = await ownersOf(crowd);
      owned = [...owners.values()].filter((each) => each.length === 1).length;
      return owned === CHATS && accepted() === CHATS;
    },
    {
      deadlineMs: ROUTING_DEADLINE_MS,
      every: 200,
      what: () => `${CHATS} chats with one owner; ${owned} have one, ${accepted()} were answered`,
    },
  );
  over = true;
  await answering;
  await Promise.all(
    chats.map(({ visitor, chatId }) =>
      crowd.ask('POST', `/visitors/${visitor}/chats/${chatId}/close`, { by: 'visitor' }),
    ),
  );
  await waitFor(async () => (await ownersOf(crowd)).size === 0, {
    every: 100,
    what: 'every place to be free',
  });
  expect(await routingFaults(world, crowd, names, chats)).toEqual([]);
}, 300_000);
