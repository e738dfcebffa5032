/** Questions about visitors, answered from the read models. */
import { z } from '@hono/zod-openapi';
import { ChatId, Username, VisitorKey } from '../../actors/ids.ts';
import { AppError } from '../../errors.ts';
import { MESSAGE_KINDS, type MessageView } from '../../projections/messages.ts';
import {
  VISITOR_SORTS,
  VISITOR_STATES,
  type VisitorView,
} from '../../projections/visitor-queries.ts';
import type { Access, Caller } from '../frame/auth.ts';
import { type Api, endpoint } from '../frame/endpoint.ts';
import { visitorWithJid } from '../frame/jids.ts';
import {
  awaitPosition,
  flag,
  ListQuery,
  lookThrough,
  OneQuery,
  pageSchema,
} from '../frame/reading.ts';
import { line } from '../frame/text.ts';

const told = z.string().nullable();

const Visitor = z
  .object({
    key: z.string(),
    jid: z.string(),
    presence: z.enum(['online', 'timedOut', 'cleanedUp']),
    conversation: z.enum(['none', 'invited', 'waiting', 'chatting']),
    chatId: z.string().nullable(),
    operator: z.string().nullable(),
    department: told,
    nick: told,
    page: told,
    title: told,
    referrer: told,
    country: told,
    city: told,
    timezone: told,
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
      .openapi({ description: '`note` and `command` are for LHC, not for the visitor' }),
    operator: z.string().nullable(),
    body: z.string().nullable(),
    at: z.number().openapi({ description: 'ms since 1970' }),
    state: z.enum(['sent', 'taken', 'delivered', 'failed', 'received']),
    reason: z.string().nullable(),
    displayedAt: z
      .number()
      .nullable()
      .openapi({ description: 'When the other side had seen it, as far as that is known' }),
    replaces: z
      .string()
      .nullable()
      .openapi({ description: "The id of the operator's message that this one corrects" }),
    revision: z.number(),
  } satisfies Record<keyof MessageView, z.ZodType>)
  .openapi('Message');

const VisitorsQuery = ListQuery.extend({
  state: z.enum(VISITOR_STATES).optional(),
  department: line(128).optional(),
  operator: Username.optional(),
  country: line(128).optional().openapi({ description: 'As it was told, upper or lower case' }),
  online: flag.optional(),
  sort: z
    .enum(VISITOR_SORTS)
    .default('-arrivedAt')
    .openapi({ description: 'With `-` the latest first' }),
  q: line(200).optional().openapi({ description: 'In the key, nick, page, title, country, city' }),
});

const kinds = z
  .string()
  .max(100)
  .transform((text) => text.split(','))
  .pipe(z.array(z.enum(MESSAGE_KINDS)))
  .openapi({
    type: 'string',
    description: `Of ${MESSAGE_KINDS.join(', ')}, with commas; default: chat,invitation`,
  });

/** The endpoints that ask about visitors. */
export function visitorQueries(api: Api, access: Access<Caller>): void {
  const { deps } = api;
  const { projections } = deps;
  const tag = 'Visitors';
  const unknown = () => new AppError('not-found', 'this visitor is not known');

  endpoint(
    api,
    {
      method: 'get',
      path: '/v1/{tenant}/visitors',
      operationId: 'listVisitors',
      tag,
      summary: 'Visitors',
      access,
      query: VisitorsQuery,
      success: { status: 200, description: 'A page of them', schema: pageSchema(Visitor) },
      problems: [503],
    },
    async ({ caller: { tenant }, query }) => {
      await awaitPosition(deps, query);
      const position = projections.position();
      const { items, next } = await lookThrough(query, (page) =>
        projections.visitors.list({ ...query, ...page, tenant: tenant.id }),
      );
      const visitors = items.map((visitor) => visitorWithJid(tenant, visitor));
      return { status: 200, json: { items: visitors, next, position } };
    },
  );

  endpoint(
    api,
    {
      method: 'get',
      path: '/v1/{tenant}/visitors/{key}',
      operationId: 'getVisitor',
      tag,
      summary: 'One visitor',
      access,
      params: z.object({ key: VisitorKey }),
      query: OneQuery,
      success: { status: 200, description: 'The visitor', schema: Visitor },
      problems: [404, 503],
    },
    async ({ caller: { tenant }, params, query }) => {
      await awaitPosition(deps, query);
      const visitor = projections.visitors.get(tenant.id, params.key);
      if (!visitor) throw unknown();
      return { status: 200, json: visitorWithJid(tenant, visitor) };
    },
  );

  endpoint(
    api,
    {
      method: 'get',
      path: '/v1/{tenant}/visitors/{key}/messages',
      operationId: 'listMessages',
      tag,
      summary: 'Messages of and to a visitor, the oldest first',
      access,
      params: z.object({ key: VisitorKey }),
      query: ListQuery.extend({ chatId: ChatId.optional(), kinds: kinds.optional() }),
      success: { status: 200, description: 'A page of them', schema: pageSchema(Message) },
      problems: [404, 503],
    },
    async ({ caller: { tenant }, params, query }) => {
      await awaitPosition(deps, query);
      const position = projections.position();
      if (!projections.visitors.get(tenant.id, params.key)) throw unknown();
      const filter = { ...query, tenant: tenant.id, visitor: params.key };
      return { status: 200, json: { ...projections.messages.list(filter), position } };
    },
  );
}
