/**
 * One XMPP client stream: connect, log in, bind a resource, send. The end of a stream is always reported.
 * Visitors' sessions are made of such streams; the doctor, the demo and the tests open them too.
 */
import type { Client, Socket } from '@xmpp/client-core';
import type { Element } from '@xmpp/xml';
import { AppError, messageOf } from '../../errors.ts';
import { createSessionQueries, type QueryHandler } from '../queries.ts';
import { type ClientOptions, composeClient, destroySockets, guard } from './client.ts';

/** The default time limit of a login: from the connection to the bound resource. */
export const LOGIN_DEADLINE_MS = 15_000;

export interface StreamOptions extends ClientOptions {
  /** Answers queries as a visitor does (src/xmpp/queries.ts). Default true. */
  readonly answerQueries?: boolean;
  /** Answers what a visitor's client does not know of itself. */
  readonly answerQuery?: QueryHandler | undefined;
  /** Default {@link LOGIN_DEADLINE_MS}. */
  readonly loginDeadlineMs?: number;
  /** Aborts a login in progress. */
  readonly signal?: AbortSignal;
}

export interface StreamHandlers {
  /** Every stanza after the login, in order. */
  stanza(stanza: Element): void;
  /** Every other element (stream management), in order with the stanzas. */
  nonza?(element: Element): void;
  /** The stream ended without a call of {@link Stream.close}. Called once. */
  lost(reason: StreamFailure): void;
}

export interface Stream {
  /** The full JID that was bound. */
  readonly jid: string;
  /** Writes at once, in one piece. If the stream is broken, `lost` is called. */
  send(...stanzas: Element[]): void;
  /** Closes the stream and waits for the server, at most `deadlineMs`. */
  close(deadlineMs: number): Promise<void>;
  /** Cuts the connection and calls `lost` with this reason. */
  destroy(reason: string): void;
}

/** Why a stream ended. `condition` is that of the SASL or stream error, e.g. `not-authorized`, `conflict`. */
export class StreamFailure extends Error {
  override readonly name = 'StreamFailure';
  readonly condition: string | undefined;
  readonly during: 'connect' | 'login' | 'session';

  constructor(message: string, during: StreamFailure['during'], condition?: string) {
    super(message);
    this.condition = condition;
    this.during = during;
  }
}

/**
 * Opens a stream and logs in.
 * @throws {StreamFailure} with the condition that the server gave. {@link AppError} `refused` if the password would
 * have to be sent to another machine without TLS
 */
export async function openStream(
  options: StreamOptions,
  handlers: StreamHandlers,
): Promise<Stream> {
  const stream = new ClientStream(options, handlers);
  await stream.login(options);
  return stream;
}

class ClientStream implements Stream {
  readonly #client: Client;
  readonly #sockets: readonly Socket[];
  readonly #handlers: StreamHandlers;
  readonly #login = Promise.withResolvers<void>();
  #phase: 'connect' | 'login' | 'session' | 'closing' | 'ended' = 'connect';
  /** xmpp.js emits several errors for one incident. The first one is the cause. */
  #failure: unknown;

  constructor(options: StreamOptions, handlers: StreamHandlers) {
    const client = composeClient(options);
    const { answerQueries = true, answerQuery, domain } = options;
    const queries = answerQueries
      ? createSessionQueries(domain, (answer) => this.send(answer), answerQuery)
      : undefined;
    this.#client = client;
    this.#sockets = guard(client, (error) => this.#note(error));
    this.#handlers = handlers;
    client.on('connect', () => {
      this.#phase = 'login';
    });
    client.on('error', (error) => this.#note(error));
    client.on('disconnect', () => this.#disconnected());
    client.on('stanza', (stanza: Element) => {
      if (!this.#hasSession()) return;
      queries?.heard(stanza, performance.now());
      handlers.stanza(stanza);
    });
    client.on('nonza', (element: Element) => {
      if (this.#hasSession()) handlers.nonza?.(element);
    });
  }

  get jid(): string {
    return this.#client.jid?.toString() ?? '';
  }

  async login({ loginDeadlineMs = LOGIN_DEADLINE_MS, signal }: StreamOptions): Promise<void> {
    const timer = setTimeout(
      () => this.#giveUp(`no login within ${loginDeadlineMs} ms`),
      loginDeadlineMs,
    );
    const aborted = () => this.#giveUp('the login was aborted');
    signal?.addEventListener('abort', aborted, { once: true });
    if (signal?.aborted) aborted();
    else {
      this.#client.start().then(
        () => this.#login.resolve(),
        (error: unknown) => {
          this.#note(error);
          this.#giveUp(messageOf(this.#failure));
        },
      );
    }
    try {
      await this.#login.promise;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', aborted);
    }
    this.#phase = 'session';
    this.#failure = undefined;
  }

  send(...stanzas: Element[]): void {
    if (this.#phase !== 'session') return;
    this.#client.sendMany(stanzas).catch((error: unknown) => {
      this.#note(error);
      destroySockets(this.#sockets);
    });
  }

  async close(deadlineMs: number): Promise<void> {
    if (this.#phase !== 'session') return;
    this.#phase = 'closing';
    // An error while closing does not matter: the socket is destroyed anyway.
    await within(
      this.#client.stop().catch(() => undefined),
      deadlineMs,
    );
    this.#phase = 'ended';
    destroySockets(this.#sockets);
  }

  destroy(reason: string): void {
    this.#note(new StreamFailure(reason, 'session'));
    destroySockets(this.#sockets);
    this.#endSession();
  }

  #note(error: unknown): void {
    this.#failure ??= error;
  }

  /** True also while the stream closes: answers to earlier stanzas still come. */
  #hasSession(): boolean {
    return this.#phase === 'session' || this.#phase === 'closing';
  }

  #disconnected(): void {
    if (this.#phase === 'connect' || this.#phase === 'login') {
      this.#giveUp('the connection was closed during the login');
    } else this.#endSession();
  }

  #giveUp(reason: string): void {
    this.#note(new StreamFailure(reason, this.#phase === 'connect' ? 'connect' : 'login'));
    destroySockets(this.#sockets);
    this.#login.reject(this.#error(reason));
  }

  #endSession(): void {
    if (this.#phase !== 'session') return;
    const reason = this.#error('the connection was closed');
    this.#phase = 'ended';
    this.#handlers.lost(
      reason instanceof StreamFailure ? reason : new StreamFailure(reason.message, 'session'),
    );
  }

  #error(fallback: string): StreamFailure | AppError {
    const failure = this.#failure;
    if (failure instanceof AppError || failure instanceof StreamFailure) return failure;
    return new StreamFailure(
      failure === undefined ? fallback : messageOf(failure) || fallback,
      this.#phase === 'connect' || this.#phase === 'login' ? this.#phase : 'session',
      conditionOf(failure),
    );
  }
}

/** The condition of an error of xmpp.js (SASLError, StreamError). Those classes have no types. */
function conditionOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('condition' in error)) return undefined;
  return typeof error.condition === 'string' ? error.condition : undefined;
}

/** Waits for the promise, but at most `deadlineMs`. */
async function within(promise: Promise<unknown>, deadlineMs: number): Promise<void> {
  const over = Promise.withResolvers<void>();
  const timer = setTimeout(over.resolve, deadlineMs);
  await Promise.race([promise, over.promise]);
  clearTimeout(timer);
}
