/**
 * The undocumented parts of the client (6.2.1) that the adapter uses. The types check that they exist. This file is the
 * only place that uses them. append-stream.ts says why the adapter does not use the client's own appends. The protocol has
 * filters for reads of the whole log, and the client does not.
 */
import type { EventStoreDBClient } from '@eventstore/db-client';
import { ReadStream } from '@eventstore/db-client/dist/streams/utils/ReadStream.js';
import { convertGrpcEvent } from '@eventstore/db-client/dist/utils/convertGrpcEvent.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import streamsService from '@eventstore/db-client/generated/streams_grpc_pb.js';
import streams, {
  type BatchAppendReq,
  type BatchAppendResp,
} from '@eventstore/db-client/generated/streams_pb.js';
import type { ClientDuplexStream } from '@grpc/grpc-js';

/** Events that the server scans in one go. Its default of 32 takes more than twice as long when few events match. */
export const SCAN_EVENTS = 500;

export type BatchCall = ClientDuplexStream<BatchAppendReq, BatchAppendResp>;

/**
 * Opens a stream of appends to the leader, over the channel of the client, with its credentials and its connection name.
 * `dispose` ends the stream. If it fails because the node is away or not the leader, the client goes to another node.
 */
export const openBatchCall = (client: EventStoreDBClient): Promise<BatchCall> => {
  // biome-ignore lint/complexity/useLiteralKeys: protected, and used on purpose
  const create = client['GRPCStreamCreator'](
    streamsService.StreamsClient,
    'batchAppend',
    (grpc): BatchCall =>
      grpc.batchAppend(
        // biome-ignore lint/complexity/useLiteralKeys: protected, and used on purpose
        ...client['callArguments'](
          { requiresLeader: true },
          { deadline: Number.POSITIVE_INFINITY },
        ),
      ),
  );
  return create();
};

export interface Search {
  readonly direction: 'forwards' | 'backwards';
  readonly from: bigint | 'start' | 'end';
  /** Matching events at most. */
  readonly limit: number;
  /** Matches the names of streams. */
  readonly regex: string;
}

/** Reads the events of matching streams from the whole log of the leader. The server does the search. */
export const searchAll = (
  client: EventStoreDBClient,
  { direction, from, limit, regex }: Search,
): ReturnType<EventStoreDBClient['readAll']> => {
  const { Options } = streams.ReadReq;
  const all = new Options.AllOptions();
  if (from === 'start') all.setStart(new shared.Empty());
  else if (from === 'end') all.setEnd(new shared.Empty());
  else {
    const at = String(from);
    all.setPosition(new Options.Position().setCommitPosition(at).setPreparePosition(at));
  }
  const expression = new Options.FilterOptions.Expression();
  expression.setRegex(regex);
  const options = new Options()
    .setAll(all)
    .setReadDirection(
      direction === 'forwards' ? Options.ReadDirection.FORWARDS : Options.ReadDirection.BACKWARDS,
    )
    .setCount(String(limit))
    .setUuidOption(new Options.UUIDOption().setString(new shared.Empty()))
    .setFilter(
      new Options.FilterOptions()
        .setStreamIdentifier(expression)
        .setMax(SCAN_EVENTS)
        .setCheckpointintervalmultiplier(1),
    );
  const request = new streams.ReadReq().setOptions(options);
  // biome-ignore lint/complexity/useLiteralKeys: protected, and used on purpose
  const create = client['GRPCStreamCreator'](streamsService.StreamsClient, 'searchAll', (grpc) =>
    grpc.read(
      request,
      // biome-ignore lint/complexity/useLiteralKeys: protected, and used on purpose
      ...client['callArguments']({ requiresLeader: true }, { deadline: Number.POSITIVE_INFINITY }),
    ),
  );
  return new ReadStream(create, convertGrpcEvent, {});
};

/**
 * Catches a promise of the client that nobody else can catch. When a stream fails, the client looks for another node. If
 * the whole cluster is away, that promise rejects ("Failed to discover") and would end Node. The next caller that needs
 * the channel still gets the error.
 * @returns the same client
 */
export const survivesReconnection = (client: EventStoreDBClient): EventStoreDBClient => {
  // biome-ignore lint/complexity/useLiteralKeys: protected, and used on purpose
  const handleError = client['handleError'];
  // biome-ignore lint/complexity/useLiteralKeys: protected, and used on purpose
  client['handleError'] = (...args) => handleError(...args).catch(() => undefined);
  return client;
};

/** Closes the channel. The client's `dispose` leaves it open. */
export const closeChannel = async (client: EventStoreDBClient): Promise<void> => {
  // biome-ignore lint/complexity/useLiteralKeys: protected, and used on purpose
  const channel = await client['getChannel']();
  channel.close();
};
