/** Typed facts from stored events. */
import { actorOf, sealingKeyOf } from './ids.ts';
import type { OperatorEvent } from './operator/facts.ts';
import type { VisitorEvent } from './visitor/facts.ts';

/** The parts of a stored event that this file reads. */
interface Stored {
  readonly stream: string;
  readonly type: string;
  readonly data: unknown;
  readonly revision: number;
  /** `at`: ms since 1970. */
  readonly metadata: { readonly at: number };
}

// The casts are safe: only decisions of an actor write to its stream, and each fact was checked against the machine before
// it was appended. So the name of a stream says which types of facts are in it.

/** The event as a visitor's fact; null if its stream is not a visitor's. */
export const visitorFact = (event: Stored): VisitorEvent | null =>
  event.stream.startsWith('visitor-') ? (read(event) as VisitorEvent) : null;

/** The event as an operator's fact; null if its stream is not an operator's. */
export const operatorFact = (event: Stored): OperatorEvent | null =>
  event.stream.startsWith('operator-') ? (read(event) as OperatorEvent) : null;

/**
 * The visitor whom this fact erased, and the generation of their next data key; null for every other fact. `all`: nothing of
 * them stays, and their stream is about to be deleted (docs/adr/0050). `person`: as in {@link sealingKeyOf}
 */
export function erasedIn({ stream, type, data }: Pick<Stored, 'stream' | 'type' | 'data'>) {
  const isEnd = type === 'RetentionApplied';
  if (!isEnd && type !== 'PersonalDataErased') return null;
  const actor = actorOf(stream);
  // Both facts are written by the visitor's decisions alone.
  const { generation } = data as { readonly generation?: number };
  if (actor?.kind !== 'visitor' || generation === undefined) return null;
  const { tenant, name: visitor } = actor;
  return { tenant, visitor, person: sealingKeyOf(actor), generation, all: isEnd };
}

const read = ({ type, data, revision, metadata }: Stored) => ({
  type,
  data,
  revision,
  at: metadata.at,
});
