/** Stored events as the facts they were decided as, with their personal part opened. */
import type { OperatorFacts, OperatorPersonal } from '../actors/operator/machine.ts';
import type { VisitorFacts, VisitorPersonal } from '../actors/visitor/facts.ts';
import type { RecordedEvent, Sealed } from '../eventstore/port.ts';
import type { JsonObject } from '../kit/json.ts';

type Opened<Facts, Personal> = {
  [T in keyof Facts]: {
    readonly type: T;
    readonly data: Facts[T];
    /** null when the fact has no personal part, or the person was erased. */
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
  /** ms since 1970 */
  readonly at: number;
}

/** Personal parts of a batch, by event id. */
export type Personal = ReadonlyMap<string, JsonObject | null>;

/** Opens what is personal in these events. */
export async function openPersonal(
  events: readonly RecordedEvent[],
  open: (sealed: Sealed) => Promise<JsonObject | null>,
): Promise<Personal> {
  const sealed = events.filter((event) => event.personal !== null);
  const opened = await Promise.all(
    sealed.map(async ({ id, personal }) => [id, personal && (await open(personal))] as const),
  );
  return new Map(opened);
}

// Streams of visitors and operators hold what their deciders yielded, and nothing else is ever appended to them: the
// types of the facts are those of the data. Types that are not known (of a later version) fall through a switch.
export const visitorFact = (event: RecordedEvent, personal: Personal): OpenedVisitorFact =>
  opened(event, personal) as unknown as OpenedVisitorFact;
export const operatorFact = (event: RecordedEvent, personal: Personal): OpenedOperatorFact =>
  opened(event, personal) as unknown as OpenedOperatorFact;

const opened = ({ id, type, data }: RecordedEvent, personal: Personal) => ({
  type,
  data,
  personal: personal.get(id) ?? null,
});
