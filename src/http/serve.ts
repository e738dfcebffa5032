/** The app on a TCP socket. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { AppError, messageOf } from '../errors.ts';
import { isHostMissing } from './frame/node-request.ts';
import { answerRefusals, badTarget, hostMissing } from './refusals.ts';

export interface Listening {
  readonly host: string;
  readonly port: number;
  /** `http://host:port` */
  readonly url: string;
  /**
   * Accepts no more connections and lets running requests finish.
   * @param deadlineMs after which every open connection is closed
   */
  close(deadlineMs: number): Promise<void>;
}

export interface ServeOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** The environment variable that sets the address, for error messages. */
  readonly variable: string;
  /** Default {@link MAX_CONNECTIONS}. */
  readonly maxConnections?: number;
  /** ms. Default {@link HEADERS_DEADLINE_MS}. */
  readonly headersDeadlineMs?: number;
}

/** Longer than proxies and clients keep idle connections: they should be the ones who close. */
export const KEEP_ALIVE_MS = 65_000;
/** Connections at the same time. More are closed at once. */
export const MAX_CONNECTIONS = 10_000;
/** How often the server looks for requests that exceed the deadlines below. Node's default is 30 s. */
const CONNECTIONS_CHECK_MS = 2_000;
/** How long a client may take to send the headers of a request. */
export const HEADERS_DEADLINE_MS = 10_000;
/** How long a client may take to send a whole request. Endpoints have a shorter deadline for its body. */
export const REQUEST_DEADLINE_MS = 30_000;
/** How often idle connections are closed while the server closes. */
const IDLE_CHECK_MS = 20;

/**
 * Serves an app.
 * @throws {AppError} `conflict` if the port is in use, `invalid` if the address cannot be used. Both messages name the
 *   variable
 */
export async function serve(
  app: { fetch(request: Request, env?: unknown): Response | Promise<Response> },
  {
    host,
    port,
    variable,
    maxConnections = MAX_CONNECTIONS,
    headersDeadlineMs = HEADERS_DEADLINE_MS,
  }: ServeOptions,
): Promise<Listening> {
  let isClosing = false;
  const listener = getRequestListener(
    async (request, env) => {
      const response = isHostMissing(env) ? hostMissing() : await app.fetch(request, env);
      if (isClosing) response.headers.set('Connection', 'close');
      return response;
    },
    // HTTP/1.0 needs no Host, and load balancers send none. The app looks at no host.
    { hostname: 'localhost', errorHandler: badTarget },
  );
  const server = createServer(
    {
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: headersDeadlineMs,
      requestTimeout: REQUEST_DEADLINE_MS,
      connectionsCheckingInterval: CONNECTIONS_CHECK_MS,
      requireHostHeader: false, // Node's own refusal has no text
    },
    listener,
  );
  answerRefusals(server);
  server.maxConnections = maxConnections;
  await listen(server, host, port).catch((error: unknown) => {
    throw listenError(error, `${host}:${port}`, variable);
  });
  const { port: actual } = server.address() as AddressInfo; // the server listens on a TCP port
  return {
    host,
    port: actual,
    url: `http://${host.includes(':') ? `[${host}]` : host}:${actual}`,
    close(deadlineMs) {
      isClosing = true;
      return close(server, deadlineMs);
    },
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen({ host, port }, () => {
    server.off('error', reject);
    resolve();
  });
  return promise;
}

function listenError(error: unknown, address: string, variable: string): AppError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const details = { field: variable };
  return code === 'EADDRINUSE'
    ? new AppError(
        'conflict',
        `another program uses ${address}: set ${variable} to another address`,
        details,
        { cause: error },
      )
    : new AppError(
        'invalid',
        `${variable}: cannot listen on ${address}: ${messageOf(error)}`,
        details,
        {
          cause: error,
        },
      );
}

async function close(server: Server, deadlineMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  // close() looks for idle connections only once. Others become idle when their request is done.
  const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
  const late = setTimeout(() => server.closeAllConnections(), deadlineMs);
  await promise;
  clearInterval(idle);
  clearTimeout(late);
}
