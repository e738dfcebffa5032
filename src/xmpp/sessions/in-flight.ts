/**
 * What was written to a stream and is not yet known to be processed. ejabberd works a stream off in order, so the
 * answer to a XEP-0199 ping covers everything that was written before the ping; one ping serves all that wait.
 */
import type { AppError } from '../../errors.ts';

interface Settle {
  resolve(): void;
  reject(error: AppError): void;
}

export interface InFlight {
  /** Waits for the next ping's answer. With an id it can be returned (an error stanza for that message). */
  add(settle: Settle, id?: string): void;
  /** The id for a ping if one should be sent now: something waits and none is under way, or `always`. */
  nextPing(now: number, always?: boolean): string | undefined;
  /** An answer came: settles what its ping covered. False when it is not our ping. */
  answered(pingId: string): boolean;
  /** The message came back. False when it does not wait here (any more). */
  returned(id: string, error: AppError): boolean;
  /** When the ping that is under way was sent. */
  readonly pingedAt: number | undefined;
  /** Something waits for a ping that has not been sent. */
  readonly waiting: boolean;
  failAll(error: AppError): void;
}

interface Entry {
  readonly settle: Settle;
  readonly id: string | undefined;
}

export function createInFlight(): InFlight {
  let waiting: Entry[] = [];
  let covered: Entry[] = [];
  let ping: { readonly id: string; readonly at: number } | undefined;
  let pings = 0;

  return {
    add: (settle, id) => void waiting.push({ settle, id }),
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
      const settled = covered;
      ping = undefined;
      covered = [];
      for (const { settle } of settled) settle.resolve();
      return true;
    },
    returned(id, error) {
      // A bounce is made while the message is routed, so it comes before the answer to the ping behind it.
      const entry = [...covered, ...waiting].find((each) => each.id === id);
      if (!entry) return false;
      covered = covered.filter((each) => each !== entry);
      waiting = waiting.filter((each) => each !== entry);
      entry.settle.reject(error);
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
      for (const { settle } of failed) settle.reject(error);
    },
  };
}
