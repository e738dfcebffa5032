/**
 * What a command is carried out for: a request or a fact. Whoever takes a request or reacts to a fact says so once, and
 * every command and every fact that comes of it knows its cause, however deep in the code it is sent (docs/adr/0052).
 *
 * The cause follows the work through promises and timers (AsyncLocalStorage). Work that outlives its cause, such as a queue
 * that others fill too, begins {@link withoutCause}.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { EventMetadata, EventStore, RecordedEvent } from '../eventstore/port.ts';
import { type TraceContext, traceIdOf } from '../kit/trace-context.ts';
import type { Origin } from './ports.ts';

/** What of a cause the facts inherit. */
export interface Cause extends TraceContext {
  readonly correlationId: string;
  /** The id of the fact, if it was one. A request has none: the id of the command stands for it. */
  readonly causationId?: string | undefined;
}

/** A fact by its place. */
export interface FactPlace {
  readonly stream: string;
  readonly revision: number;
}

/** A request that facts may come of. */
export interface RequestCause extends Cause {
  /** Called for each fact that it caused, when the fact is durable. */
  readonly onFact?: ((fact: FactPlace) => void) | undefined;
}

interface Scope {
  readonly request?: RequestCause | undefined;
  readonly fact?: FactPlace | RecordedEvent | undefined;
}

const scopes = new AsyncLocalStorage<Scope | undefined>();

/** Carries out the work of a request. */
export const forRequest = <T>(request: RequestCause, work: () => T): T =>
  scopes.run({ request }, work);

/** Does what a fact calls for. A fact by its place is read only if facts come of the work. */
export const causedBy = <T>(fact: FactPlace | RecordedEvent, work: () => T): T =>
  scopes.run({ request: scopes.getStore()?.request, fact }, work);

/** Begins work that serves others too. */
export const withoutCause = <T>(work: () => T): T => scopes.run(undefined, work);

/** Where a command was sent from. */
export const currentScope = (): Scope | undefined => scopes.getStore();

/** The trace of the current cause, for requests of ours outside; null if there is none or its fact was not read. */
export function currentTrace(): Cause | null {
  const scope = scopes.getStore();
  if (!scope) return null;
  const { fact, request } = scope;
  if (fact) return 'metadata' in fact ? causeOf(fact) : null;
  return request ?? null;
}

/**
 * What every log line says of the current cause: pino's `mixin`, which wants a new object for each line. Where a fact is
 * known by its place alone the line has no trace: to read the fact takes longer than a line may.
 */
export function traceOfLine(): { traceId?: string } {
  const trace = currentTrace();
  return trace ? { traceId: traceIdOf(trace) } : {};
}

/** What facts inherit from this one. */
export const causeOf = ({
  id,
  metadata: { correlationId, traceparent, tracestate },
}: Pick<RecordedEvent, 'id' | 'metadata'>): Cause => ({
  correlationId,
  causationId: id,
  traceparent,
  tracestate,
});

type Ids = Pick<EventMetadata, 'correlationId' | 'causationId' | 'traceparent' | 'tracestate'>;

/** The ids of a fact with this cause. @param own stands for what the cause has not */
export function inheritedFrom(cause: Cause | null | undefined, own: string): Ids {
  const { correlationId = own, causationId = own, traceparent, tracestate } = cause ?? {};
  return {
    correlationId,
    causationId,
    ...(traceparent !== undefined && { traceparent }),
    ...(tracestate !== undefined && { tracestate }),
  };
}

/**
 * The ids of new facts. What the origin names goes before the scope; a correlation id that is not the scope's has no part
 * in its trace.
 * @param about the fact of the same actor that the command is about, if the scope is no fact itself
 * @throws {AppError} `unavailable` if the causing fact cannot be read now
 */
export async function idsOf(
  store: Pick<EventStore, 'readStream'>,
  origin: Pick<Origin, 'commandId' | 'correlationId' | 'causationId'>,
  scope: Scope | undefined,
  about: FactPlace | null,
): Promise<Ids> {
  const { commandId, correlationId, causationId } = origin;
  const fact = scope?.fact ?? about;
  const found = (fact && (await causeAt(store, fact))) ?? scope?.request;
  const isIts = correlationId === undefined || correlationId === found?.correlationId;
  const cause = isIts && found ? found : { correlationId: correlationId ?? commandId };
  return inheritedFrom(causationId === undefined ? cause : { ...cause, causationId }, commandId);
}

/** @returns null if the fact is gone: its stream was cut */
async function causeAt(
  store: Pick<EventStore, 'readStream'>,
  fact: FactPlace | RecordedEvent,
): Promise<Cause | null> {
  if ('metadata' in fact) return causeOf(fact);
  const { stream, revision } = fact;
  const [found] = await store.readStream(stream, { from: revision, limit: 1 });
  return found?.revision === revision ? causeOf(found) : null;
}
