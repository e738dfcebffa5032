/**
 * src/replay: what happened and why, from the log alone. It folds with the machines of the service and has no hands: it
 * gets a reader of the log, and imports nothing that can append or send (test/architecture.test.ts, docs/adr/0053).
 *
 * This file folds a stream to any point. `steps.ts` has what each fact did, `changes.ts` what differs between two states,
 * `points.ts` an actor at one point, `machines.ts` the machines as charts and schemas, `what-if.ts` branches,
 * `test-file.ts` a branch as a test, `whole-log.ts` the replay of everything, `trace.ts` what one request caused.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { DECIDERS } from '../actors/deciders.ts';
import { type ActorRef, actorOf } from '../actors/ids.ts';
import { type ActorState, emptyState, fold, type StoredFact } from '../actors/machine/decider.ts';
import type { Advance } from '../actors/machine/plan.ts';
import { hasCode } from '../errors.ts';
import type { EventStore, RecordedEvent } from '../eventstore/port.ts';
import { firstEvent, lastEvent } from '../eventstore/reading.ts';
import type { Checkpoints } from './checkpoints.ts';

export type StreamReader = Pick<EventStore, 'readStream'>;
export type AnyDecider = (typeof DECIDERS)[keyof typeof DECIDERS];

/** Facts that are read at once. Between two reads others have their turn. */
export const PAGE_FACTS = 500;

/** A fact that does not fit the machine of this version. */
export interface Unfit {
  readonly revision: number;
  readonly type: string;
  readonly reason: string;
}

/** A stream of an actor. */
export interface ActorStream {
  readonly stream: string;
  readonly actor: ActorRef;
  readonly decider: AnyDecider;
  /** The first revision that the stream still has, and the last one. */
  readonly first: number;
  readonly last: number;
  /** Of the stream's kept states. */
  readonly key: string;
}

/** A state with how it came about. */
export interface Folded {
  readonly decider: AnyDecider;
  /** A fact that does not fit is left out of it. */
  readonly state: ActorState;
  /** The last revision that was looked at; -1 before the first fact. */
  readonly through: number;
  /** The latest time of the facts, in ms since 1970. */
  readonly latest: number;
  /** The first fact that did not fit. */
  readonly unfit: Unfit | null;
}

/** @returns null if the stream has no facts, or belongs to no actor */
export async function findStream(
  reader: StreamReader,
  stream: string,
): Promise<ActorStream | null> {
  const actor = actorOf(stream);
  if (!actor) return null;
  const [first, last] = await Promise.all([firstEvent(reader, stream), lastEvent(reader, stream)]);
  if (!first || !last) return null;
  return {
    stream,
    actor,
    decider: DECIDERS[actor.kind],
    first: first.revision,
    last: last.revision,
    key: `${stream} ${first.id}`,
  };
}

/** The state before the first fact. */
export const beforeAll = (decider: AnyDecider): Folded => ({
  decider,
  state: emptyState(decider),
  through: -1,
  latest: 0,
  unfit: null,
});

/** The state after one more fact. A fact that does not fit is left out. */
export function foldOne(before: Folded, fact: StoredFact, advance?: Advance): Folded {
  const { decider } = before;
  const looked = {
    decider,
    through: fact.revision,
    latest: Math.max(before.latest, fact.metadata.at),
  };
  try {
    return {
      ...looked,
      state: fold(decider, before.state, [fact], advance),
      unfit: before.unfit,
    };
  } catch (error) {
    if (!hasCode(error, 'unfit')) throw error;
    const unfit = { revision: fact.revision, type: fact.type, reason: error.message };
    return { ...looked, state: before.state, unfit: before.unfit ?? unfit };
  }
}

/** A point of a stream: up to and including a revision or a time (ms since 1970); the end if neither is given. */
export interface Until {
  readonly revision?: number | undefined;
  readonly at?: number | undefined;
}

/**
 * The state at a point. A stream that was cut is folded from its first fact, as the service does it.
 * @param checkpoints kept states; those that it passes are kept
 */
export async function foldTo(
  reader: StreamReader,
  { stream, decider, key, first, last }: ActorStream,
  { revision = last, at = Number.POSITIVE_INFINITY }: Until,
  checkpoints: Checkpoints,
): Promise<Folded> {
  const end = Math.min(revision, last);
  let folded =
    checkpoints.before(key, decider, end, ({ latest }) => latest <= at) ?? beforeAll(decider);
  for await (const fact of factsOf(reader, stream, Math.max(folded.through + 1, first))) {
    if (fact.revision > end || fact.metadata.at > at) break;
    folded = foldOne(folded, fact);
    checkpoints.keep(key, folded);
  }
  return folded;
}

/** The facts of a stream from a revision on. */
export async function* factsOf(
  reader: StreamReader,
  stream: string,
  first: number,
): AsyncGenerator<RecordedEvent> {
  for (let from = first; ; ) {
    const page = await reader.readStream(stream, { from, limit: PAGE_FACTS });
    yield* page;
    const last = page.at(-1);
    if (!last || page.length < PAGE_FACTS) return;
    from = last.revision + 1;
    await turn();
  }
}
