import { setImmediate as turn } from 'node:timers/promises';

/**
 * Makes a place where pieces of long work wait for their turn of the event loop: one piece in each, however many are at
 * it, so that sessions and requests have theirs between. `setImmediate` alone gives all of them the same turn.
 */
export function createTurns(): () => Promise<void> {
  let last = Promise.resolve();
  return () => {
    last = last.then(() => turn());
    return last;
  };
}
