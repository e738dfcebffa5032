/**
 * Visitors' messages that came back from an operator's address (RFC 6120 §8.3).
 *
 * Some conditions say that the address takes nothing: the operator has blocked the visitor (XEP-0191; ejabberd answers each
 * message with `service-unavailable`), or their server refuses the sender. The same condition comes once when a session ends
 * with a message. So such a message is sent again, and when it has come back {@link REFUSED_TRIES} times, the operator loses
 * the chat, and the message goes on to somebody else. All other conditions are about this one message: it has failed.
 */
import type { Logger } from 'pino';
import type { TenantId, Username, VisitorKey } from '../../actors/ids.ts';
import { type AppError, hasCode, messageOf } from '../../errors.ts';
import { backoff, type RetryPolicy } from '../../kit/backoff.ts';
import { Lru } from '../../kit/lru.ts';
import { withoutCause } from '../../runtime/cause.ts';
import type { Actors } from '../../runtime/ports.ts';

/** Waits before a returned message is sent again. */
export const RETURNED_RETRY: RetryPolicy = { firstMs: 1_000, mostMs: 60_000 };
/** How often the same message comes back before its operator counts as unreachable for this visitor. */
export const REFUSED_TRIES = 3;
/** Visitors whose returned message is remembered. One who is forgotten begins anew. */
const VISITORS_REMEMBERED = 10_000;

/** Conditions that say: this address takes nothing from this sender (RFC 6120 §8.3.3). */
const UNREACHABLE: ReadonlySet<string> = new Set([
  'forbidden',
  'gone',
  'not-allowed',
  'not-authorized',
  'recipient-unavailable',
  'redirect',
  'registration-required',
  'remote-server-not-found',
  'remote-server-timeout',
  'service-unavailable',
  'subscription-required',
]);

/** True if the operator's address has refused the stanza, and not this service or ejabberd's API. */
export const isReturned = (error: unknown): error is AppError =>
  hasCode(error, 'refused') && error.details.returned === true;

/** True if the error says that the operator's address takes nothing from this visitor. */
export const takesNothing = (error: unknown): error is AppError =>
  isReturned(error) && UNREACHABLE.has(error.message);

/** A visitor's message that came back. */
export interface ReturnedMessage {
  readonly tenant: TenantId;
  readonly key: VisitorKey;
  /** The visitor's JID. */
  readonly jid: string;
  readonly messageId: string;
  readonly operator: Username;
  /** As `messageReturned` of the transport has it. */
  readonly error: AppError;
}

/** The first message of a visitor that came back. Those behind it come back with it, and are sent again with it. */
interface Attempt {
  readonly messageId: string;
  readonly operator: Username;
  returns: number;
  /** Until the message is sent again, or its operator has lost the chat. Each session of the operator may return its copy. */
  busy: boolean;
  timer: NodeJS.Timeout | undefined;
}

export function createReturnedMessages(options: {
  actors: Pick<Actors, 'visitor'>;
  /** Sends what was taken and not delivered again; of what LHC addressed, what is for this operator. */
  resend: (jid: string, operator: Username) => void;
  random: () => number;
  logger: Logger;
  /** Default {@link RETURNED_RETRY}. */
  retry?: RetryPolicy;
}): (returned: ReturnedMessage) => void {
  const { actors, resend, random, logger, retry = RETURNED_RETRY } = options;
  /** By the visitor's JID, and by the operator too where LHC addresses several. */
  const attempts = new Lru<Attempt>(VISITORS_REMEMBERED, (_jid, { timer }) => clearTimeout(timer));

  async function handle({ tenant, key, jid, messageId, operator, error }: ReturnedMessage) {
    const visitor = actors.visitor(tenant, key);
    const context = (await visitor.state())?.context;
    const openOf = (id: string) => context?.openMessages.find((message) => message.id === id);
    const message = openOf(messageId);
    if (!context || !message) return; // a line of the service, or a message that another session has received
    const { chat } = context;
    const { to } = message;
    if (to && !to.includes(operator)) return; // they returned it before
    if (!to && chat?.id === message.chatId && chat.operator !== operator) return; // the chat went on already
    const attemptsKey = to ? `${jid} ${operator}` : jid;
    const reason = error.message;
    const wait = error.code === 'unavailable';
    const failed = { type: 'ReportMessageFailed', messageId, reason, operator } as const;
    if (!wait && !takesNothing(error)) {
      await visitor.send(failed);
      return;
    }
    const known = attempts.get(attemptsKey);
    const current = known?.operator === operator && openOf(known.messageId) ? known : null;
    if (current?.busy) return;
    if (known && !current) clearTimeout(known.timer);
    const attempt = current ?? { messageId, operator, returns: 0, busy: false, timer: undefined };
    attempt.returns += 1;
    attempt.busy = true;
    attempts.set(attemptsKey, attempt);
    if (!wait && attempt.returns >= REFUSED_TRIES) {
      await visitor
        .send({ ...failed, unreachable: true })
        .finally(() => attempts.delete(attemptsKey));
      return;
    }
    attempt.timer = setTimeout(
      () => {
        attempt.busy = false;
        resend(jid, operator);
      },
      backoff(attempt.returns, retry, random),
    ).unref();
  }

  return (returned) => {
    // Another message's try may be what told it.
    withoutCause(() => handle(returned)).catch((error) => {
      const { tenant, key: visitor, messageId } = returned;
      logger.error(
        { tenant, visitor, messageId, reason: messageOf(error) },
        'a returned message was not handled',
      );
    });
  };
}
