/**
 * Stanzas that are returned to their sender with an error: nobody has the address, the sender is no operator, or they
 * write too fast. That leaves no fact. What is too much for the rate is counted for each conversation; the error for the
 * last one says how many there were. That is in memory alone, so a stop of the service sends what it can.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { bareJid } from '../../actors/ids.ts';
import { messageOf } from '../../errors.ts';
import type { InboxSignals, Returned } from '../../inbox/signals.ts';
import { backoff, type RetryPolicy } from '../../kit/backoff.ts';
import { createLimiter } from '../../kit/limiter.ts';
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
/** Failed calls of ejabberd in a row after which the counts of an account are given up. They take two to four minutes. */
export const RETURN_TRIES = 8;
/** Waits after failed calls. */
export const RETURN_RETRY: RetryPolicy = { firstMs: 2_000, mostMs: 120_000 };

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

export interface Returns {
  readonly returned: InboxSignals['returned'];
  /**
   * Sends the error for each conversation with a count, whatever the rate. Call it when no more stanzas come. What fails
   * is not tried again. Resolves when everything is sent, or after this time; the log says what was not.
   */
  stop(withinMs: number): Promise<void>;
}

export function createReturns(options: {
  admin: Pick<EjabberdAdmin, 'returnMessage'>;
  /** ms of a clock that is never set. */
  monotonic: () => number;
  random: () => number;
  logger: Logger;
}): Returns {
  const { admin, monotonic, random, logger } = options;
  /** Stanzas that came and are neither returned nor given up. */
  let left = 0;
  let stopping = false;
  const running = new Set<Promise<void>>();
  // By tenant: the names come from the tenants' settings, so the map is bounded.
  const tenants = new Map<string, Tenant>();

  function giveUp(sender: Sender, reason: string): void {
    stopTimer(sender);
    sender.failures = 0;
    let stanzas = sender.others;
    for (const { before } of sender.conversations.values()) stanzas += before + 1;
    sender.conversations.clear();
    sender.others = 0;
    left -= stanzas;
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
        later(tenant, sender, Math.max(waitMs, isFree ? 0 : backoff(1, RETURN_RETRY, random)));
        return;
      }
      const sending = send(tenant, sender, addressee, counted);
      running.add(sending);
      void sending.then(() => running.delete(sending));
    }
  }

  /** Takes a conversation from the counts and sends its error. Resolves when that is done or has failed. */
  async function send(
    tenant: Tenant,
    sender: Sender,
    addressee: string,
    counted: Counted,
  ): Promise<void> {
    sender.conversations.delete(addressee);
    const { others, failures } = sender;
    sender.others = 0;
    const { sender: to, addressee: from, id, condition } = counted.last;
    tenant.underWay += 1;
    // The API client has a deadline of its own.
    await admin
      .returnMessage({ from, to, id, condition, reason: reasonOf(counted, others) })
      .then(
        () => {
          sender.failures = 0;
          left -= counted.before + 1 + others;
        },
        (error: unknown) => {
          const newer = sender.conversations.get(from);
          const before = counted.before + (newer ? newer.before + 1 : 0);
          sender.conversations.delete(from);
          count(sender, newer?.last ?? counted.last, before);
          sender.others += others;
          if (stopping) return;
          // Several that fail together count as one failure.
          if (sender.failures === failures) {
            stopTimer(sender);
            sender.failures += 1;
          }
          if (sender.failures >= RETURN_TRIES) giveUp(sender, messageOf(error));
          else later(tenant, sender, backoff(Math.max(1, sender.failures), RETURN_RETRY, random));
        },
      )
      .finally(() => {
        tenant.underWay -= 1;
      });
  }

  function returned(stanza: Returned): void {
    const jid = bareJid(stanza.sender);
    if (!jid) return;
    left += 1;
    const tenant = tenants.get(stanza.tenant) ?? newTenant();
    tenants.set(stanza.tenant, tenant);
    const name = `${jid.local}@${jid.host}`;
    const sender = tenant.senders.get(name) ?? newSender();
    tenant.senders.set(name, sender);
    count(sender, stanza, 0);
    // While ejabberd fails, what comes is counted until the next try.
    if (sender.failures === 0 && !stopping) flush(tenant, sender);
  }

  /** Sends what is counted for a tenant. @param late true when the time is over */
  async function sendAll(tenant: Tenant, late: () => boolean): Promise<void> {
    const limited = createLimiter(RETURNS_AT_ONCE);
    const sending: Promise<void>[] = [];
    for (const [name, sender] of tenant.senders.entries()) {
      stopTimer(sender);
      for (const [addressee, counted] of sender.conversations) {
        const task = async () => {
          if (!late()) await send(tenant, sender, addressee, counted);
        };
        sending.push(limited(task, name)); // accounts take turns
      }
    }
    await Promise.all(sending);
  }

  return {
    returned,
    async stop(withinMs) {
      stopping = true;
      const deadline = monotonic() + withinMs;
      const late = () => monotonic() >= deadline;
      const sent = [...tenants.values()].map((tenant) => sendAll(tenant, late));
      const all = Promise.all([...sent, ...running]);
      await Promise.race([all, delay(withinMs, undefined, { ref: false })]);
      if (left > 0) {
        logger.warn(
          { stanzas: left, reason: 'the service stops' },
          'stanzas were not returned to their sender',
        );
      }
    },
  };
}
