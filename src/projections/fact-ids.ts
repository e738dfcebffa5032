/** The ids under which a fact can be found: its own, its command's, its request's and its trace's. */
import { hash } from 'node:crypto';
import type { RecordedEvent } from '../eventstore/port.ts';
import { traceIdOf } from '../kit/trace-context.ts';

/** Bytes of an id in the index. */
const ID_BYTES = 16;
/** A UUID, or a trace id of W3C Trace Context (32 hexadecimal digits). */
const HEXADECIMAL = /^[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}$/i;

/** An id as the index keeps it: {@link ID_BYTES} in hexadecimal. */
export const indexedId = (id: string): string =>
  HEXADECIMAL.test(id)
    ? id.replaceAll('-', '').toLowerCase()
    : hash('sha256', id, 'hex').slice(0, 2 * ID_BYTES);

/**
 * The ids of a fact as the index keeps them, each once. A trace that no caller has named is made of the correlation id in
 * the same way as {@link indexedId}, and needs no entry of its own.
 */
export function idsOf({ id, metadata }: RecordedEvent): ReadonlySet<string> {
  const { commandId, correlationId, traceparent } = metadata;
  const ids = new Set([indexedId(id)]);
  if (commandId !== id) ids.add(indexedId(commandId));
  if (correlationId !== commandId) ids.add(indexedId(correlationId));
  if (traceparent !== undefined) ids.add(traceIdOf(metadata));
  return ids;
}
