/**
 * Stanzas that were written to a stream and may not be processed yet. ejabberd processes a stream in order, so the
 * answer to a XEP-0199 ping covers everything that was written before that ping. All waiting stanzas share one ping.
 */
import type { AppError } from '../errors.ts';

/** The two ends of the promise of one stanza. */
export interface Waiter {
  resolve(): void;
  reject(error: AppError): void;
}

export interface InFlight {
  /** Adds a stanza, which the next ping will cover. With a key, {@link returned} can find it. */
  add(waiter: Waiter, key?: string): void;
  /**
   * The id for a ping to send now. Undefined if no stanza waits for one, or one is in progress.
   * @param now milliseconds of `performance.now()`
   * @param always a ping even if no stanza waits
   */
  nextPing(now: number, always?: boolean): string | undefined;
  /**
   * Resolves the stanzas that this ping covered. False if the ping is not from here.
   * @param error with it they are rejected
   */
  answered(pingId: string, error?: AppError): boolean;
  /** Rejects the stanza with this key, the first of several. False if there is none (any more). */
  returned(key: string, error: AppError): boolean;
  /** When the ping in progress was sent; undefined if there is none. */
  readonly pingedAt: number | undefined;
  /** True if a stanza waits for a ping that was not sent yet. */
  readonly waiting: boolean;
  /** Stanzas that have no answer yet. */
  readonly size: number;
  /** Rejects every stanza, and forgets the ping in progress. */
  failAll(error: AppError): void;
}

interface Entry {
  readonly waiter: Waiter;
  readonly key: string | undefined;
}

/** @param name begins the ids of the pings */
export function createInFlight(name = 'ping'): InFlight {
  let waiting = new Set<Entry>();
  /** The stanzas that the ping in progress covers. */
  let covered = new Set<Entry>();
  /** Anybody can return stanzas, so to find one must be cheap. */
  const byKey = new Map<string, Entry[]>();
  let ping: { readonly id: string; readonly at: number } | undefined;
  let pings = 0;

  function forget(entry: Entry): void {
    waiting.delete(entry);
    covered.delete(entry);
    if (entry.key === undefined) return;
    const others = byKey.get(entry.key)?.filter((each) => each !== entry) ?? [];
    if (others.length > 0) byKey.set(entry.key, others);
    else byKey.delete(entry.key);
  }

  return {
    add(waiter, key) {
      const entry = { waiter, key };
      waiting.add(entry);
      if (key !== undefined) byKey.set(key, [...(byKey.get(key) ?? []), entry]);
    },
    nextPing(now, always = false) {
      if (ping || (waiting.size === 0 && !always)) return undefined;
      pings += 1;
      ping = { id: `${name}-${pings}`, at: now };
      covered = waiting;
      waiting = new Set();
      return ping.id;
    },
    answered(pingId, error) {
      if (ping?.id !== pingId) return false;
      const entries = [...covered];
      ping = undefined;
      for (const entry of entries) forget(entry);
      for (const { waiter } of entries) {
        if (error) waiter.reject(error);
        else waiter.resolve();
      }
      return true;
    },
    returned(key, error) {
      // ejabberd returns a message while it routes it, so the error comes before the answer to the ping behind it.
      const entry = byKey.get(key)?.[0];
      if (!entry) return false;
      forget(entry);
      entry.waiter.reject(error);
      return true;
    },
    get pingedAt() {
      return ping?.at;
    },
    get waiting() {
      return waiting.size > 0;
    },
    get size() {
      return waiting.size + covered.size;
    },
    failAll(error) {
      const failed = [...covered, ...waiting];
      ping = undefined;
      covered = new Set();
      waiting = new Set();
      byKey.clear();
      for (const { waiter } of failed) waiter.reject(error);
    },
  };
}
