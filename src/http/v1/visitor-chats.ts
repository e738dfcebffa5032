/** Commands of a visitor's chat: start, write, see, transfer, close. */
import { z } from '@hono/zod-openapi';
import { ChatId, VisitorKey } from '../../actors/ids.ts';
import { delaysOf } from '../../actors/tenant/settings.ts';
import type { VisitorCommand } from '../../actors/visitor/decisions.ts';
import type { VisitorFile as VisitorFileFact } from '../../actors/visitor/facts.ts';
import { AppError, hasCode } from '../../errors.ts';
import type { Origin } from '../../runtime/ports.ts';
import { type Answer, isProblem } from '../frame/answer.ts';
import type { Access, Caller } from '../frame/auth.ts';
import { ACCEPTED, answerCommand, identifiedBy, originOf } from '../frame/commands.ts';
import type { Api, Call } from '../frame/endpoint.ts';
import type { Problem } from '../frame/problem.ts';
import { addCommand } from '../frame/tenant-commands.ts';
import {
  CloseChat,
  Displayed,
  Reactions,
  SendMessage,
  StartChat,
  TransferChat,
  type VisitorFile,
} from './visitor-bodies.ts';

const Visitor = z.object({ key: VisitorKey });
const VisitorChat = z.object({ key: VisitorKey, chatId: ChatId });

/** Sends a command to a visitor of the caller's tenant and makes the answer. */
export type CommandVisitor = (
  caller: Caller,
  key: VisitorKey,
  command: VisitorCommand,
  origin: Origin,
) => Promise<Answer | Problem>;

interface SaidByVisitor {
  readonly id?: string | undefined;
  readonly body?: string | undefined;
  readonly files?: readonly VisitorFile[] | undefined;
}

const numbered = (origin: Origin, index: number): Origin => ({
  ...origin,
  commandId: `${origin.commandId}.${index}`,
});

interface Part {
  readonly id?: string;
  readonly body: string;
  readonly file?: VisitorFileFact;
}

/** A message for each part: the text, and each of the files. */
function partsOf({ id, body, files = [] }: SaidByVisitor): Part[] {
  const texts = body ? [{ body }] : [];
  const links = files.map(({ url, name, type, size }) => ({
    body: url,
    file: { name, ...(type !== undefined && { type }), ...(size !== undefined && { size }) },
  }));
  return [...texts, ...links].map((part: Part, index) => ({
    ...part,
    ...(id !== undefined && { id: index === 0 ? id : `${id}.${index}` }),
  }));
}

/** A receiver that does not exist makes the request invalid: no state would ever allow it. */
function invalidReceiver(error: unknown): never {
  if (hasCode(error, 'refused') && 'field' in error.details) {
    throw new AppError('invalid', error.message, error.details, { cause: error });
  }
  throw error;
}

export function addVisitorChats(
  api: Api,
  access: Access<Caller>,
  commandVisitor: CommandVisitor,
): void {
  const { transfer } = api.deps;
  const identified = identifiedBy(api);
  const tag = 'Visitors';
  const path = '/v1/{tenant}/visitors/{key}';

  type Said = ReturnType<typeof identified> & { file?: VisitorFileFact };
  const messagesOf = (caller: Caller, key: VisitorKey, said: SaidByVisitor): Said[] =>
    partsOf(said).map(({ file, ...part }) => ({
      ...identified(caller, key, part),
      ...(file && { file }),
    }));

  /**
   * Sends messages in their order, up to the first that fails: sent again, those before it are repeats.
   * @param before the answer to what was sent before them
   */
  async function say(
    call: Call<Caller, { key: VisitorKey }, unknown, unknown>,
    chatId: string | null,
    messages: readonly Said[],
    before?: Answer,
  ): Promise<Answer | Problem> {
    const { caller, params } = call;
    let answer: Answer | Problem | undefined = before;
    for (const [index, { id: messageId, ...said }] of messages.entries()) {
      const command: VisitorCommand = { type: 'SendMessage', messageId, chatId, ...said };
      const origin = originOf(api, call, { id: messageId, ...said });
      const isFirst = before === undefined && index === 0;
      // One request, several commands: each with an id of its own.
      const own = isFirst || said.digest !== undefined ? origin : numbered(origin, index + 1);
      answer = await commandVisitor(caller, params.key, command, own);
      if (isProblem(answer)) return answer;
    }
    if (answer === undefined) throw new Error('a message without a text and without a file');
    return answer;
  }

  addCommand(
    api,
    {
      method: 'post',
      path: `${path}/chats`,
      operationId: 'startChat',
      tag,
      summary: 'The visitor starts a chat',
      description:
        'An operator of the department gets the chat. If an operator has invited the visitor, that operator gets it.',
      access,
      params: Visitor,
      body: StartChat,
      command: true,
      urgent: true,
      success: ACCEPTED,
    },
    async (call) => {
      const { caller, params, body } = call;
      const [first, ...others] = messagesOf(caller, params.key, body.message ?? {});
      const command: VisitorCommand = {
        type: 'StartChat',
        chatId: body.chatId,
        department: body.department || null,
        delays: delaysOf(caller.tenant),
        nick: body.nick || undefined,
        language: body.language || undefined,
        message: first,
      };
      const answer = await commandVisitor(caller, params.key, command, originOf(api, call, first));
      return isProblem(answer) ? answer : say(call, body.chatId, others, answer);
    },
  );

  addCommand(
    api,
    {
      method: 'post',
      path: `${path}/messages`,
      operationId: 'sendMessage',
      tag,
      summary: 'The visitor writes to the operator',
      access,
      params: Visitor,
      body: SendMessage,
      command: true,
      urgent: true,
      success: ACCEPTED,
      problems: [404],
    },
    (call) => {
      const { caller, params, body } = call;
      return say(call, body.chatId ?? null, messagesOf(caller, params.key, body));
    },
  );

  addCommand(
    api,
    {
      method: 'post',
      path: `${path}/chats/{chatId}/close`,
      operationId: 'closeChat',
      tag,
      summary: 'The chat is over',
      access,
      params: VisitorChat,
      body: CloseChat,
      command: true,
      urgent: true,
      success: ACCEPTED,
      problems: [404],
    },
    (call) => {
      const { chatId, key } = call.params;
      const { by, reason, name } = call.body;
      const command: VisitorCommand = {
        type: 'CloseChat',
        chatId,
        by,
        reason: reason || null,
        name: name || undefined,
      };
      return commandVisitor(call.caller, key, command, originOf(api, call));
    },
  );

  addCommand(
    api,
    {
      method: 'post',
      path: `${path}/chats/{chatId}/transfer`,
      operationId: 'transferChat',
      tag,
      summary: 'Transfer the chat to another operator or to a department',
      description:
        'An operator gets the chat at once, whatever their capacity and presence, and is asked to accept it. In a department the chat waits for the next free operator.',
      access,
      params: VisitorChat,
      body: TransferChat,
      command: true,
      urgent: true,
      success: ACCEPTED,
      problems: [404],
    },
    (call) => {
      const { chatId, key } = call.params;
      const { operator, department = '', name } = call.body; // the schema lets exactly one of them through
      const to = operator === undefined ? { department } : { operator };
      const wish = { chatId, from: null, to, name: name || undefined };
      const work = transfer(call.caller.tenant.id, key, wish, originOf(api, call));
      return answerCommand(api, 'TransferChat', work.catch(invalidReceiver));
    },
  );

  addCommand(
    api,
    {
      method: 'post',
      path: `${path}/displayed`,
      operationId: 'reportDisplayed',
      tag,
      summary: "The visitor has seen an operator's message and all messages before it",
      description:
        "The operator's client gets a marker if it asked for one (XEP-0333). A message that is unknown, or whose client asked for no marker, changes nothing.",
      access,
      params: Visitor,
      body: Displayed,
      command: true,
      urgent: true,
      success: ACCEPTED,
      problems: [404],
    },
    (call) => {
      const { messageId } = call.body;
      const command: VisitorCommand = { type: 'ReportOperatorMessageDisplayed', messageId };
      return commandVisitor(call.caller, call.params.key, command, originOf(api, call));
    },
  );

  addCommand(
    api,
    {
      method: 'post',
      path: `${path}/reactions`,
      operationId: 'react',
      tag,
      summary: "The visitor reacts to an operator's message",
      description:
        "The operator's client shows it at the message (XEP-0444); one that knows no reactions shows a line, once for each message. A message that is unknown changes nothing.",
      access,
      params: Visitor,
      body: Reactions,
      command: true,
      urgent: true,
      success: ACCEPTED,
      problems: [404],
    },
    (call) => {
      const { messageId } = call.body;
      const reactions = [...new Set(call.body.reactions)];
      const command: VisitorCommand = { type: 'ReactToOperatorMessage', messageId, reactions };
      return commandVisitor(call.caller, call.params.key, command, originOf(api, call));
    },
  );
}
