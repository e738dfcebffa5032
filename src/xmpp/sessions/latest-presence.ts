/**
 * The presence of one session. Only the latest one counts, and it is written only if it differs from the last one that
 * was written to the same stream.
 */
import type { Element } from '@xmpp/xml';
import type { AppError } from '../../errors.ts';
import type { Waiter } from '../in-flight.ts';
import type { VisitorPresence } from '../port.ts';
import { presenceStanza } from '../stanzas.ts';

export interface LatestPresence {
  /**
   * Sets the presence.
   * @returns `done` resolves when this presence, or a newer one, is taken; `changed`: there is something to write
   */
  set(presence: VisitorPresence): { readonly done: Promise<void>; readonly changed: boolean };
  /** The stanza to write now; undefined if it was written already. */
  toWrite(): Element | undefined;
  /** The promise that the next ping will settle; undefined if there is none, or a ping has been sent for it. */
  toCover(): Waiter | undefined;
  /** The same for one receiver, with another status (null: its own); undefined if there is no presence, or it was not written. */
  directed(to: string, status: string | null): Element | undefined;
  /** The receivers may no longer see it: it has to be written again. */
  forgetWritten(): void;
  /** Rejects the promise. The presence itself stays, for the next stream. */
  fail(error: AppError): void;
  /** Rejects the promise unless a ping has been sent for it. */
  failUnwritten(error: AppError): void;
  /** No presence any more. */
  clear(): void;
}

export function createLatestPresence(): LatestPresence {
  let stanza: Element | undefined;
  let latest: VisitorPresence | undefined;
  /** The presence that this stream has, as text. */
  let written = '';
  let done: PromiseWithResolvers<void> | undefined;
  /** A ping has been sent for `done`. */
  let covered = true;

  function fail(error: AppError): void {
    done?.reject(error);
    done = undefined;
    covered = true;
  }

  return {
    set(presence) {
      const next = presenceStanza(presence);
      if (done !== undefined && next.toString() === stanza?.toString()) {
        return { done: done.promise, changed: false };
      }
      const older = done;
      done = Promise.withResolvers<void>();
      done.promise.catch(() => undefined); // a caller need not wait for it
      older?.resolve(done.promise);
      stanza = next;
      latest = presence;
      covered = false;
      return { done: done.promise, changed: true };
    },
    toWrite() {
      const text = stanza?.toString();
      if (text === undefined || text === written) return undefined;
      written = text;
      return stanza;
    },
    toCover() {
      if (!done || covered) return undefined;
      covered = true;
      return { resolve: done.resolve, reject: done.reject };
    },
    directed(to, status) {
      if (!latest || written === '') return undefined;
      return presenceStanza(status === null ? latest : { ...latest, status }, to);
    },
    forgetWritten() {
      written = '';
    },
    fail,
    failUnwritten(error) {
      if (!covered) fail(error);
    },
    clear() {
      stanza = undefined;
      latest = undefined;
    },
  };
}
