/** Stored events as facts, with their personal data opened. */
import { operatorFact, visitorFact } from '../actors/facts.ts';
import type { EventOf } from '../actors/machine/decider.ts';
import type { OperatorFacts, OperatorPersonal } from '../actors/operator/facts.ts';
import type { VisitorFacts, VisitorPersonal } from '../actors/visitor/facts.ts';
import type { Chat } from '../actors/visitor/state.ts';
import type { RecordedEvent } from '../eventstore/port.ts';
import type { JsonObject } from '../kit/json.ts';

type Opened<Facts, Personal> = {
  [T in keyof Facts]: Extract<EventOf<Facts>, { type: T }> & {
    /** null if the fact has no personal data, or the person was erased. */
    readonly personal: T extends keyof Personal ? Personal[T] | null : null;
  };
}[keyof Facts];

export type OpenedVisitorFact = Opened<VisitorFacts, VisitorPersonal>;
export type OpenedOperatorFact = Opened<OperatorFacts, OperatorPersonal>;

/** Where and when a fact was recorded. */
export interface Recorded {
  readonly tenant: string;
  /** The visitor's key or the operator's username. */
  readonly name: string;
  readonly revision: number;
  /** In ms since 1970. */
  readonly at: number;
}

export interface RecordedOfVisitor extends Recorded {
  /** The open chat after a fact of a chat (`isChatEvent`); null for every other fact. */
  readonly chat: Chat | null;
}

export type ApplyVisitorFact = (fact: OpenedVisitorFact, recorded: RecordedOfVisitor) => void;
export type ApplyOperatorFact = (fact: OpenedOperatorFact, recorded: Recorded) => void;

/** The personal data of visitors and operators in a batch, by event id. */
export type Personal = ReadonlyMap<string, JsonObject | null>;

/** Opens the personal data of these events. */
export async function openPersonal(
  events: readonly RecordedEvent[],
  open: (event: RecordedEvent) => Promise<JsonObject | null>,
): Promise<Personal> {
  // The rows have nothing of what others seal: a tenant's secrets, events that were set aside.
  const sealed = events.filter(
    ({ personal, stream }) =>
      personal !== null && (stream.startsWith('visitor-') || stream.startsWith('operator-')),
  );
  const opened = await Promise.all(
    sealed.map(async (event) => [event.id, await open(event)] as const),
  );
  return new Map(opened);
}

/** @returns the fact of a visitor; null for an event of any other stream */
export function openedVisitorFact(
  event: RecordedEvent,
  personal: Personal,
): OpenedVisitorFact | null {
  const fact = visitorFact(event);
  // A spread loses the link between the type of a fact and its personal part; both were sealed together.
  return fact && ({ ...fact, personal: personal.get(event.id) ?? null } as OpenedVisitorFact);
}

/** @returns the fact of an operator; null for an event of any other stream */
export function openedOperatorFact(
  event: RecordedEvent,
  personal: Personal,
): OpenedOperatorFact | null {
  const fact = operatorFact(event);
  // As above.
  return fact && ({ ...fact, personal: personal.get(event.id) ?? null } as OpenedOperatorFact);
}
