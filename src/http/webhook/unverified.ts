/**
 * Bodies that nobody has verified yet. Anybody can send one, so only a few are read at the same time. A place is not
 * kept by who is slow: while others wait, the oldest body is given up after a moment. Real senders need milliseconds.
 *
 * A small body that the server has received whole needs no place: nobody can be slow with it any more. So a crowd of slow
 * senders behind the same proxy does not keep it out.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from '../../errors.ts';

/** Bodies that are read at the same time. Each has `MAX_EVENTS_BYTES` (frame/body.ts) at most. */
export const UNVERIFIED_AT_ONCE = 8;
/** Requests that wait for a place. More are answered 503. */
export const UNVERIFIED_WAITING = 64;
/** Of both kinds of places one address has this part at most. */
export const UNVERIFIED_SHARE = 1 / 2;
/** So long a body may take while others wait for its place. */
export const UNVERIFIED_GRACE_MS = 1_000;
/** The same while there is a crowd: an eighth of the waiting places are of its address, or more than half are taken. */
export const UNVERIFIED_CROWD_GRACE_MS = 200;
/** The rest of a small body may come so long behind its headers, in ms each: that often it is looked for. */
export const UNVERIFIED_ARRIVAL_MS: readonly number[] = [1, 4, 15, 30, 50];
/** Seconds after which a sender who was refused a place may come again. */
export const UNVERIFIED_RETRY_AFTER_S = 2;

interface Reading {
  readonly address: string;
  /** ms of the monotonic clock */
  readonly since: number;
  readonly ending: AbortController;
}

interface Waiting {
  readonly address: string;
  readonly start: (reading: Reading) => void;
  readonly refuse: (reason: AppError) => void;
}

/**
 * Runs the reading of a body when it has a place.
 * @param address of the sender. Places go to the address that reads the fewest bodies. When all waiting places are taken,
 *   the newest request of the address that has most of them makes room for an address with fewer
 * @param isHere true if the server has received the whole body. Without a free place it is looked at for a moment
 * @param read gets a signal that is aborted when the place is needed
 * @throws {AppError} `overloaded` if too many wait
 */
export type UnverifiedBodies = <T>(
  address: string,
  isHere: () => boolean,
  read: (ending: AbortSignal) => Promise<T>,
) => Promise<T>;

/** Resolves with true when the body is here, with false after these waits. Connections are the bound for how many wait. */
async function arrives(isHere: () => boolean, waitsMs: readonly number[]): Promise<boolean> {
  for (const ms of waitsMs) {
    if (isHere()) return true;
    await delay(ms);
  }
  return isHere();
}

const countOf = (all: Iterable<{ readonly address: string }>, address: string): number => {
  let count = 0;
  for (const each of all) if (each.address === address) count++;
  return count;
};

/** Of a body that is whole. */
const NEVER = new AbortController().signal;

const overloaded = (): AppError =>
  new AppError('overloaded', 'too many requests wait here; try again in a moment', {
    retryAfter: UNVERIFIED_RETRY_AFTER_S,
  });

/** @param graceMs,crowdGraceMs,arrivalMs as the constants */
export function createUnverifiedBodies(
  graceMs = UNVERIFIED_GRACE_MS,
  crowdGraceMs = UNVERIFIED_CROWD_GRACE_MS,
  arrivalMs = UNVERIFIED_ARRIVAL_MS,
): UnverifiedBodies {
  const readings = new Set<Reading>();
  let waiting: Waiting[] = [];
  let timer: NodeJS.Timeout | undefined;

  const mayRead = (address: string): boolean =>
    readings.size < UNVERIFIED_AT_ONCE &&
    countOf(readings, address) < UNVERIFIED_AT_ONCE * UNVERIFIED_SHARE;

  /** Gives the free place away. */
  function next(): void {
    const [first, ...others] = waiting.filter(({ address }) => mayRead(address));
    if (!first) return;
    let chosen = first;
    for (const other of others) {
      if (countOf(readings, other.address) < countOf(readings, chosen.address)) chosen = other;
    }
    waiting = waiting.filter((one) => one !== chosen);
    chosen.start(begin(chosen.address));
  }

  function begin(address: string): Reading {
    const reading = { address, since: performance.now(), ending: new AbortController() };
    readings.add(reading);
    return reading;
  }

  /** @throws {AppError} `overloaded` if there is no waiting place for this address */
  function makeRoomFor(address: string): void {
    const own = countOf(waiting, address);
    if (own >= UNVERIFIED_WAITING * UNVERIFIED_SHARE) throw overloaded();
    if (waiting.length < UNVERIFIED_WAITING) return;
    let most = own + 1; // with as many as this address would have, nobody has to give way
    let newest: Waiting | undefined;
    for (const one of waiting) {
      const count = countOf(waiting, one.address);
      if (count < most || (newest === undefined && count === most)) continue;
      most = count;
      newest = one;
    }
    if (!newest) throw overloaded();
    waiting = waiting.filter((one) => one !== newest);
    newest.refuse(overloaded());
  }

  const turn = (address: string): Promise<Reading> =>
    new Promise((start, refuse) => {
      makeRoomFor(address);
      waiting.push({ address, start, refuse });
      watch();
    });

  const graceOf = ({ address }: Reading): number => {
    const isCrowd =
      countOf(waiting, address) >= UNVERIFIED_WAITING / 8 ||
      waiting.length > UNVERIFIED_WAITING / 2;
    return isCrowd ? crowdGraceMs : graceMs;
  };

  /** True if somebody who waits would get the place of this reading. */
  const isNeeded = ({ address }: Reading): boolean =>
    readings.size >= UNVERIFIED_AT_ONCE || countOf(waiting, address) > 0;

  /** Gives up a reading when its time is over and somebody waits for its place. */
  function watch(): void {
    clearTimeout(timer);
    if (waiting.length === 0) return;
    let chosen: Reading | undefined;
    let leftMs = Number.POSITIVE_INFINITY;
    for (const reading of readings) {
      if (reading.ending.signal.aborted || !isNeeded(reading)) continue;
      const left = reading.since + graceOf(reading) - performance.now();
      if (left >= leftMs) continue;
      leftMs = left;
      chosen = reading;
    }
    if (!chosen) return;
    if (leftMs <= 0) chosen.ending.abort();
    timer = setTimeout(watch, Math.max(1, leftMs)).unref();
  }

  return async (address, isHere, read) => {
    if (!mayRead(address) && (await arrives(isHere, arrivalMs))) return read(NEVER);
    const reading = mayRead(address) ? begin(address) : await turn(address);
    try {
      return await read(reading.ending.signal);
    } finally {
      readings.delete(reading);
      next();
      watch();
    }
  };
}
