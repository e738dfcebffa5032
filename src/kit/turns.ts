import { setImmediate as turn } from 'node:timers/promises';

/**
 * Makes a queue for turns of the event loop. Long work waits here between its portions. Each turn runs one portion,
 * however many works there are, so sessions and requests run in between. `setImmediate` alone would run the portions of
 * all works in one turn.
 */
export function createTurns(): () => Promise<void> {
  let last = Promise.resolve();
  return () => {
    last = last.then(() => turn());
    return last;
  };
}
