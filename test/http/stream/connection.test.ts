import { expect, test } from 'vitest';
import { createConnection } from '../../../src/http/stream/connection.ts';
import type { Told } from '../../../src/http/stream/events.ts';

test('what has no room is not put together first: a fact may be of a thousand long messages', async () => {
  const connection = createConnection({
    types: new Set(['message'] as const),
    maxBuffer: 1000,
    drainWithinMs: 1000,
    hangUp: () => true,
    ended: () => {},
  });
  let read = 0;
  const told = Array.from({ length: 10 }, (): Told => {
    return {
      type: 'message',
      get data() {
        read += 1;
        return 'x'.repeat(200);
      },
    };
  });
  expect(connection.tell(told, 'here')).toBeNull();
  expect([connection.open, read]).toEqual([true, 10]);
  // Of other types nothing has to fit.
  expect(connection.tell([{ type: 'chat', data: 'x'.repeat(2000) }], 'here')).toBe(0);
  expect(connection.tell(told.slice(0, 3), 'here')).toBe(3);
  connection.end();
  expect(connection.tell(told, 'here')).toBe(10); // to nobody
});
