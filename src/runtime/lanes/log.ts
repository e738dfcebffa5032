/** How far a lane came, as facts in a stream of its own: `lane-{stream}.{destination}`. */
import type { EventStore, RecordedEvent } from '../../eventstore/port.ts';
import { causeOf } from '../cause.ts';
import { keyOfStream } from '../leases/ownership.ts';
import { createServiceFacts } from '../service-facts.ts';

export interface LaneAdvance {
  readonly stream: string;
  readonly destination: string;
  /** All effects of the stream's facts up to this revision are done. */
  readonly revision: number;
  /** Why the last effect was given up; null if it was not. */
  readonly dead: string | null;
}

/** The last fact whose effect is done. */
export type DoneThrough = Pick<RecordedEvent, 'id' | 'revision' | 'metadata'>;

export interface LaneLog {
  /** Appends that the lane has come to this event. May be called again when the outcome was unknown. */
  advance(stream: string, destination: string, through: DoneThrough, dead?: string): Promise<void>;
}

export function createLaneLog(options: {
  store: EventStore;
  now: () => number;
  newId: () => string;
}): LaneLog {
  const facts = createServiceFacts(options);
  return {
    advance: (stream, destination, event, dead) => {
      const { id: through, revision } = event;
      return facts.appendNext(
        `lane-${stream}.${destination}`,
        () => ({
          type: 'LaneAdvanced',
          data: { stream, destination, through, revision, ...(dead !== undefined && { dead }) },
          tenant: keyOfStream(stream).split('.', 1)[0] ?? null,
          cause: causeOf(event),
        }),
        { patient: dead === undefined }, // a lane goes on only when its dead letter is in the log
      );
    },
  };
}

/** @returns null for an event that is no progress of a lane */
export function parseLaneAdvance({ type, data }: RecordedEvent): LaneAdvance | null {
  if (type !== 'LaneAdvanced') return null;
  // Written by `advance` alone.
  const { stream, destination, revision, dead } = data as {
    stream: string;
    destination: string;
    revision: number;
    dead?: string;
  };
  return { stream, destination, revision, dead: dead ?? null };
}
