/**
 * An HTTP server in the place of LHC. It checks signatures, keeps every raw request in order (repeats too), and misbehaves
 * on demand.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import type { Callback } from '../../src/lhc/callback-types.ts';
import { type WaitOptions, waitFor } from './wait.ts';

export interface RawCallback {
  /** ms since 1970 */
  readonly at: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The raw body. */
  readonly text: string;
  /** The body as a callback; null if it is not JSON. */
  readonly callback: Callback | null;
  /** True if the reference implementation accepts the signature. Without a secret always true. */
  readonly signed: boolean;
  /** The status of the answer; null if there was no answer. */
  readonly answered: number | null;
}

/** The answer to a request. `bytes` is the length of its body, if no `body` is given: an object is JSON. */
export type Behaviour =
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly bytes?: number;
      readonly body?: string | object;
    }
  /** Reads the request and never answers. */
  | { readonly kind: 'hang' }
  /** Reads the request and closes the connection. */
  | { readonly kind: 'close' };

export interface Lhc {
  readonly url: string;
  /** Every request, in the order in which their bodies were complete. */
  readonly requests: readonly RawCallback[];
  /** Connections accepted since the start. */
  readonly connections: () => number;
  /** The accepted callbacks, each `webhook-id` once, in the order of first acceptance. */
  accepted(): readonly Callback[];
  /** Sets the answer to all requests from now on. A function is called for each request. Default: status 200. */
  behave(behaviour: Behaviour | ((request: Omit<RawCallback, 'answered'>) => Behaviour)): void;
  /** Stops listening and closes all open connections. */
  stop(): Promise<void>;
  /** Listens again, on the same port. */
  start(): Promise<void>;
  /** Waits until the predicate is true. */
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
      return false; // the reference implementation throws if the signature is wrong
    }
  };

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const headers = Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
    );
    const signed = verify(text, headers);
    const raw = {
      at: Date.now(),
      path: request.url ?? '',
      headers,
      text,
      callback: parse(text),
      signed,
    };
    const behaviour: Behaviour = signed ? behave(raw) : { kind: 'status', status: 401 };
    requests.push({ ...raw, answered: behaviour.kind === 'status' ? behaviour.status : null });
    if (behaviour.kind === 'hang') return;
    if (behaviour.kind === 'close') {
      request.socket.destroy();
      return;
    }
    response.writeHead(behaviour.status, behaviour.headers);
    const { bytes = 0, body = 'x'.repeat(bytes) } = behaviour;
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  }

  async function start(): Promise<void> {
    const next = createServer((request, response) => {
      // The client closed the connection while it was sending, so there is no request.
      handle(request, response).catch(() => response.destroy());
    });
    next.on('connection', () => {
      connections += 1;
    });
    await new Promise<void>((resolve, reject) => {
      next.once('error', reject);
      next.listen(port, '127.0.0.1', resolve);
    });
    port = (next.address() as AddressInfo).port; // the server listens on a TCP port
    server = next;
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
        const isAccepted = answered !== null && answered >= 200 && answered < 300;
        if (callback && isAccepted && !byId.has(callback.id)) byId.set(callback.id, callback);
      }
      return [...byId.values()];
    },
    behave: (behaviour) => {
      behave = typeof behaviour === 'function' ? behaviour : () => behaviour;
    },
    stop,
    start,
    waitFor: async (predicate, waiting) => {
      await waitFor(() => predicate(lhc), { what: 'a request to LHC', ...waiting });
    },
    close: stop,
  };
  return lhc;
}

function parse(text: string): Callback | null {
  try {
    return JSON.parse(text);
  } catch {
    return null; // the raw text is kept
  }
}
