/**
 * Routing while everything is killed: operators come, go, answer, decline, miss offers and transfer; visitors start and
 * end chats. The tenant is a separate one, so that the ledger does not count its messages.
 */
import { setTimeout as pace } from 'node:timers/promises';
import type { Operator } from '../../support/operator.ts';
import type { Answer } from '../../support/service.ts';
import { waitFor } from '../../support/wait.ts';
import type { Tenant, World } from '../../support/world.ts';
import type { Random } from './random.ts';
import { faultsOfRouting, ownersOf } from './routed-faults.ts';

/** Short times, so that offers are missed and owners lose chats within the campaign. */
export const ROUTED_SETTINGS = {
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
const COMES_WITHIN_MS = 60_000;

export interface Routed {
  /** Multiplies all waits from now on; 1 is the initial pace. */
  slowDown(factor: number): void;
  /** The number of chats that were started. */
  begun(): number;
  /** Lets all people finish. @returns violations of the promises */
  end(): Promise<readonly string[]>;
}

/** The outcome is unknown to the service. The request may be repeated. */
export const isLate = ({ status, body }: Answer): boolean =>
  status === 503 && body?.code === 'timeout';

/** @param paceMs roughly the time between two actions of one person */
export async function startRouted(
  world: World,
  tenant: Tenant,
  random: Random,
  paceMs: number,
): Promise<Routed> {
  const faults: string[] = [];
  const begun: { visitor: string; chatId: string }[] = [];
  let stopped = false;
  let slowness = 1;
  const breathe = (times = 1) => pace(random.int(1, paceMs * 2) * times * slowness);
  for (const name of NAMES) {
    await tenant.register(name, { capacity: CAPACITY, departments: DEPARTMENTS[name] });
  }

  /** Repeats a request until there is an answer. @returns its status */
  async function command(path: string, body: unknown): Promise<number> {
    for (const end = Date.now() + COMES_WITHIN_MS; Date.now() < end; await pace(20)) {
      const answer = await tenant.call('POST', path, body).catch(() => null);
      if (answer && !isLate(answer)) return answer.status;
    }
    throw new Error(`POST ${path}: no answer`);
  }

  async function visits(visitor: string): Promise<void> {
    for (let n = 0; !stopped; n++) {
      const chatId = `${visitor}-${n}`;
      const department = ['sales', 'support', undefined][random.int(0, 2)];
      const message = { id: `m-${chatId}`, body: 'Hello' };
      begun.push({ visitor, chatId });
      const status = await command(`/visitors/${visitor}/chats`, { chatId, department, message });
      if (status !== 202) throw new Error(`${chatId} was not begun: ${status}`);
      await breathe(random.int(1, 12));
      const closed = await command(`/visitors/${visitor}/chats/${chatId}/close`, { by: 'visitor' });
      if (closed !== 202) throw new Error(`${chatId} was not closed: ${closed}`);
      await breathe();
    }
  }

  const login = (name: string): Promise<Operator> =>
    waitFor(() => tenant.connect(name, { resource: 'routed' }), {
      deadlineMs: COMES_WITHIN_MS,
      every: 100,
      what: `${name} to log in`,
    });

  /** A random reaction to a message. */
  function react(session: Operator, from: string): void {
    const to = from.split('/', 1)[0] ?? from;
    const chance = random.next();
    if (chance < 0.45) session.send(to, 'How can I help?');
    else if (chance < 0.6) session.send(to, '!decline');
    else if (chance < 0.7) session.send(to, `!transfer ${NAMES[random.int(0, 3)]}`);
    else if (chance < 0.75) session.send(to, '!transfer sales');
    else if (chance < 0.8) session.send(to, '!take');
  }

  /** One session, until the operator leaves or loses it. */
  async function works(name: string): Promise<void> {
    const session = await login(name);
    let read = 0;
    for (let deeds = random.int(5, 30); deeds > 0 && !stopped && !session.lost; deeds--) {
      for (; read < session.messages.length; read++) {
        const { from = '' } = session.messages[read] ?? {};
        if (from.startsWith('visitor.')) react(session, from);
      }
      if (random.next() < 0.1) session.setPresence('dnd');
      else if (random.next() < 0.2) session.setPresence();
      await breathe();
    }
    if (session.lost) return;
    if (random.next() < 0.5) session.drop();
    else await session.disconnect().catch(() => undefined); // a kill at this moment ends the session too
  }

  async function comesAndGoes(name: string): Promise<void> {
    while (!stopped) {
      await works(name);
      await breathe(random.int(1, 6));
    }
  }

  const visitors = Array.from({ length: VISITORS }, (_, n) => `q${n}`);
  const loops = [...NAMES.map(comesAndGoes), ...visitors.map(visits)].map((loop) =>
    loop.catch((error: unknown) => {
      faults.push(String(error));
    }),
  );

  async function end(): Promise<readonly string[]> {
    stopped = true;
    await Promise.all(loops);
    const comes = async (what: string, condition: () => Promise<boolean>): Promise<void> => {
      await waitFor(condition, { deadlineMs: 40_000, every: 100, what }).catch((error: unknown) => {
        faults.push(String(error));
      });
    };
    // All operators are there, with a place for every chat that starts now.
    const sessions = await Promise.all(NAMES.map(login));
    const last = visitors.map((visitor) => ({ visitor, chatId: `${visitor}-last` }));
    for (const { visitor, chatId } of last) {
      begun.push({ visitor, chatId });
      await command(`/visitors/${visitor}/chats`, { chatId });
    }
    // Operators answer all offers now: a missed offer would leave a chat without an owner for a while.
    const read = new Map(sessions.map((session) => [session, session.messages.length]));
    const answer = (session: Operator): void => {
      for (const { from = '', id = '' } of session.messages.slice(read.get(session))) {
        if (id.startsWith('intro-')) session.send(from.split('/', 1)[0] ?? from, 'I am here');
      }
      read.set(session, session.messages.length);
    };
    await comes('each chat to have one owner', async () => {
      for (const session of sessions) answer(session);
      const owners = await ownersOf(tenant);
      return last.every(({ chatId }) => owners.get(chatId)?.length === 1);
    });
    for (const { visitor, chatId } of last) {
      await command(`/visitors/${visitor}/chats/${chatId}/close`, { by: 'visitor' });
    }
    await comes('every place to be free', async () => (await ownersOf(tenant)).size === 0);
    for (const session of sessions) if (!session.lost) await session.disconnect();
    const bounds = { sales: ROUTED_SETTINGS.routing.departments.sales.capacity };
    return [...faults, ...(await faultsOfRouting(world, tenant, NAMES, begun, bounds))];
  }
  return {
    slowDown(factor) {
      slowness = factor;
    },
    begun: () => begun.length,
    end,
  };
}
