/** Chats: as a list, and one by one. */
import { z } from '@hono/zod-openapi';
import { ChatId, Username, VisitorKey } from '../../actors/ids.ts';
import { AppError } from '../../errors.ts';
import {
  CHAT_SORTS,
  CHAT_STATES,
  type ChatOperatorView,
  type ChatView,
  CLOSE_PARTIES,
} from '../../projections/chat-queries.ts';
import type { Access, Caller } from '../frame/auth.ts';
import { type Api, endpoint } from '../frame/endpoint.ts';
import { chatWithJid } from '../frame/jids.ts';
import {
  awaitPosition,
  flag,
  ListQuery,
  lookThrough,
  moment,
  OneQuery,
  pageSchema,
  TIME,
} from '../frame/reading.ts';
import { line } from '../frame/text.ts';

const time = z.number().nullable();
const count = z.int();

/** What is told of a chat. */
export const chatFields = {
  chatId: z.string(),
  visitor: z.string().openapi({ description: "The visitor's key" }),
  jid: z.string().openapi({ description: "The visitor's" }),
  nick: z.string().nullable(),
  department: z.string().nullable(),
  state: z.enum(CHAT_STATES).openapi({
    description:
      'waiting: nobody has it; offered: one or several operators are asked to answer; active: answered',
  }),
  operator: z
    .string()
    .nullable()
    .openapi({ description: 'Who has it, is asked alone, or had it last' }),
  offered: z.array(z.string()).openapi({ description: 'Who is asked to answer now' }),
  invitedBy: z.string().nullable(),
  startedAt: z.number().openapi({ description: 'ms since 1970, as all times here' }),
  waitingSince: time.openapi({ description: 'Since when nobody has answered' }),
  assignedAt: time,
  acceptedAt: time,
  firstAnswerAt: time.openapi({ description: 'When an operator first wrote in it' }),
  closedAt: time,
  closedBy: z.enum(CLOSE_PARTIES).nullable(),
  reason: z.string().nullable(),
  missed: z.boolean().openapi({ description: 'Closed, and no operator had ever accepted it' }),
  visitorMessages: count,
  operatorMessages: count,
  transfers: count,
  missedOffers: count,
  operators: z.array(
    z.object({
      operator: z.string(),
      askedAt: time,
      acceptedAt: time,
      firstAnswerAt: time,
      messages: count,
      missed: count,
      declined: count,
    } satisfies Record<keyof ChatOperatorView, z.ZodType>),
  ),
  revision: count,
} satisfies Record<keyof ChatView | 'jid', z.ZodType>;

/** A chat, for the document. */
const Chat = z.object(chatFields).openapi('Chat');

/** The endpoints of chats. */
export function chats(api: Api, access: Access<Caller>): void {
  const { deps } = api;
  const { projections } = deps;
  const tag = 'Chats';

  endpoint(
    api,
    {
      method: 'get',
      path: '/v1/{tenant}/chats',
      operationId: 'listChats',
      tag,
      summary: 'Chats, the most recent first',
      access,
      query: ListQuery.extend({
        state: z.enum(CHAT_STATES).optional(),
        department: line(128).optional(),
        operator: Username.optional().openapi({ description: 'Who has it, or had it last' }),
        visitor: VisitorKey.optional(),
        closedBy: z.enum(CLOSE_PARTIES).optional(),
        missed: flag.optional(),
        since: moment.optional().openapi({ description: `Begun then or later: ${TIME}` }),
        until: moment.optional().openapi({ description: `Begun before then: ${TIME}` }),
        sort: z.enum(CHAT_SORTS).default('-startedAt').openapi({
          description: 'With `-` the latest first; by `waitingSince` those that wait only',
        }),
      }),
      success: { status: 200, description: 'A page of them', schema: pageSchema(Chat) },
      problems: [503],
    },
    async ({ caller: { tenant }, query }) => {
      await awaitPosition(deps, query);
      const position = projections.position();
      const { items, next } = await lookThrough(query, (page) =>
        projections.chats.list({ ...query, ...page, tenant: tenant.id }),
      );
      const found = items.map((chat) => chatWithJid(tenant, chat));
      return { status: 200, json: { items: found, next, position } };
    },
  );

  endpoint(
    api,
    {
      method: 'get',
      path: '/v1/{tenant}/chats/{chatId}',
      operationId: 'getChat',
      tag,
      summary: 'One chat',
      description: 'The last one of this id; with `visitor`, the last one at that visitor.',
      access,
      params: z.object({ chatId: ChatId }),
      query: OneQuery.extend({ visitor: VisitorKey.optional() }),
      success: { status: 200, description: 'The chat', schema: Chat },
      problems: [404, 503],
    },
    async ({ caller: { tenant }, params: { chatId }, query }) => {
      await awaitPosition(deps, query);
      const chat = projections.chats.get(tenant.id, chatId, query.visitor);
      if (!chat) throw new AppError('not-found', 'there is no such chat');
      return { status: 200, json: chatWithJid(tenant, chat) };
    },
  );
}
