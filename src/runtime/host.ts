/**
 * The actor host: one mailbox for each actor, and for each command load → decide → seal → append with the expected
 * revision. What another writer did in between is loaded and the command decided again.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import {
  type ActorState,
  decide,
  deserialize,
  emptyCore,
  fold,
  nextDue,
  serialize,
  type Wake,
} from '../actors/decider.ts';
import { type ActorKind, type ActorRef, actorOf, streamOf } from '../actors/ids.ts';
import { Seen } from '../actors/seen.ts';
import { AppError } from '../errors.ts';
import {
  type EventStore,
  type JsonObject,
  type NewEvent,
  type Position,
  WrongExpectedRevision,
} from '../eventstore/port.ts';
import type { SnapshotStore } from '../eventstore/snapshots.ts';
import { DECIDERS, keyOf, refOf } from './kinds.ts';
import { Lru } from './lru.ts';
import { Mailboxes } from './mailbox.ts';
import type { Dispatched, Dispatcher, Origin, Vault } from './types.ts';

/** Conflicts in a row before a command is given up; each waits a little longer, with jitter. */
const MAX_ATTEMPTS = 8;
const PAGE = 500;
/** A snapshot is worth its write when so many facts came since the last one. */
const SNAPSHOT_EVERY = 64;

interface Living {
  state: ActorState;
  position: Position | null;
  snapshotAt: number;
  usedAt: number;
}

export interface ActorHost extends Dispatcher {
  /** The state now, as this process knows it after loading; null for an actor with no facts. */
  load(actor: ActorRef): Promise<ActorState | null>;
  /** Lets due timers of an actor act. @returns the next time it has to be woken */
  wake(stream: string): Promise<{ next: number | undefined; revision: number }>;
  /** Streams whose history does not fit their machine, with the reason. */
  unfit(): ReadonlyMap<string, string>;
  stats(): { living: number; waiting: number };
  /** Lets go of actors that nobody has used for `idleMs`. */
  passivate(idleMs: number): void;
  /** Resolves when every mailbox is empty. */
  drain(): Promise<void>;
}

export interface HostOptions {
  readonly store: EventStore;
  readonly vault: Vault;
  readonly snapshots: SnapshotStore;
  readonly now: () => number;
  /** Time-ordered UUIDs. */
  readonly newId: () => string;
  readonly random: () => number;
  readonly logger: Logger;
  /** Actors kept in memory; default 10,000. */
  readonly living?: number;
  /** Commands that may wait for one actor; default 256. */
  readonly mailbox?: number;
  /** Called between decision and append: a failpoint of tests. */
  readonly beforeAppend?: () => Promise<void>;
  /** Called when facts are durable and nobody knows yet: a failpoint of tests. */
  readonly afterAppend?: () => void;
}

export function createHost(options: HostOptions): ActorHost {
  const { store, vault, snapshots, now, newId, random, logger } = options;
  const mailboxes = new Mailboxes(options.mailbox ?? 256);
  const unfit = new Map<string, string>();

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
  const living = new Lru<Living>(options.living ?? 10_000, keep);

  async function foldOn(stream: string, kind: ActorKind, from: ActorState): Promise<Living> {
    let state = from;
    let position: Position | null = null;
    const snapshotAt = from.core.revision;
    for (;;) {
      const page = await store.readStream(stream, { from: state.core.revision + 1, limit: PAGE });
      try {
        state = fold(DECIDERS[kind], state, page);
      } catch (error) {
        if (error instanceof AppError && error.code === 'unfit') unfit.set(stream, error.message);
        throw error;
      }
      position = page.at(-1)?.position ?? position;
      if (page.length < PAGE) break;
    }
    unfit.delete(stream);
    return { state, position, snapshotAt, usedAt: now() };
  }

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

  async function find(stream: string, kind: ActorKind): Promise<Living> {
    const known = living.get(stream);
    if (known) {
      known.usedAt = now();
      return known;
    }
    const restored = restore(stream, kind);
    const empty: ActorState = { core: emptyCore(DECIDERS[kind]), seen: new Seen() };
    const actor = await foldOn(stream, kind, restored ?? empty);
    living.set(stream, actor);
    keep(stream, actor);
    return actor;
  }

  async function envelope(
    ref: ActorRef,
    decision: ReturnType<typeof decide>,
    origin: Origin,
  ): Promise<NewEvent[]> {
    const wakeAt = nextDue(decision.core);
    const { commandId, correlationId = commandId, causationId = commandId, hook } = origin;
    const metadata = {
      tenant: ref.tenant,
      at: decision.at,
      ...(wakeAt === undefined ? {} : { wakeAt }),
      commandId,
      correlationId,
      causationId,
      machine: DECIDERS[ref.kind].version,
      ...(hook ? { hook } : {}),
    };
    const key = keyOf(ref);
    const events: NewEvent[] = [];
    for (const fact of decision.facts) {
      events.push({
        id: newId(),
        type: fact.type,
        schemaVersion: 1,
        data: fact.data,
        personal: fact.personal ? await vault.seal(key, fact.personal) : null,
        metadata,
      });
    }
    return events;
  }

  /** One try. @returns null on a conflict: the stream moved under the decision */
  async function attempt(
    ref: ActorRef,
    stream: string,
    command: { readonly type: string },
    origin: Origin,
  ): Promise<Dispatched | null> {
    const actor = await find(stream, ref.kind);
    const { core, seen } = actor.state;
    const answer = (facts: number): Dispatched => ({
      actor: ref,
      state: actor.state.core.snapshot.value,
      revision: actor.state.core.revision,
      position: actor.position,
      facts,
    });
    const repeated = origin.hook !== undefined && seen.hasHook(origin.hook);
    if (repeated || seen.hasCommand(origin.commandId)) return answer(0);
    const decision = decide(DECIDERS[ref.kind], actor.state, command, now());
    if (decision.facts.length === 0) return answer(0);
    const events = await envelope(ref, decision, origin);
    await options.beforeAppend?.();
    try {
      const expected = core.revision < 0 ? 'no-stream' : core.revision;
      const { position } = await store.append(stream, events, expected);
      options.afterAppend?.();
      for (const { type, data, metadata } of events) {
        seen.remember(metadata.commandId, metadata.at, metadata.hook);
        logger.debug(
          { tenant: ref.tenant, stream, type, data, commandId: origin.commandId },
          'fact',
        );
      }
      actor.state = { core: decision.core, seen };
      actor.position = position;
      keep(stream, actor);
      return answer(events.length);
    } catch (error) {
      living.delete(stream); // whatever happened, what we hold may not be what is stored
      if (error instanceof WrongExpectedRevision) return null;
      throw error;
    }
  }

  /** An actor restored from a snapshot does not know where its last fact stands in the log. */
  async function withPosition(stream: string, done: Dispatched): Promise<Dispatched> {
    const [last] = await store.readStream(stream, { direction: 'backwards', limit: 1 });
    return { ...done, position: last?.position ?? null };
  }

  async function carryOut(
    ref: ActorRef,
    command: { readonly type: string },
    origin: Origin,
  ): Promise<Dispatched> {
    const stream = streamOf(ref);
    for (let tries = 1; tries <= MAX_ATTEMPTS; tries++) {
      const done = await attempt(ref, stream, command, origin);
      if (done) return done.position === null ? withPosition(stream, done) : done;
      await delay(random() * 2 ** tries);
    }
    throw new AppError(
      'overloaded',
      `${stream} is written by others all the time; try again later`,
    );
  }

  /** Who was asked for and has no facts is kept in memory too. */
  const existing = ({ state }: Living): ActorState | null =>
    state.core.revision < 0 ? null : state;

  return {
    dispatch(tenant, order, origin) {
      const ref = refOf(tenant, order);
      return mailboxes.run(streamOf(ref), () => carryOut(ref, order.command, origin));
    },
    load(actor) {
      const stream = streamOf(actor);
      const known = living.get(stream);
      if (known) return Promise.resolve(existing(known));
      return mailboxes.run(stream, async () => existing(await find(stream, actor.kind)));
    },
    wake(stream) {
      const ref = actorOf(stream);
      if (!ref) throw new AppError('invalid', `${stream} is no actor's stream`);
      return mailboxes.run(stream, async () => {
        const command: Wake = { type: 'Wake' };
        const at = now();
        await carryOut(ref, command, { commandId: `auto:${newId()}` });
        const { core } = (await find(stream, ref.kind)).state;
        // A timer that fired into a guard that says no is spent: only what lies ahead counts (XSTATE.md, gotcha 10).
        return { next: nextDue(core, at), revision: core.revision };
      });
    },
    unfit: () => unfit,
    stats: () => ({ living: living.size, waiting: mailboxes.waiting }),
    passivate(idleMs) {
      const before = now() - idleMs;
      for (const [stream, actor] of living.entries()) {
        if (actor.usedAt >= before) continue;
        keep(stream, actor);
        living.delete(stream);
      }
    },
    drain: () => mailboxes.drain(),
  };
}
