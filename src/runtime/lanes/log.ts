/** How far a lane came, as facts in a stream of its own: `lane-{stream}.{destination}`. */
import { laneStream } from '../../actors/ids.ts';
import type { EventStore, RecordedEvent } from '../../eventstore/port.ts';
import { Lru } from '../../kit/lru.ts';
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

/** A lane's stream is cut after so many facts, before the last one. */
export const LANE_CUT_FACTS = 64;
/** Lanes of which it is remembered that this process has written a dead letter. Its facts are cut when it ends. */
const BURIED_REMEMBERED = 10_000;

export function createLaneLog(options: {
  store: EventStore;
  now: () => number;
  newId: () => string;
  /** Whether the lane has a dead letter: then its facts stay. Without it nothing is cut. */
  hasLetter?: (stream: string, destination: string) => boolean;
}): LaneLog {
  const { store, hasLetter } = options;
  const facts = createServiceFacts(options);
  const buried = new Lru<true>(BURIED_REMEMBERED);

  /** A progress replaces all before it. */
  async function cut(stream: string, destination: string): Promise<void> {
    const lane = laneStream(stream, destination);
    const { revision } = await facts.head(lane);
    if (revision < 1 || revision % LANE_CUT_FACTS > 0) return;
    if (buried.get(lane) || hasLetter?.(stream, destination) !== false) return;
    await store.truncateBefore(lane, revision);
  }

  return {
    async advance(stream, destination, event, dead) {
      const { id: through, revision } = event;
      const lane = laneStream(stream, destination);
      // The table learns of the letter later.
      if (dead !== undefined) buried.set(lane, true);
      await facts.appendNext(
        lane,
        () => ({
          type: 'LaneAdvanced',
          data: { stream, destination, through, revision, ...(dead !== undefined && { dead }) },
          tenant: keyOfStream(stream).split('.', 1)[0] ?? null,
          cause: causeOf(event),
        }),
        { patient: dead === undefined }, // a lane goes on only when its dead letter is in the log
      );
      await cut(stream, destination).catch(() => undefined); // a later one cuts more
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
