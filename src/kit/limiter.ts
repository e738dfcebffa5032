/**
 * Runs a task when it has a place, and returns what the task returns. A task that fails frees its place too.
 * @param share whose task it is, such as a tenant's id. Default: all tasks are one share's
 */
export type Limiter = <T>(task: () => Promise<T>, share?: string) => Promise<T>;

/** Started tasks leave the queue in pieces: `shift()` copies a long list (a third of the CPU at 100,000 tasks). */
const DROPPED_AT_ONCE = 1_024;

/** The waiting tasks of one share, in order. */
function createQueue() {
  let tasks: (() => void)[] = [];
  /** Entries at the head whose tasks have started. */
  let started = 0;
  return {
    add: (start: () => void) => void tasks.push(start),
    /** The first one. There has to be one. */
    take(): (() => void) | undefined {
      const start = tasks[started];
      started += 1;
      if (started === tasks.length || started % DROPPED_AT_ONCE === 0) {
        tasks = tasks.slice(started);
        started = 0;
      }
      return start;
    },
    isEmpty: () => tasks.length === 0,
  };
}

/**
 * Bounds how many tasks run at the same time. Shares with waiting tasks take turns: one task of each, then again. So
 * 10,000 tasks of one share delay another share's task by one task. The tasks of one share start in the order in which
 * they came.
 * @param most running tasks
 */
export function createLimiter(most: number): Limiter {
  let free = most;
  /** Shares with waiting tasks, in the order of their turns. */
  const queues = new Map<string, ReturnType<typeof createQueue>>();

  /** Hands the place of a finished task to a task that waits, so that no newcomer can take the place. */
  function next(): void {
    for (const [share, queue] of queues) {
      const start = queue.take();
      queues.delete(share);
      if (!queue.isEmpty()) queues.set(share, queue); // behind the others
      start?.();
      return;
    }
    free += 1;
  }

  function wait(share: string): Promise<void> {
    const queue = queues.get(share) ?? createQueue();
    queues.set(share, queue);
    return new Promise((start) => queue.add(start));
  }

  return async (task, share = '') => {
    if (free > 0) free -= 1;
    else await wait(share);
    try {
      return await task();
    } finally {
      next();
    }
  };
}
