import { AppError } from '../../errors.ts';
import {
  type EventMetadata,
  type ExpectedRevision,
  type JsonObject,
  MAX_APPEND_BYTES,
  type NewEvent,
  type Position,
  type RecordedEvent,
  type Sealed,
} from '../port.ts';
import type { AppendJob, EncodedEvent } from './protocol.ts';

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const CONTROL = /[\u0000-\u001f\u007f]/;
const MAX_NAME = 512;

const invalid = (field: string, reason: string): AppError =>
  new AppError('invalid', `${field} ${reason}`, { field });

/** @throws {AppError} `invalid` for what no store takes as a stream's name */
export const checkStream = (name: string): void => {
  if (name === '' || name.length > MAX_NAME)
    throw invalid('stream', `needs 1 to ${MAX_NAME} characters`);
  if (name.startsWith('$'))
    throw invalid('stream', 'must not begin with $: those are the store’s own');
  if (CONTROL.test(name) || !name.isWellFormed()) throw invalid('stream', 'has control characters');
};

const checkExpected = (expected: ExpectedRevision): void => {
  if (typeof expected === 'number' && !(Number.isSafeInteger(expected) && expected >= 0)) {
    throw invalid('expected', 'must be a revision: 0, 1, 2 …');
  }
};

/**
 * Turns an append into what the writer stores.
 * @throws {AppError} `invalid`, or `too-large` past {@link MAX_APPEND_BYTES}
 */
export const encodeAppend = (
  stream: string,
  events: readonly NewEvent[],
  expected: ExpectedRevision,
): AppendJob & { bytes: number } => {
  checkStream(stream);
  checkExpected(expected);
  if (events.length === 0) throw invalid('events', 'must not be empty');
  const encoded = events.map(encodeEvent);
  if (events.length > 1 && new Set(events.map((event) => event.id)).size !== events.length) {
    throw invalid('events', 'have the same id twice');
  }
  const bytes = encoded.reduce((sum, event) => sum + event.bytes, 0);
  if (bytes > MAX_APPEND_BYTES) {
    throw new AppError(
      'too-large',
      `${bytes} bytes of events, ${MAX_APPEND_BYTES} fit into one append`,
      { stream, bytes },
    );
  }
  return { kind: 'append', stream, expected, bytes, events: encoded.map((event) => event.event) };
};

const encodeEvent = (event: NewEvent): { event: EncodedEvent; bytes: number } => {
  const { id, type, schemaVersion, data, personal, metadata } = event;
  if (!UUID.test(id)) throw invalid('id', 'must be a UUID in lower case');
  if (type === '' || type.length > MAX_NAME || CONTROL.test(type))
    throw invalid('type', `needs 1 to ${MAX_NAME} characters`);
  const body = JSON.stringify({ schemaVersion, data, personal, metadata } satisfies Body);
  // As JSON.stringify(event) would have it: the body, and `"id":"…",` and `"type":"…",`.
  const bytes =
    Buffer.byteLength(body) + id.length + 8 + Buffer.byteLength(JSON.stringify(type)) + 8;
  return { event: { id, type, body }, bytes };
};

interface Body {
  readonly schemaVersion: number;
  readonly data: JsonObject;
  readonly personal: Sealed | null;
  readonly metadata: EventMetadata;
}

/** The event of what was stored. */
export const decodeEvent = (
  { id, type, body }: EncodedEvent,
  stream: string,
  revision: number,
  position: Position,
): RecordedEvent => {
  // Only encodeEvent writes this column.
  const { schemaVersion, data, personal, metadata } = JSON.parse(body) as Body;
  return { id, type, schemaVersion, data, personal, metadata, stream, revision, position };
};
