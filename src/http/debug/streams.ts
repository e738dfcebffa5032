/**
 * For engineers: the event log, read-only, with personal data opened. Everything in the folder is under /debug and needs
 * the admin token; only src/http/app.ts imports it.
 */
import { z } from '@hono/zod-openapi';
import { AppError } from '../../errors.ts';
import { type Scanned, scanLog } from '../../eventstore/reading.ts';
import type { Checkpoints } from '../../replay/checkpoints.ts';
import { viewOf } from '../../replay/event-view.ts';
import { actorAt } from '../../replay/points.ts';
import type { Access } from '../frame/auth.ts';
import { type Api, addEndpoint } from '../frame/endpoint.ts';
import { MAX_POSITION_CHARACTERS, positionOf, TimeParameter } from '../frame/reading.ts';
import { EventView, StreamName, StreamParams } from './events.ts';
import { HeldTimers } from './replay.ts';

const MAX_NAME_CHARACTERS = 64;
const MAX_TYPES_CHARACTERS = 1_000;
export const DEFAULT_EVENTS = 100;
export const MAX_EVENTS = 500;

const limit = z.coerce.number().int().min(1).max(MAX_EVENTS).default(DEFAULT_EVENTS);
const direction = z.enum(['forwards', 'backwards']).default('forwards');

const Events = z.object({ items: z.array(EventView), next: z.string().nullable() });

const ScannedEvents = Events.extend({
  through: z.object({ position: z.string(), at: z.number() }).nullable(),
});

const StateView = z
  .object({
    stream: z.string(),
    machine: z.string(),
    value: z.unknown(),
    context: z.unknown(),
    timers: z.record(z.string(), z.number()).openapi({ description: 'When each timer is due' }),
    at: z.number(),
    revision: z.int(),
    held: HeldTimers,
    seen: z.unknown(),
    unfit: z.object({ revision: z.int(), type: z.string(), reason: z.string() }).optional(),
  })
  .openapi('State');

const notFound = () => new AppError('not-found', 'there is no such stream, or it is empty');

/** /debug/streams and /debug/events */
export function addStreamReadingEndpoints(
  api: Api,
  access: Access<null>,
  checkpoints: Checkpoints,
): void {
  const { deps } = api;
  const { store, vault } = deps;
  const tag = 'Debug';

  addEndpoint(
    api,
    {
      method: 'get',
      path: '/debug/streams/{stream}',
      operationId: 'readStream',
      tag,
      summary: 'The events of a stream',
      access,
      params: StreamParams,
      query: z.strictObject({
        from: z.coerce.number().int().min(0).optional(),
        direction,
        limit,
      }),
      success: { status: 200, description: '`next` is `from` of the next page', schema: Events },
      problems: [404],
    },
    async ({ params: { stream }, query }) => {
      const { from, ...options } = query;
      const events = await store.readStream(stream, {
        ...options,
        ...(from !== undefined && { from }),
      });
      const last = events.at(-1);
      if (!last && from === undefined) throw notFound();
      const step = query.direction === 'forwards' ? 1 : -1;
      const next = last && events.length === query.limit ? last.revision + step : -1;
      const items = await Promise.all(events.map((event) => viewOf(vault.open, event)));
      return { status: 200, json: { items, next: next < 0 ? null : String(next) } };
    },
  );

  addEndpoint(
    api,
    {
      method: 'get',
      path: '/debug/streams/{stream}/state',
      operationId: 'getState',
      tag,
      summary: 'The state of an actor, now or in the past',
      description: 'Folded from the facts up to and including a revision or a time.',
      access,
      params: StreamParams,
      query: z
        .strictObject({
          revision: z.coerce.number().int().min(0).optional(),
          at: TimeParameter.optional(),
        })
        .refine(({ revision, at }) => revision === undefined || at === undefined, {
          path: ['at'],
          message: 'send a revision or a time, not both',
        }),
      success: { status: 200, description: 'The state', schema: StateView },
      problems: [404],
    },
    async ({ params: { stream }, query }) => {
      const state = await actorAt(store, stream, query, checkpoints);
      if (!state) throw notFound();
      return { status: 200, json: state };
    },
  );

  addEndpoint(
    api,
    {
      method: 'get',
      path: '/debug/events',
      operationId: 'readEvents',
      tag,
      summary: 'The events of all streams, in order',
      access,
      query: z.strictObject({
        after: z.string().max(MAX_POSITION_CHARACTERS).optional(),
        prefix: StreamName.optional().openapi({ description: 'Prefix of stream names' }),
        tenant: z.string().min(1).max(MAX_NAME_CHARACTERS).optional(),
        type: z
          .string()
          .min(1)
          .max(MAX_TYPES_CHARACTERS)
          .transform((text) => text.split(','))
          .optional()
          .openapi({ type: 'string', description: 'Types of events, with commas between them' }),
        direction,
        limit,
      }),
      success: {
        status: 200,
        description:
          '`next` is `after` of the next page. With `tenant` or `type` a page may be shorter than `limit` before the end. `through` is the last event that was looked at: follow the log from there',
        schema: ScannedEvents,
      },
    },
    async ({ query }) => {
      const { after, prefix, tenant, type, ...options } = query;
      const position = positionOf(store, after, 'after');
      const types = type && new Set(type);
      const scanned = await scanLog(store, {
        ...options,
        ...(position !== null && { after: position }),
        ...(prefix !== undefined && { prefixes: [prefix] }),
        matches: (event) =>
          (tenant === undefined || event.metadata.tenant === tenant) &&
          (types === undefined || types.has(event.type)),
      });
      const items = await Promise.all(scanned.events.map((event) => viewOf(vault.open, event)));
      return { status: 200, json: { items, next: nextOf(scanned), through: throughOf(scanned) } };
    },
  );
}

const nextOf = ({ through, isAtEnd }: Scanned): string | null =>
  isAtEnd ? null : (through?.position ?? null);

const throughOf = ({ through }: Scanned) =>
  through && { position: through.position, at: through.metadata.at };
