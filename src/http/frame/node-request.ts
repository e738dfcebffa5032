/** What the Node server adds to a request. Tests that ask the app directly have none of it. */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';

interface NodeBindings {
  readonly incoming?: IncomingMessage;
  readonly outgoing?: { destroy(): void };
}

// What @hono/node-server passes on with each request; undefined without a server.
const bindingsOf = (env: unknown): NodeBindings => (env ?? {}) as NodeBindings;

/** The address that the request came from; '' if there is no socket. */
export const remoteAddressOf = (env: unknown): string =>
  bindingsOf(env).incoming?.socket.remoteAddress ?? '';

/** True for a request of HTTP/1.1 that names no host. */
export function isHostMissing(env: unknown): boolean {
  const { incoming } = bindingsOf(env);
  return incoming?.httpVersion === '1.1' && incoming.headers.host === undefined;
}

/** True if the whole body is in the server's memory. Node reads up to 64 KiB of a body before anybody asks for it. */
export const isBodyHere = (env: unknown): boolean => bindingsOf(env).incoming?.complete ?? true;

/** Closes the socket, whatever still waits in it. @returns false if there is no socket */
export function hangUp(env: unknown): boolean {
  const { outgoing } = bindingsOf(env);
  outgoing?.destroy();
  return outgoing !== undefined;
}

/** The rest of a body that nobody reads is dropped for so long. After that its connection ends. */
export const REST_OF_BODY_MS = 500;

/**
 * Whether the connection has to end with this answer, because the rest of the body is not here (RFC 9112 §9.6). What is on
 * its way is dropped first: to a sender who still sends, the end of the connection could hide the answer.
 * @param status of the answer. After a body that was too slow (408) nothing is waited for
 */
export async function endsConnection(env: unknown, status: number): Promise<boolean> {
  const { incoming } = bindingsOf(env);
  if (!incoming || incoming.complete) return false;
  if (status !== 408) {
    incoming.resume();
    await once(incoming, 'end', { signal: AbortSignal.timeout(REST_OF_BODY_MS) }).catch(
      () => undefined, // too slow, or the connection has ended
    );
  }
  return !incoming.complete;
}
