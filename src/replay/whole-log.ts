/** Replay of the whole log: every fact is folded with the machines of this version, in the order of the log. */
import { setImmediate as turn } from 'node:timers/promises';
import { DECIDERS } from '../actors/deciders.ts';
import { actorOf } from '../actors/ids.ts';
import { type Core, emptyCore, evolve } from '../actors/machine/decider.ts';
import { serializeCore } from '../actors/machine/state-json.ts';
import { hasCode } from '../errors.ts';
import type { EventStore, Position, RecordedEvent } from '../eventstore/port.ts';
import { firstEvent } from '../eventstore/reading.ts';
import type { JsonValue } from '../kit/json.ts';
import { type Change, changesBetween } from './changes.ts';
import { type AnyDecider, factsOf } from './fold.ts';
import { Recent } from './recent.ts';

export type LogReader = Pick<EventStore, 'readStream' | 'readAll'>;

/** What a replay says. */
export type Report =
  | { readonly progress: { readonly events: number; readonly position: string } }
  | {
      readonly unfit: {
        readonly stream: string;
        readonly revision: number;
        readonly type: string;
        readonly reason: string;
      };
    }
  /** A stored snapshot differs from the fold: from `before`, which is the fold, to `after`. */
  | {
      readonly snapshot: {
        readonly stream: string;
        readonly revision: number;
        readonly changes: readonly Change[];
      };
    }
  | {
      readonly done: {
        readonly events: number;
        readonly streams: number;
        readonly unfit: number;
        readonly snapshots: number;
        readonly ms: number;
      };
    };

export interface ReplayOptions {
  readonly tenant?: string | undefined;
  /** Exclusive. States before it are folded without a word. */
  readonly from?: Position | undefined;
  /** The stored snapshot of a stream for this version of its machine; null without one. */
  readonly snapshotOf?: ((stream: string, machine: string) => Stored | null) | undefined;
}

interface Stored {
  readonly revision: number;
  readonly state: JsonValue;
}

/** The state of a stream. A replay compares no commands, so it has no memory of them. */
interface Known {
  readonly decider: AnyDecider;
  /** The stored snapshot. */
  readonly stored: Stored | null;
  core: Core;
}

/** Events that are read and folded at once. Between two portions others have their turn. */
export const PORTION_EVENTS = 500;
/**
 * States that are kept, at least those of the last half as many streams. Facts of a stream stand close together in the
 * log, so this is nearly always enough; a stream that comes again after that is folded anew.
 */
export const MAX_STATES = 40_000;

/** Folds the log. It reads page by page while the caller iterates, and ends with `done`. */
export async function* replayLog(
  reader: LogReader,
  { tenant, from, snapshotOf }: ReplayOptions = {},
): AsyncGenerator<Report> {
  const startedAt = performance.now();
  const prefixes =
    tenant === undefined
      ? ['visitor-', 'operator-', 'tenant-']
      : [`visitor-${tenant}.`, `operator-${tenant}.`, `tenant-${tenant}`];
  const states = new Recent<Known>(MAX_STATES);
  let [events, streams, unfit, snapshots] = [0, 0, 0, 0];
  for (let after = from; ; ) {
    const page = await reader.readAll({
      prefixes,
      limit: PORTION_EVENTS,
      ...(after !== undefined && { after }),
    });
    for (const event of page) {
      const { stream, revision, type } = event;
      let known = states.get(stream);
      if (!known) {
        const actor = actorOf(stream);
        if (!actor || (tenant !== undefined && actor.tenant !== tenant)) continue;
        const decider = DECIDERS[actor.kind];
        const before = await coreBefore(reader, decider, event);
        if (!before) continue;
        if (before.isFirst) streams += 1;
        const stored = snapshotOf?.(stream, decider.version) ?? null;
        known = { decider, stored, core: before.core };
        states.set(stream, known);
      }
      const reason = advance(known, event);
      events += 1;
      if (reason !== null) {
        unfit += 1;
        yield { unfit: { stream, revision, type, reason } };
      }
      if (known.stored?.revision !== revision) continue;
      const changes = differences(known.core, known.stored.state);
      if (changes.length === 0) continue;
      snapshots += 1;
      yield { snapshot: { stream, revision, changes } };
    }
    const last = page.at(-1);
    if (last) yield { progress: { events, position: last.position } };
    if (!last || page.length < PORTION_EVENTS) break;
    after = last.position;
    await turn();
  }
  const ms = Math.round(performance.now() - startedAt);
  yield { done: { events, streams, unfit, snapshots, ms } };
}

/**
 * Takes a fact into the state. A fact that does not fit is left out.
 * @returns why it does not fit; null if it does
 */
function advance(known: Pick<Known, 'decider' | 'core'>, fact: RecordedEvent): string | null {
  try {
    known.core = evolve(known.decider.machine, known.core, fact, fact.metadata.at);
    return null;
  } catch (error) {
    if (!hasCode(error, 'unfit')) throw error;
    return error.message;
  }
}

/**
 * The state before a fact whose stream has no kept state.
 * @returns null if the fact is hidden: its stream was cut or deleted, and the store has not removed the fact yet
 */
async function coreBefore(
  reader: LogReader,
  decider: AnyDecider,
  { stream, revision }: RecordedEvent,
): Promise<{ readonly core: Core; readonly isFirst: boolean } | null> {
  const before = { decider, core: emptyCore(decider) };
  if (revision === 0) return { core: before.core, isFirst: true };
  const first = await firstEvent(reader, stream);
  if (!first || first.revision > revision) return null;
  if (first.revision === revision) return { core: before.core, isFirst: true };
  for await (const fact of factsOf(reader, stream, first.revision)) {
    if (fact.revision >= revision) break;
    advance(before, fact);
  }
  return { core: before.core, isFirst: false };
}

/** The memory of commands is left out: that of a stream that was cut may have older entries in a snapshot. */
function differences(core: Core, stored: JsonValue): readonly Change[] {
  const folded = JSON.parse(JSON.stringify(serializeCore(core))); // as it is stored
  const { seen: _memory, ...snapshot } = stored as { seen?: JsonValue }; // a snapshot is an object
  return changesBetween(folded, snapshot);
}
