/** Folds all streams of a bare store with the machines of this version. */
import { DECIDERS } from '../../actors/deciders.ts';
import { actorOf } from '../../actors/ids.ts';
import type { EventStore } from '../../eventstore/port.ts';
import { beforeAll, type Folded, foldOne } from '../../replay/fold.ts';
import { wholeLog } from './scan-streams.ts';
import type { Replayed, ReplayOptions } from './source.ts';

const PROGRESS_EVENTS = 1_000;

/** @param now of a clock that never goes back, in ms */
export async function* replayStore(
  store: Pick<EventStore, 'readAll' | 'parsePosition'>,
  { tenant, from }: ReplayOptions,
  signal: AbortSignal,
  now: () => number,
): AsyncGenerator<Replayed> {
  const began = now();
  const after = from === undefined ? undefined : store.parsePosition(from);
  // A stream is folded from its first fact: only then the facts behind the position meet their states.
  const wanted = after === undefined ? null : new Set<string>();
  if (wanted) for await (const { stream } of wholeLog(store, signal, after)) wanted.add(stream);
  const states = new Map<string, Folded>();
  let events = 0;
  let unfit = 0;
  for await (const event of wholeLog(store, signal)) {
    const { stream, revision, type, metadata } = event;
    const actor = actorOf(stream);
    if (!actor || (tenant !== undefined && metadata.tenant !== tenant)) continue;
    if (wanted && !wanted.has(stream)) continue;
    const before = states.get(stream) ?? beforeAll(DECIDERS[actor.kind]);
    // Each fact counts, also behind one that does not fit.
    const folded = foldOne({ ...before, unfit: null }, event);
    states.set(stream, folded);
    events += 1;
    if (folded.unfit) {
      unfit += 1;
      yield { unfit: { stream, revision, type, reason: folded.unfit.reason } };
    }
    if (events % PROGRESS_EVENTS === 0) {
      yield { progress: { events, position: event.position } };
    }
  }
  yield {
    done: { events, streams: states.size, unfit, snapshots: 0, ms: Math.round(now() - began) },
  };
}
