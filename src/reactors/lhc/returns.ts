/**
 * Stanzas that are returned to their sender with an error: nobody has the address, or the sender is no operator. That
 * leaves no fact, so it is done at once or not at all.
 */
import type { Logger } from 'pino';
import { bareJid } from '../../actors/ids.ts';
import { messageOf } from '../../errors.ts';
import type { InboxSignals } from '../../inbox/commands.ts';
import { Lru } from '../../kit/lru.ts';
import { type Rate, TokenBucket } from '../../kit/token-bucket.ts';
import type { EjabberdAdmin } from '../../xmpp/port.ts';

/** Stanzas that one account gets back. More are dropped. */
export const RETURN_RATE: Rate = { burst: 10, perSecond: 0.5 };
/** Accounts whose rate is remembered. */
export const SENDERS_REMEMBERED = 10_000;
/** Stanzas that are on their way back at the same time. More are dropped. */
export const RETURNS_AT_ONCE = 16;

export function createReturns(options: {
  admin: Pick<EjabberdAdmin, 'returnMessage'>;
  /** ms of a clock that is never set. */
  monotonic: () => number;
  logger: Logger;
}): InboxSignals['returned'] {
  const { admin, monotonic, logger } = options;
  const senders = new Lru<TokenBucket>(SENDERS_REMEMBERED);
  let underWay = 0;
  return ({ sender, addressee, id, condition, reason }) => {
    const jid = bareJid(sender);
    if (!jid) return;
    const name = `${jid.local}@${jid.host}`;
    const bucket = senders.get(name) ?? new TokenBucket(RETURN_RATE);
    senders.set(name, bucket);
    if (underWay >= RETURNS_AT_ONCE || !bucket.take(monotonic())) return;
    underWay += 1;
    // The API client has a deadline of its own.
    admin
      .returnMessage({ from: addressee, to: sender, id, condition, reason })
      .catch((error: unknown) =>
        logger.debug({ reason: messageOf(error) }, 'a stanza was not returned to its sender'),
      )
      .finally(() => {
        underWay -= 1;
      });
  };
}
