/**
 * A stream whose first events are gone keeps its revisions at the target: placeholders are written in front of its
 * first event and then cut off, all through the port.
 */
import { createHash } from 'node:crypto';
import type { NewEvent, RecordedEvent } from '../port.ts';

const TYPE = 'Placeholder';
const MACHINE = 'migrate/1';

/** Events of one append. */
const BATCH = 500;

export const isPlaceholder = ({ type, metadata }: NewEvent): boolean =>
  type === TYPE && metadata.machine === MACHINE;

/** The revision of the first event that is none, for a copy that was not finished. */
export const firstBehind = ({ data }: RecordedEvent): number => Number(data.before);

/** The same each time, so that an append of them that is repeated writes nothing (RFC 9562, version 8). */
const idOf = (stream: string, revision: number): string => {
  const hex = createHash('sha256').update(`placeholder ${revision} ${stream}`).digest('hex');
  const [a, b, c, d, e] = [
    [0, 8],
    [8, 12],
    [13, 16],
    [17, 20],
    [20, 32],
  ].map(([from, to]) => hex.slice(from, to));
  return `${a}-${b}-8${c}-8${d}-${e}`;
};

/** Placeholders for the revisions 0 to `before` − 1, in batches that are the same each time. */
export function* placeholders(stream: string, before: number): Generator<readonly NewEvent[]> {
  for (let from = 0; from < before; from += BATCH) {
    const count = Math.min(BATCH, before - from);
    yield Array.from({ length: count }, (_, i) => placeholder(stream, from + i, before));
  }
}

const placeholder = (stream: string, revision: number, before: number): NewEvent => {
  const id = idOf(stream, revision);
  return {
    id,
    type: TYPE,
    schemaVersion: 1,
    data: { before },
    personal: null,
    metadata: {
      tenant: null,
      at: 0,
      machine: MACHINE,
      commandId: id,
      correlationId: id,
      causationId: id,
    },
  };
};
