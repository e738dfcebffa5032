/** The rules for input that every adapter applies, so that one store accepts what another accepts. */
import { AppError } from '../errors.ts';
import { type ExpectedRevision, MAX_APPEND_BYTES, type NewEvent } from './port.ts';

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the rule refuses them
const CONTROL = /[\u0000-\u001f\u007f]/;
/** UTF-16 units in the name of a stream or a type. */
export const MAX_NAME_LENGTH = 512;

const invalid = (field: string, reason: string): AppError =>
  new AppError('invalid', `${field} ${reason}`, { field });

const countable = (n: number): boolean => Number.isSafeInteger(n) && n >= 0;

/** @throws {AppError} `invalid` for a name that no store accepts */
export const checkStream = (name: string): void => {
  if (name === '' || name.length > MAX_NAME_LENGTH)
    throw invalid('stream', `needs 1 to ${MAX_NAME_LENGTH} characters`);
  if (name.startsWith('$'))
    throw invalid('stream', 'must not begin with $: these names belong to the store');
  if (CONTROL.test(name) || !name.isWellFormed()) throw invalid('stream', 'has control characters');
};

/** @throws {AppError} `invalid` */
export const checkRevision = (revision: number): void => {
  if (!countable(revision)) throw invalid('revision', 'must be 0, 1, 2 …');
};

/** @throws {AppError} `invalid` */
export const checkLimit = (limit: number | undefined): void => {
  if (limit === undefined || (countable(limit) && limit > 0)) return;
  throw invalid('limit', 'must be 1, 2, 3 …');
};

const checkEvent = ({ id, type, metadata: { at, wakeAt } }: NewEvent): void => {
  if (!UUID.test(id)) throw invalid('id', 'must be a UUID in lower case');
  // A reader that keeps times as whole numbers could not go past such an event.
  if (!Number.isSafeInteger(at)) throw invalid('metadata.at', 'must be whole milliseconds');
  if (wakeAt !== undefined && !Number.isSafeInteger(wakeAt)) {
    throw invalid('metadata.wakeAt', 'must be whole milliseconds');
  }
  if (type === '' || type.length > MAX_NAME_LENGTH || CONTROL.test(type) || !type.isWellFormed())
    throw invalid('type', `needs 1 to ${MAX_NAME_LENGTH} characters`);
};

/** Checks everything but the size ({@link checkSize}). @throws {AppError} `invalid` for an append that no store accepts */
export const checkAppend = (
  stream: string,
  events: readonly NewEvent[],
  expected: ExpectedRevision,
): void => {
  checkStream(stream);
  if (typeof expected === 'number' && !countable(expected)) {
    throw invalid('expected', 'must be a revision: 0, 1, 2 …');
  }
  if (events.length === 0) throw invalid('events', 'must not be empty');
  for (const event of events) checkEvent(event);
  if (events.length > 1 && new Set(events.map((event) => event.id)).size !== events.length) {
    throw invalid('events', 'have the same id twice');
  }
};

/**
 * Computes the bytes of JSON.stringify(event) without creating that string.
 * @param rest bytes of the same JSON without `"id":"…",` and `"type":"…",`
 */
export const sizeOf = ({ id, type }: NewEvent, rest: number): number =>
  rest + id.length + 8 + Buffer.byteLength(JSON.stringify(type)) + 8;

/** @throws {AppError} `too-large` past {@link MAX_APPEND_BYTES} */
export const checkSize = (stream: string, bytes: number): void => {
  if (bytes <= MAX_APPEND_BYTES) return;
  throw new AppError(
    'too-large',
    `the events have ${bytes} bytes, one append takes ${MAX_APPEND_BYTES}`,
    { stream, bytes },
  );
};

/** Appends that may wait for the store. Some 2 s of work at 20,000 appends/s (SQLite), 8 s at 5,000 (EventStoreDB). */
export const MAX_WAITING_APPENDS = 40_000;
/** Bytes of the appends that may wait for the store. */
export const MAX_WAITING_BYTES = 64 * 1024 * 1024;

/**
 * @param appends that wait already
 * @param bytes of these, and of the new one
 * @returns `overloaded` if the new append may not wait as well; null if it may
 */
export const refusalOfWaiting = (appends: number, bytes: number): AppError | null =>
  appends < MAX_WAITING_APPENDS && bytes <= MAX_WAITING_BYTES
    ? null
    : new AppError(
        'overloaded',
        'too many appends are waiting for the event store: try again later',
      );
