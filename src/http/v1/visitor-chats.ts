/** A visitor's chat: begun, written in, seen, handed on, closed. */
import { z } from '@hono/zod-openapi';
import { ChatId, VisitorKey } from '../../actors/ids.ts';
import { delaysOf } from '../../actors/tenant/machine.ts';
import type { VisitorCommand } from '../../actors/visitor/decisions.ts';
import { AppError, hasCode } from '../../errors.ts';
import type { Origin } from '../../runtime/ports.ts';
import type { Answer } from '../frame/answer.ts';
import type { Access, Caller } from '../frame/auth.ts';
import { ACCEPTED, accept, originOf } from '../frame/commands.ts';
import { type Api, endpoint } from '../frame/endpoint.ts';
import { CloseChat, Displayed, SendMessage, StartChat, TransferChat } from './visitor-bodies.ts';

const Visitor = z.object({ key: VisitorKey });
const VisitorChat = z.object({ key: VisitorKey, chatId: ChatId });

/** Dispatches a command to a visitor of the caller's tenant, and makes its answer. */
export type OrderVisitor = (
  caller: Caller,
  name: VisitorKey,
  command: VisitorCommand,
  origin: Origin,
) => Promise<Answer>;

/** Who is to have the chat does not exist: that is the request's fault, and no state will ever allow it. */
function withReceiver(error: unknown): never {
  if (hasCode(error, 'refused') && 'field' in error.details) {
    throw new AppError('invalid', error.message, error.details, { cause: error });
  }
  throw error;
}

/** The endpoints of a visitor's chat. */
export function visitorChats(api: Api, access: Access<Caller>, order: OrderVisitor): void {
  const { deps } = api;
  const tag = 'Visitors';
  const visitor = '/v1/{tenant}/visitors/{key}';

  endpoint(
    api,
    {
      method: 'post',
      path: `${visitor}/chats`,
      operationId: 'startChat',
      tag,
      summary: 'The visitor starts a chat',
      description: 'It is routed to an operator of the department, unless one has invited it.',
      access,
      params: Visitor,
      body: StartChat,
      command: true,
      success: ACCEPTED,
    },
    (call) => {
      const { caller, params, body } = call;
      const { message } = body;
      const command: VisitorCommand = {
        type: 'StartChat',
        chatId: body.chatId,
        department: body.department || null,
        delays: delaysOf(caller.tenant),
        nick: body.nick || undefined,
        message: message && { id: message.id ?? deps.newId(), body: message.body },
      };
      return order(caller, params.key, command, originOf(call, message?.id));
    },
  );

  endpoint(
    api,
    {
      method: 'post',
      path: `${visitor}/messages`,
      operationId: 'sendMessage',
      tag,
      summary: 'The visitor writes to its operator',
      access,
      params: Visitor,
      body: SendMessage,
      command: true,
      success: ACCEPTED,
      problems: [404],
    },
    (call) => {
      const { caller, params, body } = call;
      const command: VisitorCommand = {
        type: 'SendMessage',
        messageId: body.id ?? deps.newId(),
        chatId: body.chatId ?? null,
        body: body.body,
      };
      return order(caller, params.key, command, originOf(call, body.id));
    },
  );

  endpoint(
    api,
    {
      method: 'post',
      path: `${visitor}/chats/{chatId}/close`,
      operationId: 'closeChat',
      tag,
      summary: 'The chat is over',
      access,
      params: VisitorChat,
      body: CloseChat,
      command: true,
      success: ACCEPTED,
      problems: [404],
    },
    (call) => {
      const { chatId, key } = call.params;
      const { by, reason } = call.body;
      const command: VisitorCommand = { type: 'CloseChat', chatId, by, reason: reason || null };
      return order(call.caller, key, command, originOf(call));
    },
  );

  endpoint(
    api,
    {
      method: 'post',
      path: `${visitor}/chats/{chatId}/transfer`,
      operationId: 'transferChat',
      tag,
      summary: 'Hand the chat to another operator, or to a department',
      description:
        'An operator has it at once, whatever he has and shows, and is asked to answer it; in a department it waits for the next who is free.',
      access,
      params: VisitorChat,
      body: TransferChat,
      command: true,
      success: ACCEPTED,
      problems: [404],
    },
    (call) => {
      const { chatId, key } = call.params;
      const { operator, department = '' } = call.body; // one of the two is there
      const to = operator === undefined ? { department } : { operator };
      const wish = { chatId, from: null, to };
      const work = deps
        .transfer(call.caller.tenant.id, key, wish, originOf(call))
        .catch(withReceiver);
      return accept(api, 'TransferChat', work);
    },
  );

  endpoint(
    api,
    {
      method: 'post',
      path: `${visitor}/displayed`,
      operationId: 'reportDisplayed',
      tag,
      summary: "The visitor has seen an operator's message, and all before it",
      description:
        "The operator's client is told, where it asked for that (XEP-0333); a message that it did not ask for, or that is not known, changes nothing.",
      access,
      params: Visitor,
      body: Displayed,
      command: true,
      success: ACCEPTED,
      problems: [404],
    },
    (call) => {
      const { messageId } = call.body;
      return order(call.caller, call.params.key, { type: 'ReportSeen', messageId }, originOf(call));
    },
  );
}
