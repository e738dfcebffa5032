import type { AllStreamRecordedEvent, RecordedEvent as StoredEvent } from '@eventstore/db-client';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import { AppError } from '../../errors.ts';
import type { JsonObject } from '../../kit/json.ts';
import { checkAppend, checkSize, sizeOf } from '../input-checks.ts';
import {
  type EventMetadata,
  type ExpectedRevision,
  MAX_APPEND_BYTES,
  type NewEvent,
  type RecordedEvent,
  type Sealed,
} from '../port.ts';
import type { Positions } from './position.ts';

/** An event in the form of the protocol. */
export type Proposal = InstanceType<typeof streams.BatchAppendReq.ProposedMessage>;

/** The custom metadata of our events. So the data that the store's UI shows is the fact alone. */
interface CustomMetadata {
  readonly schemaVersion: number;
  readonly personal: Sealed | null;
  readonly metadata: EventMetadata;
}

/** Creates an event of JSON in the form of the protocol. */
export const propose = (
  id: string,
  type: string,
  data: Uint8Array,
  metadata: Uint8Array | undefined,
): Proposal => {
  const message = new streams.BatchAppendReq.ProposedMessage();
  const uuid = new shared.UUID();
  uuid.setString(id);
  message.setId(uuid);
  message.getMetadataMap().set('type', type).set('content-type', 'application/json');
  message.setData(data);
  if (metadata) message.setCustomMetadata(metadata);
  return message;
};

/**
 * Encodes an append for the server.
 *
 * The server's limit for an append (1 MiB) counts data, custom metadata and types (two bytes a character). That is less
 * than the JSON of the events, so an append within our limit is within the server's limit. Only types of hundreds of
 * characters could reverse that, so both sizes are checked.
 * @throws {AppError} `invalid`, or `too-large` past {@link MAX_APPEND_BYTES}
 */
export const encodeAppend = (
  stream: string,
  events: readonly NewEvent[],
  expected: ExpectedRevision,
): { proposals: Proposal[]; bytes: number } => {
  checkAppend(stream, events, expected);
  let bytes = 0;
  let atServer = 0;
  const proposals = events.map((event) => {
    const { id, type, schemaVersion, personal, metadata } = event;
    const data = Buffer.from(JSON.stringify(event.data));
    const custom = Buffer.from(
      JSON.stringify({ schemaVersion, personal, metadata } satisfies CustomMetadata),
    );
    // In the JSON of the event the data is one more field: `"data":…,`.
    bytes += sizeOf(event, custom.length + data.length + 8);
    atServer += custom.length + data.length + 2 * type.length;
    return propose(id, type, data, custom);
  });
  checkSize(stream, Math.max(bytes, atServer));
  return { proposals, bytes };
};

/** True for an event of the store itself, which is not part of the log as the port has it. */
export const isSystem = ({ streamId, type }: StoredEvent): boolean =>
  streamId.startsWith('$') || type.startsWith('$');

/** Decodes a stored event. @returns undefined if another application wrote it */
export const decodeEvent = (
  { id, type, streamId, revision, data, metadata, position }: AllStreamRecordedEvent,
  positions: Positions,
): RecordedEvent | undefined => {
  if (!isCustomMetadata(metadata) || typeof data !== 'object' || data === null) return undefined;
  const { schemaVersion, personal, metadata: ours } = metadata;
  return {
    id,
    type,
    schemaVersion,
    // A JSON object: only encodeAppend writes events with this metadata.
    data: data as JsonObject,
    personal,
    metadata: ours,
    stream: streamId,
    revision: Number(revision),
    position: positions.format(position.commit),
  };
};

const isCustomMetadata = (metadata: unknown): metadata is CustomMetadata =>
  typeof metadata === 'object' &&
  metadata !== null &&
  'schemaVersion' in metadata &&
  'personal' in metadata &&
  'metadata' in metadata;

/** For a stream, which must have no gap. @throws {AppError} `unfit` for an event of another application */
export const decodeOwn = (event: AllStreamRecordedEvent, positions: Positions): RecordedEvent => {
  const decoded = decodeEvent(event, positions);
  if (decoded !== undefined) return decoded;
  throw new AppError(
    'unfit',
    `event ${event.revision} of ${event.streamId} was not written by xmpp-chat: no other application may write to its streams`,
    { stream: event.streamId },
  );
};
