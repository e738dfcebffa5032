/** Notices a stream for what comes in that has died without a word, by pings. */
import type { ComponentStream } from './stream.ts';

/** The id of its ping. */
export const INBOUND_PING = 'inbound-ping';

export interface InboundCheckOptions {
  /** The domain of the stream that gets the answers. */
  readonly own: string;
  readonly host: string;
  readonly pingIntervalMs: number;
  readonly pingDeadlineMs: number;
}

export class InboundCheck {
  readonly #options: InboundCheckOptions;
  /** A ping waits for its answer since this time; undefined: none does. */
  #pingedAt: number | undefined;
  #heardAt = 0;

  constructor(options: InboundCheckOptions) {
    this.#options = options;
  }

  /** Something came by the stream. @param answered it is new, or the ping was answered */
  heard(now: number, answered = true): void {
    this.#heardAt = now;
    if (answered) this.#pingedAt = undefined;
  }

  /**
   * To be called from time to time: pings a silent stream, and cuts one whose ping has no answer.
   * @param now milliseconds of `performance.now()`
   * @param stream undefined while there is none, or nobody could hear the answer
   */
  check(now: number, stream: Pick<ComponentStream, 'send' | 'destroy'> | undefined): void {
    if (!stream) {
      this.#pingedAt = undefined;
      return;
    }
    const { own, host, pingIntervalMs, pingDeadlineMs } = this.#options;
    if (this.#pingedAt === undefined) {
      if (now - this.#heardAt < pingIntervalMs) return;
      this.#pingedAt = now;
      stream.send(
        `<iq type='get' id='${INBOUND_PING}' from='${own}' to='${host}'><ping xmlns='urn:xmpp:ping'/></iq>`,
      );
    } else if (now - this.#pingedAt > pingDeadlineMs) {
      this.#pingedAt = undefined;
      stream.destroy(`no answer to a ping within ${pingDeadlineMs} ms`);
    }
  }
}
