/** Actors in memory: folded from the log once, then kept as new as the log is known to be. */
import type { Logger } from 'pino';
import { DECIDERS } from '../../actors/deciders.ts';
import { type ActorKind, actorOf, type TenantId } from '../../actors/ids.ts';
import { type ActorState, emptyState, fold } from '../../actors/machine/decider.ts';
import { deserialize, serialize } from '../../actors/machine/state-json.ts';
import { hasCode } from '../../errors.ts';
import type { EventStore, Position, RecordedEvent } from '../../eventstore/port.ts';
import type { SnapshotStore } from '../../eventstore/snapshots.ts';
import type { JsonObject } from '../../kit/json.ts';
import { Lru } from '../../kit/lru.ts';
import { rangeOfStreams } from '../removed-tenant.ts';

/** Actors in memory at most, by default. */
export const ACTORS_IN_MEMORY = 10_000;
/** Facts read at once. */
const PAGE_FACTS = 500;
/** A snapshot is worth its write after so many facts. */
export const SNAPSHOT_EVERY_FACTS = 64;

export interface CachedActor {
  state: ActorState;
  /** Of the last fact; null after a restore from a snapshot, which has no positions. */
  position: Position | null;
  /** The revision at which a snapshot was last saved, or at which the actor was restored. */
  snapshotRevision: number;
  /** ms since 1970 */
  usedAt: number;
}

export interface ActorCache {
  /**
   * The actor, read from the log if it is not in memory or the log is known to have newer facts. Calls for one stream
   * must not overlap.
   */
  get(stream: string, kind: ActorKind): Promise<CachedActor>;
  /** The actor if nothing has to be read; otherwise undefined. */
  peek(stream: string): CachedActor | undefined;
  /** Reads to the end of the stream. @returns whether there were new facts */
  refresh(stream: string, kind: ActorKind, actor: CachedActor): Promise<boolean>;
  /** Call it after this process has appended facts and moved the actor's state. */
  appended(stream: string, actor: CachedActor): void;
  /** Notes that the stream has reached this revision, whichever process appended it. */
  noteRevision(stream: string, revision: number): void;
  /** Drops an actor whose state may differ from its stream. */
  drop(stream: string): void;
  /** Drops an actor and its snapshot: its stream was deleted, or is about to be. */
  forgetStream(stream: string): void;
  /** Drops all actors of a tenant that was removed, and their snapshots: their streams may be gone. */
  forget(tenant: TenantId): void;
  /** Streams whose history does not fit their machine, with the reason. */
  unfit(): ReadonlyMap<string, string>;
  /** Drops actors that nobody has used for this long. */
  passivate(idleMs: number): void;
  readonly size: number;
}

export interface ActorCacheOptions {
  readonly store: EventStore;
  readonly snapshots: SnapshotStore;
  readonly now: () => number;
  readonly logger: Logger;
  /** Actors in memory at most; default {@link ACTORS_IN_MEMORY}. */
  readonly most?: number;
}

interface Cache extends ActorCacheOptions {
  readonly actors: Lru<CachedActor>;
  readonly unfit: Map<string, string>;
  /** By stream, the newest known revision where it is newer than the actor in memory or being read. */
  readonly ahead: Map<string, number>;
  readonly reading: Set<string>;
}

export function createActorCache(options: ActorCacheOptions): ActorCache {
  const cache: Cache = {
    ...options,
    actors: new Lru(options.most ?? ACTORS_IN_MEMORY, (stream, actor) => {
      saveSnapshot(cache, stream, actor);
      cache.ahead.delete(stream);
    }),
    unfit: new Map(),
    ahead: new Map(),
    reading: new Set(),
  };
  const { actors, ahead } = cache;
  return {
    peek: (stream) => peek(cache, stream),
    async get(stream, kind) {
      const actor = peek(cache, stream) ?? (await read(cache, stream, kind, actors.peek(stream)));
      // A newer revision was noted during the read. The log has it, so one more read is enough.
      return ahead.has(stream) ? read(cache, stream, kind, actor) : actor;
    },
    async refresh(stream, kind, actor) {
      const { revision } = actor.state.core;
      return (await read(cache, stream, kind, actor)).state.core.revision > revision;
    },
    appended: (stream, actor) => settle(cache, stream, actor),
    noteRevision(stream, revision) {
      const known = actors.peek(stream)?.state.core.revision;
      if (known === undefined ? !cache.reading.has(stream) : revision <= known) return;
      ahead.set(stream, Math.max(revision, ahead.get(stream) ?? -1));
    },
    drop(stream) {
      actors.delete(stream);
      ahead.delete(stream);
    },
    forgetStream(stream) {
      actors.delete(stream);
      ahead.delete(stream);
      cache.snapshots.delete(stream);
    },
    forget(tenant) {
      const isIts = (stream: string): boolean => actorOf(stream)?.tenant === tenant;
      for (const [stream] of [...actors.entries()]) if (isIts(stream)) actors.delete(stream);
      for (const map of [ahead, cache.unfit]) {
        for (const stream of map.keys()) if (isIts(stream)) map.delete(stream);
      }
      for (const kind of ['visitor', 'operator']) {
        cache.snapshots.deleteBetween(...rangeOfStreams(`${kind}-${tenant}`));
      }
      cache.snapshots.delete(`tenant-${tenant}`);
    },
    unfit: () => cache.unfit,
    passivate(idleMs) {
      const before = cache.now() - idleMs;
      for (const [stream, actor] of actors.entries()) {
        if (actor.usedAt >= before) continue;
        saveSnapshot(cache, stream, actor);
        actors.delete(stream);
        ahead.delete(stream);
      }
    },
    get size() {
      return actors.size;
    },
  };
}

function peek({ actors, ahead, now }: Cache, stream: string): CachedActor | undefined {
  const actor = ahead.has(stream) ? undefined : actors.get(stream);
  if (actor) actor.usedAt = now();
  return actor;
}

async function read(
  cache: Cache,
  stream: string,
  kind: ActorKind,
  known: CachedActor | undefined,
): Promise<CachedActor> {
  const { store, actors, reading, unfit, ahead, now } = cache;
  let actor = known ?? begin(cache, stream, kind);
  // The fold changes this very object: if the fold fails, the object is no valid state.
  actors.delete(stream);
  reading.add(stream);
  try {
    for (let isVoid = false; ; ) {
      const from = actor.state.core.revision + 1;
      const page = await store.readStream(stream, { from, limit: PAGE_FACTS });
      // The stream was cut there, or deleted and perhaps begun anew: what is remembered of it is void.
      const first = page[0];
      const hasGap = first ? first.revision > from : (ahead.get(stream) ?? -1) >= from;
      if (from > 0 && hasGap && !isVoid) {
        isVoid = true;
        cache.snapshots.delete(stream);
        actor = begin(cache, stream, kind);
        continue;
      }
      foldPage(cache, stream, kind, actor, page);
      if (page.length < PAGE_FACTS) break;
    }
  } catch (error) {
    ahead.delete(stream); // the next read begins at the beginning of the stream
    throw error;
  } finally {
    reading.delete(stream);
  }
  if (actor.state.core.revision < 0) ahead.delete(stream);
  unfit.delete(stream);
  actor.usedAt = now();
  actors.set(stream, actor);
  settle(cache, stream, actor);
  return actor;
}

function begin(cache: Cache, stream: string, kind: ActorKind): CachedActor {
  const state = restore(cache, stream, kind) ?? emptyState(DECIDERS[kind]);
  return { state, position: null, snapshotRevision: state.core.revision, usedAt: cache.now() };
}

function restore({ snapshots, logger }: Cache, stream: string, kind: ActorKind): ActorState | null {
  const decider = DECIDERS[kind];
  const snapshot = snapshots.load(stream, decider.version);
  if (!snapshot) return null;
  try {
    return deserialize(decider, snapshot.state as JsonObject); // as `saveSnapshot` wrote it
  } catch (error) {
    logger.warn({ stream, err: error }, 'snapshot dropped: it does not fit its machine');
    snapshots.delete(stream);
    return null;
  }
}

function foldPage(
  { unfit }: Cache,
  stream: string,
  kind: ActorKind,
  actor: CachedActor,
  page: readonly RecordedEvent[],
): void {
  try {
    actor.state = fold(DECIDERS[kind], actor.state, page);
  } catch (error) {
    if (hasCode(error, 'unfit')) unfit.set(stream, error.message);
    throw error;
  }
  actor.position = page.at(-1)?.position ?? actor.position;
}

/** The state has moved: it may have reached the newest known revision, and a snapshot may be due. */
function settle(cache: Cache, stream: string, actor: CachedActor): void {
  const { ahead } = cache;
  if ((ahead.get(stream) ?? -1) <= actor.state.core.revision) ahead.delete(stream);
  saveSnapshot(cache, stream, actor);
}

/** Saves a snapshot if enough facts came since the last one. */
function saveSnapshot({ snapshots, logger }: Cache, stream: string, actor: CachedActor): void {
  const { revision } = actor.state.core;
  if (revision - actor.snapshotRevision < SNAPSHOT_EVERY_FACTS) return;
  const kind = actorOf(stream)?.kind;
  actor.snapshotRevision = revision;
  try {
    if (kind) snapshots.save(stream, DECIDERS[kind].version, revision, serialize(actor.state));
  } catch (error) {
    // A snapshot is a cache. A full disk must not make a command fail whose facts are durable.
    logger.warn({ stream, err: error }, 'snapshot not saved');
  }
}
