/** What every adapter asks of its input, so that what one store takes another takes as well. */
import { AppError } from '../errors.ts';
import { type ExpectedRevision, MAX_APPEND_BYTES, type NewEvent } from './port.ts';

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const CONTROL = /[\u0000-\u001f\u007f]/;
const MAX_NAME = 512;

const invalid = (field: string, reason: string): AppError =>
  new AppError('invalid', `${field} ${reason}`, { field });

const countable = (n: number): boolean => Number.isSafeInteger(n) && n >= 0;

/** @throws {AppError} `invalid` for what no store takes as a stream's name */
export const checkStream = (name: string): void => {
  if (name === '' || name.length > MAX_NAME)
    throw invalid('stream', `needs 1 to ${MAX_NAME} characters`);
  if (name.startsWith('$'))
    throw invalid('stream', 'must not begin with $: those are the store’s own');
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

const checkEvent = ({ id, type }: NewEvent): void => {
  if (!UUID.test(id)) throw invalid('id', 'must be a UUID in lower case');
  if (type === '' || type.length > MAX_NAME || CONTROL.test(type) || !type.isWellFormed())
    throw invalid('type', `needs 1 to ${MAX_NAME} characters`);
};

/** @throws {AppError} `invalid` for an append that no store takes; its size is {@link checkSize}'s */
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
 * Bytes of JSON.stringify(event), without making it.
 * @param rest bytes of the same JSON without `"id":"…",` and `"type":"…",`
 */
export const sizeOf = ({ id, type }: NewEvent, rest: number): number =>
  rest + id.length + 8 + Buffer.byteLength(JSON.stringify(type)) + 8;

/** @throws {AppError} `too-large` past {@link MAX_APPEND_BYTES} */
export const checkSize = (stream: string, bytes: number): void => {
  if (bytes <= MAX_APPEND_BYTES) return;
  throw new AppError(
    'too-large',
    `${bytes} bytes of events, ${MAX_APPEND_BYTES} fit into one append`,
    { stream, bytes },
  );
};
