/**
 * Chats that are routed while everything is killed: operators come, go, answer, decline, miss, hand on; visitors begin
 * and end chats. In a tenant of its own, so that nobody else's messages are counted with it.
 */
import { setTimeout as pace } from 'node:timers/promises';
import type { Operator } from '../../support/operator.ts';
import type { Answer } from '../../support/service.ts';
import { waitFor } from '../../support/wait.ts';
import type { Tenant, World } from '../../support/world.ts';
import type { Random } from './random.ts';
import { faultsOfRouting, ownersOf } from './routed-faults.ts';

/** So short that offers are missed, and owners do not come back, within the campaign. */
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
  /** From now on everybody takes so many times as long; 1 is the pace of the start. */
  slowDown(factor: number): void;
  /** How many chats were begun. */
  begun(): number;
  /** Lets everybody come to an end. @returns what is not as it was promised */
  end(): Promise<readonly string[]>;
}

/** The service does not know whether it was carried out, and says that the same may be sent again. */
export const isLate = ({ status, body }: Answer): boolean =>
  status === 503 && body?.code === 'timeout';

/** @param paceMs between two deeds of one person, about */
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

  /** @returns its status; repeated until there is an answer */
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

  /** What he does with a message, by chance. */
  function react(session: Operator, from: string): void {
    const to = from.split('/', 1)[0] ?? from;
    const chance = random.next();
    if (chance < 0.45) session.send(to, 'How can I help?');
    else if (chance < 0.6) session.send(to, '!decline');
    else if (chance < 0.7) session.send(to, `!transfer ${NAMES[random.int(0, 3)]}`);
    else if (chance < 0.75) session.send(to, '!transfer sales');
    else if (chance < 0.8) session.send(to, '!take');
  }

  /** One session, until he leaves or is thrown out. */
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
    else await session.disconnect().catch(() => undefined); // killed at that moment: it is over as well
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
    // Everybody is there, and there is a place for every chat that begins now.
    const sessions = await Promise.all(NAMES.map(login));
    const last = visitors.map((visitor) => ({ visitor, chatId: `${visitor}-last` }));
    for (const { visitor, chatId } of last) {
      begun.push({ visitor, chatId });
      await command(`/visitors/${visitor}/chats`, { chatId });
    }
    // Who is asked answers: an offer that is missed leaves a chat with nobody for a while, rightly.
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
