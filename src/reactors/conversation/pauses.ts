/**
 * The pause behind an opening. Some clients lose a message, or show it in the wrong place, that comes while they make a
 * window for a new conversation: Converse.js 14 lost one of two that came 11 to 57 ms apart. So what follows an opening
 * waits until the client has it, or until a deadline. Nobody else waits: the lane is parked meanwhile. A pause is only
 * in memory, so after a crash there is none.
 */
import type { Username } from '../../actors/ids.ts';
import type { VisitorContext, VisitorState } from '../../actors/visitor/state.ts';
import { shortHash } from '../../kit/hash.ts';
import { Lru } from '../../kit/lru.ts';
import type { Outcome } from '../../runtime/lanes/destination.ts';

/**
 * A client answers mod_lhc's ping before it has handled the message in front of it, so a report of the delivery alone says
 * little. A new conversation gets this time in any case.
 */
export const OPENING_PAUSE_LEAST_MS = 1_000;
/** Of a client that reports nothing. */
export const OPENING_PAUSE_MOST_MS = 5_000;
/** How often the lane looks whether the opening has arrived. */
export const OPENING_LOOK_MS = 250;
const PAUSES_REMEMBERED = 5_000;

export interface PauseTimes {
  readonly leastMs: number;
  readonly mostMs: number;
}

/** The lane goes on after so many ms: what it is about to send waits until the client has opened the conversation. */
export const behindOpening = (lookMs: number): Outcome => ({
  kind: 'parked',
  reason: 'the client opens the conversation',
  lookMs,
});

interface Pause {
  readonly id: string;
  readonly at: number;
  hasArrived: boolean;
}

export interface Pauses {
  /** An opening was sent. @param id its stanza id */
  begin(stream: string, operator: Username, id: string): void;
  /** The operator's client has these stanzas. */
  arrived(stream: string, operator: Username, ids: readonly string[]): void;
  /** After how many ms the lane may look again; 0 if nothing has to wait for these operators. */
  leftFor(stream: string, state: VisitorState, operators: readonly Username[]): number;
}

export function createPauses(
  now: () => number,
  { leastMs, mostMs }: PauseTimes = {
    leastMs: OPENING_PAUSE_LEAST_MS,
    mostMs: OPENING_PAUSE_MOST_MS,
  },
): Pauses {
  const pauses = new Lru<Pause>(PAUSES_REMEMBERED);
  const keyOf = (stream: string, operator: Username): string => `${stream} ${operator}`;

  function left(key: string, context: VisitorContext, operator: Username): number {
    const pause = pauses.peek(key);
    if (!pause) return 0;
    const { id, at, hasArrived } = pause;
    const { chat, settledMessages } = context;
    const age = now() - at;
    // Whoever has answered has the conversation in front of them. A clock that was set back ends a pause, too.
    const isOver = age < 0 || age >= mostMs || (chat?.accepted && chat.operator === operator);
    if (!isOver && age < leastMs) return leastMs - age;
    const isThere = hasArrived || settledMessages.some(([hash]) => hash === shortHash(id));
    if (!isOver && !isThere) return Math.min(OPENING_LOOK_MS, mostMs - age);
    pauses.delete(key);
    return 0;
  }

  return {
    begin: (stream, operator, id) =>
      void pauses.set(keyOf(stream, operator), { id, at: now(), hasArrived: false }),
    arrived(stream, operator, ids) {
      const pause = pauses.peek(keyOf(stream, operator));
      if (pause && ids.includes(pause.id)) pause.hasArrived = true;
    },
    leftFor: (stream, { context }, operators) =>
      Math.max(0, ...operators.map((each) => left(keyOf(stream, each), context, each))),
  };
}
