/** Queries about visitors and their messages. */
import { z } from '@hono/zod-openapi';
import { ChatId, Username, VisitorKey } from '../../actors/ids.ts';
import { line, MAX_NAME_CHARACTERS } from '../../actors/input-text.ts';
import { AppError } from '../../errors.ts';
import { visitorWithJid } from '../../projections/jids.ts';
import { MESSAGE_KINDS, type MessageView } from '../../projections/message-queries.ts';
import {
  VISITOR_SORTS,
  VISITOR_STATES,
  type VisitorView,
} from '../../projections/visitor-queries.ts';
import type { Access, Caller } from '../frame/auth.ts';
import { type Api, addEndpoint } from '../frame/endpoint.ts';
import { InLhc } from '../frame/in-lhc.ts';
import {
  awaitPosition,
  BooleanParameter,
  ListQuery,
  MAX_SEARCH_CHARACTERS,
  pageSchema,
  SingleQuery,
} from '../frame/reading.ts';

const text = z.string().nullable();

const Visitor = z
  .object({
    key: z.string(),
    jid: z.string(),
    presence: z.enum(['online', 'timedOut', 'cleanedUp']),
    conversation: z.enum(['none', 'invited', 'waiting', 'chatting']),
    chatId: z.string().nullable(),
    operator: z.string().nullable(),
    inLhc: InLhc,
    department: text,
    nick: text,
    page: text,
    title: text,
    referrer: text,
    country: text,
    city: text,
    timezone: text,
    visits: z.number().nullable(),
    loggedIn: z.boolean(),
    arrivedAt: z.number().openapi({ description: 'ms since 1970' }),
    lastSeen: z.number().openapi({ description: 'ms since 1970' }),
    revision: z.number(),
  } satisfies Record<keyof VisitorView | 'jid', z.ZodType>)
  .openapi('Visitor');

const Message = z
  .object({
    id: z.string(),
    chatId: z.string().nullable(),
    direction: z.enum(['visitor', 'operator']),
    kind: z
      .enum(MESSAGE_KINDS)
      .openapi({ description: '`note` and `command` are for LHC; the visitor does not see them' }),
    operator: z.string().nullable(),
    inLhc: InLhc,
    body: z
      .string()
      .nullable()
      .openapi({ description: 'The newest text; null if it was taken back or erased' }),
    at: z.number().openapi({ description: 'ms since 1970' }),
    state: z.enum(['sent', 'taken', 'delivered', 'failed', 'received']).openapi({
      description:
        "Of a visitor's message: sent, taken by ejabberd, delivered to a client of the operator, or failed. Of an operator's message: received, or failed if LHC has refused it",
    }),
    reason: z.string().nullable().openapi({
      description: "Why it failed; of an operator's message the code of LHC's refusal",
    }),
    displayedAt: z
      .number()
      .nullable()
      .openapi({ description: 'When the other side saw it, in ms since 1970; null if unknown' }),
    replaces: z
      .string()
      .nullable()
      .openapi({ description: "The id of the operator's message that this message corrects" }),
    correctedAt: z
      .number()
      .nullable()
      .openapi({ description: 'When its operator corrected it last, in ms since 1970' }),
    retractedAt: z
      .number()
      .nullable()
      .openapi({ description: 'When its operator took it back, in ms since 1970' }),
    reactions: z
      .array(z.string())
      .openapi({ description: 'The reactions of the other side, as emoji' }),
    revision: z.number(),
  } satisfies Record<keyof MessageView, z.ZodType>)
  .openapi('Message');

const VisitorsQuery = ListQuery.extend({
  state: z.enum(VISITOR_STATES).optional(),
  department: line(MAX_NAME_CHARACTERS).optional(),
  operator: Username.optional(),
  country: line(MAX_NAME_CHARACTERS)
    .optional()
    .openapi({ description: 'The country as page views give it, in upper or lower case' }),
  online: BooleanParameter.optional(),
  sort: z
    .enum(VISITOR_SORTS)
    .default('-arrivedAt')
    .openapi({ description: 'With `-` the latest first' }),
  q: line(MAX_SEARCH_CHARACTERS)
    .optional()
    .openapi({ description: 'A part of the key, nick, page, title, country or city' }),
});

const kinds = z
  .string()
  .max(100)
  .transform((list) => list.split(','))
  .pipe(z.array(z.enum(MESSAGE_KINDS)))
  .openapi({
    type: 'string',
    description: `One or several of ${MESSAGE_KINDS.join(', ')}, separated by commas. Default: chat,invitation`,
  });

export function addVisitorQueries(api: Api, access: Access<Caller>): void {
  const { deps } = api;
  const { readModels } = deps;
  const tag = 'Visitors';
  const notFound = () => new AppError('not-found', 'this visitor is not known');

  addEndpoint(
    api,
    {
      method: 'get',
      path: '/v1/{tenant}/visitors',
      operationId: 'listVisitors',
      tag,
      summary: 'Visitors',
      access,
      query: VisitorsQuery,
      success: { status: 200, description: 'A page of visitors', schema: pageSchema(Visitor) },
      problems: [503],
    },
    async ({ caller: { tenant }, query }) => {
      const position = await awaitPosition(deps, query);
      const { items, next } = await readModels.visitors.list({ ...query, tenant: tenant.id });
      const visitors = items.map((visitor) => visitorWithJid(tenant, visitor));
      return { status: 200, json: { items: visitors, next, position } };
    },
  );

  addEndpoint(
    api,
    {
      method: 'get',
      path: '/v1/{tenant}/visitors/{key}',
      operationId: 'getVisitor',
      tag,
      summary: 'One visitor',
      access,
      params: z.object({ key: VisitorKey }),
      query: SingleQuery,
      success: { status: 200, description: 'The visitor', schema: Visitor },
      problems: [404, 503],
    },
    async ({ caller: { tenant }, params, query }) => {
      const position = await awaitPosition(deps, query);
      const visitor = await readModels.visitors.get(tenant.id, params.key);
      if (!visitor) throw notFound();
      return { status: 200, json: visitorWithJid(tenant, visitor), position };
    },
  );

  addEndpoint(
    api,
    {
      method: 'get',
      path: '/v1/{tenant}/visitors/{key}/messages',
      operationId: 'listMessages',
      tag,
      summary: 'Messages from and to a visitor, the oldest first',
      access,
      params: z.object({ key: VisitorKey }),
      query: ListQuery.extend({ chatId: ChatId.optional(), kinds: kinds.optional() }),
      success: { status: 200, description: 'A page of messages', schema: pageSchema(Message) },
      problems: [404, 503],
    },
    async ({ caller: { tenant }, params, query }) => {
      const position = await awaitPosition(deps, query);
      const filter = { ...query, tenant: tenant.id, visitor: params.key };
      const page = await readModels.messages.list(filter);
      if (!page) throw notFound();
      return { status: 200, json: { ...page, position } };
    },
  );
}
