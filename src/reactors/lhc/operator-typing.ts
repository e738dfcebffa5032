/** Limits how often LHC hears that an operator is typing. */
import type { TypingState } from '../../inbox/signals.ts';
import { Lru } from '../../kit/lru.ts';

/** Typing of one operator towards one visitor goes to LHC at most once in this time. The last state is never dropped. */
export const OPERATOR_TYPING_INTERVAL_MS = 1_000;
/** Typing ends by itself after this time. Clients report a pause within half a minute (XEP-0085 §5.2), unless they die. */
export const OPERATOR_TYPING_LAPSE_MS = 60_000;
/** Pairs of an operator and a visitor that are remembered. */
const PAIRS_REMEMBERED = 10_000;

/** The typing of one operator towards one visitor. */
interface Typing {
  /** What LHC heard last. */
  sent: TypingState | null;
  sentAt: number;
  /** What waits for the end of the interval. */
  next: TypingState | null;
  lapse?: NodeJS.Timeout;
}

/**
 * Limits the rate of typing states without dropping the last one: LHC would go on showing that somebody types who has
 * stopped. A client that dies while its operator types is covered by the lapse.
 */
export function createTypingLimit(monotonic: () => number, lapseMs: number) {
  const known = new Lru<Typing>(PAIRS_REMEMBERED);

  return (id: string, state: TypingState, send: (state: TypingState) => void): void => {
    const typing = known.get(id) ?? { sent: null, sentAt: Number.NEGATIVE_INFINITY, next: null };
    known.set(id, typing);
    const sendNow = (latest: TypingState): void => {
      clearTimeout(typing.lapse);
      Object.assign(typing, { sent: latest, sentAt: monotonic(), next: null });
      send(latest);
      if (latest === 'composing')
        typing.lapse = setTimeout(sendNow, lapseMs, 'paused' as const).unref();
    };
    if (typing.next !== null) {
      typing.next = state;
      return;
    }
    const waitMs = typing.sentAt + OPERATOR_TYPING_INTERVAL_MS - monotonic();
    if (waitMs <= 0) sendNow(state);
    else if (typing.sent !== state) {
      typing.next = state;
      setTimeout(() => {
        if (typing.next !== typing.sent && typing.next !== null) sendNow(typing.next);
        typing.next = null;
      }, waitMs).unref();
    }
  };
}
