/** What one visitor sends: the latest presence, messages in order, and the pings that say what was taken. */
import type { Element } from '@xmpp/xml';
import { AppError } from '../../errors.ts';
import type { Acknowledgement, ChatState, OutgoingMessage, VisitorPresence } from '../port.ts';
import {
  acknowledgementStanza,
  chatStateStanza,
  messageStanza,
  pingStanza,
  presenceStanza,
  unavailableStanza,
} from '../stanzas.ts';
import { returnedError } from './failure.ts';
import { createInFlight } from './in-flight.ts';
import type { Stream } from './stream.ts';

export interface OutgoingOptions {
  readonly domain: string;
  /** A ping goes out after so long without a word from ejabberd, and has to be answered within so long. */
  readonly pingIntervalMs: number;
  readonly answerWithinMs: number;
  /** A message came back that had been taken before. */
  readonly returned: (id: string, error: AppError) => void;
}

type Waiting = PromiseWithResolvers<void>;

/**
 * ejabberd ends the stream at a stanza above its `max_stanza_size`, and a message that does so would do it again after
 * each reconnect. Its example configuration has 262,144 bytes.
 */
const maxBodyBytes = 200_000;

function settleOf({ resolve, reject }: Waiting) {
  return { resolve: () => resolve(), reject };
}

export class Outgoing {
  readonly #options: OutgoingOptions;
  readonly #inFlight = createInFlight();
  #stream: Stream | undefined;
  #outbox: Element[] = [];
  #flushing = false;
  #lastHeard = 0;
  /** The wanted presence, and the shown one, both as XML. */
  #wish: Element | undefined;
  #shown = '';
  /** Another process is going to have this visitor: nothing is shown any more. */
  #released = false;
  /** Who waits for the wish to be taken, and whether a ping has yet to be sent behind it. */
  #wishTaken: Waiting | undefined;
  #wishWritten = true;

  constructor(options: OutgoingOptions) {
    this.#options = options;
  }

  /** A new stream: the wanted presence goes first. */
  attach(stream: Stream): void {
    this.#stream = stream;
    this.#lastHeard = performance.now();
    this.#shown = '';
    this.#flush();
  }

  /** The stream is gone, or could not be had: whoever waits is told. The wish stays. */
  detach(error: AppError): void {
    this.#stream = undefined;
    this.#outbox = [];
    // A message that was in flight can be sent again, whatever became of the session.
    const again = error.code === 'unavailable' ? error : new AppError('unavailable', error.message);
    this.#inFlight.failAll(again);
    this.#wishTaken?.reject(error);
    this.#wishTaken = undefined;
    this.#wishWritten = true;
  }

  /** Resolves when this presence, or a newer one that replaced it, is taken. */
  show(presence: VisitorPresence): Promise<void> {
    if (this.#released) this.#flushSoon(); // others may have made us look away meanwhile
    this.#released = false;
    const wish = presenceStanza(presence);
    if (this.#wishTaken === undefined || wish.toString() !== this.#wish?.toString()) {
      const older = this.#wishTaken;
      const taken = Promise.withResolvers<void>();
      taken.promise.catch(() => undefined); // Not everybody who made a wish waits for it.
      older?.resolve(taken.promise);
      this.#wish = wish;
      this.#wishTaken = taken;
      this.#wishWritten = false;
      this.#flushSoon();
    }
    return this.#wishTaken.promise;
  }

  send(message: OutgoingMessage): Promise<void> {
    const size = Buffer.byteLength(message.body);
    if (size > maxBodyBytes) {
      const said = `The message has ${size} bytes; at most ${maxBodyBytes} can be sent by XMPP.`;
      return Promise.reject(new AppError('refused', said, { id: message.id }));
    }
    const stanza = messageStanza(message);
    delete stanza.attrs.from; // The server puts the session's own (RFC 6120 §8.1.2.1).
    return this.#take(stanza);
  }

  acknowledge(to: string, what: Acknowledgement, id: string): Promise<void> {
    return this.#take(acknowledgementStanza(undefined, to, what, id));
  }

  chatState(to: string, state: ChatState): void {
    this.#outbox.push(chatStateStanza(undefined, to, state));
    this.#flushSoon();
  }

  /** What was sent still gets its answer; nothing is shown until the next {@link show}. */
  release(error: AppError): void {
    this.#released = true;
    if (this.#wishWritten) return;
    this.#wishTaken?.reject(error);
    this.#wishTaken = undefined;
    this.#wishWritten = true;
  }

  /** Everything that waits, then the unavailable presence: the stream can be closed behind it. */
  finish(): void {
    this.#flush();
    this.#wish = undefined;
    this.#stream?.send(unavailableStanza());
  }

  /** What came in. Operators' messages and presences are reported by mod_lhc: nothing to do with them here. */
  heard(stanza: Element): void {
    this.#lastHeard = performance.now();
    const { id = '', from, type } = stanza.attrs;
    if (stanza.name === 'iq' && (type === 'result' || type === 'error')) {
      const ours = from === undefined || from === this.#options.domain;
      if (ours && this.#inFlight.answered(id) && this.#inFlight.waiting) this.#flushSoon();
    } else if (stanza.name === 'message' && type === 'error') {
      const error = returnedError(stanza);
      if (!this.#inFlight.returned(id, error)) this.#options.returned(id, error);
    } else if (stanza.name === 'presence' && type === 'unavailable' && from === this.#stream?.jid) {
      // A session that this one replaced said goodbye after we had said hello, as every third to second does on 23.01
      // and 24.12: operators believe that we are gone, and ejabberd tells us too (ADR 0012).
      this.#shown = '';
      this.#flushSoon();
    }
  }

  /** Called every so often: cuts a connection that is dead without having said so. */
  check(now: number): void {
    if (!this.#stream) return;
    const { pingIntervalMs, answerWithinMs } = this.#options;
    const { pingedAt } = this.#inFlight;
    if (pingedAt === undefined) {
      if (now - this.#lastHeard > pingIntervalMs) this.#ping(now, true);
    } else if (now - pingedAt > answerWithinMs) {
      this.#stream.destroy(`no answer to a ping within ${answerWithinMs} ms`);
    }
  }

  #take(stanza: Element): Promise<void> {
    const taken = Promise.withResolvers<void>();
    this.#outbox.push(stanza);
    this.#inFlight.add(settleOf(taken), stanza.attrs.id);
    this.#flushSoon();
    return taken.promise;
  }

  #ping(now: number, always = false): void {
    const id = this.#inFlight.nextPing(now, always);
    if (id !== undefined) this.#outbox.push(pingStanza(id, this.#options.domain));
    if (this.#outbox.length > 0) this.#stream?.send(...this.#outbox);
    this.#outbox = [];
  }

  /** Everything of one turn of the event loop goes out in one piece. */
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
    const wish = this.#wish?.toString() ?? '';
    if (this.#wish && wish !== this.#shown && !this.#released) {
      // Before the messages: who writes is seen to be there.
      this.#outbox.unshift(this.#wish);
      this.#shown = wish;
    }
    if (this.#wishTaken && !this.#wishWritten) {
      this.#inFlight.add(settleOf(this.#wishTaken));
      this.#wishWritten = true;
    }
    this.#ping(performance.now());
  }
}
