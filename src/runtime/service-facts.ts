/**
 * Facts of the service itself, in streams that are no actor's: `key-`, `lane-`, `inbox-`, `letter-` and `lease-`. This
 * module makes their envelopes and appends them behind the last fact of the stream.
 */
import {
  type AppendOptions,
  type AppendResult,
  type EventStore,
  type ExpectedRevision,
  type NewEvent,
  type Sealed,
  WrongExpectedRevision,
} from '../eventstore/port.ts';
import { lastEvent } from '../eventstore/reading.ts';
import type { JsonObject } from '../kit/json.ts';
import { Lru } from '../kit/lru.ts';
import { type Cause, currentTrace, inheritedFrom } from './cause.ts';

export interface ServiceFact {
  readonly type: string;
  readonly data: JsonObject;
  readonly personal?: Sealed;
  readonly tenant: string | null;
  /** What caused this fact. Default what the work is done for (cause.ts), or else nothing. */
  readonly cause?: Cause;
}

/** The last fact of a stream. */
export interface Head {
  /** -1 for a stream without facts. */
  readonly revision: number;
  readonly data: JsonObject;
}

type Decide = (head: Head, id: string) => ServiceFact | null | Promise<ServiceFact | null>;

export interface ServiceFacts {
  /** @throws {WrongExpectedRevision} when the stream is not where the caller expects it */
  append(
    stream: string,
    facts: readonly ServiceFact[],
    expected: ExpectedRevision,
  ): Promise<AppendResult>;
  /**
   * Appends one fact behind the last one. After a conflict it decides again on the new head.
   * @param decide returns the fact, or null when there is nothing to append. `id` will be the fact's id
   * @throws {WrongExpectedRevision} after {@link APPEND_TRIES} conflicts in a row
   */
  appendNext(stream: string, decide: Decide, options?: AppendOptions): Promise<void>;
  /** The last fact as far as this process knows. @param fresh reads the stream again, as other processes may have */
  head(stream: string, fresh?: boolean): Promise<Head>;
}

export const APPEND_TRIES = 5;
/** Streams whose head this process remembers. */
export const HEADS_REMEMBERED = 10_000;

export function createServiceFacts(options: {
  store: Pick<EventStore, 'readStream' | 'append'>;
  now: () => number;
  newId: () => string;
}): ServiceFacts {
  const { store, now, newId } = options;
  const heads = new Lru<Head>(HEADS_REMEMBERED);

  async function head(stream: string, fresh = false): Promise<Head> {
    const known = fresh ? undefined : heads.get(stream);
    if (known) return known;
    const { revision = -1, data = {} } = (await lastEvent(store, stream)) ?? {};
    heads.set(stream, { revision, data });
    return { revision, data };
  }

  async function appendNext(
    stream: string,
    decide: Decide,
    options?: AppendOptions,
  ): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const before = await head(stream);
      const id = newId();
      const fact = await decide(before, id);
      if (fact === null) return;
      const expected = before.revision < 0 ? 'no-stream' : before.revision;
      try {
        const events = [eventOf(stream, fact, now(), id)];
        const { revision } = await store.append(stream, events, expected, options);
        heads.set(stream, { revision, data: fact.data });
        return;
      } catch (error) {
        // Whether the fact is in the log may be unknown: the next caller reads the stream.
        heads.delete(stream);
        if (!(error instanceof WrongExpectedRevision) || attempt >= APPEND_TRIES) throw error;
      }
    }
  }

  return {
    append: (stream, facts, expected) =>
      store.append(
        stream,
        facts.map((fact) => eventOf(stream, fact, now(), newId())),
        expected,
      ),
    appendNext,
    head,
  };
}

/** No command causes these facts: the id of the event stands for the id of the command. */
const eventOf = (stream: string, fact: ServiceFact, at: number, id: string): NewEvent => ({
  id,
  type: fact.type,
  schemaVersion: 1,
  data: fact.data,
  personal: fact.personal ?? null,
  metadata: {
    tenant: fact.tenant,
    at,
    commandId: id,
    ...inheritedFrom(fact.cause ?? currentTrace(), id),
    machine: `${stream.slice(0, stream.indexOf('-'))}/1`,
  },
});
