/** An actor at a point of its history, and what differs between two points. */
import { serialize } from '../actors/machine/state-json.ts';
import type { JsonObject, JsonValue } from '../kit/json.ts';
import { type Change, changesBetween, type TimerChange, timerChangesBetween } from './changes.ts';
import type { Checkpoints } from './checkpoints.ts';
import {
  type ActorStream,
  findStream,
  foldTo,
  type StreamReader,
  type Unfit,
  type Until,
} from './fold.ts';
import { type StateView, stateView } from './steps.ts';

/** An actor at a point of its history. */
export interface ActorAt extends Omit<StateView, 'held'> {
  readonly stream: string;
  /** With its version, such as `visitor/10`. */
  readonly machine: string;
  /** Of the last fact. */
  readonly revision: number;
  /** As in {@link StateView}. A service of release 0.1.0 does not say it. */
  readonly held?: readonly string[];
  /** The first fact that does not fit the machine of this version. Facts that do not fit are left out. */
  readonly unfit?: Unfit;
}

/** What differs between two points of a stream. */
export interface Difference {
  readonly a: { readonly revision: number; readonly value: JsonValue };
  readonly b: { readonly revision: number; readonly value: JsonValue };
  /** Of the context. */
  readonly changes: readonly Change[];
  readonly timerChanges: readonly TimerChange[];
}

/**
 * @returns the actor at this point, with its memory of commands (`seen`); null if the stream has no facts up to there, or
 *   belongs to no actor
 */
export async function actorAt(
  reader: StreamReader,
  stream: string,
  until: Until,
  checkpoints: Checkpoints,
): Promise<(ActorAt & { readonly seen: JsonObject }) | null> {
  const found = await findStream(reader, stream);
  if (!found) return null;
  const { state, through, unfit } = await foldTo(reader, found, until, checkpoints);
  if (through < 0) return null;
  const { seen } = serialize(state);
  return {
    stream,
    machine: found.decider.version,
    ...stateView(found.decider.machine, state),
    revision: state.core.revision,
    seen: seen as JsonObject, // a summary is an object
    ...(unfit && { unfit }),
  };
}

/** @param a of the state before. @param b of the state after; it may be the earlier one */
export async function differenceBetween(
  reader: StreamReader,
  found: ActorStream,
  a: number,
  b: number,
  checkpoints: Checkpoints,
): Promise<Difference> {
  const before = await foldTo(reader, found, { revision: a }, checkpoints);
  const after = await foldTo(reader, found, { revision: b }, checkpoints);
  const { machine } = found.decider;
  const [old, young] = [stateView(machine, before.state), stateView(machine, after.state)];
  return {
    a: { revision: before.through, value: old.value },
    b: { revision: after.through, value: young.value },
    changes: changesBetween(old.context, young.context),
    timerChanges: timerChangesBetween(before.state.core.timers, after.state.core.timers),
  };
}
