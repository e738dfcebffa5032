/**
 * A stream whose first events are gone keeps its revisions in the copy. Placeholders are written for the missing
 * revisions and then truncated, all through the port.
 */
import { createHash } from 'node:crypto';
import type { NewEvent, RecordedEvent } from '../port.ts';

const PLACEHOLDER_TYPE = 'Placeholder';
const PLACEHOLDER_MACHINE = 'migrate/1';
export const PLACEHOLDERS_PER_APPEND = 500;

export const isPlaceholder = ({ type, metadata }: NewEvent): boolean =>
  type === PLACEHOLDER_TYPE && metadata.machine === PLACEHOLDER_MACHINE;

/** The revision of the first real event, which each placeholder of a stream names. */
export const revisionBehindPlaceholders = ({ data }: RecordedEvent): number => Number(data.before);

/** Placeholders for the revisions 0 to `before` − 1, an append at a time: the same ones whenever they are asked for. */
export function* placeholdersBefore(
  stream: string,
  before: number,
): Generator<readonly NewEvent[]> {
  for (let from = 0; from < before; from += PLACEHOLDERS_PER_APPEND) {
    const length = Math.min(PLACEHOLDERS_PER_APPEND, before - from);
    yield Array.from({ length }, (_, i) => placeholder(stream, from + i, before));
  }
}

function placeholder(stream: string, revision: number, before: number): NewEvent {
  const id = placeholderId(stream, revision);
  return {
    id,
    type: PLACEHOLDER_TYPE,
    schemaVersion: 1,
    data: { before },
    personal: null,
    metadata: {
      tenant: null,
      at: 0,
      machine: PLACEHOLDER_MACHINE,
      commandId: id,
      correlationId: id,
      causationId: id,
    },
  };
}

/** A UUID that depends on stream and revision only (RFC 9562, version 8): a repeated append of it writes nothing. */
function placeholderId(stream: string, revision: number): string {
  const hex = createHash('sha256').update(`placeholder ${revision} ${stream}`).digest('hex');
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, '$1-$2-8$3-8$4-$5');
}
