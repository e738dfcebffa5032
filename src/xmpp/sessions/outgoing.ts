/** Everything that one visitor's session sends: the latest presence, messages in order, and the pings behind them. */
import type { Element } from '@xmpp/xml';
import { AppError } from '../../errors.ts';
import { Lru } from '../../kit/lru.ts';
import { createInFlight } from '../in-flight.ts';
import { bareJid } from '../jid.ts';
import type { Acknowledgement, ChatState, OutgoingMessage, VisitorPresence } from '../port.ts';
import { returnedError } from '../returned-error.ts';
import { createRoomsInFlight } from '../rooms-in-flight.ts';
import {
  acknowledgementStanza,
  assertFits,
  chatStateStanza,
  messageStanza,
  pingStanza,
  unavailableStanza,
} from '../stanzas.ts';
import { createLatestPresence } from './latest-presence.ts';
import type { Stream } from './login-stream.ts';

/** The default time after which a silent stream is pinged. */
export const PING_INTERVAL_MS = 60_000;
/** The default time within which ejabberd has to answer a ping. */
export const PING_DEADLINE_MS = 20_000;

/**
 * Messages of one session that ejabberd has taken and can still return, at most: it returns them when the receiver's
 * session dies with them. The oldest is forgotten first.
 */
export const MAX_RETURNABLE_MESSAGES = 256;

/** What a returned stanza is known by. */
export interface Sent {
  /** The stanza's id. */
  readonly id: string;
  /** The bare JID that it was sent to. */
  readonly to: string;
}

export interface OutgoingOptions {
  readonly domain: string;
  readonly pingIntervalMs: number;
  readonly pingDeadlineMs: number;
  /** A message came back after it was taken, from the address that it was sent to. */
  readonly onReturned: (sent: Sent, error: AppError) => void;
}

export class Outgoing {
  readonly #options: OutgoingOptions;
  readonly #inFlight = createInFlight();
  readonly #rooms = createRoomsInFlight();
  readonly #presence = createLatestPresence();
  /** Messages that were taken, by {@link keyOf}. */
  readonly #taken = new Lru<true>(MAX_RETURNABLE_MESSAGES);
  #stream: Stream | undefined;
  #outbox: Element[] = [];
  #flushing = false;
  #lastHeard = 0;
  /** Another process is about to take over: no presence is written any more. */
  #released = false;

  constructor(options: OutgoingOptions) {
    this.#options = options;
  }

  /** Begins to use a new stream. The presence goes first. */
  attach(stream: Stream): void {
    this.#stream = stream;
    this.#lastHeard = performance.now();
    this.#presence.forgetWritten();
    this.#flush();
  }

  /** The stream has ended, or could not be opened: every promise is rejected. The presence stays for the next stream. */
  detach(error: AppError): void {
    this.#stream = undefined;
    this.#outbox = [];
    // A message in flight can be sent again, whatever became of the session.
    const again = error.code === 'unavailable' ? error : new AppError('unavailable', error.message);
    this.#inFlight.failAll(again);
    this.#rooms.failAll(again);
    this.#presence.fail(error);
  }

  /** Resolves when this presence, or a newer one that replaced it, is taken. @returns false if it was shown already */
  async show(presence: VisitorPresence): Promise<boolean> {
    if (this.#released) this.#flushSoon(); // the other process may have shown another presence meanwhile
    this.#released = false;
    const { done, changed } = this.#presence.set(presence);
    if (changed) this.#flushSoon();
    await done;
    return changed;
  }

  /** Resolves when the message is taken. */
  async send(message: OutgoingMessage): Promise<void> {
    assertFits(message);
    const stanza = messageStanza(message);
    delete stanza.attrs.from; // the server sets the session's own (RFC 6120 §8.1.2.1)
    if (message.room) await this.#writeToRoom(stanza, message.to);
    else await this.#write(stanza, message.to, !message.notice);
  }

  /** Resolves when the receipt or marker is taken. */
  acknowledge(to: string, what: Acknowledgement, id: string): Promise<void> {
    return this.#write(acknowledgementStanza(undefined, to, what, id), to);
  }

  chatState(to: string, state: ChatState): void {
    this.#outbox.push(chatStateStanza(undefined, to, state));
    this.#flushSoon();
  }

  /** Shows one operator another status; null: the visitor's own again. */
  preview(to: string, status: string | null): void {
    const stanza = this.#presence.directed(to, status);
    if (!stanza) return;
    this.#outbox.push(stanza);
    this.#flushSoon();
  }

  /** Stanzas in flight still get their answer. No presence is written until the next {@link show}. */
  release(error: AppError): void {
    this.#released = true;
    this.#presence.failUnwritten(error);
  }

  /** Writes everything that waits, then the unavailable presence. The stream can be closed after that. */
  finish(): void {
    this.#flush();
    this.#presence.clear();
    this.#stream?.send(unavailableStanza());
  }

  /**
   * Handles a stanza that came in. Anybody can send one: what it may change depends on its sender, whom the server names
   * (RFC 6120 §8.1.2.1). mod_lhc reports operators' messages and presences, so they are ignored here.
   */
  heard(stanza: Element): void {
    this.#lastHeard = performance.now();
    const { id = '', from, type } = stanza.attrs;
    if (stanza.name === 'iq' && (type === 'result' || type === 'error')) {
      if (this.#rooms.answered(stanza)) {
        if (this.#rooms.waiting) this.#flushSoon();
        return;
      }
      const fromServer = from === undefined || from === this.#options.domain;
      if (fromServer && this.#inFlight.answered(id) && this.#inFlight.waiting) this.#flushSoon();
    } else if (stanza.name === 'message' && type === 'error') {
      const error = returnedError(stanza);
      const ofRoom =
        from !== undefined && this.#rooms.returned(from, keyOf({ id, to: from }), error);
      if (!ofRoom) this.#returned({ id, to: bareJid(from ?? '') }, error);
    } else if (stanza.name === 'presence' && type === 'unavailable' && from === this.#stream?.jid) {
      // This session replaced another one, whose unavailable presence came after our available one: every second to
      // third time on 23.01 and 24.12 (ADR 0012). Operators now see the visitor as gone.
      this.#presence.forgetWritten();
      this.#flushSoon();
    }
  }

  /**
   * Handles an error that comes from the address `sent.to`. ejabberd returns a message from the JID that it was sent to
   * (measured on 23.01, 24.12 and 26.07: no account, full offline storage, blocked, session ended), and the receiver's client from a
   * full JID of that account. So an error from any other account is not about a message of ours.
   */
  #returned(sent: Sent, error: AppError): void {
    const key = keyOf(sent);
    if (this.#inFlight.returned(key, error)) return;
    if (!this.#taken.peek(key)) return;
    this.#taken.delete(key);
    this.#options.onReturned(sent, error);
  }

  /**
   * To be called regularly: pings a silent stream, and cuts one that did not answer in time.
   * @param now milliseconds of `performance.now()`
   */
  check(now: number): void {
    if (!this.#stream) return;
    const { pingIntervalMs, pingDeadlineMs } = this.#options;
    this.#rooms.check(now, pingDeadlineMs); // a room that hangs is no fault of the stream
    const { pingedAt } = this.#inFlight;
    if (pingedAt === undefined) {
      if (now - this.#lastHeard > pingIntervalMs) this.#flushWithPing(now, true);
    } else if (now - pingedAt > pingDeadlineMs) {
      this.#stream.destroy(`no answer to a ping within ${pingDeadlineMs} ms`);
    }
  }

  /** @param returnable whether it counts if the stanza comes back after it was taken */
  #write(stanza: Element, to: string, returnable = false): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const sent = { id: stanza.attrs.id ?? '', to: bareJid(to) };
    this.#outbox.push(stanza);
    // At once: an error can come right behind the answer to the ping, before the promise's own reactions.
    const taken = () => {
      if (returnable) this.#taken.set(keyOf(sent), true);
      resolve();
    };
    this.#inFlight.add({ resolve: taken, reject }, keyOf(sent));
    this.#flushSoon();
    return promise;
  }

  #writeToRoom(stanza: Element, to: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#outbox.push(stanza);
    this.#rooms.add(to, { resolve, reject }, keyOf({ id: stanza.attrs.id ?? '', to }));
    this.#flushSoon();
    return promise;
  }

  /** All stanzas of one turn of the event loop go out in one piece. */
  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (!this.#stream) return;
    // Before the messages, so that a visitor who writes is already seen as available.
    const presence = this.#released ? undefined : this.#presence.toWrite();
    if (presence) this.#outbox.unshift(presence);
    const waiter = this.#presence.toCover();
    if (waiter) this.#inFlight.add(waiter);
    this.#flushWithPing(performance.now());
  }

  #flushWithPing(now: number, always = false): void {
    const id = this.#inFlight.nextPing(now, always);
    if (id !== undefined) this.#outbox.push(pingStanza(id, this.#options.domain));
    for (const ping of this.#rooms.nextPings(now))
      this.#outbox.push(pingStanza(ping.id, ping.room));
    if (this.#outbox.length > 0) this.#stream?.send(...this.#outbox);
    this.#outbox = [];
  }
}

/** No JID holds a space (RFC 7622). */
const keyOf = ({ id, to }: Sent): string => `${to} ${id}`;
