/**
 * Actors: one mailbox for each, states in a cache, commands one after the other (carry-out.ts).
 *
 * This folder makes the {@link Actors} of ports.ts, by which everybody else reaches an actor: {@link createHost}, then
 * createActors (actors.ts). src/service makes both; src/runtime/deadlines.ts wakes actors by the host.
 */
import type { Logger } from 'pino';
import { erasedIn } from '../../actors/facts.ts';
import { type ActorRef, actorOf, streamOf } from '../../actors/ids.ts';
import type { ActorState, Wake } from '../../actors/machine/decider.ts';
import { AUTOMATIC } from '../../actors/machine/idempotency.ts';
import { nextDue } from '../../actors/machine/timers.ts';
import type { OperatorCommand } from '../../actors/operator/decisions.ts';
import type { TenantCommand } from '../../actors/tenant/machine.ts';
import type { VisitorCommand } from '../../actors/visitor/decisions.ts';
import { AppError } from '../../errors.ts';
import type { EventStore, RecordedEvent } from '../../eventstore/port.ts';
import type { SnapshotStore } from '../../eventstore/snapshots.ts';
import type { CommitListener } from '../pending-work.ts';
import type { Dispatched, Origin, Vault } from '../ports.ts';
import { removedTenant } from '../removed-tenant.ts';
import { type ActorCache, type CachedActor, createActorCache } from './cache.ts';
import { carryOut, wasBehind } from './carry-out.ts';
import { Mailboxes } from './mailbox.ts';

/**
 * Commands that may wait for one actor, by default. Events of mod_lhc and reads of the state come on top: their number is
 * bounded by the batches and reactors that are at work.
 */
export const MAILBOX_COMMANDS = 256;

type AnyCommand = VisitorCommand | OperatorCommand | TenantCommand;

/** What the actors (actors.ts) stand on, whatever their kind. */
export interface ActorHost extends CommitListener {
  /** As `send` of an actor. The caller answers for a command of the actor's own kind. */
  dispatch(actor: ActorRef, command: AnyCommand, origin: Origin): Promise<Dispatched>;
  /**
   * Learns of the facts that other processes appended. Subscribe it before all other listeners: then they find states
   * that are not older than the facts they are called for.
   */
  onCommit(events: readonly RecordedEvent[]): void;
  /** The state, at least as new as the tables of pending work; null for an actor without facts. */
  load(actor: ActorRef): Promise<ActorState | null>;
  /** The state, as new as the log is now: for a refusal that would be final. */
  latest(actor: ActorRef): Promise<ActorState | null>;
  /**
   * Fires the due timers of an actor.
   * @param at ms since 1970; default now. For an actor whose facts are from the future: its time
   * @returns when its next timer is due, in ms since 1970
   */
  wake(stream: string, at?: number): Promise<{ next: number | undefined; revision: number }>;
  /** Streams whose history does not fit their machine, with the reason. */
  unfit(): ReadonlyMap<string, string>;
  /** Actors in memory, and commands that wait or are being carried out. */
  stats(): { inMemory: number; waiting: number };
  /** Drops actors from memory that nobody has used for this long. */
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
   * Whether other processes append to the same log. If so, the state in memory may be old: a refusal, or an answer that
   * nothing has to be done, is given only after a read of the stream's end. Default false.
   */
  readonly shared?: boolean;
  /** Actors in memory at most; default as in cache.ts. */
  readonly actorsInMemory?: number;
  /** Commands that may wait for one actor; default {@link MAILBOX_COMMANDS}. */
  readonly mailbox?: number;
  /** A failpoint of tests, between decision and append. */
  readonly beforeAppend?: () => Promise<void>;
  /** Called when facts that somebody waits for are in the log. */
  readonly hurry?: () => void;
  /** A failpoint of tests: the facts are durable and nobody knows yet. */
  readonly afterAppend?: () => void;
}

/** What a command is carried out with. */
export interface Host extends HostOptions {
  readonly cache: ActorCache;
}

export function createHost(options: HostOptions): ActorHost {
  const { actorsInMemory: most } = options;
  const cache = createActorCache({ ...options, ...(most !== undefined && { most }) });
  const host: Host = { ...options, cache };
  const mailboxes = new Mailboxes(options.mailbox ?? MAILBOX_COMMANDS);
  return {
    onCommit(events) {
      for (const event of events) {
        cache.noteRevision(event.stream, event.revision);
        const removed = removedTenant(event);
        if (removed !== null) cache.forget(removed);
        if (erasedIn(event)?.all) cache.forgetStream(event.stream);
      }
    },
    dispatch: (ref, command, origin) =>
      mailboxes.run(
        streamOf(ref),
        () => carryOut(host, ref, command, origin),
        origin.hook === undefined && !origin.unbounded,
      ),
    load(ref) {
      const stream = streamOf(ref);
      const actor = cache.peek(stream);
      if (actor) return Promise.resolve(stateOf(actor));
      return mailboxes.run(stream, async () => stateOf(await cache.get(stream, ref.kind)), false);
    },
    latest(ref) {
      const stream = streamOf(ref);
      const read = async () => {
        const actor = await cache.get(stream, ref.kind);
        await wasBehind(host, ref, actor);
        return stateOf(actor);
      };
      return mailboxes.run(stream, read, false);
    },
    wake(stream, at) {
      const ref = actorOf(stream);
      if (!ref) throw new AppError('invalid', `${stream} is no actor's stream`);
      return mailboxes.run(stream, () =>
        wake(at === undefined ? host : { ...host, now: () => at }, ref),
      );
    },
    unfit: cache.unfit,
    stats: () => ({ inMemory: cache.size, waiting: mailboxes.waiting }),
    passivate: cache.passivate,
    drain: () => mailboxes.drain(),
  };
}

/** Actors without facts are in memory too. */
const stateOf = ({ state }: CachedActor): ActorState | null =>
  state.core.revision < 0 ? null : state;

async function wake(host: Host, ref: ActorRef) {
  const { cache, now, newId } = host;
  const at = now();
  const command: Wake = { type: 'Wake' };
  await carryOut(host, ref, command, { commandId: `${AUTOMATIC}${newId()}` });
  const { core } = (await cache.get(streamOf(ref), ref.kind)).state;
  // A timer that met a guard that says no is spent. Only later timers count (docs/xstate.md, gotcha 10).
  return { next: nextDue(core, at), revision: core.revision };
}
