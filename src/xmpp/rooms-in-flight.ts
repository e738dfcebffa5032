/**
 * Stanzas that were written to rooms and may not be processed yet. A room is a process of its own in ejabberd, so the
 * answer to a ping of the server says nothing of it. The room answers a ping behind them itself: with an error, because
 * it knows no pings of its bare address (measured on 23.01, 24.12 and 26.07).
 */
import type { Element } from '@xmpp/xml';
import { AppError } from '../errors.ts';
import { createInFlight, type InFlight, type Waiter } from './in-flight.ts';
import { returnedError } from './returned-error.ts';

/** What a room says that is there. Any other error is about the room: there is none, say. */
const OF_A_ROOM: ReadonlySet<unknown> = new Set(['service-unavailable', 'feature-not-implemented']);

export interface RoomPing {
  /** Bare JID. */
  readonly room: string;
  readonly id: string;
}

export interface RoomsInFlight {
  /** Adds a stanza to a room, which the next ping of the room will cover. */
  add(room: string, waiter: Waiter, key: string): void;
  /** The pings to send now. @param now milliseconds of `performance.now()` */
  nextPings(now: number): readonly RoomPing[];
  /** Takes an answer of a room. False if it is not to a ping from here. */
  answered(answer: Element): boolean;
  /** Rejects the stanza with this key, the first of several. False if there is none (any more). */
  returned(room: string, key: string, error: AppError): boolean;
  /** Rejects what waits for rooms that have not answered for so long. @param now as above */
  check(now: number, deadlineMs: number): void;
  /** Stanzas that wait for a ping which was not sent yet. */
  readonly waiting: boolean;
  /** Stanzas that have no answer yet. */
  readonly size: number;
  failAll(error: AppError): void;
}

export function createRoomsInFlight(): RoomsInFlight {
  const rooms = new Map<string, InFlight>();
  /** Rooms that may need a ping. */
  const unpinged = new Set<string>();
  let made = 0;

  function forgetIfEmpty(room: string, inFlight: InFlight): void {
    if (inFlight.size > 0 || inFlight.pingedAt !== undefined) return;
    rooms.delete(room);
    unpinged.delete(room);
  }

  return {
    add(room, waiter, key) {
      // The pings of each one have names of their own: an answer may come after its room was given up.
      const inFlight = rooms.get(room) ?? createInFlight(`room-${++made}`);
      rooms.set(room, inFlight);
      inFlight.add(waiter, key);
      unpinged.add(room);
    },
    nextPings(now) {
      const pings: RoomPing[] = [];
      for (const room of unpinged) {
        const id = rooms.get(room)?.nextPing(now);
        if (id === undefined) continue; // one is on its way
        unpinged.delete(room);
        pings.push({ room, id });
      }
      return pings;
    },
    answered(answer) {
      const { id = '', from = '', type } = answer.attrs;
      const inFlight = rooms.get(from);
      if (!inFlight) return false;
      const error = type === 'error' ? returnedError(answer) : undefined;
      const isThere = error === undefined || OF_A_ROOM.has(error.details.condition);
      if (!inFlight.answered(id, isThere ? undefined : error)) return false;
      forgetIfEmpty(from, inFlight);
      return true;
    },
    returned(room, key, error) {
      const inFlight = rooms.get(room);
      if (!inFlight?.returned(key, error)) return false;
      forgetIfEmpty(room, inFlight);
      return true;
    },
    check(now, deadlineMs) {
      for (const [room, inFlight] of rooms) {
        const { pingedAt } = inFlight;
        if (pingedAt === undefined || now - pingedAt <= deadlineMs) continue;
        rooms.delete(room);
        unpinged.delete(room);
        inFlight.failAll(new AppError('unavailable', 'the room does not answer'));
      }
    },
    get waiting() {
      return unpinged.size > 0;
    },
    get size() {
      let size = 0;
      for (const inFlight of rooms.values()) size += inFlight.size;
      return size;
    },
    failAll(error) {
      const all = [...rooms.values()];
      rooms.clear();
      unpinged.clear();
      for (const inFlight of all) inFlight.failAll(error);
    },
  };
}
