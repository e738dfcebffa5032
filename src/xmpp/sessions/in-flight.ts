/**
 * Stanzas that were written to a stream and may not be processed yet. ejabberd processes a stream in order, so the
 * answer to a XEP-0199 ping covers everything that was written before that ping. All waiting stanzas share one ping.
 */
import type { AppError } from '../../errors.ts';

/** The two ends of the promise of one stanza. */
export interface Waiter {
  resolve(): void;
  reject(error: AppError): void;
}

/** What a returned stanza is known by. */
export interface Sent {
  /** The stanza's id. */
  readonly id: string;
  /** The bare JID that it was sent to. */
  readonly to: string;
}

export interface InFlight {
  /** Adds a stanza, which the next ping will cover. With `sent`, {@link returned} can find it. */
  add(waiter: Waiter, sent?: Sent): void;
  /**
   * The id for a ping to send now. Undefined if no stanza waits for one, or one is in progress.
   * @param now milliseconds of `performance.now()`
   * @param always a ping even if no stanza waits
   */
  nextPing(now: number, always?: boolean): string | undefined;
  /** Resolves the stanzas that this ping covered. False if the ping is not from here. */
  answered(pingId: string): boolean;
  /** Rejects the stanza that was sent to this address with this id. False if there is none (any more). */
  returned(sent: Sent, error: AppError): boolean;
  /** When the ping in progress was sent; undefined if there is none. */
  readonly pingedAt: number | undefined;
  /** True if a stanza waits for a ping that was not sent yet. */
  readonly waiting: boolean;
  /** Rejects every stanza, and forgets the ping in progress. */
  failAll(error: AppError): void;
}

interface Entry {
  readonly waiter: Waiter;
  readonly sent: Sent | undefined;
}

export function createInFlight(): InFlight {
  let waiting: Entry[] = [];
  /** The stanzas that the ping in progress covers. */
  let covered: Entry[] = [];
  let ping: { readonly id: string; readonly at: number } | undefined;
  let pings = 0;

  return {
    add: (waiter, sent) => void waiting.push({ waiter, sent }),
    nextPing(now, always = false) {
      if (ping || (waiting.length === 0 && !always)) return undefined;
      pings += 1;
      ping = { id: `ping-${pings}`, at: now };
      covered = waiting;
      waiting = [];
      return ping.id;
    },
    answered(pingId) {
      if (ping?.id !== pingId) return false;
      const entries = covered;
      ping = undefined;
      covered = [];
      for (const { waiter } of entries) waiter.resolve();
      return true;
    },
    returned({ id, to }, error) {
      // ejabberd returns a message while it routes it, so the error comes before the answer to the ping behind it.
      const entry = [...covered, ...waiting].find(({ sent }) => sent?.id === id && sent.to === to);
      if (!entry) return false;
      covered = covered.filter((each) => each !== entry);
      waiting = waiting.filter((each) => each !== entry);
      entry.waiter.reject(error);
      return true;
    },
    get pingedAt() {
      return ping?.at;
    },
    get waiting() {
      return waiting.length > 0;
    },
    failAll(error) {
      const failed = [...covered, ...waiting];
      ping = undefined;
      covered = [];
      waiting = [];
      for (const { waiter } of failed) waiter.reject(error);
    },
  };
}
