/** The log of the running service, over HTTP with the admin token. */
import { z } from 'zod';
import { AppError } from '../../errors.ts';
import type { JsonObject, JsonValue } from '../../kit/json.ts';
import type { Change, TimerChange } from '../../replay/changes.ts';
import type { ActorAt } from '../../replay/points.ts';
import type { Report } from '../../replay/whole-log.ts';
import { anotherProgram, ask, askLines, refusalOf, type ServiceAccess } from '../service-client.ts';
import { type LogSource, PAGE_EVENTS } from './source.ts';

// What JSON.parse made is JSON, and a schema would only copy it.
const Json = z.custom<JsonValue>((value) => value !== undefined);
const Part = z.custom<JsonObject>((value) => typeof value === 'object' && value !== null);

const Event = z.object({
  position: z.string(),
  stream: z.string(),
  revision: z.int(),
  id: z.string(),
  type: z.string(),
  schemaVersion: z.int(),
  data: Part,
  personal: Part.nullable(),
  erased: z.boolean(),
  /** A service of release 0.1.0 does not say it. */
  sealedBy: z.string().nullable().default(null),
  metadata: z.looseObject({
    tenant: z.string().nullable(),
    at: z.number(),
    commandId: z.string(),
    correlationId: z.string(),
    causationId: z.string(),
    machine: z.string(),
  }),
});

const Items = z.object({ items: z.array(Event), next: z.string().nullable() });
const Scanned = Items.extend({
  through: z.object({ position: z.string(), at: z.number() }).nullable(),
});
const State = z
  .object({
    stream: z.string(),
    machine: z.string(),
    value: Json,
    context: Part,
    timers: z.record(z.string(), z.number()),
    at: z.number(),
    revision: z.int(),
    held: z.array(z.string()).optional(),
    unfit: z.object({ revision: z.int(), type: z.string(), reason: z.string() }).optional(),
  })
  // Without `unfit` where there is none.
  .transform(
    ({ held, unfit, ...state }): ActorAt => ({
      ...state,
      ...(held && { held }),
      ...(unfit && { unfit }),
    }),
  );

/** No `before`: it is new. No `after`: it is gone. */
const Changed = z
  .object({
    path: z.array(z.union([z.string(), z.int()])),
    before: Json.optional(),
    after: Json.optional(),
  })
  .transform(
    ({ path, before, after }): Change => ({
      path,
      ...(before !== undefined && { before }),
      ...(after !== undefined && { after }),
    }),
  );
const Side = z.object({ revision: z.int(), value: Json });
const Compared = z.object({
  a: Side,
  b: Side,
  changes: z.array(Changed),
  timerChanges: z.array(
    z.object({
      id: z.string(),
      before: z.number().nullable(),
      after: z.number().nullable(),
    }) satisfies z.ZodType<TimerChange>,
  ),
});

const Streams = z.object({
  items: z.array(
    z.object({
      stream: z.string(),
      category: z.string(),
      tenant: z.string().nullable(),
      name: z.string(),
      jid: z.string().nullable(),
      firstAt: z.number(),
      lastAt: z.number(),
      lastRevision: z.int(),
      lastType: z.string(),
      erased: z.boolean(),
    }),
  ),
  next: z.string().nullable(),
});
/** Streams in one request. */
const PAGE_STREAMS = 100;

const Trace = z.object({
  id: z.string(),
  traceId: z.string().nullable(),
  nodes: z.array(
    z.object({
      id: z.string(),
      parent: z.string().nullable(),
      kind: z.enum(['request', 'fact', 'effect', 'attempt', 'callback']),
      name: z.string(),
      stream: z.string(),
      revision: z.int(),
      at: z.number(),
      ms: z.number().nullable(),
      outcome: z.string().nullable(),
      detail: z.string().nullable(),
    }),
  ),
  truncated: z.boolean(),
});

const Reported: z.ZodType<Report> = z.union([
  z.object({
    progress: z.object({ events: z.int(), position: z.string() }),
  }),
  z.object({
    unfit: z.object({
      stream: z.string(),
      revision: z.int(),
      type: z.string(),
      reason: z.string(),
    }),
  }),
  z.object({
    snapshot: z.object({ stream: z.string(), revision: z.int(), changes: z.array(Changed) }),
  }),
  z.object({
    done: z.object({
      events: z.int(),
      streams: z.int(),
      unfit: z.int(),
      snapshots: z.int(),
      ms: z.number(),
    }),
  }),
]);

type Query = Readonly<Record<string, string | number | undefined>>;

/** A path with what is asked for in its query. */
function pathOf(path: string, query: Query): string {
  const given = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)]],
  );
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`;
}

const streamPath = (stream: string, rest = ''): string =>
  `/debug/streams/${encodeURIComponent(stream)}${rest}`;

/** @throws {AppError} from its methods: `unavailable` when nobody answers, `refused` with what the service says */
export function openServiceSource(access: ServiceAccess): LogSource {
  /** @returns null for a 404 */
  async function get<T>(schema: z.ZodType<T>, path: string, query: Query = {}): Promise<T | null> {
    const answer = await ask(access, { method: 'GET', path: pathOf(path, query) });
    if (answer.status === 404) return null;
    if (answer.status >= 400) throw refusalOf(answer);
    const { data } = schema.safeParse(answer.body);
    if (data === undefined) throw anotherProgram(access.url, answer.status);
    return data;
  }

  /** For what every service has. */
  async function required<T>(schema: z.ZodType<T>, path: string, query: Query): Promise<T> {
    const found = await get(schema, path, query);
    if (found) return found;
    throw new AppError('refused', `${access.url} has no ${path}: it is older than this command`);
  }

  return {
    name: `the service at ${access.url}`,
    async readStream(stream, { from, direction, limit = PAGE_EVENTS } = {}) {
      const found = await get(Items, streamPath(stream), { from, direction, limit });
      return found?.items ?? [];
    },
    async *streams(filter) {
      for (let cursor: string | undefined; ; ) {
        const query: Query = { ...filter, cursor, limit: PAGE_STREAMS };
        const page: z.infer<typeof Streams> = await required(Streams, '/debug/streams', query);
        yield* page.items;
        if (page.next === null) return;
        cursor = page.next;
      }
    },
    async readLog({ after, direction, limit = PAGE_EVENTS, tenant, types } = {}) {
      const type = types?.join(',');
      const query = { after, direction, limit, tenant, type };
      const { items, next, through } = await required(Scanned, '/debug/events', query);
      return { events: items, next, through };
    },
    state: (stream, { revision, at }) => get(State, streamPath(stream, '/state'), { revision, at }),
    diff: (stream, a, b) => get(Compared, streamPath(stream, '/diff'), { a, b }),
    trace: (id) => get(Trace, `/debug/traces/${encodeURIComponent(id)}`),
    async *replay({ tenant, from }, signal) {
      const path = pathOf('/debug/replay', { tenant, from });
      for await (const item of askLines(access, path, signal)) {
        const { data } = Reported.safeParse(item);
        if (data === undefined) throw anotherProgram(access.url, 200);
        yield data;
      }
    },
    hasJournal: true,
    close: async () => {},
  };
}
