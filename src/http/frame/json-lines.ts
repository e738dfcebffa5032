/** An answer of JSON lines that are read on as the caller takes them. */
import type { Logger } from 'pino';
import { publicMessageOf } from '../../errors.ts';
import type { Call } from './endpoint.ts';

/** How long the caller may leave lines untaken, all waits together, … */
export const UNTAKEN_MS = 30_000;
/** … and for each part of so many bytes that they have taken, 1 s more. */
export const SLOWEST_BYTES_PER_S = 65_536;

interface Options extends Pick<Call<unknown, unknown, unknown, unknown>, 'hangUp'> {
  readonly logger: Logger;
  /** Called once, when nothing more is read. */
  readonly onEnd: () => void;
  /** Defaults {@link UNTAKEN_MS} and {@link SLOWEST_BYTES_PER_S}. */
  readonly pace?: { readonly untakenMs: number; readonly slowest: number };
}

const PACE = { untakenMs: UNTAKEN_MS, slowest: SLOWEST_BYTES_PER_S };

const encoder = new TextEncoder();
const lineOf = (value: object): Uint8Array => encoder.encode(`${JSON.stringify(value)}\n`);

/**
 * The values as lines. An error is the last line, `{ "kind": "error", "detail": … }`. A caller who takes no lines for too
 * long loses the connection: what is read for them may be a place that others wait for.
 */
export function jsonLines(
  values: AsyncGenerator<object>,
  { hangUp, logger, onEnd, pace = PACE }: Options,
): ReadableStream<Uint8Array> {
  let isOver = false;
  let taken = 0;
  let waitedMs = 0;
  let waitsSince = performance.now();
  let late: NodeJS.Timeout | undefined;

  const end = (): void => {
    clearTimeout(late);
    if (isOver) return;
    isOver = true;
    onEnd();
  };
  const leave = async (): Promise<void> => {
    end();
    await values.return(undefined);
  };
  const wait = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
    waitsSince = performance.now();
    const leftMs = pace.untakenMs + (taken / pace.slowest) * 1000 - waitedMs;
    late = setTimeout(
      () => {
        void leave();
        // The server does not see an error of the stream while it waits for the socket to drain.
        if (!hangUp()) controller.error(new Error('the reader is too slow'));
      },
      Math.max(0, leftMs),
    ).unref();
  };

  return new ReadableStream<Uint8Array>(
    {
      start: wait,
      async pull(controller) {
        clearTimeout(late);
        waitedMs += performance.now() - waitsSince;
        try {
          const { value, done } = await values.next();
          if (isOver) return;
          if (!done) {
            const line = lineOf(value);
            taken += line.length;
            controller.enqueue(line);
            wait(controller);
            return;
          }
        } catch (error) {
          if (isOver) return;
          logger.warn({ err: error }, 'an answer of lines broke off');
          controller.enqueue(lineOf({ kind: 'error', detail: publicMessageOf(error) }));
        }
        controller.close();
        end();
      },
      cancel: leave,
    },
    { highWaterMark: 0 },
  );
}
