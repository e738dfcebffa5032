import { randomUUIDv7 } from 'node:crypto';
import type { NewEvent } from '../../src/eventstore/port.ts';
import type { JsonObject } from '../../src/kit/json.ts';

/** An event with a number in its data, by which the tests tell events apart. */
export const event = (
  n: number,
  more: Partial<NewEvent> & { data?: JsonObject } = {},
): NewEvent => ({
  id: randomUUIDv7(),
  type: 'PageViewed',
  schemaVersion: 1,
  personal: null,
  ...more,
  data: { n, ...more.data },
  metadata: {
    tenant: 'demo',
    at: 1_700_000_000_000 + n,
    commandId: `command-${n}`,
    correlationId: `correlation-${n}`,
    causationId: `causation-${n}`,
    machine: 'visitor/1',
    ...more.metadata,
  },
});

export const events = (from: number, to: number): NewEvent[] =>
  Array.from({ length: to - from + 1 }, (_, i) => event(from + i));

/** The numbers of these events. */
export const numbers = (list: readonly NewEvent[]): unknown[] => list.map(({ data }) => data.n);

/** A prefix that no other test of this run uses, for logs that tests share. */
export const uniquePrefix = (): string => `t${randomUUIDv7().replaceAll('-', '')}-`;
