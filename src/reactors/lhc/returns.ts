/**
 * Stanzas that are returned to their sender with an error: nobody has the address, the sender is no operator, or they
 * write too fast. That leaves no fact. What is too much for the rate is counted for each conversation; the error for the
 * last one says how many there were.
 */
import type { Logger } from 'pino';
import { bareJid } from '../../actors/ids.ts';
import { messageOf } from '../../errors.ts';
import type { InboxSignals, Returned } from '../../inbox/signals.ts';
import { Lru } from '../../kit/lru.ts';
import { type Rate, TokenBucket } from '../../kit/token-bucket.ts';
import type { EjabberdAdmin } from '../../xmpp/port.ts';

/** Stanzas that one account gets back. More are counted. */
export const RETURN_RATE: Rate = { burst: 10, perSecond: 0.5 };
/** Accounts of one tenant that are remembered. */
export const SENDERS_REMEMBERED = 10_000;
/** Stanzas of one tenant that are on their way back at the same time. More are counted. */
export const RETURNS_AT_ONCE = 16;
/** Conversations of one account whose stanzas are counted. Those of others are counted together. */
export const CONVERSATIONS_COUNTED = 16;
/** Failed calls of ejabberd in a row after which the counts of an account are given up. They take four minutes. */
export const RETURN_TRIES = 8;
/** The wait after a failed call, in ms. It doubles with each failure. */
export const RETURN_RETRY_MS = 2_000;

/** Stanzas of one conversation that are not returned yet. */
interface Counted {
  readonly last: Returned;
  /** Those before the last one. */
  readonly before: number;
}

interface Sender {
  readonly bucket: TokenBucket;
  readonly conversations: Map<string, Counted>;
  /** Stanzas of more conversations than are counted. */
  others: number;
  failures: number;
  timer: NodeJS.Timeout | undefined;
}

interface Tenant {
  readonly senders: Lru<Sender>;
  underWay: number;
}

const newSender = (): Sender => ({
  bucket: new TokenBucket(RETURN_RATE),
  conversations: new Map(),
  others: 0,
  failures: 0,
  timer: undefined,
});

/** Counts stanzas of a conversation. @param before those that came before it */
function count(sender: Sender, last: Returned, before: number): void {
  const { conversations } = sender;
  const known = conversations.get(last.addressee);
  if (!known && conversations.size >= CONVERSATIONS_COUNTED) sender.others += before + 1;
  else {
    const more = known ? known.before + 1 : 0;
    conversations.set(last.addressee, { last, before: more + before });
  }
}

/** What an operator reads in the error. */
function reasonOf({ last, before }: Counted, others: number): string {
  const sentences = [last.reason];
  if (before > 0) sentences.push(`Not delivered either: ${before} before it in this conversation.`);
  if (others > 0) sentences.push(`Not delivered either: ${others} in other conversations.`);
  return sentences.join(' ');
}

function stopTimer(sender: Sender): void {
  clearTimeout(sender.timer);
  sender.timer = undefined;
}

export function createReturns(options: {
  admin: Pick<EjabberdAdmin, 'returnMessage'>;
  /** ms of a clock that is never set. */
  monotonic: () => number;
  logger: Logger;
}): InboxSignals['returned'] {
  const { admin, monotonic, logger } = options;
  // By tenant: the names come from the tenants' settings, so the map is bounded.
  const tenants = new Map<string, Tenant>();

  function giveUp(sender: Sender, reason: string): void {
    stopTimer(sender);
    sender.failures = 0;
    let stanzas = sender.others;
    for (const { before } of sender.conversations.values()) stanzas += before + 1;
    sender.conversations.clear();
    sender.others = 0;
    if (stanzas > 0) logger.warn({ stanzas, reason }, 'stanzas were not returned to their sender');
  }

  const newTenant = (): Tenant => ({
    senders: new Lru(SENDERS_REMEMBERED, (_name, sender) => giveUp(sender, 'too many senders')),
    underWay: 0,
  });

  function later(tenant: Tenant, sender: Sender, ms: number): void {
    sender.timer ??= setTimeout(() => {
      sender.timer = undefined;
      flush(tenant, sender);
    }, ms).unref();
  }

  /** Returns what the rate allows, the conversation that was counted first first. */
  function flush(tenant: Tenant, sender: Sender): void {
    for (const [addressee, counted] of sender.conversations) {
      const isFree = tenant.underWay < RETURNS_AT_ONCE;
      if (!isFree || !sender.bucket.take(monotonic())) {
        const waitMs = sender.bucket.waitMs(monotonic());
        later(tenant, sender, Math.max(waitMs, isFree ? 0 : RETURN_RETRY_MS));
        return;
      }
      sender.conversations.delete(addressee);
      const { others } = sender;
      sender.others = 0;
      send(tenant, sender, counted, others);
    }
  }

  function send(tenant: Tenant, sender: Sender, counted: Counted, others: number): void {
    const { sender: to, addressee: from, id, condition } = counted.last;
    const { failures } = sender;
    tenant.underWay += 1;
    // The API client has a deadline of its own.
    admin
      .returnMessage({ from, to, id, condition, reason: reasonOf(counted, others) })
      .then(
        () => {
          sender.failures = 0;
        },
        (error: unknown) => {
          const newer = sender.conversations.get(from);
          const before = counted.before + (newer ? newer.before + 1 : 0);
          sender.conversations.delete(from);
          count(sender, newer?.last ?? counted.last, before);
          sender.others += others;
          // Several that fail together count as one failure.
          if (sender.failures === failures) {
            stopTimer(sender);
            sender.failures += 1;
          }
          if (sender.failures >= RETURN_TRIES) giveUp(sender, messageOf(error));
          else later(tenant, sender, RETURN_RETRY_MS * 2 ** Math.max(0, sender.failures - 1));
        },
      )
      .finally(() => {
        tenant.underWay -= 1;
      });
  }

  return (stanza) => {
    const jid = bareJid(stanza.sender);
    if (!jid) return;
    const tenant = tenants.get(stanza.tenant) ?? newTenant();
    tenants.set(stanza.tenant, tenant);
    const name = `${jid.local}@${jid.host}`;
    const sender = tenant.senders.get(name) ?? newSender();
    tenant.senders.set(name, sender);
    count(sender, stanza, 0);
    // While ejabberd fails, what comes is counted until the next try.
    if (sender.failures === 0) flush(tenant, sender);
  };
}
