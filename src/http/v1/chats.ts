/** Queries about chats. */
import { z } from '@hono/zod-openapi';
import { ChatId, Username, VisitorKey } from '../../actors/ids.ts';
import { line, MAX_NAME_CHARACTERS } from '../../actors/input-text.ts';
import { AppError } from '../../errors.ts';
import {
  CHAT_SORTS,
  CHAT_STATES,
  type ChatOperatorView,
  type ChatView,
  CLOSE_PARTIES,
} from '../../projections/chat-queries.ts';
import { chatWithJid } from '../../projections/jids.ts';
import type { Access, Caller } from '../frame/auth.ts';
import { type Api, addEndpoint } from '../frame/endpoint.ts';
import { InLhc } from '../frame/in-lhc.ts';
import {
  awaitPosition,
  BooleanParameter,
  ListQuery,
  pageSchema,
  SingleQuery,
  TIME_FORMAT,
  TimeParameter,
} from '../frame/reading.ts';

const time = z.number().nullable();
const count = z.int();

/** The fields of a chat in an answer. */
export const chatFields = {
  chatId: z.string(),
  visitor: z.string().openapi({ description: "The visitor's key" }),
  jid: z.string().openapi({ description: "The visitor's address" }),
  nick: z.string().nullable(),
  department: z.string().nullable(),
  language: z.string().nullable().openapi({ description: "The visitor's, BCP 47" }),
  overflowedFrom: z.array(z.string()).openapi({
    description: 'Departments in which it waited too long, so that it went to the next',
  }),
  notified: z.enum(['closed', 'full']).nullable().openapi({
    description:
      'What the visitor was told while nobody answered: the department is closed, or too many wait',
  }),
  state: z.enum(CHAT_STATES).openapi({
    description:
      'waiting: no operator has the chat; offered: one or several operators, or somebody in LHC, are asked to accept it; active: one of them did',
  }),
  operator: z.string().nullable().openapi({
    description:
      'The operator who has the chat, is the only one asked to accept it, or had it last',
  }),
  inLhc: InLhc,
  offered: z.array(z.string()).openapi({ description: 'Operators who are asked to accept it now' }),
  invitedBy: z.string().nullable(),
  startedAt: z.number().openapi({ description: 'ms since 1970, like all times here' }),
  waitingSince: time.openapi({
    description:
      'Since when no operator has accepted; null if LHC picks its operators, or somebody in LHC has it or is asked',
  }),
  assignedAt: time,
  acceptedAt: time,
  firstAnswerAt: time.openapi({ description: 'When an operator first wrote' }),
  closedAt: time,
  closedBy: z.enum(CLOSE_PARTIES).nullable(),
  reason: z.string().nullable(),
  missed: z.boolean().openapi({ description: 'Closed before any operator accepted' }),
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

const Chat = z.object(chatFields).openapi('Chat');

export function addChatEndpoints(api: Api, access: Access<Caller>): void {
  const { deps } = api;
  const { readModels } = deps;
  const tag = 'Chats';

  addEndpoint(
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
        department: line(MAX_NAME_CHARACTERS).optional(),
        operator: Username.optional().openapi({
          description: 'The operator who has the chat, or had it last',
        }),
        visitor: VisitorKey.optional(),
        closedBy: z.enum(CLOSE_PARTIES).optional(),
        missed: BooleanParameter.optional(),
        since: TimeParameter.optional().openapi({
          description: `Started at this time or later: ${TIME_FORMAT}`,
        }),
        until: TimeParameter.optional().openapi({
          description: `Started before this time: ${TIME_FORMAT}`,
        }),
        sort: z.enum(CHAT_SORTS).default('-startedAt').openapi({
          description:
            'With `-` the latest first. By `waitingSince` only chats that wait are included',
        }),
      }),
      success: { status: 200, description: 'A page of chats', schema: pageSchema(Chat) },
      problems: [503],
    },
    async ({ caller: { tenant }, query }) => {
      const position = await awaitPosition(deps, query);
      const { items, next } = await readModels.chats.list({ ...query, tenant: tenant.id });
      const chats = items.map((chat) => chatWithJid(tenant, chat));
      return { status: 200, json: { items: chats, next, position } };
    },
  );

  addEndpoint(
    api,
    {
      method: 'get',
      path: '/v1/{tenant}/chats/{chatId}',
      operationId: 'getChat',
      tag,
      summary: 'One chat',
      description: 'The latest chat with this id. With `visitor`, the latest one of that visitor.',
      access,
      params: z.object({ chatId: ChatId }),
      query: SingleQuery.extend({ visitor: VisitorKey.optional() }),
      success: { status: 200, description: 'The chat', schema: Chat },
      problems: [404, 503],
    },
    async ({ caller: { tenant }, params: { chatId }, query }) => {
      const position = await awaitPosition(deps, query);
      const chat = await readModels.chats.get(tenant.id, chatId, query.visitor);
      if (!chat) throw new AppError('not-found', 'there is no such chat');
      return { status: 200, json: chatWithJid(tenant, chat), position };
    },
  );
}
