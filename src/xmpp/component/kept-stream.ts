/** Keeps one stream of a component up: connects again after each loss, and says in the log what an outage is about. */
import type { Element } from '@xmpp/xml';
import type { Logger } from 'pino';
import { AppError, messageOf } from '../../errors.ts';
import { backoff, type RetryPolicy } from '../../kit/backoff.ts';
import {
  ComponentFailure,
  type ComponentListener,
  type ComponentStream,
  openComponentStream,
} from './stream.ts';

/** The default waits between two connections. They never end: an administrator may mend what is wrong. */
export const COMPONENT_RETRY: RetryPolicy = { firstMs: 500, mostMs: 30_000 };
/** A stream that lasted this long was a success: after its loss the waits begin with the first one again. */
export const STABLE_STREAM_MS = 10_000;

/** What the administrator can do. Of all other conditions ejabberd's log knows more. */
const ADVICE: Readonly<Record<string, string>> = {
  'not-authorized':
    'compare EJABBERD_COMPONENT_SECRET with the password of the listener (ejabberd_service). If the listener has `hosts`, this domain has to be there',
  conflict: 'ejabberd says that somebody else has the domain of the component',
};

export interface KeptStreamOptions {
  readonly listener: ComponentListener;
  readonly domain: string;
  readonly allowPlaintext: boolean;
  readonly handshakeDeadlineMs?: number | undefined;
  readonly retry: RetryPolicy;
  /** In [0, 1), for jitter. */
  readonly random: () => number;
  readonly logger: Logger;
  readonly onStanza: (stanza: Element) => void;
  readonly onUp: (stream: ComponentStream) => void;
  /** The stream was lost, or a connection failed. Always `unavailable`. */
  readonly onDown: (error: AppError) => void;
}

export class KeptStream {
  readonly #options: KeptStreamOptions;
  #stream: ComponentStream | undefined;
  #connecting: AbortController | undefined;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;
  #failures = 0;
  #upAt = 0;
  /** Causes that were logged in this outage. Empty: there is none. */
  readonly #told = new Set<string>();
  #downAt = 0;

  constructor(options: KeptStreamOptions) {
    this.#options = options;
  }

  get stream(): ComponentStream | undefined {
    return this.#stream;
  }

  connect(): void {
    this.#retry = undefined;
    const attempt = new AbortController();
    this.#connecting = attempt;
    const { listener, domain, allowPlaintext, handshakeDeadlineMs, onStanza } = this.#options;
    openComponentStream(
      { listener, domain, allowPlaintext, deadlineMs: handshakeDeadlineMs, signal: attempt.signal },
      { stanza: onStanza, lost: (reason) => this.#lost(reason) },
    ).then(
      (stream) => this.#up(stream),
      (error: unknown) => this.#down(error),
    );
  }

  /** Ends the stream within this time, and does not connect again. */
  async close(deadlineMs: number): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#connecting?.abort();
    const stream = this.#stream;
    this.#stream = undefined;
    await stream?.close(deadlineMs);
  }

  #up(stream: ComponentStream): void {
    this.#connecting = undefined;
    if (this.#closed) {
      stream.destroy('the component has ended');
      return;
    }
    const { logger, domain, onUp } = this.#options;
    const now = performance.now();
    const awayMs = this.#told.size > 0 ? Math.round(now - this.#downAt) : undefined;
    this.#told.clear();
    logger.info({ domain, ...(awayMs !== undefined && { awayMs }) }, 'component connected');
    this.#upAt = now;
    this.#stream = stream;
    onUp(stream);
  }

  #lost(reason: ComponentFailure): void {
    this.#stream = undefined;
    if (performance.now() - this.#upAt > STABLE_STREAM_MS) this.#failures = 0;
    this.#down(reason);
  }

  #down(cause: unknown): void {
    this.#connecting = undefined;
    if (this.#closed) return;
    const { random, retry, domain, onDown } = this.#options;
    this.#failures += 1;
    this.#retry = setTimeout(() => this.connect(), backoff(this.#failures, retry, random));
    this.#tell(cause);
    onDown(new AppError('unavailable', `${domain} is not connected: ${messageOf(cause)}`));
  }

  /** Each cause of an outage is one line. */
  #tell(cause: unknown): void {
    const { logger, domain } = this.#options;
    if (this.#told.size === 0) this.#downAt = performance.now();
    const condition = cause instanceof ComponentFailure ? cause.condition : undefined;
    const kind = cause instanceof AppError ? cause.code : (condition ?? 'connection');
    const level = this.#told.has(kind) ? 'debug' : 'warn';
    this.#told.add(kind);
    const advice = condition === undefined ? undefined : ADVICE[condition];
    logger[level](
      { domain, reason: messageOf(cause), ...(advice !== undefined && { advice }) },
      'component not connected, trying again',
    );
  }
}
