/** What LHC's REST API says of chats and their messages. LHC writes most numbers as numbers, and some as text. */
import { z } from 'zod';
import type { AskRest, RestAccess, RestAnswer } from './rest-api.ts';

/** Chats that one list has at most. */
export const CHATS_PER_PAGE = 100;

const count = z.coerce.number().int().nonnegative().catch(0);
const text = z.coerce.string().catch('');

/** `lh_chat.status`. */
export const CHAT_STATUS = { pending: 0, active: 1, closed: 2, bot: 5 } as const;
/** `lh_chat.status_sub`: the visitor has ended the chat, and reads nothing more in it. */
export const ENDED_BY_VISITOR = 3;

const Chat = z.object({
  id: z.coerce.number().int().positive(),
  status: count,
  status_sub: count,
  /** The operator who has it; 0 for nobody. */
  user_id: count,
  online_user_id: count,
  last_msg_id: count,
  dep_id: count,
  nick: text,
});

const OnlineUser = z.object({
  current_page: text,
  page_title: text,
  referrer: text,
  user_country_name: text,
  city: text,
  visitor_tz: text,
  total_visits: count,
  vid: text,
});

const FullChat = Chat.extend({
  department_name: text,
  /** Of the operator who has it. */
  plain_user_name: text,
  online_user: OnlineUser.nullish().catch(null),
});

const Message = z.object({
  id: z.coerce.number().int().positive(),
  msg: text,
  meta_msg: text,
  /** 0 the visitor, -1 LHC itself, -2 a bot, else an operator. */
  user_id: z.coerce.number().int(),
  name_support: text,
});

export type RestChat = z.output<typeof Chat>;
export type FullRestChat = z.output<typeof FullChat>;
export type RestMessage = z.output<typeof Message>;

/** An answer with what was asked for, or one without. */
export type Read<T> =
  | Exclude<RestAnswer, { kind: 'ok' }>
  | { readonly kind: 'ok'; readonly value: T };

/** @throws nothing: an answer that cannot be read is as none */
function readAs<T>(answer: RestAnswer, schema: z.ZodType<T>): Read<T> {
  if (answer.kind !== 'ok') return answer;
  const { data, error } = schema.safeParse(answer.body);
  if (data !== undefined) return { kind: 'ok', value: data };
  const where = error?.issues[0]?.path.join('.') ?? '';
  return { kind: 'away', reason: `answered what cannot be read (${where})`, sent: true };
}

export interface ChatPage {
  readonly chats: readonly RestChat[];
  /** There are no more. */
  readonly isLast: boolean;
}

export interface RestChats {
  /** Whether the key is valid, and its user may use chats. */
  probe(access: RestAccess): Promise<RestAnswer>;
  chat(access: RestAccess, chatId: string): Promise<Read<FullRestChat>>;
  /** The messages of a chat above an id, the oldest first, files as links. */
  messages(access: RestAccess, chatId: string, after: number): Promise<Read<RestMessage[]>>;
  /** Chats that are open, or of any status above an id. The newest first; at most {@link CHATS_PER_PAGE}. */
  list(
    access: RestAccess,
    which: { readonly open: true; readonly offset?: number } | { readonly above: number },
  ): Promise<Read<ChatPage>>;
  /** The name with which a user logs in. */
  username(access: RestAccess, lhcUserId: number): Promise<Read<string>>;
}

const { pending, active, bot } = CHAT_STATUS;
// LHC takes a text for empty if it is '0'. This one is not.
const OPEN = [active, bot, pending].join(',');

export function createRestChats(ask: AskRest): RestChats {
  return {
    probe: (access) => ask(access, { view: 'chatscount', query: { limit: '1' } }),
    async chat(access, chatId) {
      const query = { attr: 'online_user,department_name,plain_user_name' };
      const answer = await ask(access, { view: `chat/${chatId}`, query });
      const read = readAs(answer, z.object({ result: FullChat }));
      return read.kind === 'ok' ? { kind: 'ok', value: read.value.result } : read;
    },
    async messages(access, chatId, after) {
      const query = { chat_id: chatId, last_message_id: String(after), file_as_link: 'true' };
      const answer = await ask(access, { view: 'fetchchatmessages', query });
      const read = readAs(answer, z.object({ result: z.object({ messages: z.array(Message) }) }));
      if (read.kind !== 'ok') return read;
      return { kind: 'ok', value: read.value.result.messages.sort((a, b) => a.id - b.id) };
    },
    async list(access, which) {
      const query: Record<string, string> =
        'open' in which
          ? { status_ids: OPEN, ...(which.offset && { offset: String(which.offset) }) }
          : { id_gt: String(which.above) };
      const limited = { ...query, limit: String(CHATS_PER_PAGE) };
      const answer = await ask(access, { view: 'chats', query: limited });
      const read = readAs(answer, z.object({ list: z.array(Chat) }));
      if (read.kind !== 'ok') return read;
      const { list: found } = read.value;
      return { kind: 'ok', value: { chats: found, isLast: found.length < CHATS_PER_PAGE } };
    },
    async username(access, lhcUserId) {
      const answer = await ask(access, { view: 'getuser', query: { user_id: String(lhcUserId) } });
      const read = readAs(answer, z.object({ result: z.object({ username: z.string() }) }));
      return read.kind === 'ok' ? { kind: 'ok', value: read.value.result.username } : read;
    },
  };
}
