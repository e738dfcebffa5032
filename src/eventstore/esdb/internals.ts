/**
 * What is used of the client (6.2.1) beside its documented functions: the types check that it is there, and this file is
 * the only place that does so. Why its own appends are not used is told in append-stream.ts.
 */
import type { EventStoreDBClient } from '@eventstore/db-client';
import streamsService from '@eventstore/db-client/generated/streams_grpc_pb.js';
import type {
  BatchAppendReq,
  BatchAppendResp,
} from '@eventstore/db-client/generated/streams_pb.js';
import type { ClientDuplexStream } from '@grpc/grpc-js';

export type BatchCall = ClientDuplexStream<BatchAppendReq, BatchAppendResp>;

/**
 * A stream of appends to the leader, over the channel of the client: with its credentials and its connection name, ended
 * by `dispose`; when it fails because the node is away or not the leader, the client goes to another node.
 */
export const openBatchCall = (client: EventStoreDBClient): Promise<BatchCall> => {
  // biome-ignore lint/complexity/useLiteralKeys: protected, and reached on purpose
  const create = client['GRPCStreamCreator'](
    streamsService.StreamsClient,
    'batchAppend',
    (grpc): BatchCall =>
      grpc.batchAppend(
        // biome-ignore lint/complexity/useLiteralKeys: protected, and reached on purpose
        ...client['callArguments'](
          { requiresLeader: true },
          { deadline: Number.POSITIVE_INFINITY },
        ),
      ),
  );
  return create();
};

/**
 * The same client. When a stream fails, it looks for another node in a promise of its own that nobody can catch: with a
 * cluster that is away that promise is rejected ("Failed to discover"), which would end Node. Who wants the channel next
 * is told all the same.
 */
export const survivesReconnection = (client: EventStoreDBClient): EventStoreDBClient => {
  // biome-ignore lint/complexity/useLiteralKeys: protected, and reached on purpose
  const handleError = client['handleError'];
  // biome-ignore lint/complexity/useLiteralKeys: protected, and reached on purpose
  client['handleError'] = (...args) => handleError(...args).catch(() => undefined);
  return client;
};

/** Closes the channel, which the client's `dispose` leaves open. */
export const closeChannel = async (client: EventStoreDBClient): Promise<void> => {
  // biome-ignore lint/complexity/useLiteralKeys: protected, and reached on purpose
  const channel = await client['getChannel']();
  channel.close();
};
