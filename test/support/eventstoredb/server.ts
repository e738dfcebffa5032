/**
 * A test double of EventStoreDB 23.10, because the server cannot run everywhere. It speaks the real protocol over real gRPC
 * to the real client, with a log in memory. server.test.ts compares it with the real server, and the conformance suite of
 * the event stores runs on both. It has no persistent subscriptions, no subscriptions to one stream, no links, projections,
 * access control or gossip.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { ServerFeaturesService } from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import features from '@eventstore/db-client/generated/serverfeatures_pb.js';
import { StreamsService } from '@eventstore/db-client/generated/streams_grpc_pb.js';
import grpc from '@grpc/grpc-js';
import { createAppender } from './appends.ts';
import { createLog } from './log.ts';
import { openNetwork } from './network.ts';
import { createReader, type ReadCall } from './reads.ts';

export interface Faults {
  /** The next `times` appends (default 1) are written, and answered `ms` later. */
  delayAnswers(ms: number, times?: number): void;
  /** The next `times` appends (default 1) are written, never answered, and the connection is cut. */
  loseAnswers(times?: number): void;
  /** Appends are answered with not-leader and the endpoint of this leader; null makes the double the leader again. */
  notLeader(leader: { host: string; port: number } | null): void;
  /** Answers nothing while on, like after SIGSTOP. Calls that arrive meanwhile are processed afterwards. */
  freeze(on: boolean): void;
  /** Appends and reads are answered as for a user without the right. */
  denyAccess(on: boolean): void;
  /** Ends the live subscriptions as a server does for one that reads too slowly (the client's TimeoutError). */
  dropSubscriptions(): void;
  /** New subscriptions begin this many events before the requested position. 23.10 never does that. */
  sendAgain(events: number): void;
}

export interface EventStoreDouble {
  /** For the client, `esdb://…`. */
  readonly url: string;
  readonly port: number;
  readonly faults: Faults;
  /** Like kill -9 of the server: every connection is cut; the log stays in memory. */
  stop(): Promise<void>;
  /** Starts the double again, on the same port with the same log. */
  start(): Promise<void>;
  /** Removes hidden events for good, as a scavenge of the server does. */
  scavenge(): void;
  /** Cuts every connection; new ones are accepted. */
  dropConnections(): void;
  close(): Promise<void>;
}

/** Starts a double on 127.0.0.1. @param port default any free port */
export const startEventStoreDouble = async ({
  port = 0,
  now,
}: {
  readonly port?: number;
  /** ms since 1970. A slow clock makes longer what the server takes some milliseconds for. */
  readonly now?: () => number;
} = {}): Promise<EventStoreDouble> => {
  const log = createLog(now);
  // Events that a new node writes by itself.
  log.append('$$$scavenges', 'any', [
    {
      id: crypto.randomUUID(),
      type: '$metadata',
      contentType: 'application/json',
      data: Buffer.from('{"$maxAge":2592000}'),
      metadata: new Uint8Array(),
    },
  ]);
  let leader: { host: string; port: number } | null = null;
  let denied = false;
  let again = 0;
  /** The faults of the answers to the next appends, one entry for each. */
  const answers: ({ readonly lost: true } | { readonly lost: false; readonly ms: number })[] = [];

  const reader = createReader(log, { denied: () => denied, again: () => again });
  const appender = createAppender(log, {
    leader: () => leader,
    denied: () => denied,
    answered: async (peer) => {
      const fault = answers.shift();
      if (!fault) return true;
      if (fault.lost) network.cut(peer);
      else await delay(fault.ms);
      return !fault.lost;
    },
  });

  const server = new grpc.Server({
    'grpc.max_receive_message_length': 17 * 1024 * 1024,
    'grpc.max_send_message_length': 17 * 1024 * 1024,
  });
  server.addService(StreamsService, {
    ...appender,
    read: (call: ReadCall) => void reader.read(call),
  });
  server.addService(ServerFeaturesService, {
    getSupportedMethods: (_: unknown, callback: grpc.sendUnaryData<features.SupportedMethods>) =>
      callback(null, supported()),
  });
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
    error ? reject(error) : resolve(bound),
  );
  const network = await openNetwork(await promise, port);

  return {
    url: `esdb://127.0.0.1:${network.port}?tls=false`,
    port: network.port,
    faults: {
      delayAnswers: (ms, times = 1) => {
        for (let i = 0; i < times; i += 1) answers.push({ lost: false, ms });
      },
      loseAnswers: (times = 1) => {
        for (let i = 0; i < times; i += 1) answers.push({ lost: true });
      },
      notLeader: (to) => {
        leader = to;
      },
      freeze: network.freeze,
      denyAccess: (on) => {
        denied = on;
      },
      dropSubscriptions: reader.dropSubscriptions,
      sendAgain: (events) => {
        again = events;
      },
    },
    stop: async () => {
      await network.stop();
      log.forget();
    },
    start: network.start,
    scavenge: log.scavenge,
    dropConnections: network.cutAll,
    close: async () => {
      await network.stop();
      server.forceShutdown();
    },
  };
};

const supported = (): features.SupportedMethods => {
  const service = 'event_store.client.streams.streams';
  const methods: Record<string, string[]> = {
    read: ['position', 'events'],
    append: [],
    delete: [],
    tombstone: [],
    batchappend: ['deadline_duration'],
  };
  const resp = new features.SupportedMethods().setEventStoreServerVersion('23.10.8');
  for (const [name, list] of Object.entries(methods)) {
    const method = new features.SupportedMethod().setServiceName(service).setMethodName(name);
    resp.addMethods(method.setFeaturesList(list));
  }
  return resp;
};
