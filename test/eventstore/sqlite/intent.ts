import type { ExpectedRevision, NewEvent } from '../../../src/eventstore/port.ts';

/** An append that is about to be made. */
export interface Intent {
  readonly stream: string;
  readonly expected: ExpectedRevision;
  readonly events: NewEvent[];
}

/** What to expect of a stream whose last revision this is; -1: none. */
export const intentOf = (revision: number): ExpectedRevision =>
  revision < 0 ? 'no-stream' : revision;
