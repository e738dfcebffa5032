/**
 * An HTTP server that stands for LHC: it checks signatures, keeps every raw request in order, repeats included, and
 * misbehaves as it is told.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import type { Callback } from '../../src/lhc/types.ts';
import { type WaitOptions, waitFor } from './wait.ts';

export interface RawCallback {
  /** ms since 1970 */
  readonly at: number;
  readonly headers: Readonly<Record<string, string>>;
  /** As it came. */
  readonly text: string;
  /** The body read as a callback; null when it is no JSON. */
  readonly callback: Callback | null;
  /** Whether the signature is right, by the reference implementation. Without a secret, always true. */
  readonly signed: boolean;
  /** The status that it was answered with; null when it was not. */
  readonly answered: number | null;
}

/** How a request is answered. A body that is longer than `bytes` can be asked for. */
export type Behaviour =
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly bytes?: number;
    }
  /** Takes the request and never answers. */
  | { readonly kind: 'hang' }
  /** Takes the request and closes the connection. */
  | { readonly kind: 'close' };

export interface Lhc {
  readonly url: string;
  /** Every request, in the order in which their bodies were complete. */
  readonly requests: readonly RawCallback[];
  /** Connections accepted since the start. */
  readonly connections: () => number;
  /** What was accepted, each `webhook-id` once, in the order of its first acceptance. */
  accepted(): readonly Callback[];
  /** From now on; a function is asked for each request. Default: 200. */
  behave(behaviour: Behaviour | ((request: Omit<RawCallback, 'answered'>) => Behaviour)): void;
  /** Goes away: nothing listens, open connections are closed. */
  stop(): Promise<void>;
  /** Comes back on the same port. */
  start(): Promise<void>;
  /** Looks until the predicate is true of the requests. */
  waitFor(predicate: (lhc: Lhc) => boolean, options?: WaitOptions): Promise<void>;
  close(): Promise<void>;
}

const OK: Behaviour = { kind: 'status', status: 200 };

/** @param options.secret `whsec_…`, to check signatures with */
export async function startLhc(options: { secret?: string; port?: number } = {}): Promise<Lhc> {
  const webhook = options.secret === undefined ? null : new Webhook(options.secret);
  const requests: RawCallback[] = [];
  let behave: (request: Omit<RawCallback, 'answered'>) => Behaviour = () => OK;
  let port = options.port ?? 0;
  let connections = 0;
  let server: Server | null = null;

  const verify = (text: string, headers: Record<string, string>): boolean => {
    if (!webhook) return true;
    try {
      webhook.verify(text, headers);
      return true;
    } catch {
      return false; // the reference implementation says no by throwing
    }
  };

  async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const headers = Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
    );
    const signed = verify(text, headers);
    const raw = { at: Date.now(), headers, text, callback: parse(text), signed };
    const behaviour: Behaviour = signed ? behave(raw) : { kind: 'status', status: 401 };
    requests.push({ ...raw, answered: behaviour.kind === 'status' ? behaviour.status : null });
    if (behaviour.kind === 'hang') return;
    if (behaviour.kind === 'close') {
      request.socket.destroy();
      return;
    }
    response.writeHead(behaviour.status, behaviour.headers);
    response.end(behaviour.bytes ? 'x'.repeat(behaviour.bytes) : '');
  }

  async function start(): Promise<void> {
    const made = createServer((request, response) => {
      // A client that went away while it was sending is no request.
      take(request, response).catch(() => response.destroy());
    });
    made.on('connection', () => {
      connections += 1;
    });
    await new Promise<void>((resolve, reject) => {
      made.once('error', reject);
      made.listen(port, '127.0.0.1', resolve);
    });
    port = (made.address() as AddressInfo).port; // it listens on a TCP port
    server = made;
  }

  async function stop(): Promise<void> {
    const stopping = server;
    server = null;
    if (!stopping) return;
    await new Promise<void>((resolve) => {
      stopping.close(() => resolve());
      stopping.closeAllConnections();
    });
  }

  await start();
  const lhc: Lhc = {
    url: `http://127.0.0.1:${port}/callback`,
    requests,
    connections: () => connections,
    accepted: () => {
      const byId = new Map<string, Callback>();
      for (const { callback, answered } of requests) {
        const took = answered !== null && answered >= 200 && answered < 300;
        if (callback && took && !byId.has(callback.id)) byId.set(callback.id, callback);
      }
      return [...byId.values()];
    },
    behave: (behaviour) => {
      behave = typeof behaviour === 'function' ? behaviour : () => behaviour;
    },
    stop,
    start,
    waitFor: async (predicate, waiting) => {
      await waitFor(() => predicate(lhc), { what: 'LHC to be told', ...waiting });
    },
    close: stop,
  };
  return lhc;
}

function parse(text: string): Callback | null {
  try {
    return JSON.parse(text);
  } catch {
    return null; // kept raw
  }
}
