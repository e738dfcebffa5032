import type { ExpectedRevision, NewEvent } from '../../../src/eventstore/port.ts';

/** An append before it is made. */
export interface Intent {
  readonly stream: string;
  readonly expected: ExpectedRevision;
  readonly events: NewEvent[];
}

/** The expected revision for a stream with this last revision; -1 for a missing stream. */
export const intentOf = (revision: number): ExpectedRevision =>
  revision < 0 ? 'no-stream' : revision;
