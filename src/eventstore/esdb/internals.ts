/**
 * What is used of the client (6.2.1) beside its documented functions: the types check that it is there, and this file is
 * the only place that does so. Why its own appends are not used is told in append-stream.ts; of the whole log it reads
 * everything, where the protocol knows a filter.
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

/** Events that the server looks at in one go; its own 32 take more than twice as long where few match. */
const WINDOW = 500;

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

export interface Search {
  readonly direction: 'forwards' | 'backwards';
  readonly from: bigint | 'start' | 'end';
  /** Of events that match. */
  readonly limit: number;
  /** Of the names of streams. */
  readonly regex: string;
}

/** Reads those events of the whole log whose stream matches, as the leader has it; the server looks for them. */
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
        .setMax(WINDOW)
        .setCheckpointintervalmultiplier(1),
    );
  const request = new streams.ReadReq().setOptions(options);
  // biome-ignore lint/complexity/useLiteralKeys: protected, and reached on purpose
  const create = client['GRPCStreamCreator'](streamsService.StreamsClient, 'searchAll', (grpc) =>
    grpc.read(
      request,
      // biome-ignore lint/complexity/useLiteralKeys: protected, and reached on purpose
      ...client['callArguments']({ requiresLeader: true }, { deadline: Number.POSITIVE_INFINITY }),
    ),
  );
  return new ReadStream(create, convertGrpcEvent, {});
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
