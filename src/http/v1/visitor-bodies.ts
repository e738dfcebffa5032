/** Bodies of a visitor's commands. */
import { z } from '@hono/zod-openapi';
import { ChatId, Username } from '../../actors/ids.ts';
import { describingLine, filledLine, line, MAX_NAME_CHARACTERS } from '../../actors/input-text.ts';
import { languageTag } from '../../actors/language.ts';
import { LhcUserId } from '../../actors/operator/registration.ts';
import { FILE_URL_MAX_CHARACTERS, MESSAGE_MAX_FILES } from '../../actors/tenant/file-settings.ts';
import type { ProfileField } from '../../actors/visitor/profile.ts';
import { isTimeZone } from '../../kit/time-zone.ts';
import { MessageBody, MessageId, VisitorText } from '../frame/text.ts';

/** A URL at most: of a page or of its referrer. */
export const MAX_URL_CHARACTERS = 4_096;
export const MAX_TITLE_CHARACTERS = 1_024;
/** A country or a time zone at most. */
export const MAX_REGION_CHARACTERS = 64;
export const MAX_REASON_CHARACTERS = 200;
/** Reactions of a visitor to one message, and the length of one in UTF-16 units. */
export const MAX_REACTIONS = 20;
export const MAX_REACTION_CHARACTERS = 64;
/** The id of an operator's message at most: mod_lhc passes on no more. */
export const MAX_STANZA_ID_CHARACTERS = 1_024;
const MAX_FILE_NAME_CHARACTERS = 255;
const MAX_FILE_TYPE_CHARACTERS = 127; // RFC 6838 §4.2, of one part
const MAX_VISITS = 1_000_000_000;
const VID = /^[A-Za-z0-9]{0,64}$/;

/** Text that describes a visitor or an event: whatever is in it, the rest of the request counts (ADR 0031). */
const described = (most: number) =>
  describingLine(most)
    .nullish()
    .openapi({ description: `One line, cut to ${most} characters` });

/** A text that is of no use otherwise: it counts as empty. */
const usableIf = (test: (text: string) => boolean, description: string) =>
  z
    .string()
    .overwrite((text) => (test(text) ? text : ''))
    .nullish()
    .openapi({ description: `${description}. Anything else is left out` });

const name = described(MAX_NAME_CHARACTERS);

/** An unusable tag counts as empty, as every text that describes. */
const language = z
  .string()
  .overwrite((text) => languageTag(text) ?? '')
  .nullish()
  .openapi({
    description:
      'The language of the visitor, as BCP 47 has it (`de-AT`). Anything else is left out',
  });

/** A person in LHC's own pages. */
const nameInLhc = name.openapi({
  description: `The person's name in LHC, for operators to read. One line, cut to ${MAX_NAME_CHARACTERS} characters`,
});

export const PageView = z
  .strictObject({
    page: describingLine(MAX_URL_CHARACTERS).openapi({
      description: `The address, cut to ${MAX_URL_CHARACTERS} characters. May be empty if it is not known`,
    }),
    title: described(MAX_TITLE_CHARACTERS),
    referrer: described(MAX_URL_CHARACTERS),
    nick: name,
    country: described(MAX_REGION_CHARACTERS),
    city: name,
    timezone: usableIf(isTimeZone, 'An IANA name such as Europe/Riga'),
    visits: z
      .number()
      .overwrite((visits) => Math.min(Math.max(0, Math.trunc(visits)), MAX_VISITS))
      .nullish()
      .openapi({ description: `A whole number from 0 to ${MAX_VISITS}; others count as the next` }),
    department: name,
    language,
    vid: usableIf((text) => VID.test(text), 'Letters and digits, at most 64'),
  } satisfies Record<ProfileField | 'department' | 'language', z.ZodType>)
  .openapi('PageView');

const VisitorFile = z
  .strictObject({
    url: z
      .url({ protocol: /^https?$/, error: 'has to be a URL with https:// or http://' })
      .max(FILE_URL_MAX_CHARACTERS, `is longer than ${FILE_URL_MAX_CHARACTERS} characters`)
      .openapi({
        description:
          "Where the tenant's LHC has the file (`files.lhc`). Operators open it there. From elsewhere nothing is fetched, and the operator reads that the file was not passed on",
      }),
    name: filledLine(MAX_FILE_NAME_CHARACTERS).openapi({
      description: 'With the end that says its type, such as `.png`',
    }),
    type: line(MAX_FILE_TYPE_CHARACTERS).optional(),
    size: z.int().min(0).max(Number.MAX_SAFE_INTEGER).optional().openapi({
      description: 'In bytes',
    }),
  })
  .openapi('VisitorFile');
export type VisitorFile = z.output<typeof VisitorFile>;

const files = z
  .array(VisitorFile)
  .max(MESSAGE_MAX_FILES, `has more than ${MESSAGE_MAX_FILES} files`)
  .optional()
  .openapi({
    description:
      'Each becomes a message of its own, behind the text, with the id of the message and `.1`, `.2` … The first has the id itself if there is no text',
  });

const saysSomething = (said: {
  body?: string | undefined;
  files?: VisitorFile[] | undefined;
}): boolean => said.body !== undefined || (said.files ?? []).length > 0;
const SAYS_NOTHING = { path: ['body'], error: 'is missing, and there is no file' };

const FirstMessage = z
  .strictObject({ id: MessageId.optional(), body: VisitorText.optional(), files })
  .refine(saysSomething, SAYS_NOTHING)
  // A chat does not fail because there is nothing in its first message.
  .transform((message) => (message.body || message.files?.length ? message : null));

export const StartChat = z
  .strictObject({
    chatId: ChatId,
    department: name,
    nick: name,
    language,
    message: FirstMessage.nullish(),
  })
  .openapi('StartChat');

export const SendMessage = z
  .strictObject({
    id: MessageId.optional(),
    chatId: ChatId.optional(),
    body: MessageBody.optional(),
    files,
  })
  .refine(saysSomething, SAYS_NOTHING)
  .openapi('SendMessage');

export const CloseChat = z
  .strictObject({
    by: z.enum(['visitor', 'operator', 'system']),
    reason: described(MAX_REASON_CHARACTERS),
    name: nameInLhc,
  })
  .openapi('CloseChat');

export const TransferChat = z
  .strictObject({
    operator: Username.optional(),
    department: filledLine(MAX_NAME_CHARACTERS).optional(),
    name: nameInLhc,
  })
  .refine(({ operator, department }) => (operator === undefined) !== (department === undefined), {
    path: ['operator'],
    error: 'name either an operator or a department',
  })
  .openapi('TransferChat', { description: 'Either an operator or a department' });

export const SetOwner = z
  .strictObject({
    lhcUserId: LhcUserId.describe('The user of LHC who has the chat'),
    name: nameInLhc,
    accepted: z.boolean().default(true).openapi({
      description: 'False: they are asked to answer it, and have not done so',
    }),
  })
  .openapi('SetOwner');

/** LHC has rows of its own and of bots. */
const AuthorInLhc = z.int().min(-2).max(Number.MAX_SAFE_INTEGER).openapi({
  description: 'The user of LHC who wrote it. 0 and -1: LHC itself, -2: a bot',
});

export const OperatorMessage = z
  .strictObject({ id: MessageId, lhcUserId: AuthorInLhc, name: nameInLhc, body: MessageBody })
  .openapi('OperatorMessage');

/** An operator's client makes the id, and a stanza's id can be any text (RFC 6120 §8.1.3). */
const StanzaId = z
  .string()
  .min(1, 'is empty')
  .max(MAX_STANZA_ID_CHARACTERS, `is longer than ${MAX_STANZA_ID_CHARACTERS} characters`)
  .openapi({
    description: "The id of the operator's message, from `chat.message` or `visitor.invited`",
  });

export const Displayed = z.strictObject({ messageId: StanzaId }).openapi('Displayed');

export const Reactions = z
  .strictObject({
    messageId: StanzaId,
    reactions: z
      .array(filledLine(MAX_REACTION_CHARACTERS))
      .max(MAX_REACTIONS)
      .openapi({
        example: ['👍'],
        description: 'All that there are now, as emoji. None if they were removed',
      }),
  })
  .openapi('Reactions');
