/** Stored facts read back as what they are. */
import type { OperatorEvent } from './operator/facts.ts';
import type { VisitorEvent } from './visitor/facts.ts';

/** The parts of a stored event that are read here. */
interface Stored {
  readonly stream: string;
  readonly type: string;
  readonly data: unknown;
  readonly revision: number;
  /** `at` in ms since 1970. */
  readonly metadata: { readonly at: number };
}

// Streams of actors are written by their decisions alone, and every fact was checked against its machine before it was
// appended: the name of the stream says which facts it has.

/** The fact of a visitor; null for an event of any other stream. */
export const visitorFact = (event: Stored): VisitorEvent | null =>
  event.stream.startsWith('visitor-') ? (read(event) as VisitorEvent) : null;

/** The fact of an operator; null for an event of any other stream. */
export const operatorFact = (event: Stored): OperatorEvent | null =>
  event.stream.startsWith('operator-') ? (read(event) as OperatorEvent) : null;

const read = ({ type, data, revision, metadata }: Stored) => ({
  type,
  data,
  revision,
  at: metadata.at,
});
