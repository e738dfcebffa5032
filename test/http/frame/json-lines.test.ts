/** Answers of JSON lines: whoever takes none loses the connection, and the place that others wait for. */
import { connect } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { jsonLines } from '../../../src/http/frame/json-lines.ts';
import { hangUp } from '../../../src/http/frame/node-request.ts';
import { serve } from '../../../src/http/serve.ts';
import { silent } from '../../support/rig.ts';

const AT_ONCE = { untakenMs: 10, slowest: Number.POSITIVE_INFINITY };
/** More than the buffers of two sockets hold. */
const LONG = { text: 'x'.repeat(1_000_000) };

function endless() {
  const seen = { count: 0, isReturned: false };
  async function* values() {
    try {
      for (;;) {
        seen.count += 1;
        yield LONG;
      }
    } finally {
      seen.isReturned = true;
    }
  }
  return { seen, values: values() };
}

test('a caller who takes nothing any more loses the connection, and nothing more is read', async () => {
  const { seen, values } = endless();
  const onEnd = vi.fn();
  const app = {
    fetch: (_request: Request, env: unknown) =>
      new Response(
        jsonLines(values, { hangUp: () => hangUp(env), logger: silent, onEnd, pace: AT_ONCE }),
      ),
  };
  const listening = await serve(app, { host: '127.0.0.1', port: 0, variable: 'LISTEN' });
  onTestFinished(() => listening.close(0));
  const socket = connect(listening.port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => undefined);
  // It asks, and reads nothing.
  socket.pause();
  socket.write('GET / HTTP/1.1\r\nHost: here\r\n\r\n');
  await vi.waitFor(() => expect(onEnd).toHaveBeenCalledTimes(1), { timeout: 60_000 });
  await vi.waitFor(() => expect(seen.isReturned).toBe(true));
  expect(seen.count).toBeGreaterThan(0);
});

test('a caller who never begins to read is waited for no longer', async () => {
  const { seen, values } = endless();
  const onEnd = vi.fn();
  const hangUp = vi.fn(() => false);
  const stream = jsonLines(values, { hangUp, logger: silent, onEnd, pace: AT_ONCE });
  await vi.waitFor(() => expect(onEnd).toHaveBeenCalledTimes(1));
  expect(hangUp).toHaveBeenCalledTimes(1);
  expect(seen.count).toBe(0);
  await expect(stream.getReader().read()).rejects.toThrow('too slow');
});

test('all waits for a caller count together, and what they take gives them more time', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const { values } = endless();
  const onEnd = vi.fn();
  // 1 s, and 1 s more for each line of 1,000,012 bytes.
  const pace = { untakenMs: 1_000, slowest: 1_000_012 };
  const stream = jsonLines(values, { hangUp: () => true, logger: silent, onEnd, pace });
  const reader = stream.getReader();
  for (let i = 0; i < 5; i++) {
    await reader.read();
    vi.advanceTimersByTime(900);
    expect(onEnd).not.toHaveBeenCalled();
  }
  // Of the 6 s, 4.5 are over.
  vi.advanceTimersByTime(1_499);
  expect(onEnd).not.toHaveBeenCalled();
  vi.advanceTimersByTime(2);
  expect(onEnd).toHaveBeenCalledTimes(1);
});

test('whoever takes all of it has it, and an error is the last line', async () => {
  async function* values() {
    yield { n: 1 };
    yield { n: 2 };
    throw new Error('a secret reason');
  }
  const onEnd = vi.fn();
  const hangUp = vi.fn(() => true);
  const text = await new Response(jsonLines(values(), { hangUp, logger: silent, onEnd })).text();
  expect(
    text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toEqual([{ n: 1 }, { n: 2 }, { kind: 'error', detail: expect.not.stringContaining('secret') }]);
  expect(onEnd).toHaveBeenCalledTimes(1);
  expect(hangUp).not.toHaveBeenCalled();
});
