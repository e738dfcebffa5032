/** One visitor's session: logs in, and comes back when it is lost, until it is told to end or nothing can help. */
import { AppError } from '../../errors.ts';
import { backoff, type RetryPolicy } from '../../kit/backoff.ts';
import type { Acknowledgement, ChatState, OutgoingMessage, VisitorPresence } from '../port.ts';
import { sessionError } from './failure.ts';
import { Outgoing, type OutgoingOptions } from './outgoing.ts';
import { type Stream, StreamFailure, type StreamHandlers } from './stream.ts';

export interface SessionOptions extends OutgoingOptions {
  readonly jid: string;
  /** Logs in, when it is this session's turn. */
  readonly open: (handlers: StreamHandlers, signal: AbortSignal) => Promise<Stream>;
  /** Sets the account's password anew, where that is possible. */
  readonly resetPassword: ((nick: string) => Promise<void>) | undefined;
  readonly retry: RetryPolicy;
  readonly random: () => number;
  /** Whether this process may act for the visitor now; asked before each login. */
  readonly owns: () => boolean;
  readonly started: () => void;
  readonly lost: (error: AppError) => void;
  /** The session is over for good, by itself. */
  readonly stopped: (error: AppError) => void;
  /** It was released, and ejabberd has ended it. */
  readonly takenOver: () => void;
  /** Begins or ends to wait because ejabberd could not be reached. */
  readonly outage: (waits: boolean) => void;
}

/** A session that lasted so long was a success: the next loss begins with short waits again. */
const stableMs = 10_000;

export class Session {
  readonly #options: SessionOptions;
  readonly #outgoing: Outgoing;
  readonly #handlers: StreamHandlers;
  #stream: Stream | undefined;
  #opening: AbortController | undefined;
  #retry: NodeJS.Timeout | undefined;
  #ended = false;
  #released = false;
  #nick = '';
  #failures = 0;
  #since = 0;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#outgoing = new Outgoing(options);
    this.#handlers = {
      stanza: (stanza) => this.#outgoing.heard(stanza),
      lost: (reason) => this.#lost(reason),
    };
  }

  get isOnline(): boolean {
    return this.#stream !== undefined && !this.#ended && !this.#released;
  }

  /** Settles with the login that is under way or next, and the presence behind it. */
  online(presence: VisitorPresence): Promise<void> {
    this.#released = false;
    this.#nick = presence.nick;
    const taken = this.#outgoing.show(presence);
    if (!this.#stream && !this.#opening && !this.#retry) this.#connect();
    return taken;
  }

  async send(message: OutgoingMessage): Promise<void> {
    this.#assertOnline();
    await this.#outgoing.send(message);
  }

  async acknowledge(to: string, what: Acknowledgement, id: string): Promise<void> {
    this.#assertOnline();
    await this.#outgoing.acknowledge(to, what, id);
  }

  chatState(to: string, state: ChatState): void {
    if (this.isOnline) this.#outgoing.chatState(to, state);
  }

  check(now: number): void {
    this.#outgoing.check(now);
  }

  /** ejabberd is back: do not wait any longer. */
  hurry(): void {
    if (!this.#retry) return;
    clearTimeout(this.#retry);
    this.#connect();
  }

  /**
   * Stays connected as it is, for another process to replace it.
   * @returns false when there is nothing to replace: it has ended
   */
  release(): boolean {
    if (!this.#stream) {
      void this.end(0);
      return false;
    }
    this.#released = true;
    this.#outgoing.release(this.#notOurs());
    return true;
  }

  /** Unavailable, and an orderly end of the stream; what was sent before still gets its answer. Bounded. */
  async end(deadlineMs: number): Promise<void> {
    this.#ended = true;
    clearTimeout(this.#retry);
    this.#options.outage(false);
    this.#opening?.abort();
    if (this.#stream) {
      this.#outgoing.finish();
      await this.#stream.close(deadlineMs);
    }
    this.#stream = undefined;
    this.#outgoing.detach(new AppError('unavailable', `${this.#options.jid} was logged out`));
  }

  #assertOnline(): void {
    if (this.isOnline) return;
    throw new AppError('unavailable', `${this.#options.jid} has no session now: send again later`);
  }

  #connect(): void {
    this.#retry = undefined;
    this.#options.outage(false);
    if (!this.#options.owns()) {
      this.#stop(this.#notOurs());
      return;
    }
    const opening = new AbortController();
    this.#opening = opening;
    this.#login(opening.signal).then(
      (stream) => this.#up(stream),
      (error: unknown) => this.#failed(error),
    );
  }

  async #login(signal: AbortSignal): Promise<Stream> {
    const { open, resetPassword, owns } = this.#options;
    try {
      return await open(this.#handlers, signal);
    } catch (error) {
      const denied = error instanceof StreamFailure && error.condition === 'not-authorized';
      if (!denied || !resetPassword || signal.aborted || !owns()) throw error;
      // Its password was made with an older secret, or by somebody else: set it anew, once.
      await resetPassword(this.#nick);
      return await open(this.#handlers, signal);
    }
  }

  #up(stream: Stream): void {
    this.#opening = undefined;
    if (this.#ended) {
      stream.destroy('not wanted any more');
      return;
    }
    if (!this.#options.owns()) {
      this.#stop(this.#notOurs());
      stream.destroy('another process has this visitor now');
      return;
    }
    this.#stream = stream;
    this.#since = performance.now();
    this.#outgoing.attach(stream);
    this.#options.started();
  }

  #failed(error: unknown): void {
    this.#opening = undefined;
    if (this.#ended) return;
    if (!this.#options.owns()) {
      this.#stop(this.#notOurs());
      return;
    }
    const outage = !(error instanceof StreamFailure) || error.during === 'connect';
    this.#again(sessionError(this.#options.jid, error), outage);
  }

  #lost(reason: StreamFailure): void {
    if (this.#ended) return;
    this.#stream = undefined;
    if (this.#released) {
      this.#ended = true;
      this.#options.takenOver();
      this.#outgoing.detach(this.#notOurs());
      return;
    }
    if (!this.#options.owns()) {
      this.#stop(this.#notOurs());
      return;
    }
    if (performance.now() - this.#since > stableMs) this.#failures = 0;
    const error = sessionError(this.#options.jid, reason);
    if (error.code === 'unavailable') this.#options.lost(error);
    this.#again(error, false);
  }

  /** The next try, or the end; whoever waits is told. */
  #again(error: AppError, outage: boolean): void {
    if (error.code === 'unavailable') {
      const { random, retry } = this.#options;
      this.#failures += 1;
      this.#retry = setTimeout(() => this.#connect(), backoff(this.#failures, retry, random));
      this.#options.outage(outage);
      this.#outgoing.detach(error);
    } else this.#stop(error);
  }

  #stop(error: AppError): void {
    this.#ended = true;
    this.#options.stopped(error);
    this.#outgoing.detach(error);
  }

  #notOurs(): AppError {
    return new AppError('unavailable', `${this.#options.jid} is another process's now`);
  }
}
