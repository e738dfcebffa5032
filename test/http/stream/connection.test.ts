import { expect, test } from 'vitest';
import { createConnection } from '../../../src/http/stream/connection.ts';
import type { StreamEvent } from '../../../src/projections/changes.ts';

test('events without room are refused before they are joined: a fact may have a thousand long messages', async () => {
  const connection = createConnection({
    types: new Set(['message'] as const),
    maxBufferBytes: 1000,
    drainWithinMs: 1000,
    hangUp: () => true,
    onEnd: () => {},
  });
  let read = 0;
  const events = Array.from({ length: 10 }, (): StreamEvent => {
    return {
      type: 'message',
      get data() {
        read += 1;
        return 'x'.repeat(200);
      },
    };
  });
  expect(connection.send(events, 'here')).toBeNull();
  expect([connection.open, read]).toEqual([true, 10]);
  // Events of other types need no room.
  expect(connection.send([{ type: 'chat', data: 'x'.repeat(2000) }], 'here')).toBe(0);
  expect(connection.send(events.slice(0, 3), 'here')).toBe(3);
  connection.end();
  expect(connection.send(events, 'here')).toBe(10); // nobody reads any more
});
