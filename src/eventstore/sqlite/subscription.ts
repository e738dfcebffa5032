import { AppError } from '../../errors.ts';
import { SUBSCRIPTION_BATCH, type SubscribeOptions, type SubscriptionBatch } from '../port.ts';
import type { Positions } from './position.ts';
import type { Page, PageOptions } from './reader.ts';

/** Where the log ends, as far as this process knows. */
export interface Head {
  get(): number;
  /** Moves the end, and wakes everybody who waits for that. */
  set(position: number): void;
  /** Resolves when the end has moved, the signal was aborted or the store was closed. */
  moved(signal: AbortSignal): Promise<void>;
  /** Wakes everybody who waits, for good. */
  close(): void;
  readonly closed: boolean;
  /** Subscriptions in progress. */
  followers: number;
}

export const createHead = (): Head => {
  const waiting = new Set<() => void>();
  let head = 0;
  let closed = false;
  const wake = (): void => {
    for (const resolve of waiting) resolve();
    waiting.clear();
  };
  return {
    followers: 0,
    get: () => head,
    set: (position) => {
      if (position === head) return;
      head = position;
      wake();
    },
    moved: (signal) =>
      new Promise((resolve) => {
        if (signal.aborted || closed) return resolve();
        const done = (): void => {
          waiting.delete(done);
          signal.removeEventListener('abort', done);
          resolve();
        };
        waiting.add(done);
        signal.addEventListener('abort', done);
      }),
    close: () => {
      closed = true;
      wake();
    },
    get closed() {
      return closed;
    },
  };
};

/**
 * Follows the log from a position to its end and on as it grows, by reading pages. While it catches up, it returns to the
 * event loop after each batch. A slow subscriber delays nobody: it reads on from where it is.
 */
export async function* follow(
  { after, prefixes, signal, batch = SUBSCRIPTION_BATCH }: SubscribeOptions,
  head: Head,
  positions: Positions,
  page: (options: PageOptions) => Page,
): AsyncGenerator<SubscriptionBatch> {
  let at = after === undefined ? 0 : positions.parse(after);
  if (at > head.get()) {
    throw new AppError(
      'invalid',
      `${after} is past the end of the log: is the log an older copy?`,
      {
        field: 'position',
      },
    );
  }
  head.followers += 1;
  try {
    let live = false;
    while (!signal.aborted && !head.closed) {
      if (live && at >= head.get()) {
        await head.moved(signal);
        continue;
      }
      const upTo = head.get();
      const { events, through } = page({ after: at, upTo, prefixes, limit: batch });
      at = through;
      live = at >= upTo;
      // An empty batch is yielded too: `through` is a checkpoint.
      yield { events, through: positions.format(at), live };
      if (!live) await new Promise(setImmediate);
    }
  } finally {
    head.followers -= 1;
  }
}
