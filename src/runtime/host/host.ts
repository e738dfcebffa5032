/**
 * The actor host: one mailbox for each actor, and for each command load → decide → seal → append with the expected
 * revision. What another writer did in between is loaded and the command decided again.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type ActorKind, type ActorRef, actorOf, streamOf } from '../../actors/ids.ts';
import { type ActorState, decide, nextDue, type Wake } from '../../actors/machine/decider.ts';
import { AUTOMATIC } from '../../actors/machine/seen.ts';
import type { OperatorCommand } from '../../actors/operator/decisions.ts';
import type { TenantCommand } from '../../actors/tenant/machine.ts';
import type { VisitorCommand } from '../../actors/visitor/decisions.ts';
import { AppError } from '../../errors.ts';
import {
  type EventStore,
  type NewEvent,
  type RecordedEvent,
  WrongExpectedRevision,
} from '../../eventstore/port.ts';
import { lastEvent } from '../../eventstore/reading.ts';
import type { SnapshotStore } from '../../eventstore/snapshots.ts';
import { backoff } from '../../kit/backoff.ts';
import type { CommitListener } from '../pending-work.ts';
import type { Dispatched, Origin, Vault } from '../ports.ts';
import { DECIDERS, keyOf } from './kinds.ts';
import { createLiving, type Living } from './living.ts';
import { Mailboxes } from './mailbox.ts';

/** Conflicts in a row before a command is given up. */
const MAX_ATTEMPTS = 8;
/** When another process wrote to the actor's stream first. */
export const WRITE_CONFLICT_RETRY = { firstMs: 2, mostMs: 256 };

/** What the actors (actors.ts) stand on: facts appended and states kept, whatever the kind of actor. */
export interface ActorHost extends CommitListener {
  /** As {@link Actor.send}. The caller answers for a command of the actor's own kind. */
  dispatch(
    actor: ActorRef,
    command: VisitorCommand | OperatorCommand | TenantCommand,
    origin: Origin,
  ): Promise<Dispatched>;
  /**
   * Learns of the facts that other processes appended. Subscribe it before all other listeners: then they find states
   * that are not older than the facts they are called for.
   */
  onCommit(events: readonly RecordedEvent[]): void;
  /** The state at least as new as what the table of pending work has seen; null for an actor with no facts. */
  load(actor: ActorRef): Promise<ActorState | null>;
  /** The same, as new as the log is now: for a refusal that would be final. */
  latest(actor: ActorRef): Promise<ActorState | null>;
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
  /**
   * Whether other processes append to the same log. A refusal, or an answer that nothing has to be done, is then given
   * only after a look at the stream's end: what this process has in memory may be older. Default false.
   */
  readonly shared?: boolean;
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
  const living = createLiving({ store, snapshots, now, logger, most: options.living ?? 10_000 });

  /** Whether others appended what this process had not seen. */
  const hasMoved = async (stream: string, kind: ActorKind, actor: Living): Promise<boolean> =>
    options.shared === true && (await living.readOn(stream, kind, actor));

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
    const actor = await living.find(stream, ref.kind);
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
    let decision: ReturnType<typeof decide>;
    try {
      decision = decide(DECIDERS[ref.kind], actor.state, command, now());
    } catch (error) {
      if (await hasMoved(stream, ref.kind, actor)) return null;
      throw error;
    }
    if (decision.facts.length === 0) {
      return (await hasMoved(stream, ref.kind, actor)) ? null : answer(0);
    }
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
      living.moved(stream, actor);
      return answer(events.length);
    } catch (error) {
      const others = error instanceof WrongExpectedRevision ? error.actual : null;
      if (others !== null && others > core.revision) living.heard(stream, others);
      else living.forget(stream); // what is held may not be what is stored
      if (error instanceof WrongExpectedRevision) return null;
      throw error;
    }
  }

  /** An actor restored from a snapshot does not know where its last fact stands in the log. */
  async function withPosition(stream: string, done: Dispatched): Promise<Dispatched> {
    const last = await lastEvent(store, stream);
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
      await delay(backoff(tries, WRITE_CONFLICT_RETRY, random));
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
    onCommit(events) {
      for (const { stream, revision } of events) living.heard(stream, revision);
    },
    dispatch: (ref, command, origin) =>
      mailboxes.run(streamOf(ref), () => carryOut(ref, command, origin)),
    load(actor) {
      const stream = streamOf(actor);
      const held = living.held(stream);
      if (held) return Promise.resolve(existing(held));
      return mailboxes.run(stream, async () => existing(await living.find(stream, actor.kind)));
    },
    latest(actor) {
      const stream = streamOf(actor);
      return mailboxes.run(stream, async () => {
        const found = await living.find(stream, actor.kind);
        await hasMoved(stream, actor.kind, found);
        return existing(found);
      });
    },
    wake(stream) {
      const ref = actorOf(stream);
      if (!ref) throw new AppError('invalid', `${stream} is no actor's stream`);
      return mailboxes.run(stream, async () => {
        const command: Wake = { type: 'Wake' };
        const at = now();
        await carryOut(ref, command, { commandId: `${AUTOMATIC}${newId()}` });
        const { core } = (await living.find(stream, ref.kind)).state;
        // A timer that fired into a guard that says no is spent: only what lies ahead counts (docs/xstate.md, gotcha 10).
        return { next: nextDue(core, at), revision: core.revision };
      });
    },
    unfit: living.unfit,
    stats: () => ({ living: living.size, waiting: mailboxes.waiting }),
    passivate: living.passivate,
    drain: () => mailboxes.drain(),
  };
}
