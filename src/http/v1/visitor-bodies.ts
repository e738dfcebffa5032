/** Bodies of the commands of a visitor. */
import { z } from '@hono/zod-openapi';
import { ChatId, Username } from '../../actors/ids.ts';
import { filledLine, line, MessageBody, MessageId } from '../frame/text.ts';

export const PageView = z
  .strictObject({
    page: filledLine(4096),
    title: line(1024).optional(),
    referrer: line(4096).optional(),
    nick: line(128).optional(),
    country: line(64).optional(),
    city: line(128).optional(),
    timezone: line(64).optional(),
    visits: z.int().min(0).max(1_000_000_000).optional(),
    department: line(128).optional(),
    vid: z
      .string()
      .regex(/^[A-Za-z0-9]{0,64}$/, 'is letters and digits, at most 64')
      .optional(),
  })
  .openapi('PageView');

export const StartChat = z
  .strictObject({
    chatId: ChatId,
    department: line(128).optional(),
    nick: line(128).optional(),
    message: z.strictObject({ id: MessageId.optional(), body: MessageBody }).optional(),
  })
  .openapi('StartChat');

export const SendMessage = z
  .strictObject({ id: MessageId.optional(), chatId: ChatId.optional(), body: MessageBody })
  .openapi('SendMessage');

export const CloseChat = z
  .strictObject({
    by: z.enum(['visitor', 'operator', 'system']),
    reason: line(200).optional(),
  })
  .openapi('CloseChat');

export const TransferChat = z
  .strictObject({ operator: Username.optional(), department: filledLine(128).optional() })
  .refine(({ operator, department }) => (operator === undefined) !== (department === undefined), {
    path: ['operator'],
    error: 'name an operator or a department, one of the two',
  })
  .openapi('TransferChat', { description: 'An operator or a department, one of the two' });

export const Displayed = z
  .strictObject({
    // Made by the operator's client: a stanza's id can be any text (RFC 6120 §8.1.3), mod_lhc passes on so much of it.
    messageId: z.string().min(1, 'is empty').max(1024, 'is longer than 1024 characters').openapi({
      description: "Of the operator's message, as `chat.message` or `visitor.invited` told it",
    }),
  })
  .openapi('Displayed');
