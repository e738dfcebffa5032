/** Stored facts read back as what they are. */
import type { OperatorFact } from './operator/facts.ts';
import type { VisitorFact } from './visitor/facts.ts';

/** What is read of a stored fact here. */
interface Stored {
  readonly stream: string;
  readonly type: string;
  readonly data: unknown;
}

// Streams of actors are written by their decisions alone, and every fact was checked against its machine before it was
// appended: the name of the stream says which facts it has.

/** The fact of a visitor; null for an event of any other stream. */
export const visitorFact = ({ stream, type, data }: Stored): VisitorFact | null =>
  stream.startsWith('visitor-') ? ({ type, data } as VisitorFact) : null;

/** The fact of an operator; null for an event of any other stream. */
export const operatorFact = ({ stream, type, data }: Stored): OperatorFact | null =>
  stream.startsWith('operator-') ? ({ type, data } as OperatorFact) : null;
