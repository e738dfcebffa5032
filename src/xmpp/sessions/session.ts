/** One visitor's session. It logs in again after a loss, until it is ended or another login would not help. */
import { AppError } from '../../errors.ts';
import { backoff, type RetryPolicy } from '../../kit/backoff.ts';
import type { Acknowledgement, ChatState, OutgoingMessage, VisitorPresence } from '../port.ts';
import { noSessionNow, sessionError } from './failure.ts';
import { type Stream, StreamFailure, type StreamHandlers } from './login-stream.ts';
import { Outgoing, type OutgoingOptions } from './outgoing.ts';

/** The default waits between the logins of one visitor. */
export const LOGIN_RETRY: RetryPolicy = { firstMs: 500, mostMs: 30_000 };
/** A session that lasted this long was a success: after its loss the waits begin with the first one again. */
export const STABLE_SESSION_MS = 10_000;

export interface SessionOptions extends OutgoingOptions {
  readonly jid: string;
  /** Logs in, when it is this session's turn. */
  readonly open: (handlers: StreamHandlers, signal: AbortSignal) => Promise<Stream>;
  /** Sets the account's password again; undefined where that is not possible. */
  readonly resetPassword: ((nick: string) => Promise<void>) | undefined;
  readonly retry: RetryPolicy;
  /** In [0, 1), for jitter. */
  readonly random: () => number;
  /** True if this process may act for the visitor now. Asked before each login. */
  readonly owns: () => boolean;
  readonly onStarted: () => void;
  /** The session was lost, and a login will follow. */
  readonly onLost: (error: AppError) => void;
  /** The session has ended by itself, and no login will follow. */
  readonly onStopped: (error: AppError) => void;
  /** The session was released, and ejabberd has ended it. */
  readonly onTakenOver: () => void;
  /** True: the session begins to wait because ejabberd is unreachable. False: that wait is over. */
  readonly onOutage: (waiting: boolean) => void;
}

export class Session {
  readonly #options: SessionOptions;
  readonly #outgoing: Outgoing;
  readonly #handlers: StreamHandlers;
  #stream: Stream | undefined;
  /** Aborts the login in progress. */
  #login: AbortController | undefined;
  #retry: NodeJS.Timeout | undefined;
  #ended = false;
  #released = false;
  #nick = '';
  #failures = 0;
  /** Of the last session or login; undefined while it is online. */
  #failure: AppError | undefined;
  #startedAt = 0;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#outgoing = new Outgoing(options);
    this.#handlers = {
      stanza: (stanza) => this.#outgoing.heard(stanza),
      lost: (reason) => this.#streamLost(reason),
    };
  }

  get isOnline(): boolean {
    return this.#stream !== undefined && !this.#ended && !this.#released;
  }

  /** Resolves or rejects with the login in progress or the next one, and the presence behind it. */
  online(presence: VisitorPresence): Promise<boolean> {
    this.#released = false;
    this.#nick = presence.nick;
    const done = this.#outgoing.show(presence);
    if (!this.#stream && !this.#login && !this.#retry) this.#connect();
    return done;
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

  preview(to: string, status: string | null): void {
    if (this.isOnline) this.#outgoing.preview(to, status);
  }

  /** @param now milliseconds of `performance.now()` */
  check(now: number): void {
    this.#outgoing.check(now);
  }

  /** ejabberd has started. Its port may open a moment later, so the waits begin with the first one again. */
  serverStarted(): void {
    this.#failures = 0;
    this.hurry();
  }

  /** ejabberd is reachable again: ends the wait before the next login. */
  hurry(): void {
    if (!this.#retry) return;
    clearTimeout(this.#retry);
    this.#connect();
  }

  /**
   * Prepares the hand-over to another process: stays connected and sends nothing new.
   * @returns false if there is no stream to take over; the session has ended then
   */
  release(): boolean {
    if (!this.#stream) {
      void this.end(0);
      return false;
    }
    this.#released = true;
    this.#outgoing.release(this.#notOwned());
    return true;
  }

  /** Sends an unavailable presence and closes the stream. Stanzas in flight still get their answer, within the deadline. */
  async end(deadlineMs: number): Promise<void> {
    this.#ended = true;
    clearTimeout(this.#retry);
    this.#options.onOutage(false);
    this.#login?.abort();
    if (this.#stream) {
      this.#outgoing.finish();
      await this.#stream.close(deadlineMs);
    }
    this.#stream = undefined;
    this.#outgoing.detach(new AppError('unavailable', `${this.#options.jid} was logged out`));
  }

  #assertOnline(): void {
    if (this.isOnline) return;
    throw noSessionNow(this.#options.jid, this.#failure);
  }

  #connect(): void {
    this.#retry = undefined;
    this.#options.onOutage(false);
    if (!this.#options.owns()) {
      this.#stop(this.#notOwned());
      return;
    }
    const login = new AbortController();
    this.#login = login;
    this.#logIn(login.signal).then(
      (stream) => this.#loggedIn(stream),
      (error: unknown) => this.#loginFailed(error),
    );
  }

  async #logIn(signal: AbortSignal): Promise<Stream> {
    const { open, resetPassword, owns } = this.#options;
    try {
      return await open(this.#handlers, signal);
    } catch (error) {
      const denied = error instanceof StreamFailure && error.condition === 'not-authorized';
      if (!denied || !resetPassword || signal.aborted || !owns()) throw error;
      // The password was made with an older secret, or by somebody else: set it again, once.
      await resetPassword(this.#nick);
      return await open(this.#handlers, signal);
    }
  }

  #loggedIn(stream: Stream): void {
    this.#login = undefined;
    if (this.#ended) {
      stream.destroy('the session has ended');
      return;
    }
    if (!this.#options.owns()) {
      this.#stop(this.#notOwned());
      stream.destroy('another process owns this visitor now');
      return;
    }
    this.#stream = stream;
    this.#failure = undefined;
    this.#startedAt = performance.now();
    this.#outgoing.attach(stream);
    this.#options.onStarted();
  }

  #loginFailed(error: unknown): void {
    this.#login = undefined;
    if (this.#ended) return;
    if (!this.#options.owns()) {
      this.#stop(this.#notOwned());
      return;
    }
    const outage = !(error instanceof StreamFailure) || error.during === 'connect';
    this.#retryOrStop(sessionError(this.#options.jid, error), outage);
  }

  #streamLost(reason: StreamFailure): void {
    if (this.#ended) return;
    this.#stream = undefined;
    if (this.#released) {
      this.#ended = true;
      this.#options.onTakenOver();
      this.#outgoing.detach(this.#notOwned());
      return;
    }
    if (!this.#options.owns()) {
      this.#stop(this.#notOwned());
      return;
    }
    if (performance.now() - this.#startedAt > STABLE_SESSION_MS) this.#failures = 0;
    const error = sessionError(this.#options.jid, reason);
    if (error.code === 'unavailable') this.#options.onLost(error);
    this.#retryOrStop(error, false);
  }

  #retryOrStop(error: AppError, outage: boolean): void {
    if (error.code !== 'unavailable') {
      this.#stop(error);
      return;
    }
    const { random, retry } = this.#options;
    this.#failures += 1;
    this.#failure = error;
    this.#retry = setTimeout(() => this.#connect(), backoff(this.#failures, retry, random));
    this.#options.onOutage(outage);
    this.#outgoing.detach(error);
  }

  #stop(error: AppError): void {
    this.#ended = true;
    this.#options.onStopped(error);
    this.#outgoing.detach(error);
  }

  #notOwned(): AppError {
    return new AppError('unavailable', `another process owns ${this.#options.jid} now`);
  }
}
