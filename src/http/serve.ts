/** The app on a socket. */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { AppError, messageOf } from '../errors.ts';

export interface Listening {
  readonly host: string;
  readonly port: number;
  /** `http://host:port` */
  readonly url: string;
  /**
   * Takes no more connections, lets requests under way finish, and closes what is open after the deadline.
   * @param deadlineMs how long they may take
   */
  close(deadlineMs: number): Promise<void>;
}

export interface ServeOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** The variable that sets the address, named when it cannot be had. */
  readonly variable: string;
}

/** How often connections that became idle are closed while shutting down, in ms. */
const IDLE_CHECK_MS = 20;

/**
 * Serves an app.
 * @throws {AppError} `conflict` when the port is taken, `invalid` when the address cannot be used; both name the variable
 */
export async function serve(
  app: { fetch(request: Request, env?: unknown): Response | Promise<Response> },
  { host, port, variable }: ServeOptions,
): Promise<Listening> {
  const server = createAdaptorServer({
    fetch: app.fetch,
    serverOptions: {
      // Longer than what proxies and clients in front keep idle connections: they should be the ones who close.
      keepAliveTimeout: 65_000,
      headersTimeout: 10_000,
      requestTimeout: 30_000,
    },
  }) as Server; // without TLS and HTTP/2 options it makes a plain HTTP server
  await listen(server, host, port).catch((error: unknown) => {
    throw listenError(error, `${host}:${port}`, variable);
  });
  const { port: actual } = server.address() as AddressInfo; // it listens on a TCP port
  return {
    host,
    port: actual,
    url: `http://${host.includes(':') ? `[${host}]` : host}:${actual}`,
    close: (deadlineMs) => close(server, deadlineMs),
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
        `${address} is taken by another program: set ${variable} to another address`,
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
  // A kept-alive connection is idle again when its request is done, and close() has looked only once.
  const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
  const late = setTimeout(() => server.closeAllConnections(), deadlineMs);
  await promise;
  clearInterval(idle);
  clearTimeout(late);
}
