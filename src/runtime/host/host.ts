/**
 * Actors: one mailbox for each, and for each command load, decide, seal and append with the expected revision. After a
 * conflict the host reads what another writer appended and decides again.
 *
 * This folder makes the {@link Actors} of ports.ts, by which everybody else reaches an actor: {@link createHost}, then
 * createActors (actors.ts). src/service makes both; src/runtime/deadlines.ts wakes actors by the host.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { DECIDERS } from '../../actors/deciders.ts';
import { type ActorRef, actorOf, streamOf } from '../../actors/ids.ts';
import { type ActorState, type Decision, decide, type Wake } from '../../actors/machine/decider.ts';
import { AUTOMATIC, OF_MESSAGE } from '../../actors/machine/idempotency.ts';
import { nextDue } from '../../actors/machine/timers.ts';
import type { OperatorCommand } from '../../actors/operator/decisions.ts';
import type { TenantCommand } from '../../actors/tenant/machine.ts';
import type { VisitorCommand } from '../../actors/visitor/decisions.ts';
import { otherMessage } from '../../actors/visitor/sent-messages.ts';
import { AppError } from '../../errors.ts';
import {
  type EventStore,
  type NewEvent,
  type RecordedEvent,
  WrongExpectedRevision,
} from '../../eventstore/port.ts';
import { lastEvent } from '../../eventstore/reading.ts';
import type { SnapshotStore } from '../../eventstore/snapshots.ts';
import { backoff, type RetryPolicy } from '../../kit/backoff.ts';
import { currentScope, type FactPlace, idsOf } from '../cause.ts';
import type { CommitListener } from '../pending-work.ts';
import type { Dispatched, Origin, Vault } from '../ports.ts';
import { removedTenant } from '../removed-tenant.ts';
import { isKeyDestroyed } from '../vault/vault.ts';
import { type ActorCache, type CachedActor, createActorCache } from './cache.ts';
import { Mailboxes } from './mailbox.ts';
import { sealedEvents } from './sealed-events.ts';

/** Tries of one command when another process writes to the actor's stream each time. */
export const WRITE_TRIES = 12;
/** Waits between these tries. */
export const WRITE_CONFLICT_RETRY: RetryPolicy = { firstMs: 2, mostMs: 256 };
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

interface Host extends HostOptions {
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
        if (isForgotten(event)) cache.forgetStream(event.stream);
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

/** A visitor has not come back, and their stream is about to be deleted (docs/adr/0050). */
const isForgotten = ({ type, data }: RecordedEvent): boolean =>
  type === 'RetentionApplied' && data.generation !== undefined;

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

async function carryOut(
  host: Host,
  ref: ActorRef,
  command: { readonly type: string },
  origin: Origin,
): Promise<Dispatched> {
  for (let tries = 1; tries <= WRITE_TRIES; tries++) {
    const done = await attempt(host, ref, command, origin);
    if (done) return done.position === null ? withPosition(host.store, ref, done) : done;
    // Anywhere below the bound: two processes that wait for half of it at least would meet again and again.
    await delay(host.random() * backoff(tries, WRITE_CONFLICT_RETRY, () => 1));
  }
  throw new AppError(
    'overloaded',
    `other processes keep writing to ${streamOf(ref)}; try again later`,
  );
}

/** Reads the position of the last fact: an actor that was restored from a snapshot does not have it. */
async function withPosition(
  store: EventStore,
  ref: ActorRef,
  done: Dispatched,
): Promise<Dispatched> {
  const last = await lastEvent(store, streamOf(ref));
  return { ...done, position: last?.position ?? null };
}

/** One try. @returns null if the stream moved while the command was decided */
async function attempt(
  host: Host,
  ref: ActorRef,
  command: { readonly type: string },
  origin: Origin,
): Promise<Dispatched | null> {
  const actor = await host.cache.get(streamOf(ref), ref.kind);
  if (isRepeat(actor, origin)) {
    checkRepeat(ref, actor, command, origin);
    return outcome(ref, actor, 0);
  }
  let decision: Decision;
  try {
    decision = decide(DECIDERS[ref.kind], actor.state, command, host.now());
  } catch (error) {
    if (await wasBehind(host, ref, actor)) return null;
    throw error;
  }
  if (decision.facts.length === 0) {
    return (await wasBehind(host, ref, actor)) ? null : outcome(ref, actor, 0);
  }
  const scope = currentScope();
  const ids = await idsOf(host.store, origin, scope, aboutOf(ref, actor, command));
  let events: NewEvent[];
  try {
    events = await sealedEvents(host, ref, decision, origin, ids);
  } catch (error) {
    // Another process has erased the visitor, and destroyed the key.
    if (isKeyDestroyed(error) && (await wasBehind(host, ref, actor))) return null;
    throw error;
  }
  await host.beforeAppend?.();
  const first = actor.state.core.revision + 1;
  const appended = await append(host, ref, actor, decision, events);
  if (!appended) return null;
  for (const i of events.keys()) {
    scope?.request?.onFact?.({ stream: streamOf(ref), revision: first + i });
  }
  return outcome(ref, actor, events.length);
}

/** The fact that a command is about: a message whose receipt is reported, say. */
function aboutOf(
  ref: ActorRef,
  { state }: CachedActor,
  command: { readonly type: string },
): FactPlace | null {
  const revision = DECIDERS[ref.kind].aboutOf?.(state.core, command) ?? null;
  return revision === null ? null : { stream: streamOf(ref), revision };
}

const isRepeat = ({ state: { seen } }: CachedActor, { commandId, hook, said }: Origin): boolean =>
  (hook !== undefined && seen.hasHook(hook)) ||
  seen.hasCommand(commandId) ||
  (said !== undefined && seen.wasSaid(said));

/**
 * A caller may use an id for two different commands. The second one is not carried out, and the caller has to know.
 * @throws {AppError} `conflict` for the id of a message, `reused` for a key
 */
function checkRepeat(
  ref: ActorRef,
  { state }: CachedActor,
  command: { readonly type: string },
  { commandId, request }: Origin,
): void {
  DECIDERS[ref.kind].checkRepeat?.(state.core, command);
  if (request === undefined || !state.seen.wasOtherRequest(commandId, request)) return;
  if (commandId.startsWith(OF_MESSAGE)) throw otherMessage('with another text');
  throw new AppError('reused', 'belongs to another request; take a new key for each request', {
    field: 'Idempotency-Key',
  });
}

const outcome = (ref: ActorRef, { state, position }: CachedActor, facts: number): Dispatched => ({
  actor: ref,
  state: state.core.snapshot.value,
  revision: state.core.revision,
  position,
  facts,
});

/** True if other processes appended facts that this one did not have. The actor has them now. */
const wasBehind = async (
  { shared = false, cache }: Host,
  ref: ActorRef,
  actor: CachedActor,
): Promise<boolean> => shared && (await cache.refresh(streamOf(ref), ref.kind, actor));

/** Appends the facts and moves the actor by them. @returns false on a conflict */
async function append(
  { store, cache, logger, afterAppend, hurry }: Host,
  ref: ActorRef,
  actor: CachedActor,
  decision: Decision,
  events: readonly NewEvent[],
): Promise<boolean> {
  const stream = streamOf(ref);
  const { core, seen } = actor.state;
  try {
    const expected = core.revision < 0 ? 'no-stream' : core.revision;
    const patient = events.every(({ type }) => DECIDERS[ref.kind].patient?.has(type));
    const { position } = await store.append(stream, events, expected, { patient });
    if (!patient) hurry?.();
    afterAppend?.();
    for (const { type, data, metadata } of events) {
      const { commandId, at } = metadata;
      seen.remember(commandId, at, metadata);
      logger.debug({ tenant: ref.tenant, stream, type, data, commandId }, 'fact');
    }
    actor.state = { core: decision.core, seen };
    actor.position = position;
    cache.appended(stream, actor);
    return true;
  } catch (error) {
    const conflict = error instanceof WrongExpectedRevision;
    const actual = conflict ? error.actual : null;
    if (conflict && actual === null)
      cache.forgetStream(stream); // the stream was deleted
    else if (actual !== null && actual > core.revision) cache.noteRevision(stream, actual);
    else cache.drop(stream); // the state may differ from the stream
    if (conflict) return false;
    throw error;
  }
}
