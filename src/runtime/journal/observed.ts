/** Effects and requests that write themselves down in the journal. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { messageOf } from '../../errors.ts';
import { Lru } from '../../kit/lru.ts';
import { newParentId, traceHeaders } from '../../kit/trace-context.ts';
import {
  currentScope,
  currentTrace,
  type FactPlace,
  forRequest,
  type RequestCause,
} from '../cause.ts';
import type { Destination, Outcome } from '../lanes/destination.ts';
import type { AttemptEntry, JournalWriter } from './entries.ts';

/** Lanes whose waiting is in the journal. A lane that is parked looks again and again. */
const PARKED_REMEMBERED = 10_000;

interface Clock {
  /** ms since 1970 */
  readonly now: () => number;
}

/** The time since `startedAt` (performance.now()), to 0.1 ms. */
const since = (startedAt: number): number => Math.round((performance.now() - startedAt) * 10) / 10;

/** Writes down each attempt. An effect for which nothing had to be sent is no attempt. */
export function observedDestination(
  destination: Destination,
  journal: JournalWriter,
  { now }: Clock,
): Destination {
  const parked = new Lru<number>(PARKED_REMEMBERED);

  function record(
    { stream, revision }: FactPlace,
    outcome: Outcome,
    times: Pick<AttemptEntry, 'at' | 'ms'>,
  ): void {
    if (outcome.kind === 'done' && outcome.idle) return;
    if (outcome.kind === 'parked') {
      if (parked.get(stream) === revision) return;
      parked.set(stream, revision);
    }
    const reason = 'reason' in outcome ? outcome.reason : null;
    const { kind } = outcome;
    const { name } = destination;
    journal.record({
      kind: 'attempt',
      ...times,
      stream,
      revision,
      destination: name,
      outcome: kind,
      reason,
    });
  }

  return {
    ...destination,
    async perform(event, ...rest) {
      const [at, startedAt] = [now(), performance.now()];
      let outcome: Outcome = { kind: 'retry', reason: 'it failed' };
      try {
        outcome = await destination.perform(event, ...rest);
        return outcome;
      } catch (error) {
        outcome = { kind: 'retry', reason: messageOf(error) };
        throw error;
      } finally {
        record(event, outcome, { at, ms: since(startedAt) });
      }
    },
  };
}

const callbackNames = new AsyncLocalStorage<string>();

interface Client<Endpoint, Callback, Answer> {
  deliver(endpoint: Endpoint, callback: Callback): Promise<Answer>;
}

/** Its requests have the name of the callback in the journal. */
export const observedClient = <E, C extends { readonly type: string }, A>(
  client: Client<E, C, A>,
): Client<E, C, A> => ({
  deliver: (endpoint, callback) =>
    callbackNames.run(callback.type, () => client.deliver(endpoint, callback)),
});

/** Adds the headers of the current trace to each request, and writes the request down if it is the effect of a fact. */
export const observedFetch =
  (
    fetch: typeof globalThis.fetch,
    journal: JournalWriter,
    { now }: Clock,
  ): typeof globalThis.fetch =>
  async (input, init = {}) => {
    const trace = currentTrace();
    if (!trace) return fetch(input, init);
    const id = newParentId();
    const traced = { ...init, headers: { ...plain(init.headers), ...traceHeaders(trace, id) } };
    const fact = currentScope()?.fact;
    if (!fact) return fetch(input, traced);
    const { stream, revision } = fact;
    const name = callbackNames.getStore() ?? 'request';
    const [at, startedAt] = [now(), performance.now()];
    const record = (status: number | null, reason: string | null) =>
      journal.record({
        kind: 'callback',
        at,
        ms: since(startedAt),
        stream,
        revision,
        id,
        name,
        status,
        reason,
      });
    try {
      const response = await fetch(input, traced);
      record(response.status, null);
      return response;
    } catch (error) {
      record(null, messageOf(error instanceof Error ? (error.cause ?? error) : error));
      throw error;
    }
  };

const plain = (headers: RequestInit['headers'] = {}): Record<string, string> =>
  Object.fromEntries(new Headers(headers));

export interface RequestObserver extends Partial<Clock> {
  /** As the entry has it. */
  readonly name: string;
  readonly journal?: JournalWriter;
}

/**
 * Carries out a request, and writes it down if facts came of it.
 * @param statusOf the HTTP status of the result; null for a webhook event
 */
export async function observedRequest<T>(
  request: RequestCause,
  { name, journal = NO_JOURNAL, now = Date.now }: RequestObserver,
  work: () => Promise<T>,
  statusOf: (result: T) => number | null,
): Promise<T> {
  let first: FactPlace | undefined;
  const onFact = (fact: FactPlace): void => {
    first ??= fact;
  };
  const [at, startedAt] = [now(), performance.now()];
  const record = (status: number | null, reason: string | null): void => {
    if (!first) return;
    const { correlationId: id } = request;
    journal.record({
      kind: 'request',
      at,
      ms: since(startedAt),
      ...first,
      id,
      name,
      status,
      reason,
    });
  };
  try {
    const result = await forRequest({ ...request, onFact }, work);
    record(statusOf(result), null);
    return result;
  } catch (error) {
    record(null, messageOf(error));
    throw error;
  }
}

/** For parts that run without a journal. */
export const NO_JOURNAL: JournalWriter = { record: () => undefined };
