import { setImmediate as turn } from 'node:timers/promises';
import { createLimiter } from './limiter.ts';

/** Waits for a turn. @param share whose work it is, such as a tenant's id. Default: all work is one share's */
export type NextTurn = (share?: string) => Promise<void>;

/**
 * Makes a queue for turns of the event loop. Long work waits here between its portions. Each turn runs one portion,
 * however many works there are, so sessions and requests run in between. `setImmediate` alone would run the portions of
 * all works in one turn. Shares take turns, so that the works of one share, however many, slow down another share's as two
 * of them would.
 */
export function createTurns(): NextTurn {
  const limited = createLimiter(1);
  return (share) => limited(() => turn(), share);
}
