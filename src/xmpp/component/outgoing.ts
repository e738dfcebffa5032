/** What the component sends in visitors' names: messages in order, and the pings behind them. */
import type { Element } from '@xmpp/xml';
import { AppError } from '../../errors.ts';
import { Lru } from '../../kit/lru.ts';
import { createInFlight } from '../in-flight.ts';
import { bareJid } from '../jid.ts';
import { createRoomsInFlight } from '../rooms-in-flight.ts';
import { pingStanza } from '../stanzas.ts';
import type { ComponentStream } from './stream.ts';

/**
 * Messages of all visitors that ejabberd has taken and can still return, at most: it returns them when the receiver's
 * session dies with them. The oldest is forgotten first. Some 250 bytes each.
 */
export const MAX_RETURNABLE_OF_COMPONENT = 8_192;
/** Stanzas that ejabberd has not answered, at most. At 1,000 messages a second a ping takes some 10 ms. */
export const MAX_UNANSWERED_STANZAS = 20_000;
/** Bytes that wait in this process because ejabberd does not read them, at most. */
export const MAX_BUFFERED_BYTES = 16 * 1024 * 1024;
/** What may be left out (chat states, answers) is, if more bytes wait. */
export const MAX_BUFFERED_BYTES_FOR_EXTRAS = 1024 * 1024;

/** What a returned stanza is known by. */
export interface SentByVisitor {
  readonly id: string;
  /** Bare. */
  readonly from: string;
  /** Bare. */
  readonly to: string;
}

export interface ComponentOutgoingOptions {
  /** The domain that pings come from: answers go to it. */
  readonly domain: string;
  /** Whom it pings. */
  readonly host: string;
  readonly pingIntervalMs: number;
  readonly pingDeadlineMs: number;
}

export class ComponentOutgoing {
  readonly #options: ComponentOutgoingOptions;
  readonly #inFlight = createInFlight();
  readonly #rooms = createRoomsInFlight();
  /** Messages that were taken, by {@link keyOf}. */
  readonly #taken = new Lru<true>(MAX_RETURNABLE_OF_COMPONENT);
  #stream: ComponentStream | undefined;
  #outbox: string[] = [];
  #outboxCharacters = 0;
  #flushing = false;
  #lastHeard = 0;
  #failure = new AppError('unavailable', 'the component is not connected yet');

  constructor(options: ComponentOutgoingOptions) {
    this.#options = options;
  }

  get isUp(): boolean {
    return this.#stream !== undefined;
  }

  /** Why there is no stream. */
  get failure(): AppError {
    return this.#failure;
  }

  attach(stream: ComponentStream): void {
    this.#stream = stream;
    this.#lastHeard = performance.now();
  }

  /** Every stanza without an answer fails with this error. */
  detach(error: AppError): void {
    this.#stream = undefined;
    this.#failure = error;
    this.#clearOutbox();
    this.#inFlight.failAll(error);
    this.#rooms.failAll(error);
  }

  /** @throws {AppError} `unavailable` if nothing can be sent now */
  write(text: string): void {
    this.#assertRoom();
    this.#put(text);
  }

  /** Writes something that may be left out. */
  writeExtra(text: string): void {
    if (this.#stream && this.#buffered(this.#stream) < MAX_BUFFERED_BYTES_FOR_EXTRAS)
      this.#put(text);
  }

  /**
   * Writes a stanza. Resolves when ejabberd has taken it.
   * @param returnable whether it counts if the stanza comes back after it was taken
   * @throws {AppError} `unavailable`; `refused` when it comes back
   */
  async send(text: string, sent: SentByVisitor, returnable: boolean): Promise<void> {
    this.write(text);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const key = keyOf(sent);
    // At once: an error can come right behind the answer to the ping, before the promise's own reactions.
    const taken = () => {
      if (returnable) this.#taken.set(key, true);
      resolve();
    };
    this.#inFlight.add({ resolve: taken, reject }, key);
    await promise;
  }

  /**
   * Writes a stanza to a room. Resolves when the room has processed it. The ping comes from this process, so that its answer
   * does, too.
   * @throws {AppError} `unavailable`; `refused` when it comes back, or if there is no such room
   */
  async sendToRoom(text: string, sent: SentByVisitor): Promise<void> {
    this.write(text);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#rooms.add(bareJid(sent.to), { resolve, reject }, keyOf(sent));
    await promise;
  }

  /** Something came in. */
  heard(): void {
    this.#lastHeard = performance.now();
  }

  /** Takes an answer of ejabberd. False if it is not to a ping. */
  answered(id: string): boolean {
    if (!this.#inFlight.answered(id)) return false;
    if (this.#inFlight.waiting) this.#flushSoon();
    return true;
  }

  /** Takes an answer of a room. False if it is not to a ping. */
  answeredByRoom(answer: Element): boolean {
    if (!this.#rooms.answered(answer)) return false;
    if (this.#rooms.waiting) this.#flushSoon();
    return true;
  }

  /** A message came back. @param sent `to` is whom it came from: a room, or nobody whom this knows */
  returnedByRoom(sent: SentByVisitor, error: AppError): void {
    this.#rooms.returned(sent.to, keyOf(sent), error);
  }

  /**
   * A message came back.
   * @returns `rejected`: its sender has the error; `taken`: it was taken before; null: nobody here knows it
   */
  returned(sent: SentByVisitor, error: AppError): 'rejected' | 'taken' | null {
    const key = keyOf(sent);
    if (this.#inFlight.returned(key, error)) return 'rejected';
    if (!this.#taken.peek(key)) return null;
    this.#taken.delete(key);
    return 'taken';
  }

  /** Pings a silent stream, and cuts one that did not answer in time. To be called regularly. */
  check(now: number): void {
    if (!this.#stream) return;
    const { pingIntervalMs, pingDeadlineMs } = this.#options;
    this.#rooms.check(now, pingDeadlineMs); // a room that hangs is no fault of the stream
    const { pingedAt } = this.#inFlight;
    if (pingedAt === undefined) {
      if (now - this.#lastHeard > pingIntervalMs) this.#flush(now, true);
    } else if (now - pingedAt > pingDeadlineMs) {
      this.#stream.destroy(`no answer to a ping within ${pingDeadlineMs} ms`);
    }
  }

  /** True if ejabberd has answered everything. */
  get isSettled(): boolean {
    return this.#unanswered === 0 && this.#outbox.length === 0;
  }

  get #unanswered(): number {
    return this.#inFlight.size + this.#rooms.size;
  }

  #assertRoom(): void {
    if (!this.#stream) throw new AppError('unavailable', this.#failure.message);
    const tooMany = this.#unanswered >= MAX_UNANSWERED_STANZAS;
    if (!tooMany && this.#buffered(this.#stream) < MAX_BUFFERED_BYTES) return;
    throw new AppError('unavailable', 'ejabberd takes no more from the component now');
  }

  #buffered(stream: ComponentStream): number {
    return stream.buffered + this.#outboxCharacters;
  }

  #put(text: string): void {
    this.#outbox.push(text);
    this.#outboxCharacters += text.length;
    this.#flushSoon();
  }

  #clearOutbox(): void {
    this.#outbox = [];
    this.#outboxCharacters = 0;
  }

  /** All stanzas of one turn of the event loop go out in one piece. */
  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.#flush(performance.now());
    });
  }

  #flush(now: number, always = false): void {
    if (!this.#stream) return;
    const { domain, host } = this.#options;
    const ping = (id: string, to: string): void => {
      const stanza = pingStanza(id, to);
      stanza.attrs.from = domain;
      this.#outbox.push(stanza.toString());
    };
    const id = this.#inFlight.nextPing(now, always);
    if (id !== undefined) ping(id, host);
    for (const each of this.#rooms.nextPings(now)) ping(each.id, each.room);
    if (this.#outbox.length > 0) this.#stream.send(this.#outbox.join(''));
    this.#clearOutbox();
  }
}

/** No JID holds a space (RFC 7622). */
const keyOf = ({ id, from, to }: SentByVisitor): string => `${bareJid(from)} ${bareJid(to)} ${id}`;
