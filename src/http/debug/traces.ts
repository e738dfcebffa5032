/** What facts have caused: everything of one request, and the effects of a stream's facts. */
import { z } from '@hono/zod-openapi';
import { AppError } from '../../errors.ts';
import type { RecordedEvent } from '../../eventstore/port.ts';
import {
  type AwayReason,
  type Effect,
  effectsOf,
  NO_PROGRESS,
  type Place,
  type Progress,
  progressOf,
} from '../../replay/effects.ts';
import { loadTrace } from '../../replay/trace.ts';
import type { Access } from '../frame/auth.ts';
import { type Api, addEndpoint } from '../frame/endpoint.ts';
import { StreamParams } from './events.ts';

/** How long a trace is looked for. What was found by then is the answer. */
export const TRACE_DEADLINE_MS = 5_000;
const MAX_ID_CHARACTERS = 300;
const DEFAULT_EFFECTS = 100;
const MAX_EFFECTS = 500;

const ms = z.number().openapi({ description: 'How long it took, in ms' });

export const EffectView = z
  .object({
    revision: z.int(),
    destination: z.string().openapi({ example: 'lhc' }),
    name: z.string().openapi({
      example: 'message.delivered',
      description: 'The type of the callback, if one was sent; otherwise that of the fact',
    }),
    outcome: z.enum(['pending', 'done', 'dead', 'unknown']).openapi({
      description:
        '`dead`: given up. `unknown`: the log does not say, and it is too late for `pending`',
    }),
    at: z.number().nullable().openapi({ description: 'When the last attempt ended' }),
    waits: z.string().nullable().openapi({
      example: 'waits behind fact 5',
      description:
        'Of a pending effect that was not tried yet: the earlier fact behind which it waits, or why its place is away',
    }),
    attempts: z
      .array(
        z.object({
          at: z.int(),
          ms,
          outcome: z.enum(['done', 'retry', 'parked', 'dead']),
          reason: z.string().nullable(),
          detail: z
            .string()
            .nullable()
            .openapi({ description: 'Its steps in ejabberd with their durations' }),
          status: z.int().nullable().openapi({ description: 'The HTTP status of a callback' }),
        }),
      )
      .openapi({
        description: 'Of the journal of this process, the oldest first. It is bounded, and a cache',
      }),
  })
  .openapi('Effect');

export const TraceView = z
  .object({
    id: z.string(),
    traceId: z
      .string()
      .nullable()
      .openapi({ description: 'Of W3C Trace Context; null if the facts have several' }),
    nodes: z
      .array(
        z.object({
          id: z.string(),
          parent: z.string().nullable(),
          kind: z.enum(['request', 'fact', 'effect', 'attempt', 'callback']),
          name: z.string(),
          stream: z.string(),
          revision: z.int(),
          at: z.number(),
          ms: ms.nullable(),
          outcome: z.string().nullable(),
          detail: z.string().nullable(),
        }),
      )
      .openapi({ description: 'In order of time. `parent` makes the tree' }),
    truncated: z.boolean().openapi({ description: 'There is more than the bounds allow' }),
  })
  .openapi('Trace');

/** /debug/streams/{stream}/effects and /debug/traces */
export function addTraceEndpoints(api: Api, access: Access<null>): void {
  const { deps } = api;
  const { store, journal, effectPlaces: places, readModels, now, awayReason } = deps;
  const away: AwayReason = ({ metadata: { tenant } }, destination) =>
    tenant === null ? null : awayReason(tenant, destination);
  const tag = 'Debug';

  addEndpoint(
    api,
    {
      method: 'get',
      path: '/debug/streams/{stream}/effects',
      operationId: 'readEffects',
      tag,
      summary: 'What the facts of a stream have called for, and what became of it',
      access,
      params: StreamParams,
      query: z.strictObject({
        from: z.coerce.number().int().min(0).default(0),
        limit: z.coerce.number().int().min(1).max(MAX_EFFECTS).default(DEFAULT_EFFECTS),
      }),
      success: {
        status: 200,
        description: 'Effects of `limit` facts from `from` on. `next` is `from` of the next page',
        schema: z.object({ items: z.array(EffectView), next: z.int().nullable() }),
      },
      problems: [404],
    },
    async ({ params: { stream }, query: { from, limit } }) => {
      const events = await store.readStream(stream, { from, limit });
      if (events.length === 0 && from === 0) {
        throw new AppError('not-found', 'there is no such stream, or it is empty');
      }
      const concerned = events.filter((event) => places.some((place) => place.concerns(event)));
      const notes = journal.of(concerned);
      const progress = new Map<string, Progress>();
      const newest = concerned.at(-1)?.revision ?? -1;
      for (const place of concerned.length > 0 ? places : []) {
        if (place.hasLane === false) continue;
        progress.set(place.name, await progressOf(store, stream, place, newest));
      }
      const of = (event: RecordedEvent): Effect[] =>
        effectsOf(event, places, notes, (name) => progress.get(name) ?? NO_PROGRESS, now(), away);
      const next = events.length === limit ? (events.at(-1)?.revision ?? 0) + 1 : null;
      return { status: 200, json: { items: concerned.flatMap(of).map(viewOf), next } };
    },
  );

  addEndpoint(
    api,
    {
      method: 'get',
      path: '/debug/traces/{id}',
      operationId: 'readTrace',
      tag,
      summary: 'Everything that one request caused',
      description: `Facts of all actors, effects with their attempts, callbacks. The id is that of a request (\`X-Request-Id\`; of a
request in a batch with a point and its index), of a trace (W3C Trace Context), of a command or of a fact. Attempts and
requests are of the journal of this process.`,
      access,
      params: z.object({ id: z.string().min(1).max(MAX_ID_CHARACTERS) }),
      success: { status: 200, description: 'The tree', schema: TraceView },
      problems: [404, 503],
    },
    async ({ params: { id } }) => {
      const trace = await loadTrace(
        {
          store,
          async factsOf(ids, limit) {
            const found: Place[] = [];
            for (const each of ids) {
              if (found.length >= limit) break;
              found.push(...(await readModels.streams.factsOf(each, limit - found.length)));
            }
            return found;
          },
          notesOf: journal.of,
          requestsOf: journal.requests,
          places,
          away,
          now,
          monotonic: () => performance.now(),
          deadlineMs: TRACE_DEADLINE_MS,
        },
        id,
      );
      if (!trace) throw new AppError('not-found', 'no fact has this id, or all of them are gone');
      return { status: 200, json: trace };
    },
  );
}

const viewOf = ({
  event,
  destination,
  name,
  outcome,
  at,
  attempts,
  waits,
}: Effect): z.infer<typeof EffectView> => ({
  revision: event.revision,
  destination,
  name,
  outcome,
  at,
  waits,
  attempts: attempts.map(({ note, callbacks }) => ({
    at: note.at,
    ms: note.ms,
    outcome: note.outcome,
    reason: note.reason,
    detail: note.detail ?? null,
    status: callbacks.at(-1)?.status ?? null,
  })),
});
