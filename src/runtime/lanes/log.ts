/** How far a lane came, as facts in a stream of its own: `lane-{stream}.{destination}`. */
import {
  type EventStore,
  type NewEvent,
  type RecordedEvent,
  WrongExpectedRevision,
} from '../../eventstore/port.ts';
import { lastEvent } from '../../eventstore/reading.ts';
import { Lru } from '../../kit/lru.ts';

export interface LaneAdvance {
  readonly stream: string;
  readonly destination: string;
  /** Everything up to this revision of the stream is done. */
  readonly revision: number;
  /** Why the last one was given up, when it was. */
  readonly dead: string | null;
}

export interface LaneLog {
  /** Appends that the lane is done through this event. Twice, when the outcome was unknown, harms nobody. */
  advance(
    stream: string,
    destination: string,
    through: { readonly id: string; readonly revision: number },
    dead?: string,
  ): Promise<void>;
}

const TRIES = 5;

export function createLaneLog(options: {
  store: EventStore;
  now: () => number;
  newId: () => string;
}): LaneLog {
  const { store, now, newId } = options;
  /** Revision of each lane's stream, as far as this process knows. */
  const revisions = new Lru<number>(10_000);

  async function revisionOf(name: string): Promise<number> {
    return (await lastEvent(store, name))?.revision ?? -1;
  }

  return {
    async advance(stream, destination, through, dead) {
      const name = `lane-${stream}.${destination}`;
      const commandId = newId();
      const event: NewEvent = {
        id: newId(),
        type: 'LaneAdvanced',
        schemaVersion: 1,
        data: {
          stream,
          destination,
          through: through.id,
          revision: through.revision,
          ...(dead === undefined ? {} : { dead }),
        },
        personal: null,
        metadata: {
          tenant: stream.slice(stream.indexOf('-') + 1).split('.', 1)[0] ?? null,
          at: now(),
          commandId,
          correlationId: commandId,
          causationId: through.id,
          machine: 'lane/1',
        },
      };
      for (let attempt = 1; ; attempt++) {
        const revision = revisions.get(name) ?? (await revisionOf(name));
        try {
          const result = await store.append(name, [event], revision < 0 ? 'no-stream' : revision);
          revisions.set(name, result.revision);
          return;
        } catch (error) {
          revisions.delete(name);
          if (!(error instanceof WrongExpectedRevision) || attempt >= TRIES) throw error;
        }
      }
    },
  };
}

/** null for what is no progress of a lane. */
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
