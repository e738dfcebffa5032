/** Typed facts from stored events. */
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

const read = ({ type, data, revision, metadata }: Stored) => ({
  type,
  data,
  revision,
  at: metadata.at,
});
