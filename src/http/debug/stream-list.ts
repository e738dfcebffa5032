/** The streams of the log, found by whose they are. */
import { z } from '@hono/zod-openapi';
import {
  actorOf,
  ChatId,
  operatorJid,
  personOf,
  streamOf,
  TenantId,
  visitorJid,
  visitorRef,
} from '../../actors/ids.ts';
import { line } from '../../actors/input-text.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import { firstEvent } from '../../eventstore/reading.ts';
import { DOCUMENT_KINDS } from '../../projections/search-index.ts';
import { STREAM_CATEGORIES, type StreamView } from '../../projections/stream-queries.ts';
import type { Access } from '../frame/auth.ts';
import type { EndpointDeps } from '../frame/deps.ts';
import { type Api, addEndpoint } from '../frame/endpoint.ts';
import { awaitPosition, ListQuery, MAX_SEARCH_CHARACTERS, pageSchema } from '../frame/reading.ts';

const MAX_JID_CHARACTERS = 300;
/** Visitors, chats and messages with the words that count, the newest ones. */
const MAX_SAYING = 200;

export const Stream = z
  .object({
    stream: z.string(),
    category: z.enum(STREAM_CATEGORIES),
    tenant: z.string().nullable().openapi({ description: 'null for the service itself' }),
    name: z.string().openapi({
      description:
        "The visitor's key or the operator's username; otherwise what the stream's name has behind the category",
    }),
    jid: z.string().nullable().openapi({ description: 'Of a visitor or an operator' }),
    firstAt: z.int().openapi({
      description: 'When the first fact that is still there happened, in ms since 1970',
    }),
    lastAt: z.int(),
    lastRevision: z.int(),
    lastType: z.string(),
    erased: z.boolean().openapi({ description: 'Personal data of the stream was erased' }),
  } satisfies Record<keyof StreamView | 'jid' | 'firstAt', z.ZodType>)
  .openapi('Stream');

const Query = ListQuery.extend({
  category: z.enum(STREAM_CATEGORIES).optional(),
  tenant: TenantId.optional(),
  jid: line(MAX_JID_CHARACTERS).optional().openapi({
    description: 'Of a visitor or an operator, as operators see it; with or without a resource',
  }),
  chat: ChatId.optional().openapi({ description: 'Streams of the visitors of this chat' }),
  text: line(MAX_SEARCH_CHARACTERS)
    .optional()
    .openapi({
      description: `A part of the stream's name, or words of a visitor or their messages (of ${MAX_SAYING} results)`,
    }),
});

/** The address of a visitor or an operator; null for everybody else, and for a tenant that is not known. */
export function jidOf(tenants: TenantDirectory, stream: string): string | null {
  const actor = actorOf(stream);
  const tenant = actor && tenants.get(actor.tenant);
  if (!tenant || actor.kind === 'tenant') return null;
  return actor.kind === 'visitor'
    ? visitorJid(tenant, actor.name)
    : operatorJid(tenant, actor.name);
}

/** The streams of the actors that the query names; undefined if it names none. */
async function actorsOf(
  { readModels }: Pick<EndpointDeps, 'readModels'>,
  tenants: TenantDirectory,
  { tenant, jid, chat }: z.infer<typeof Query>,
): Promise<readonly string[] | undefined> {
  if (jid === undefined && chat === undefined) return undefined;
  const found: string[][] = [];
  if (jid !== undefined) {
    const person = personOf(jid, (host) => tenants.ofHost(host));
    found.push(person ? [streamOf(person)] : []);
  }
  if (chat !== undefined) {
    const ids = tenant === undefined ? tenants.all().map(({ id }) => id) : [tenant];
    const chats = await readModels.chats.withId(ids, chat);
    found.push(chats.map((each) => streamOf(visitorRef(each.tenant, each.visitor))));
  }
  const [first = [], ...others] = found;
  return first.filter((stream) => others.every((other) => other.includes(stream)));
}

/** The visitors with these words in their profile or their messages. */
async function actorsSaying(
  { readModels }: Pick<EndpointDeps, 'readModels'>,
  tenants: TenantDirectory,
  { tenant, text }: z.infer<typeof Query>,
): Promise<readonly string[]> {
  if (text === undefined) return [];
  const ids = tenant === undefined ? tenants.all().map(({ id }) => id) : [tenant];
  const wish = { q: text, limit: MAX_SAYING };
  const found = await Promise.all(
    DOCUMENT_KINDS.map((kind) => readModels.search.anywhere(ids, { ...wish, in: kind })),
  );
  return [...new Set(found.flat().map((item) => streamOf(visitorRef(item.tenant, item.visitor))))];
}

/** GET /debug/streams */
export function addStreamListEndpoint(
  api: Api,
  access: Access<null>,
  tenants: TenantDirectory,
): void {
  const { deps } = api;
  addEndpoint(
    api,
    {
      method: 'get',
      path: '/debug/streams',
      operationId: 'listStreams',
      tag: 'Debug',
      summary: 'Streams of the log, the one with the newest fact first',
      description:
        'With `jid` and `chat`: the streams of that visitor or operator, with their lanes and data keys.',
      access,
      query: Query,
      success: { status: 200, description: 'A page of streams', schema: pageSchema(Stream) },
      problems: [503],
    },
    async ({ query }) => {
      const position = await awaitPosition(deps, query);
      const { category, tenant, text, cursor, limit } = query;
      const actors = await actorsOf(deps, tenants, query);
      const saying = await actorsSaying(deps, tenants, query);
      const filter = { category, tenant, text, cursor, limit, actors, saying };
      const { items, next } = await deps.readModels.streams.list(filter);
      const streams = await Promise.all(items.map((item) => shown(deps, tenants, item)));
      return {
        status: 200,
        json: { items: streams.filter((stream) => stream !== null), next, position },
      };
    },
  );
}

/** @returns null for a stream that is not in the log any more */
async function shown(
  { store }: Pick<EndpointDeps, 'store'>,
  tenants: TenantDirectory,
  view: StreamView,
) {
  const first = await firstEvent(store, view.stream);
  return first && { ...view, jid: jidOf(tenants, view.stream), firstAt: first.metadata.at };
}
