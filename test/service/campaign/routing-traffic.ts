/**
 * Chats that are routed while processes are killed. Operators log in and out, answer, decline, miss and transfer chats.
 * Visitors start and end chats. All this happens in a tenant of its own, so its messages are not counted in the ledger.
 */
import { setTimeout as pace } from 'node:timers/promises';
import type { Operator } from '../../support/operator.ts';
import type { Answer } from '../../support/service.ts';
import { waitFor } from '../../support/wait.ts';
import type { Tenant, World } from '../../support/world.ts';
import type { Random } from './random.ts';
import { ownersOf, routingFaults } from './routing-faults.ts';

/** The times are so short that operators miss offers and owners lose chats within the campaign. */
export const ROUTING_SETTINGS = {
  offerTimeout: 3,
  ownerGrace: 3,
  routing: {
    policy: 'least-loaded',
    departments: {
      sales: { policy: 'round-robin', capacity: 2 },
      support: { policy: 'broadcast' },
    },
  },
} as const;
const CAPACITY = 3;
const NAMES = ['m0', 'm1', 'm2', 'm3'] as const;
const DEPARTMENTS: Readonly<Record<(typeof NAMES)[number], readonly string[]>> = {
  m0: ['sales'],
  m1: ['sales', 'support'],
  m2: ['support'],
  m3: [],
};
const VISITORS = 6;
const COMMAND_DEADLINE_MS = 60_000;
const END_DEADLINE_MS = 120_000;

export interface RoutingTraffic {
  /** Multiplies every pause from now on. 1 is the pace of the start. */
  slowDown(factor: number): void;
  /** The number of chats that were started. */
  started(): number;
  /** Ends all chats and sessions. @returns every broken promise */
  end(): Promise<readonly string[]>;
}

/** True if the service does not know whether it carried the command out. The client may send the command again. */
export const isLate = ({ status, body }: Answer): boolean =>
  status === 503 && body?.code === 'timeout';

/** @param paceMs the mean pause between two actions of one person */
export async function startRoutingTraffic(
  world: World,
  tenant: Tenant,
  random: Random,
  paceMs: number,
): Promise<RoutingTraffic> {
  const faults: string[] = [];
  const started: { visitor: string; chatId: string }[] = [];
  let stopped = false;
  let slowness = 1;
  const pause = (times = 1) => pace(random.int(1, paceMs * 2) * times * slowness);
  for (const name of NAMES) {
    await tenant.register(name, { capacity: CAPACITY, departments: DEPARTMENTS[name] });
  }

  /** Sends the command again until there is an answer. @returns the status */
  async function command(path: string, body: unknown): Promise<number> {
    for (const end = Date.now() + COMMAND_DEADLINE_MS; Date.now() < end; await pace(20)) {
      const answer = await tenant.call('POST', path, body).catch(() => null);
      if (answer && !isLate(answer)) return answer.status;
    }
    throw new Error(`POST ${path}: no answer`);
  }

  async function visitorStartsChats(visitor: string): Promise<void> {
    for (let n = 0; !stopped; n++) {
      const chatId = `${visitor}-${n}`;
      const department = ['sales', 'support', undefined][random.int(0, 2)];
      const message = { id: `m-${chatId}`, body: 'Hello' };
      started.push({ visitor, chatId });
      const status = await command(`/visitors/${visitor}/chats`, { chatId, department, message });
      if (status !== 202) throw new Error(`${chatId} was not started: ${status}`);
      await pause(random.int(1, 12));
      const closed = await command(`/visitors/${visitor}/chats/${chatId}/close`, { by: 'visitor' });
      if (closed !== 202) throw new Error(`${chatId} was not closed: ${closed}`);
      await pause();
    }
  }

  const login = (name: string): Promise<Operator> =>
    waitFor(() => tenant.connect(name, { resource: 'routing' }), {
      deadlineMs: COMMAND_DEADLINE_MS,
      every: 100,
      what: `${name} to log in`,
    });

  /** A random reaction of an operator to a message. */
  function react(session: Operator, from: string): void {
    const to = from.split('/', 1)[0] ?? from;
    const chance = random.next();
    if (chance < 0.45) session.send(to, 'How can I help?');
    else if (chance < 0.6) session.send(to, '!decline');
    else if (chance < 0.7) session.send(to, `!transfer ${NAMES[random.int(0, 3)]}`);
    else if (chance < 0.75) session.send(to, '!transfer sales');
    else if (chance < 0.8) session.send(to, '!take');
  }

  /** One session of an operator, until they log out or lose the connection. */
  async function operatorWorks(name: string): Promise<void> {
    const session = await login(name);
    let read = 0;
    for (let actions = random.int(5, 30); actions > 0 && !stopped && !session.lost; actions--) {
      for (; read < session.messages.length; read++) {
        const { from = '' } = session.messages[read] ?? {};
        if (from.startsWith('visitor.')) react(session, from);
      }
      if (random.next() < 0.1) session.setPresence('dnd');
      else if (random.next() < 0.2) session.setPresence();
      await pause();
    }
    if (session.lost) return;
    if (random.next() < 0.5) session.drop();
    else await session.disconnect().catch(() => undefined); // ejabberd may be killed at this moment, which ends the session too
  }

  async function comesAndGoes(name: string): Promise<void> {
    while (!stopped) {
      await operatorWorks(name);
      await pause(random.int(1, 6));
    }
  }

  const visitors = Array.from({ length: VISITORS }, (_, n) => `q${n}`);
  const loops = [...NAMES.map(comesAndGoes), ...visitors.map(visitorStartsChats)].map((loop) =>
    loop.catch((error: unknown) => {
      faults.push(String(error));
    }),
  );

  async function end(): Promise<readonly string[]> {
    stopped = true;
    await Promise.all(loops);
    const expectSoon = async (what: string, condition: () => Promise<boolean>): Promise<void> => {
      await waitFor(condition, { deadlineMs: END_DEADLINE_MS, every: 100, what }).catch(
        (error: unknown) => {
          faults.push(String(error));
        },
      );
    };
    // All operators are logged in, and there is a place for every chat that starts now.
    const sessions = await Promise.all(NAMES.map(login));
    const last = visitors.map((visitor) => ({ visitor, chatId: `${visitor}-last` }));
    for (const { visitor, chatId } of last) {
      started.push({ visitor, chatId });
      await command(`/visitors/${visitor}/chats`, { chatId });
    }
    // The operators answer every offer. A missed offer rightly leaves a chat without an owner for a while.
    const read = new Map(sessions.map((session) => [session, session.messages.length]));
    const answer = (session: Operator): void => {
      for (const { from = '', lines } of session.messages.slice(read.get(session))) {
        if (/Reply to accept it|The first to reply/.test(lines))
          session.send(from.split('/', 1)[0] ?? from, 'I am here');
      }
      read.set(session, session.messages.length);
    };
    await expectSoon('each chat to have one owner', async () => {
      for (const session of sessions) answer(session);
      const owners = await ownersOf(tenant);
      return last.every(({ chatId }) => owners.get(chatId)?.length === 1);
    });
    for (const { visitor, chatId } of last) {
      await command(`/visitors/${visitor}/chats/${chatId}/close`, { by: 'visitor' });
    }
    await expectSoon('every place to be free', async () => (await ownersOf(tenant)).size === 0);
    for (const session of sessions) if (!session.lost) await session.disconnect();
    const bounds = { sales: ROUTING_SETTINGS.routing.departments.sales.capacity };
    return [...faults, ...(await routingFaults(world, tenant, NAMES, started, bounds))];
  }
  return {
    slowDown(factor) {
      slowness = factor;
    },
    started: () => started.length,
    end,
  };
}
