/** Converts between the messages of the protocol and the values of the double. */
import shared from '@eventstore/db-client/generated/shared_pb.js';
import status from '@eventstore/db-client/generated/status_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import grpc from '@grpc/grpc-js';
import type { Message } from 'google-protobuf';
import any from 'google-protobuf/google/protobuf/any_pb.js';
import empty from 'google-protobuf/google/protobuf/empty_pb.js';
import { type Expected, type Outcome, type Proposed, type Recorded, TOMBSTONE } from './log.ts';

export const MAX_APPEND_BYTES = 1024 * 1024;

export const nameOf = (identifier: shared.StreamIdentifier | undefined): string =>
  Buffer.from(identifier?.getStreamName_asU8() ?? []).toString('utf8');

export const identifierOf = (name: string): shared.StreamIdentifier =>
  new shared.StreamIdentifier().setStreamName(Buffer.from(name).toString('base64'));

/** Reads the form of an id that this client sends. Other clients send another form. */
const uuid = (id: string): shared.UUID => new shared.UUID().setString(id);

export const proposedOf = (
  message: streams.AppendReq.ProposedMessage | streams.BatchAppendReq.ProposedMessage,
): Proposed => ({
  id: message.getId()?.getString() ?? '',
  type: message.getMetadataMap().get('type') ?? '',
  contentType: message.getMetadataMap().get('content-type') ?? '',
  data: message.getData_asU8(),
  metadata: message.getCustomMetadata_asU8(),
});

interface ExpectedOptions {
  hasAny(): boolean;
  hasNoStream(): boolean;
  hasStreamExists(): boolean;
}

const expectedBy = (options: ExpectedOptions, revision: () => string): Expected => {
  if (options.hasAny()) return 'any';
  if (options.hasNoStream()) return 'no-stream';
  return options.hasStreamExists() ? 'exists' : Number(revision());
};

export const expectedOf = (
  options: ExpectedOptions & ({ getRevision(): string } | { getStreamPosition(): string }),
): Expected =>
  expectedBy(options, () =>
    'getRevision' in options ? options.getRevision() : options.getStreamPosition(),
  );

export const readEvent = (event: Recorded): streams.ReadResp => {
  const position = String(event.position);
  const recorded = new streams.ReadResp.ReadEvent.RecordedEvent()
    .setId(uuid(event.id))
    .setStreamIdentifier(identifierOf(event.stream))
    .setStreamRevision(
      event.revision === TOMBSTONE ? '9223372036854775807' : String(event.revision),
    )
    .setCommitPosition(position)
    .setPreparePosition(position)
    .setData(event.data)
    .setCustomMetadata(event.metadata);
  recorded
    .getMetadataMap()
    .set('type', event.type)
    .set('content-type', event.contentType)
    // In units of 100 ns.
    .set('created', `${event.created}0000`);
  return new streams.ReadResp().setEvent(
    new streams.ReadResp.ReadEvent().setEvent(recorded).setCommitPosition(position),
  );
};

export const checkpoint = (commit: number, prepare: number): streams.ReadResp =>
  new streams.ReadResp().setCheckpoint(
    new streams.ReadResp.Checkpoint()
      .setCommitPosition(String(commit))
      .setPreparePosition(String(prepare)),
  );

/** The answers of `append` that are not gRPC errors. */
export const appendResp = (
  outcome: Exclude<Outcome, { kind: 'stream-deleted' }>,
  expected: Expected,
): streams.AppendResp => {
  if (outcome.kind === 'success') {
    const success = new streams.AppendResp.Success();
    if (outcome.revision < 0) success.setNoStream(new shared.Empty());
    else success.setCurrentRevision(String(outcome.revision));
    if (outcome.position === null) success.setNoPosition(new shared.Empty());
    else {
      const at = String(outcome.position);
      success.setPosition(
        new streams.AppendResp.Position().setCommitPosition(at).setPreparePosition(at),
      );
    }
    return new streams.AppendResp().setSuccess(success);
  }
  const wrong = new streams.AppendResp.WrongExpectedVersion();
  if (outcome.current < 0) wrong.setCurrentNoStream(new shared.Empty());
  else wrong.setCurrentRevision(String(outcome.current));
  if (expected === 'any') wrong.setExpectedAny(new shared.Empty());
  else if (expected === 'no-stream') wrong.setExpectedNoStream(new shared.Empty());
  else if (expected === 'exists') wrong.setExpectedStreamExists(new shared.Empty());
  else wrong.setExpectedRevision(String(expected));
  return new streams.AppendResp().setWrongExpectedVersion(wrong);
};

/** A refusal of a batch append, as google.rpc.Code and details. */
type Refused =
  | { readonly kind: 'too-large' | 'access-denied' | 'timeout' }
  | { readonly kind: 'bad-request'; readonly message: string };

/** The answer of `batchAppend`. Its errors are details of a google.rpc.Status. */
export const batchAppendResp = (
  outcome: Outcome | Refused,
  name: string,
  expected: Expected,
): streams.BatchAppendResp => {
  const resp = new streams.BatchAppendResp().setStreamIdentifier(identifierOf(name));
  const fail = (code: number, type: string, details: Message) => {
    const packed = new any.Any();
    packed.pack(details.serializeBinary(), `event_store.client.${type}`);
    return resp.setError(new status.Status().setCode(code).setMessage(type).setDetails(packed));
  };
  switch (outcome.kind) {
    case 'success': {
      const success = new streams.BatchAppendResp.Success();
      if (outcome.revision < 0) success.setNoStream(new empty.Empty());
      else success.setCurrentRevision(String(outcome.revision));
      if (outcome.position === null) success.setNoPosition(new empty.Empty());
      else {
        const at = String(outcome.position);
        success.setPosition(
          new shared.AllStreamPosition().setCommitPosition(at).setPreparePosition(at),
        );
      }
      return resp.setSuccess(success);
    }
    case 'wrong-expected-version': {
      const wrong = new shared.WrongExpectedVersion();
      if (outcome.current < 0) wrong.setCurrentNoStream(new empty.Empty());
      else wrong.setCurrentStreamRevision(String(outcome.current));
      if (expected === 'any') wrong.setExpectedAny(new empty.Empty());
      else if (expected === 'no-stream') wrong.setExpectedNoStream(new empty.Empty());
      else if (expected === 'exists') wrong.setExpectedStreamExists(new empty.Empty());
      else wrong.setExpectedStreamPosition(String(expected));
      return fail(6, 'WrongExpectedVersion', wrong);
    }
    case 'stream-deleted': {
      const deleted = new shared.StreamDeleted().setStreamIdentifier(identifierOf(name));
      return fail(5, 'StreamDeleted', deleted);
    }
    case 'access-denied':
      return fail(7, 'AccessDenied', new shared.AccessDenied());
    case 'bad-request':
      return fail(3, 'BadRequest', new shared.BadRequest().setMessage(outcome.message));
    case 'timeout':
      return fail(4, 'Timeout', new shared.Timeout());
    case 'too-large': {
      const size = new shared.MaximumAppendSizeExceeded().setMaxappendsize(MAX_APPEND_BYTES);
      return fail(3, 'MaximumAppendSizeExceeded', size);
    }
  }
};

/** The end of a call: its status and trailers. */
export type Failure = grpc.ServiceError;

const failure = (
  code: grpc.status,
  details: string,
  trailers: Record<string, string> = {},
): Failure => {
  // As on the server, the name of a stream that is not ASCII breaks the answer that contains it.
  if (Object.values(trailers).some((value) => !/^[ -~]*$/.test(value))) {
    return failure(grpc.status.UNKNOWN, 'Received HTTP status code 500');
  }
  const metadata = new grpc.Metadata();
  for (const [key, value] of Object.entries(trailers)) metadata.set(key, value);
  return Object.assign(new Error(details), { code, details, metadata });
};

export const failures = {
  notLeader: ({ host, port }: { host: string; port: number }): Failure =>
    failure(grpc.status.NOT_FOUND, 'Leader info available', {
      exception: 'not-leader',
      'leader-endpoint-host': host,
      'leader-endpoint-port': String(port),
    }),
  accessDenied: (): Failure =>
    failure(grpc.status.PERMISSION_DENIED, 'Access Denied', { exception: 'access-denied' }),
  streamDeleted: (name: string): Failure =>
    failure(grpc.status.FAILED_PRECONDITION, `Event stream '${name}' is deleted.`, {
      exception: 'stream-deleted',
      'stream-name': name,
    }),
  tooLarge: (): Failure =>
    failure(grpc.status.INVALID_ARGUMENT, `Maximum Append Size of ${MAX_APPEND_BYTES} Exceeded.`, {
      exception: 'maximum-append-size-exceeded',
      'maximum-append-size': String(MAX_APPEND_BYTES),
    }),
  wrongExpectedVersion: (name: string, expected: Expected, current: number): Failure => {
    const codes = { any: -2, 'no-stream': -1, exists: -4 };
    const version = String(typeof expected === 'number' ? expected : codes[expected]);
    return failure(
      grpc.status.FAILED_PRECONDITION,
      `Delete failed due to WrongExpectedVersion. Stream: ${name}, Expected version: ${version}, Actual version: ${current}`,
      {
        exception: 'wrong-expected-version',
        'stream-name': name,
        'expected-version': version,
        'actual-version': String(current),
      },
    );
  },
  /** For a subscription that reads too slowly. */
  timedOut: (): Failure =>
    failure(
      grpc.status.ABORTED,
      'Operation timed out: Consumer too slow to handle event while live. Client resubscription required.',
    ),
  unexpected: (what: string): Failure => failure(grpc.status.UNKNOWN, what),
  unimplemented: (what: string): Failure => failure(grpc.status.UNIMPLEMENTED, what),
};
