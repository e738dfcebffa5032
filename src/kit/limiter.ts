/**
 * Runs a task when it has a place, and returns what the task returns. A task that fails frees its place too.
 */
export type Limiter = <T>(task: () => Promise<T>) => Promise<T>;

/** Started tasks leave the queue in pieces: `shift()` copies a long list (a third of the CPU at 100,000 tasks). */
const DROPPED_AT_ONCE = 1_024;

/**
 * Bounds how many tasks run at the same time. Tasks past the bound wait, and start in the order in which they came.
 * @param most running tasks
 */
export function createLimiter(most: number): Limiter {
  let free = most;
  let queue: (() => void)[] = [];
  /** Entries at the head of the queue whose tasks have started. */
  let started = 0;

  /** Hands the place of a finished task to the first in the queue, so that no newcomer can take the place. */
  function next(): void {
    const start = queue[started];
    if (!start) {
      free += 1;
      return;
    }
    started += 1;
    if (started === queue.length || started % DROPPED_AT_ONCE === 0) {
      queue = queue.slice(started);
      started = 0;
    }
    start();
  }

  return async (task) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((start) => queue.push(start));
    try {
      return await task();
    } finally {
      next();
    }
  };
}
