/** Bodies of a visitor's commands. */
import { z } from '@hono/zod-openapi';
import { ChatId, Username } from '../../actors/ids.ts';
import { filledLine, line, MAX_NAME_CHARACTERS } from '../../actors/input-text.ts';
import type { ProfileField } from '../../actors/visitor/profile.ts';
import { MessageBody, MessageId } from '../frame/text.ts';

/** A URL at most: of a page or of its referrer. */
export const MAX_URL_CHARACTERS = 4_096;
export const MAX_TITLE_CHARACTERS = 1_024;
/** A country or a time zone at most. */
export const MAX_REGION_CHARACTERS = 64;
export const MAX_REASON_CHARACTERS = 200;
/** The id of an operator's message at most: mod_lhc passes on no more. */
export const MAX_STANZA_ID_CHARACTERS = 1_024;
const MAX_VISITS = 1_000_000_000;

const name = line(MAX_NAME_CHARACTERS);

export const PageView = z
  .strictObject({
    page: filledLine(MAX_URL_CHARACTERS),
    title: line(MAX_TITLE_CHARACTERS).optional(),
    referrer: line(MAX_URL_CHARACTERS).optional(),
    nick: name.optional(),
    country: line(MAX_REGION_CHARACTERS).optional(),
    city: name.optional(),
    timezone: line(MAX_REGION_CHARACTERS).optional().openapi({
      description: 'An IANA name such as Europe/Riga. An unknown one is left out',
    }),
    visits: z.int().min(0).max(MAX_VISITS).optional(),
    department: name.optional(),
    vid: z
      .string()
      .regex(/^[A-Za-z0-9]{0,64}$/, 'is letters and digits, at most 64')
      .optional(),
  } satisfies Record<ProfileField | 'department', z.ZodType>)
  .openapi('PageView');

export const StartChat = z
  .strictObject({
    chatId: ChatId,
    department: name.optional(),
    nick: name.optional(),
    message: z.strictObject({ id: MessageId.optional(), body: MessageBody }).optional(),
  })
  .openapi('StartChat');

export const SendMessage = z
  .strictObject({ id: MessageId.optional(), chatId: ChatId.optional(), body: MessageBody })
  .openapi('SendMessage');

export const CloseChat = z
  .strictObject({
    by: z.enum(['visitor', 'operator', 'system']),
    reason: line(MAX_REASON_CHARACTERS).optional(),
  })
  .openapi('CloseChat');

export const TransferChat = z
  .strictObject({
    operator: Username.optional(),
    department: filledLine(MAX_NAME_CHARACTERS).optional(),
  })
  .refine(({ operator, department }) => (operator === undefined) !== (department === undefined), {
    path: ['operator'],
    error: 'name either an operator or a department',
  })
  .openapi('TransferChat', { description: 'Either an operator or a department' });

export const Displayed = z
  .strictObject({
    // An operator's client makes the id, and a stanza's id can be any text (RFC 6120 §8.1.3).
    messageId: z
      .string()
      .min(1, 'is empty')
      .max(MAX_STANZA_ID_CHARACTERS, `is longer than ${MAX_STANZA_ID_CHARACTERS} characters`)
      .openapi({
        description: "The id of the operator's message, from `chat.message` or `visitor.invited`",
      }),
  })
  .openapi('Displayed');
