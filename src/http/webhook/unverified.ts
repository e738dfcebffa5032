/**
 * Bodies that nobody has verified yet. Anybody can send one, so only a few are read at the same time. A place is not
 * kept by who is slow: while others wait, the oldest body is given up after a moment. Real senders need milliseconds.
 */
import { AppError } from '../../errors.ts';

/** Bodies that are read at the same time. Each has `MAX_EVENTS_BYTES` (frame/body.ts) at most. */
export const UNVERIFIED_AT_ONCE = 8;
/** Requests that wait for a place. More are answered 503. */
export const UNVERIFIED_WAITING = 64;
/** So long a body may take while others wait. */
export const UNVERIFIED_GRACE_MS = 1_000;
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
}

/**
 * Runs the reading of a body when it has a place.
 * @param address of the sender: places go round-robin, to the address that has the fewest
 * @param read gets a signal that is aborted when the place is needed
 * @throws {AppError} `overloaded` if too many wait
 */
export type UnverifiedBodies = <T>(
  address: string,
  read: (ending: AbortSignal) => Promise<T>,
) => Promise<T>;

export function createUnverifiedBodies(graceMs = UNVERIFIED_GRACE_MS): UnverifiedBodies {
  const readings = new Set<Reading>();
  let waiting: Waiting[] = [];
  let timer: NodeJS.Timeout | undefined;

  const readingsOf = (address: string): number =>
    [...readings].filter((reading) => reading.address === address).length;

  /** Gives the free place away. */
  function next(): void {
    const [first, ...others] = waiting;
    if (!first || readings.size >= UNVERIFIED_AT_ONCE) return;
    let chosen = first;
    for (const other of others) {
      if (readingsOf(other.address) < readingsOf(chosen.address)) chosen = other;
    }
    waiting = waiting.filter((one) => one !== chosen);
    chosen.start(begin(chosen.address));
  }

  function begin(address: string): Reading {
    const reading = { address, since: performance.now(), ending: new AbortController() };
    readings.add(reading);
    return reading;
  }

  const turn = (address: string): Promise<Reading> =>
    new Promise((start) => {
      waiting.push({ address, start });
      watch();
    });

  /** Gives up the oldest reading when its time is over and somebody waits. */
  function watch(): void {
    clearTimeout(timer);
    const [oldest] = [...readings].filter(({ ending }) => !ending.signal.aborted);
    if (waiting.length === 0 || !oldest) return;
    const leftMs = oldest.since + graceMs - performance.now();
    if (leftMs <= 0) oldest.ending.abort();
    timer = setTimeout(watch, Math.max(1, leftMs)).unref();
  }

  return async (address, read) => {
    const isFree = readings.size < UNVERIFIED_AT_ONCE && waiting.length === 0;
    if (!isFree && waiting.length >= UNVERIFIED_WAITING) {
      throw new AppError('overloaded', 'too many requests wait here; try again in a moment', {
        retryAfter: UNVERIFIED_RETRY_AFTER_S,
      });
    }
    const reading = isFree ? begin(address) : await turn(address);
    try {
      return await read(reading.ending.signal);
    } finally {
      readings.delete(reading);
      next();
      watch();
    }
  };
}
