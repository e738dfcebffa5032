/** Replay of the whole log: every fact is folded with the machines of this version, in the order of the log. */
import { setImmediate as turn } from 'node:timers/promises';
import { DECIDERS } from '../actors/deciders.ts';
import { actorOf } from '../actors/ids.ts';
import { serialize } from '../actors/machine/state-json.ts';
import type { EventStore, Position, RecordedEvent } from '../eventstore/port.ts';
import { firstEvent } from '../eventstore/reading.ts';
import type { JsonValue } from '../kit/json.ts';
import { Lru } from '../kit/lru.ts';
import { type Change, changesBetween } from './changes.ts';
import { beforeAll, type Folded, factsOf, foldOne } from './fold.ts';

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

/** Events that are read and folded at once. Between two portions others have their turn. */
export const PORTION_EVENTS = 500;
/**
 * States that are kept. Facts of a stream stand close together in the log, so this is nearly always enough; a stream that
 * comes again after that is folded anew.
 */
export const MAX_STATES = 20_000;

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
  const states = new Lru<{ folded: Folded; stored: Stored | null }>(MAX_STATES);
  let [events, streams, unfit, snapshots] = [0, 0, 0, 0];
  for (let after = from; ; ) {
    const page = await reader.readAll({
      prefixes,
      limit: PORTION_EVENTS,
      ...(after !== undefined && { after }),
    });
    for (const event of page) {
      const { stream, revision, type } = event;
      const actor = actorOf(stream);
      if (!actor || (tenant !== undefined && actor.tenant !== tenant)) continue;
      let known = states.get(stream);
      if (!known) {
        const folded = await foldedBefore(reader, event);
        if (!folded) continue;
        if (folded.through < 0) streams += 1;
        known = { folded, stored: snapshotOf?.(stream, folded.decider.version) ?? null };
      }
      const { stored } = known;
      const { unfit: fault, ...rest } = foldOne({ ...known.folded, unfit: null }, event);
      const folded = { ...rest, unfit: null };
      states.set(stream, { folded, stored });
      events += 1;
      if (fault) {
        unfit += 1;
        yield { unfit: { stream, revision, type, reason: fault.reason } };
      }
      if (stored?.revision !== revision) continue;
      const changes = differences(folded, stored.state);
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
 * The state before a fact whose stream has no kept state.
 * @returns null if the fact is hidden: its stream was cut or deleted, and the store has not removed the fact yet
 */
async function foldedBefore(reader: LogReader, event: RecordedEvent): Promise<Folded | null> {
  const { stream, revision } = event;
  const actor = actorOf(stream);
  if (!actor) return null;
  let folded = beforeAll(DECIDERS[actor.kind]);
  if (revision === 0) return folded;
  const first = await firstEvent(reader, stream);
  if (!first || first.revision > revision) return null;
  if (first.revision === revision) return folded;
  for await (const fact of factsOf(reader, stream, first.revision)) {
    if (fact.revision >= revision) break;
    folded = foldOne(folded, fact);
  }
  return folded;
}

/** The memory of commands is left out: that of a stream that was cut may have older entries in a snapshot. */
function differences({ state }: Folded, stored: JsonValue): readonly Change[] {
  const { seen: _, ...folded } = JSON.parse(JSON.stringify(serialize(state))); // as it is stored
  const { seen: _memory, ...snapshot } = stored as { seen?: JsonValue }; // a snapshot is an object
  return changesBetween(folded, snapshot);
}
