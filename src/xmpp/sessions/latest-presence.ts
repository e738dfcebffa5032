/**
 * The presence of one session. Only the latest one counts, and it is written only if it differs from the last one that
 * was written to the same stream.
 */
import type { Element } from '@xmpp/xml';
import type { AppError } from '../../errors.ts';
import type { VisitorPresence } from '../port.ts';
import { presenceStanza } from '../stanzas.ts';
import type { Waiter } from './in-flight.ts';

export interface LatestPresence {
  /**
   * Sets the presence.
   * @returns `taken` resolves when this presence, or a newer one, is taken; `changed`: there is something to write
   */
  set(presence: VisitorPresence): { readonly taken: Promise<void>; readonly changed: boolean };
  /** The stanza to write now; undefined if it was written already. */
  toWrite(): Element | undefined;
  /** The promise that the next ping will settle; undefined if there is none, or a ping has been sent for it. */
  toCover(): Waiter | undefined;
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
  let written = '';
  let taken: PromiseWithResolvers<void> | undefined;
  let covered = true;

  function fail(error: AppError): void {
    taken?.reject(error);
    taken = undefined;
    covered = true;
  }

  return {
    set(presence) {
      const next = presenceStanza(presence);
      if (taken !== undefined && next.toString() === stanza?.toString()) {
        return { taken: taken.promise, changed: false };
      }
      const older = taken;
      taken = Promise.withResolvers<void>();
      taken.promise.catch(() => undefined); // a caller need not wait for it
      older?.resolve(taken.promise);
      stanza = next;
      covered = false;
      return { taken: taken.promise, changed: true };
    },
    toWrite() {
      const text = stanza?.toString();
      if (text === undefined || text === written) return undefined;
      written = text;
      return stanza;
    },
    toCover() {
      if (!taken || covered) return undefined;
      covered = true;
      return { resolve: taken.resolve, reject: taken.reject };
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
    },
  };
}
