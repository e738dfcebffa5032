/** The live stream of a log, on a socket. */
import { pino } from 'pino';
import type { HttpDeps } from '../../../src/http/deps.ts';
import { type Listening, serve } from '../../../src/http/serve.ts';
import {
  createStreamHub,
  type StreamHub,
  type StreamLimits,
} from '../../../src/http/stream/hub.ts';
import type { ReadModels } from '../../../src/projections/read-models.ts';
import type { Log } from '../../projections/log.ts';
import { type LiveReader, readEvents } from '../../support/events.ts';
import { fakeApp, KEYS } from '../fakes.ts';

interface ToOpen {
  /** The last event id of an earlier connection. */
  readonly id?: string;
  /** With its `?`. */
  readonly query?: string;
  readonly tenant?: keyof typeof KEYS;
}

export interface StreamRig {
  readonly stream: StreamHub;
  readonly server: Listening;
  open(options?: ToOpen): Promise<LiveReader>;
  close(): Promise<void>;
}

export async function startStreamRig(
  log: Log,
  readModels: ReadModels,
  limits: Partial<StreamLimits> = {},
  more: Pick<Partial<HttpDeps>, 'tenants'> = {},
): Promise<StreamRig> {
  const { store, now, vault } = log;
  const readers: LiveReader[] = [];
  const logger = pino({ level: 'silent' });
  const stream = createStreamHub({
    changes: readModels.changes,
    store,
    random: () => 0.5,
    logger,
    limits,
  });
  const { app } = fakeApp({ readModels, store, vault, now, stream, ...more });
  const server = await serve(app, { host: '127.0.0.1', port: 0, variable: 'LISTEN' });
  return {
    stream,
    server,
    open: async ({ id, query = '', tenant = 'acme' } = {}) => {
      const reader = await readEvents(`${server.url}/v1/${tenant}/stream${query}`, {
        key: KEYS[tenant],
        ...(id !== undefined && { lastEventId: id }),
      });
      readers.push(reader);
      return reader;
    },
    close: async () => {
      await Promise.all(readers.map((reader) => reader.close()));
      stream.close();
      await server.close(0);
    },
  };
}
