import { setTimeout as delay } from 'node:timers/promises';
import { EventStoreDBClient } from '@eventstore/db-client';
import { AppError, messageOf } from '../../errors.ts';
import { closeChannel, survivesReconnection } from './internals.ts';
import { type EsdbUrl, invalidUrl } from './url.ts';

/** A client, until another one takes its place. */
export interface Session {
  readonly client: EventStoreDBClient;
  /** Aborted when another client has taken its place. Calls in progress on this one will never be answered. */
  readonly gone: AbortSignal;
}

/** The one client of a store. It can be replaced. */
export interface Connection {
  readonly hosts: string;
  /** As {@link EsdbUrl} has it. */
  readonly namesAll: boolean;
  /** @throws {AppError} `unavailable` after `close` */
  session(): Session;
  /**
   * Replaces a client that does not answer by a new one. Several callers with the same session replace it once.
   *
   * If the server says that it is away or not the leader, the client opens a new channel by itself. A frozen server, or a
   * connection that died silently, the client notices late or never. If no new client can be created, for example while
   * its certificate is being exchanged, the old one stays until the next call.
   */
  replace(session: Session): void;
  readonly closed: AbortSignal;
  close(): Promise<void>;
}

/** How long the disposal of a client may take. */
export const DISPOSE_DEADLINE_MS = 1000;

/** @throws {AppError} `invalid` for a url that the client does not accept */
export const createConnection = ({ connectionString, hosts, namesAll }: EsdbUrl): Connection => {
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
    namesAll,
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
    // The error of its parser quotes the whole url, with the password.
    const parsed = error instanceof Error && 'connectionString' in error;
    const reason = parsed ? 'the client cannot read it' : messageOf(error);
    throw invalidUrl(`${reason} (it looks like esdb://USER:PASSWORD@HOST:2113?tls=true)`);
  }
};

/** Cancels the calls in progress and closes the channel. The client's own `dispose` leaves the channel open. */
const dispose = async (client: EventStoreDBClient): Promise<void> => {
  const work = async (): Promise<void> => {
    await client.dispose();
    await closeChannel(client);
  };
  // If the discovery of a node failed, there is no channel to close.
  const done = work().catch(() => undefined);
  await Promise.race([done, delay(DISPOSE_DEADLINE_MS, undefined, { ref: false })]);
};
