/** Visitors and operators who write messages all the time, whatever is killed meanwhile. */
import { randomUUID } from 'node:crypto';
import { setTimeout as pace } from 'node:timers/promises';
import type { Tenant } from '../../support/world.ts';
import type { Ledger } from './ledger.ts';
import type { ReconnectingOperator } from './operator.ts';
import type { Random } from './random.ts';
import { isLate } from './routing-traffic.ts';

export interface Traffic {
  /** Multiplies every pause from now on. 1 is the pace of the start. */
  slowDown(factor: number): void;
  /** Resolves when nobody writes any more. */
  stop(): Promise<void>;
  /** The errors so far. */
  readonly faults: readonly string[];
}

/** The share of unpromised messages that are not sent again. Such a message may arrive or not, but not twice. */
const GIVE_UP = 0.15;
const ARRIVAL_DEADLINE_MS = 60_000;

export function startTraffic(options: {
  readonly tenant: Tenant;
  readonly ledger: Ledger;
  readonly random: Random;
  /** The owner of each visitor's chat. */
  readonly chats: ReadonlyMap<string, ReconnectingOperator>;
  /** Visitors who start and end one chat after the other. */
  readonly restless: readonly string[];
  readonly operators: readonly ReconnectingOperator[];
  /** The mean pause between two messages of one side, in ms. */
  readonly paceMs: number;
}): Traffic {
  const { tenant, ledger, random, chats, restless, operators, paceMs } = options;
  const faults: string[] = [];
  let stopped = false;
  let slowness = 1;

  const pause = () => pace(random.int(1, paceMs * 2) * slowness);

  /** Sends the command again while there is no answer, unless `giveUp`. @returns true if it was accepted */
  async function command(path: string, body: unknown, giveUp = false): Promise<boolean> {
    for (;;) {
      const answer = await tenant.call('POST', path, body).catch(() => null);
      if (answer?.status === 202) return true;
      // The service may not refuse a command because ejabberd or LHC is away.
      if (answer && !isLate(answer))
        throw new Error(`POST ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
      if (giveUp) return false;
      await pace(20);
    }
  }

  async function visitorTalks(visitor: string): Promise<void> {
    for (let n = 0; !stopped; n++) {
      const sent = ledger.visitorSends(visitor, `v-${visitor}-${n}`, `${visitor} says ${n}`);
      const { id, body } = sent;
      const once = random.next() < GIVE_UP;
      sent.promised = await command(`/visitors/${visitor}/messages`, { id, body }, once);
      sent.givenUp = !sent.promised;
      await pause();
    }
  }

  async function operatorTalks(visitor: string, operator: ReconnectingOperator): Promise<void> {
    const to = tenant.visitorJid(visitor);
    for (let n = 0; !stopped; n++) {
      const body = `${operator.username} answers ${visitor} ${n}`;
      // Clients that log in anew and send again what was not acknowledged give it a UUID (docs/adr/0030).
      const sent = ledger.operatorSends(visitor, `o-${visitor}-${n}-${randomUUID()}`, body);
      do sent.promised = await operator.say(to, sent.id, body);
      while (!sent.promised && !stopped && random.next() >= GIVE_UP);
      await pause();
    }
  }

  async function visitorBrowses(visitor: string): Promise<void> {
    for (let n = 0; !stopped; n++) {
      await command(`/visitors/${visitor}/page-views`, { page: `https://shop.test/${n}` });
      await pause();
    }
  }

  async function visitorStartsChats(visitor: string): Promise<void> {
    for (let n = 0; !stopped; n++) {
      const chatId = `r-${visitor}-${n}`;
      const sent = ledger.visitorSends(visitor, `v-${visitor}-${n}`, `${visitor} begins ${n}`);
      const message = { id: sent.id, body: sent.body };
      sent.promised = await command(`/visitors/${visitor}/chats`, {
        chatId,
        department: 'sales',
        message,
      });
      const end = Date.now() + ARRIVAL_DEADLINE_MS;
      const arrived = () =>
        operators.some((operator) => operator.received().some(({ id }) => id === sent.id));
      while (!arrived() && Date.now() < end) await pace(20);
      await command(`/visitors/${visitor}/chats/${chatId}/close`, { by: 'visitor' });
      await pause();
    }
  }

  const loops = [
    ...[...chats].flatMap(([visitor, operator]) => [
      visitorTalks(visitor),
      operatorTalks(visitor, operator),
      visitorBrowses(visitor),
    ]),
    ...restless.map(visitorStartsChats),
  ].map((loop) =>
    loop.catch((error) => {
      faults.push(String(error));
    }),
  );
  return {
    faults,
    slowDown(factor) {
      slowness = factor;
    },
    async stop() {
      stopped = true;
      await Promise.all(loops);
    },
  };
}
