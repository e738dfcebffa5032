/** Search in messages and visitors, for administrators of LHC. */
import { z } from '@hono/zod-openapi';
import { visitorJid } from '../../actors/ids.ts';
import { filledLine } from '../../actors/input-text.ts';
import { MESSAGE_KINDS } from '../../projections/message-queries.ts';
import type {
  FoundChat,
  FoundMessage,
  FoundText,
  FoundVisitor,
} from '../../projections/search-hits.ts';
import { DOCUMENT_KINDS } from '../../projections/search-index.ts';
import { FOUND_FIELDS } from '../../projections/search-profile.ts';
import type { Access, Caller } from '../frame/auth.ts';
import { type Api, addEndpoint } from '../frame/endpoint.ts';
import { InLhc } from '../frame/in-lhc.ts';
import { awaitPosition, ListQuery, MAX_SEARCH_CHARACTERS, pageSchema } from '../frame/reading.ts';

const found = z
  .array(
    z.object({
      field: z.enum(['body', ...FOUND_FIELDS]),
      text: z.string().openapi({
        description: 'A part of the field. Where something is left out, it has a `…`',
      }),
      hits: z.array(z.object({ start: z.int(), end: z.int() })).openapi({
        description:
          'What was asked for: places in `text`, in UTF-16 units. `text.slice(start, end)` is a hit',
      }),
    } satisfies Record<keyof FoundText, z.ZodType>),
  )
  .openapi({ description: 'The fields with words of the question' });

const ofVisitor = {
  visitor: z.string().openapi({ description: "The visitor's key" }),
  jid: z.string(),
  at: z.int().openapi({ description: 'ms since 1970' }),
  revision: z.int().openapi({ description: "The fact in the visitor's stream" }),
  found,
};

const Item = z
  .discriminatedUnion('kind', [
    z.object({
      kind: z.literal('message'),
      ...ofVisitor,
      id: z.string(),
      chatId: z.string().nullable(),
      direction: z.enum(['visitor', 'operator']),
      messageKind: z.enum(MESSAGE_KINDS),
      operator: z.string().nullable(),
      inLhc: InLhc,
    } satisfies Record<keyof FoundMessage | 'jid', z.ZodType>),
    z.object({
      kind: z.literal('visitor'),
      ...ofVisitor,
      nick: z.string().nullable(),
      presence: z.enum(['online', 'timedOut', 'cleanedUp']),
    } satisfies Record<keyof FoundVisitor | 'jid', z.ZodType>),
    z.object({
      kind: z.literal('chat'),
      ...ofVisitor,
      chatId: z.string(),
      nick: z.string(),
    } satisfies Record<keyof FoundChat | 'jid', z.ZodType>),
  ])
  .openapi('SearchResult');

/** GET /v1/{tenant}/search */
export function addSearchEndpoint(api: Api, access: Access<Caller>): void {
  const { deps } = api;
  addEndpoint(
    api,
    {
      method: 'get',
      path: '/v1/{tenant}/search',
      operationId: 'search',
      tag: 'Search',
      summary: 'Messages or visitors by their words',
      description:
        'Every word has to be there, in any order; the last one may be the beginning of a word. Case and diacritics do not count. What stands between two blanks is a phrase: `you@example.org`. Chinese, Japanese, Korean and Thai are found in the middle of a text too. Quotes and operators mean nothing.',
      access,
      query: ListQuery.extend({
        q: filledLine(MAX_SEARCH_CHARACTERS),
        in: z.enum(DOCUMENT_KINDS).default('messages').openapi({
          description:
            'Messages, the newest first. Visitors: by key, name, country, city, page, title and referrer, until they are cleaned up, those who arrived last first; then closed chats by the name that the visitor had',
        }),
      }),
      success: { status: 200, description: 'A page of what was found', schema: pageSchema(Item) },
      problems: [503],
    },
    async ({ caller: { tenant }, query }) => {
      const position = await awaitPosition(deps, query);
      const { q, in: kind, cursor, limit } = query;
      const wish = { tenant: tenant.id, q, in: kind, cursor, limit };
      const { items, next } = await deps.readModels.search.find(wish);
      const shown = items.map((item) => ({ ...item, jid: visitorJid(tenant, item.visitor) }));
      return { status: 200, json: { items: shown, next, position } };
    },
  );
}
