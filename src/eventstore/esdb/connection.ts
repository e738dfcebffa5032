import { setTimeout as delay } from 'node:timers/promises';
import { EventStoreDBClient } from '@eventstore/db-client';
import { AppError, messageOf } from '../../errors.ts';
import { closeChannel, survivesReconnection } from './internals.ts';
import { type EsdbUrl, invalidUrl } from './url.ts';

/** A client and the end of its use. */
export interface Session {
  readonly client: EventStoreDBClient;
  /** Aborted when another client has taken its place: what runs over it will never answer. */
  readonly gone: AbortSignal;
}

/** The one client of a store, and its replacement. */
export interface Connection {
  readonly hosts: string;
  /** @throws {AppError} `unavailable` after `close` */
  session(): Session;
  /**
   * Gives up a client that does not answer and puts a new one in its place (once, whoever asks).
   *
   * Where the server says that it is away or not the leader, the client makes a new channel by itself. A server that is
   * frozen, or a connection that died without a word, it finds out late or never. When no new one can be made (its
   * certificate is being exchanged, say) the old one stays, until it is given up the next time.
   */
  replace(session: Session): void;
  readonly closed: AbortSignal;
  close(): Promise<void>;
}

const DISPOSE_MS = 1000;

/** @throws {AppError} `invalid` for a url that the client does not take */
export const createConnection = ({ connectionString, hosts }: EsdbUrl): Connection => {
  const open = (): { session: Session; end: () => Promise<void> } => {
    const client = newClient(connectionString);
    const controller = new AbortController();
    return {
      session: { client, gone: controller.signal },
      end: () => {
        controller.abort();
        return dispose(client);
      },
    };
  };
  const closing = new AbortController();
  let current = open();
  return {
    hosts,
    session: () => {
      if (closing.signal.aborted) throw new AppError('unavailable', 'the event store was closed');
      return current.session;
    },
    replace: (session) => {
      if (session !== current.session || closing.signal.aborted) return;
      const { end } = current;
      try {
        current = open();
      } catch {
        return; // the old one stays
      }
      void end();
    },
    closed: closing.signal,
    close: async () => {
      closing.abort();
      await current.end();
    },
  };
};

const newClient = (connectionString: string): EventStoreDBClient => {
  try {
    return survivesReconnection(EventStoreDBClient.connectionString(connectionString));
  } catch (error) {
    // Its parser's error quotes what it was given.
    const parsed = error instanceof Error && 'connectionString' in error;
    const reason = parsed ? 'the client cannot read it' : messageOf(error);
    throw invalidUrl(`${reason} (it looks like esdb://USER:PASSWORD@HOST:2113?tls=true)`);
  }
};

/** Cancels what runs and closes the channel, which the client's own `dispose` leaves open. */
const dispose = async (client: EventStoreDBClient): Promise<void> => {
  const work = async (): Promise<void> => {
    await client.dispose();
    await closeChannel(client);
  };
  // A channel that was never made (its discovery fails) has nothing to close.
  const done = work().catch(() => undefined);
  await Promise.race([done, delay(DISPOSE_MS, undefined, { ref: false })]);
};
