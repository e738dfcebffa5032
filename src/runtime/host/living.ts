/** Actors in memory: folded from the log once, then kept as new as what this process knows to be in it. */
import type { Logger } from 'pino';
import { type ActorKind, actorOf } from '../../actors/ids.ts';
import {
  type ActorState,
  deserialize,
  emptyCore,
  fold,
  serialize,
} from '../../actors/machine/decider.ts';
import { Seen } from '../../actors/machine/seen.ts';
import { hasCode } from '../../errors.ts';
import type { EventStore, Position, RecordedEvent } from '../../eventstore/port.ts';
import type { SnapshotStore } from '../../eventstore/snapshots.ts';
import type { JsonObject } from '../../kit/json.ts';
import { Lru } from '../../kit/lru.ts';
import { DECIDERS } from './kinds.ts';

const PAGE = 500;
/** A snapshot is worth its write when so many facts came since the last one. */
const SNAPSHOT_EVERY = 64;

export interface Living {
  state: ActorState;
  /** Of its last fact; null when it was restored from a snapshot. */
  position: Position | null;
  snapshotAt: number;
  usedAt: number;
}

export interface LivingActors {
  /** An actor as new as what was heard, read from the log where it is not held. Calls for one stream must not overlap. */
  find(stream: string, kind: ActorKind): Promise<Living>;
  /** The same where nothing has to be read; undefined otherwise. */
  held(stream: string): Living | undefined;
  /** Reads on to the end of the stream. @returns whether there was anything new */
  readOn(stream: string, kind: ActorKind, actor: Living): Promise<boolean>;
  /** Its facts were appended by this process. */
  moved(stream: string, actor: Living): void;
  /** The stream is known to have this revision now, by whoever's doing. */
  heard(stream: string, revision: number): void;
  /** What is held may not be what is stored. */
  forget(stream: string): void;
  /** Streams whose history does not fit their machine, with the reason. */
  unfit(): ReadonlyMap<string, string>;
  passivate(idleMs: number): void;
  readonly size: number;
}

export function createLiving(options: {
  store: EventStore;
  snapshots: SnapshotStore;
  now: () => number;
  logger: Logger;
  most: number;
}): LivingActors {
  const { store, snapshots, now, logger } = options;
  const unfit = new Map<string, string>();
  /** Streams that have more than what is held or being read, as far as was heard. */
  const ahead = new Map<string, number>();
  const reading = new Set<string>();

  const keep = (stream: string, actor: Living): void => {
    const { revision } = actor.state.core;
    if (revision - actor.snapshotAt < SNAPSHOT_EVERY) return;
    const kind = actorOf(stream)?.kind;
    actor.snapshotAt = revision;
    try {
      if (kind) snapshots.save(stream, DECIDERS[kind].version, revision, serialize(actor.state));
    } catch (error) {
      // A cache: a full disk must not make a command fail whose facts are durable.
      logger.warn({ stream, err: error }, 'a snapshot could not be written');
    }
  };
  const living = new Lru<Living>(options.most, (stream, actor) => {
    keep(stream, actor);
    ahead.delete(stream);
  });

  function restore(stream: string, kind: ActorKind): ActorState | null {
    const decider = DECIDERS[kind];
    const saved = snapshots.load(stream, decider.version);
    if (!saved) return null;
    try {
      return deserialize(decider, saved.state as JsonObject); // as `keep` wrote it
    } catch (error) {
      logger.warn({ stream, err: error }, 'a snapshot does not fit its machine: folding anew');
      snapshots.delete(stream);
      return null;
    }
  }

  function begin(stream: string, kind: ActorKind): Living {
    const empty = (): ActorState => ({ core: emptyCore(DECIDERS[kind]), seen: new Seen() });
    const state = restore(stream, kind) ?? empty();
    return { state, position: null, snapshotAt: state.core.revision, usedAt: now() };
  }

  function foldPage(
    stream: string,
    kind: ActorKind,
    actor: Living,
    page: readonly RecordedEvent[],
  ) {
    try {
      actor.state = fold(DECIDERS[kind], actor.state, page);
    } catch (error) {
      if (hasCode(error, 'unfit')) unfit.set(stream, error.message);
      throw error;
    }
    actor.position = page.at(-1)?.position ?? actor.position;
  }

  async function read(stream: string, kind: ActorKind, held: Living | undefined): Promise<Living> {
    const actor = held ?? begin(stream, kind);
    // The fold goes on in what is held: if it fails, that is no state any more.
    living.delete(stream);
    reading.add(stream);
    try {
      for (;;) {
        const from = actor.state.core.revision + 1;
        const page = await store.readStream(stream, { from, limit: PAGE });
        foldPage(stream, kind, actor, page);
        if (page.length < PAGE) break;
      }
    } catch (error) {
      ahead.delete(stream); // it is read from its beginning next time
      throw error;
    } finally {
      reading.delete(stream);
    }
    unfit.delete(stream);
    actor.usedAt = now();
    living.set(stream, actor);
    settle(stream, actor);
    return actor;
  }

  /** What was heard of is in the state. */
  function settle(stream: string, actor: Living): void {
    if ((ahead.get(stream) ?? -1) <= actor.state.core.revision) ahead.delete(stream);
    keep(stream, actor);
  }

  function held(stream: string): Living | undefined {
    const actor = ahead.has(stream) ? undefined : living.get(stream);
    if (actor) actor.usedAt = now();
    return actor;
  }

  return {
    held,
    async find(stream, kind) {
      const actor = held(stream) ?? (await read(stream, kind, living.peek(stream)));
      // It was heard of while the page was on its way: once more is enough, the log has it.
      return ahead.has(stream) ? read(stream, kind, actor) : actor;
    },
    async readOn(stream, kind, actor) {
      const { revision } = actor.state.core;
      return (await read(stream, kind, actor)).state.core.revision > revision;
    },
    moved: settle,
    heard(stream, revision) {
      const known = living.peek(stream)?.state.core.revision;
      if (known === undefined ? !reading.has(stream) : revision <= known) return;
      ahead.set(stream, Math.max(revision, ahead.get(stream) ?? -1));
    },
    forget(stream) {
      living.delete(stream);
      ahead.delete(stream);
    },
    unfit: () => unfit,
    passivate(idleMs) {
      const before = now() - idleMs;
      for (const [stream, actor] of living.entries()) {
        if (actor.usedAt >= before) continue;
        keep(stream, actor);
        living.delete(stream);
        ahead.delete(stream);
      }
    },
    get size() {
      return living.size;
    },
  };
}
