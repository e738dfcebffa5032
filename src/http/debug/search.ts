/** One box for everything: a visitor, an operator, a chat, a message, a request. */
import { z } from '@hono/zod-openapi';
import {
  ChatId,
  operatorRef,
  personOf,
  streamOf,
  TenantId,
  Username,
  VisitorKey,
  visitorRef,
} from '../../actors/ids.ts';
import { filledLine } from '../../actors/input-text.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import { eventAt } from '../../eventstore/reading.ts';
import type { FoundAnywhere } from '../../projections/read-models.ts';
import { DOCUMENT_KINDS } from '../../projections/search-index.ts';
import type { FactRef, StreamView } from '../../projections/stream-queries.ts';
import type { Access } from '../frame/auth.ts';
import type { EndpointDeps } from '../frame/deps.ts';
import { type Api, addEndpoint } from '../frame/endpoint.ts';
import { MAX_SEARCH_CHARACTERS } from '../frame/reading.ts';
import { jidOf } from './stream-list.ts';

const DEFAULT_FOUND = 20;
const MAX_FOUND = 100;

/** In the order of an answer: what the text names comes before what only contains it. */
export const FOUND_KINDS = ['visitor', 'operator', 'chat', 'message', 'trace'] as const;

export const Found = z
  .object({
    kind: z.enum(FOUND_KINDS),
    stream: z.string(),
    revision: z.int().nullable().openapi({ description: 'The fact in the stream, if it is one' }),
    tenant: z.string().nullable(),
    title: z.string(),
    detail: z.string(),
    at: z.int().openapi({ description: 'ms since 1970' }),
  })
  .openapi('Found');
type Found = z.infer<typeof Found>;

/** GET /debug/search */
export function addDebugSearchEndpoint(
  api: Api,
  access: Access<null>,
  tenants: TenantDirectory,
): void {
  addEndpoint(
    api,
    {
      method: 'get',
      path: '/debug/search',
      operationId: 'searchEverything',
      tag: 'Debug',
      summary: 'What a text names',
      description:
        "The key of a visitor, an address (JID), the name of a stream, an operator's username, the id of a chat, of a request (correlation id), of a trace, of a command or of a fact. Then what has its words: visitors, chats and messages.",
      access,
      query: z.strictObject({
        q: filledLine(MAX_SEARCH_CHARACTERS),
        tenant: TenantId.optional(),
        limit: z.coerce.number().int().min(1).max(MAX_FOUND).default(DEFAULT_FOUND),
      }),
      success: {
        status: 200,
        description: 'What was found, the best first',
        schema: z.object({ items: z.array(Found) }),
      },
      problems: [503],
    },
    async ({ query: { q, tenant, limit } }) => {
      const ids = tenant === undefined ? tenants.all().map(({ id }) => id) : [tenant];
      const found = [
        ...(await actors(api.deps, tenants, ids, q)),
        ...(await chats(api.deps, ids, q)),
        ...(await trace(api.deps, q, limit)),
        ...(await words(api.deps, ids, q, limit)),
      ];
      return { status: 200, json: { items: found.slice(0, limit) } };
    },
  );
}

type Deps = Pick<EndpointDeps, 'readModels' | 'store'>;

/** Visitors and operators whose address, stream or name the text is. */
async function actors(
  { readModels }: Deps,
  tenants: TenantDirectory,
  ids: readonly TenantId[],
  text: string,
): Promise<Found[]> {
  const name = text.toLowerCase();
  const person = personOf(name, (host) => tenants.ofHost(host));
  const key = VisitorKey.safeParse(name).data;
  const username = Username.safeParse(name).data;
  const streams = [
    ...(person ? [streamOf(person)] : []),
    name,
    ...(key === undefined ? [] : ids.map((id) => streamOf(visitorRef(id, key)))),
    ...(username === undefined ? [] : ids.map((id) => streamOf(operatorRef(id, username)))),
  ];
  const found = await readModels.streams.named(streams);
  return found
    .filter(({ tenant }) => tenant !== null && ids.some((id) => id === tenant))
    .flatMap((view) => foundActor(view, jidOf(tenants, view.stream)))
    .toSorted((a, b) => FOUND_KINDS.indexOf(a.kind) - FOUND_KINDS.indexOf(b.kind) || b.at - a.at);
}

const foundActor = (view: StreamView, jid: string | null): Found[] => {
  const { category: kind, stream, tenant, name, lastType, lastAt: at } = view;
  if (kind !== 'visitor' && kind !== 'operator') return [];
  const detail = `${jid ?? stream} · ${lastType}`;
  return [{ kind, stream, revision: null, tenant, title: name, detail, at }];
};

async function chats(
  { readModels }: Deps,
  ids: readonly TenantId[],
  text: string,
): Promise<Found[]> {
  const id = ChatId.safeParse(text.replace(/^#/, '').toLowerCase()).data;
  if (id === undefined) return [];
  const found = await readModels.chats.withId(ids, id);
  return found.map(({ tenant, visitor, chatId, nick, state, startedAt, revision }) => ({
    kind: 'chat',
    stream: streamOf(visitorRef(tenant, visitor)),
    revision,
    tenant,
    title: `#${chatId}`,
    detail: `${nick ?? visitor} · ${state}`,
    at: startedAt,
  }));
}

/** The first fact with this id that is still in the log. */
async function trace({ readModels, store }: Deps, id: string, limit: number): Promise<Found[]> {
  const facts = await readModels.streams.factsOf(id);
  const streams = new Set(facts.map(({ stream }) => stream));
  for (const { stream, revision } of facts.slice(0, limit)) {
    const fact = await eventAt(store, stream, revision);
    if (!fact) continue;
    const { tenant, at } = fact.metadata;
    const detail = `${counted(facts)} in ${streams.size === 1 ? stream : `${streams.size} streams`}`;
    return [{ kind: 'trace', stream, revision, tenant, title: id, detail, at }];
  }
  return [];
}

/** Visitors, chats and messages with these words. */
async function words(
  { readModels }: Deps,
  ids: readonly TenantId[],
  q: string,
  limit: number,
): Promise<Found[]> {
  const [visitors, messages] = await Promise.all(
    DOCUMENT_KINDS.map((kind) => readModels.search.anywhere(ids, { q, in: kind, limit })),
  );
  return [...(visitors ?? []), ...(messages ?? [])].map(foundWords);
}

function foundWords(item: FoundAnywhere): Found {
  const { kind, tenant, visitor, at, revision, found } = item;
  const stream = streamOf(visitorRef(tenant, visitor));
  const detail = found.map(({ text }) => text).join(' · ');
  const common = { kind, stream, tenant, detail, at };
  switch (kind) {
    case 'visitor':
      return { ...common, revision: null, title: item.nick ?? visitor };
    case 'chat':
      return { ...common, revision, title: `#${item.chatId}` };
    case 'message': {
      const by = item.direction === 'visitor' ? visitor : (item.operator ?? item.inLhc?.name);
      return { ...common, revision, title: by ?? 'LHC' };
    }
  }
}

const counted = ({ length }: readonly FactRef[]): string =>
  length === 1 ? '1 fact' : `${length} facts`;
