/**
 * One command of one actor: decide, seal, append with the expected revision. After a conflict the actor reads what another
 * writer appended, and decides again.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { DECIDERS } from '../../actors/deciders.ts';
import { type ActorRef, streamOf } from '../../actors/ids.ts';
import { type Decision, decide } from '../../actors/machine/decider.ts';
import { OF_MESSAGE } from '../../actors/machine/idempotency.ts';
import { otherMessage } from '../../actors/visitor/sent-messages.ts';
import { AppError } from '../../errors.ts';
import { type EventStore, type NewEvent, WrongExpectedRevision } from '../../eventstore/port.ts';
import { lastEvent } from '../../eventstore/reading.ts';
import { backoff, type RetryPolicy } from '../../kit/backoff.ts';
import { currentScope, type FactPlace, idsOf } from '../cause.ts';
import type { Dispatched, Origin } from '../ports.ts';
import { isKeyDestroyed } from '../vault/vault.ts';
import type { CachedActor } from './cache.ts';
import type { Host } from './host.ts';
import { sealedEvents } from './sealed-events.ts';

/** Tries of one command when another process writes to the actor's stream each time. */
export const WRITE_TRIES = 12;
/** Waits between these tries. */
export const WRITE_CONFLICT_RETRY: RetryPolicy = { firstMs: 2, mostMs: 256 };

/**
 * Carries out a command of an actor, whose mailbox has nothing else at work.
 * @throws {AppError} as `send` of an actor
 */
export async function carryOut(
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
export const wasBehind = async (
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
    // The stream was deleted.
    if (conflict && actual === null) cache.forgetStream(stream);
    else if (actual !== null && actual > core.revision) cache.noteRevision(stream, actual);
    // The state may differ from the stream.
    else cache.drop(stream);
    if (conflict) return false;
    throw error;
  }
}
