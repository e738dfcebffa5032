/** Visitors and operators who talk all the time, whatever is killed. */
import { setTimeout as pace } from 'node:timers/promises';
import type { Tenant } from '../../support/world.ts';
import type { Ledger } from './ledger.ts';
import type { ReturningOperator } from './operator.ts';
import type { Random } from './random.ts';
import { isLate } from './routed.ts';

export interface Traffic {
  /** Multiplies all waits from now on; 1 is the initial pace. */
  slowDown(factor: number): void;
  /** Resolves when all people have stopped. @throws the first failure */
  stop(): Promise<void>;
  /** The failures so far. */
  readonly faults: readonly string[];
}

/** The chance that a sender does not repeat an unpromised message: it may arrive or not, but not twice. */
const GIVE_UP = 0.15;
const ARRIVES_WITHIN_MS = 60_000;

export function startTraffic(options: {
  readonly tenant: Tenant;
  readonly ledger: Ledger;
  readonly random: Random;
  /** Each visitor with the owner of their chat. */
  readonly chats: ReadonlyMap<string, ReturningOperator>;
  /** Visitors who start and end one chat after the other. */
  readonly restless: readonly string[];
  readonly operators: readonly ReturningOperator[];
  /** Between two messages of one side, in ms. */
  readonly paceMs: number;
}): Traffic {
  const { tenant, ledger, random, chats, restless, operators, paceMs } = options;
  const faults: string[] = [];
  let stopped = false;
  let slowness = 1;

  const breathe = () => pace(random.int(1, paceMs * 2) * slowness);

  /** @returns true if the message was accepted. Without an answer it is repeated or given up */
  async function command(path: string, body: unknown, giveUp = false): Promise<boolean> {
    for (;;) {
      const answer = await tenant.call('POST', path, body).catch(() => null);
      if (answer?.status === 202) return true;
      // ejabberd and LHC may be away. That is no reason to refuse a command.
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
      await breathe();
    }
  }

  async function operatorTalks(visitor: string, operator: ReturningOperator): Promise<void> {
    const to = tenant.visitorJid(visitor);
    for (let n = 0; !stopped; n++) {
      const body = `${operator.username} answers ${visitor} ${n}`;
      const sent = ledger.operatorSends(visitor, `o-${visitor}-${n}`, body);
      do sent.promised = await operator.say(to, sent.id, body);
      while (!sent.promised && !stopped && random.next() >= GIVE_UP);
      await breathe();
    }
  }

  async function browses(visitor: string): Promise<void> {
    for (let n = 0; !stopped; n++) {
      await command(`/visitors/${visitor}/page-views`, { page: `https://shop.test/${n}` });
      await breathe();
    }
  }

  async function comesAndGoes(visitor: string): Promise<void> {
    for (let n = 0; !stopped; n++) {
      const chatId = `r-${visitor}-${n}`;
      const sent = ledger.visitorSends(visitor, `v-${visitor}-${n}`, `${visitor} begins ${n}`);
      const message = { id: sent.id, body: sent.body };
      sent.promised = await command(`/visitors/${visitor}/chats`, {
        chatId,
        department: 'sales',
        message,
      });
      const end = Date.now() + ARRIVES_WITHIN_MS;
      const arrived = () =>
        operators.some((operator) => operator.received().some(({ id }) => id === sent.id));
      while (!arrived() && Date.now() < end) await pace(20);
      await command(`/visitors/${visitor}/chats/${chatId}/close`, { by: 'visitor' });
      await breathe();
    }
  }

  const loops = [
    ...[...chats].flatMap(([visitor, operator]) => [
      visitorTalks(visitor),
      operatorTalks(visitor, operator),
      browses(visitor),
    ]),
    ...restless.map(comesAndGoes),
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
