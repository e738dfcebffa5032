/**
 * Signals from the inbox that are no facts: typing and signs of life, which LHC hears at once or not at all, and the
 * start of mod_lhc, after which ejabberd has to be compared with the log.
 */
import type { Logger } from 'pino';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import { messageOf } from '../../errors.ts';
import type { InboxSignals, TypingState } from '../../inbox/commands.ts';
import { Lru } from '../../kit/lru.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { OperatorSessions } from '../operators/sessions.ts';
import type { Callbacks } from './lhc-lane.ts';

/** `operator.alive` goes to LHC at most once in this time for each operator. LHC's own time-out is 300 s. */
export const ALIVE_INTERVAL_MS = 60_000;
/** Typing of one operator towards one visitor goes to LHC at most once in this time. The last state is never dropped. */
export const OPERATOR_TYPING_INTERVAL_MS = 1_000;
/** Typing ends by itself after this time. Clients report a pause within half a minute (XEP-0085 §5.2), unless they die. */
export const OPERATOR_TYPING_LAPSE_MS = 60_000;
const REMEMBERED = 10_000;

/** The typing of one operator towards one visitor. */
interface Typing {
  /** What LHC heard last. */
  sent: TypingState | null;
  sentAt: number;
  /** What waits for the end of the interval. */
  next: TypingState | null;
  lapse?: NodeJS.Timeout;
}

/**
 * Limits the rate of typing states without dropping the last one: LHC would go on showing that somebody types who has
 * stopped. A client that dies while its operator types is covered by the lapse.
 */
function createTypingLimit(now: () => number, lapseMs: number) {
  const known = new Lru<Typing>(REMEMBERED);

  return (id: string, state: TypingState, send: (state: TypingState) => void): void => {
    const typing = known.get(id) ?? { sent: null, sentAt: Number.NEGATIVE_INFINITY, next: null };
    known.set(id, typing);
    const sendNow = (latest: TypingState): void => {
      clearTimeout(typing.lapse);
      Object.assign(typing, { sent: latest, sentAt: now(), next: null });
      send(latest);
      if (latest === 'composing')
        typing.lapse = setTimeout(sendNow, lapseMs, 'paused' as const).unref();
    };
    if (typing.next !== null) {
      typing.next = state;
      return;
    }
    const waitMs = typing.sentAt + OPERATOR_TYPING_INTERVAL_MS - now();
    if (waitMs <= 0) sendNow(state);
    else if (typing.sent !== state) {
      typing.next = state;
      setTimeout(
        () => {
          if (typing.next !== typing.sent && typing.next !== null) sendNow(typing.next);
          typing.next = null;
        },
        Math.min(waitMs, OPERATOR_TYPING_INTERVAL_MS), // the clock may have been set back
      ).unref();
    }
  };
}

export function createSignals(options: {
  actors: Actors;
  tenants: TenantDirectory;
  callbacks: Callbacks;
  operatorSessions: OperatorSessions;
  /** Compares visitors' accounts and groups with ejabberd. */
  compare: () => Promise<void>;
  now: () => number;
  logger: Logger;
  /** Default {@link OPERATOR_TYPING_LAPSE_MS}. */
  lapseMs?: number;
}): InboxSignals {
  const { actors, tenants, callbacks, operatorSessions, compare, now, logger } = options;
  const limitTyping = createTypingLimit(now, options.lapseMs ?? OPERATOR_TYPING_LAPSE_MS);
  const aliveAt = new Lru<number>(REMEMBERED);

  function inBackground(work: Promise<unknown>, what: string): void {
    work.catch((error) => logger.debug({ reason: messageOf(error) }, `${what} failed`));
  }

  return {
    async moduleStarted(name, hook) {
      const affected = tenants.ofHost(name).map(({ id }) => id);
      await operatorSessions.compareAll(affected, true, hook);
      inBackground(compare(), 'the comparison with ejabberd'); // it waits for ejabberd by itself
    },
    operatorAlive(tenant, username) {
      const key = `${tenant} ${username}`;
      if (now() - (aliveAt.get(key) ?? 0) < ALIVE_INTERVAL_MS) return;
      aliveAt.set(key, now());
      const at = new Date(now()).toISOString();
      // Several processes may hear of the operator within the interval. By the id, LHC sees that it is the same.
      const id = `operator-alive-${tenant}.${username}-${Math.floor(now() / ALIVE_INTERVAL_MS)}`;
      const sending = callbacks.operator(tenant, username).then((operator) =>
        operator.lhcUserId === null
          ? undefined // LHC does not know operators who are not registered
          : callbacks.ephemeral(tenant, { type: 'operator.alive', data: { operator, at } }, id),
      );
      inBackground(sending, 'operator.alive');
    },
    operatorTyping(tenant, visitor, username, state) {
      const send = async (latest: TypingState) => {
        const chat = (await actors.visitor(tenant, visitor).state())?.context.chat;
        if (chat?.operator !== username) return;
        const operator = await callbacks.operator(tenant, username);
        const data = { visitor, chatId: chat.id, operator, state: latest };
        await callbacks.ephemeral(tenant, { type: 'operator.typing', data });
      };
      limitTyping(`${tenant} ${visitor} ${username}`, state, (latest) =>
        inBackground(send(latest), 'operator.typing'),
      );
    },
  };
}
