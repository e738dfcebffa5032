import type { JsonObject } from '../../kit/json.ts';
import { checkAppend, checkSize, sizeOf } from '../input-checks.ts';
import type {
  EventMetadata,
  ExpectedRevision,
  NewEvent,
  Position,
  RecordedEvent,
  Sealed,
} from '../port.ts';
import type { AppendJob, EncodedEvent } from './protocol.ts';

/**
 * Encodes an append for the writer.
 * @throws {AppError} `invalid`, or `too-large` past {@link MAX_APPEND_BYTES}
 */
export const encodeAppend = (
  stream: string,
  events: readonly NewEvent[],
  expected: ExpectedRevision,
): AppendJob & { bytes: number } => {
  checkAppend(stream, events, expected);
  const encoded = events.map(encodeEvent);
  const bytes = encoded.reduce((sum, event) => sum + event.bytes, 0);
  checkSize(stream, bytes);
  return { kind: 'append', stream, expected, bytes, events: encoded.map((event) => event.event) };
};

const encodeEvent = (event: NewEvent): { event: EncodedEvent; bytes: number } => {
  const { id, type, schemaVersion, data, personal, metadata } = event;
  const body = JSON.stringify({ schemaVersion, data, personal, metadata } satisfies Body);
  return { event: { id, type, body }, bytes: sizeOf(event, Buffer.byteLength(body)) };
};

interface Body {
  readonly schemaVersion: number;
  readonly data: JsonObject;
  readonly personal: Sealed | null;
  readonly metadata: EventMetadata;
}

/** Decodes a stored event. @throws naming the event, if it is damaged: whoever repairs the file has to find it */
export const decodeEvent = (
  { id, type, body }: EncodedEvent,
  stream: string,
  revision: number,
  position: Position,
): RecordedEvent => {
  const { schemaVersion, data, personal, metadata } = bodyOf(body, stream, revision);
  return { id, type, schemaVersion, data, personal, metadata, stream, revision, position };
};

function bodyOf(text: string, stream: string, revision: number): Body {
  try {
    return JSON.parse(text) as Body; // only encodeEvent writes this column
  } catch {
    // Without the parser's error, which may quote what stands there.
    throw new Error(`revision ${revision} of ${stream} is damaged: it is no JSON`);
  }
}
