/**
 * Callbacks as requests to LHC's REST API (docs/lhc-without-extension.md). That API knows no ids of ours, and does what it
 * is asked again a second time. So a message carries its callback's id in `meta_msg`, where LHC shows it to nobody but its
 * auditors, and before a message is sent the chat is read for that id.
 */
import { Lru } from '../kit/lru.ts';
import type { Callback, CallbackOperator, RefusalCode } from './callback-types.ts';
import type { DeliveryOutcome } from './delivery.ts';
import type { AskRest, RestAccess, RestAnswer } from './rest-api.ts';
import {
  CHAT_STATUS,
  ENDED_BY_VISITOR,
  type FullRestChat,
  type RestChats,
  type RestMessage,
} from './rest-chats.ts';
import { noticeIn, type WrittenAnswer } from './rest-notice.ts';
import { asNewMessage, literal, withoutHtmlTag } from './visitor-text.ts';

/** Chats whose newest known message is remembered. One that is forgotten is read from its beginning. */
export const CHATS_REMEMBERED = 10_000;
/** Messages of which nobody knows whether LHC has them. One that is forgotten is known by its mark alone. */
export const DOUBTS_REMEMBERED = 10_000;
/** Commands that LHC's REST API says it has done, and that it has not: they are done by the page of an operator. */
const NOT_BY_REST: ReadonlySet<string> = new Set([
  'block',
  'close',
  'closed',
  'contactform',
  'delete',
]);

const ACCEPTED: DeliveryOutcome = { outcome: 'accepted' };
const UNSUPPORTED: DeliveryOutcome = { outcome: 'unsupported' };

const refused = (code: RefusalCode, text: string): DeliveryOutcome => ({
  outcome: 'refused',
  refusal: { code, text },
});

/** LHC's number of whoever speaks without being a person, and is read by visitors. */
const BOT = -2;

/** What stands before a callback's id in `meta_msg`. */
const MARK = 'xmpp-chat ';

/** True if this service has written the message: its callback has this id. */
export const isMarked = ({ meta_msg }: Pick<RestMessage, 'meta_msg'>, id?: string): boolean =>
  meta_msg.includes(
    JSON.stringify(`${MARK}${id ?? ''}`).slice(0, id === undefined ? -1 : undefined),
  );

interface Message {
  readonly id: string;
  readonly chatId: string;
  /** null: the service itself says it. In LHC it is a bot's. */
  readonly operator: CallbackOperator | null;
  readonly text: string;
  /** For LHC's operators alone. */
  readonly whisper?: true;
}

export interface RestDelivery {
  /** Never throws. */
  deliver(
    access: RestAccess,
    callback: Pick<Callback, 'id' | 'type' | 'data'>,
  ): Promise<DeliveryOutcome>;
}

/** @param onUnmarked this LHC has stored a message without its mark: a repeat of it may not be known */
export function createRestDelivery(
  ask: AskRest,
  chats: RestChats,
  onUnmarked: (host: string) => void = () => undefined,
): RestDelivery {
  /** By chat: the newest message that is known to be older than what is sent now. */
  const newest = new Lru<number>(CHATS_REMEMBERED);
  /** Ids of callbacks whose request got no answer, with what was the newest message before. */
  const doubts = new Lru<number>(DOUBTS_REMEMBERED);

  /** LHC does not do it. Whether that is because of the key, a question shows that any valid key may ask. */
  async function judge(
    access: RestAccess,
    { text }: Extract<RestAnswer, { kind: 'error' }>,
    code: RefusalCode,
  ): Promise<DeliveryOutcome> {
    const probe = await chats.probe(access);
    if (probe.kind === 'ok') return refused(code, text);
    if (probe.kind === 'away') return retryOf(probe);
    return { outcome: 'retry', reason: `LHC refuses the REST key: ${probe.text}`, away: true };
  }

  /** @returns the chat, or what became of the callback */
  async function chatOf(
    access: RestAccess,
    chatId: string,
  ): Promise<{ chat: FullRestChat } | { outcome: DeliveryOutcome }> {
    if (!/^\d{1,15}$/.test(chatId)) {
      return { outcome: refused('chat-unknown', 'it is no chat of this LHC') };
    }
    const read = await chats.chat(access, chatId);
    if (read.kind === 'ok') return { chat: read.value };
    if (read.kind === 'away') return { outcome: retryOf(read) };
    return { outcome: await judge(access, read, 'chat-unknown') };
  }

  /** Whether LHC has this message from an earlier try. */
  async function isThere(
    access: RestAccess,
    { id, chatId, operator, text }: Message,
  ): Promise<boolean | { outcome: DeliveryOutcome }> {
    const place = `${access.url} ${chatId}`;
    const doubt = doubts.get(id);
    const read = await chats.messages(access, chatId, doubt ?? newest.get(place) ?? 0);
    if (read.kind === 'away') return { outcome: retryOf(read) };
    if (read.kind === 'error') return { outcome: await judge(access, read, 'chat-unknown') };
    const rows = read.value;
    if (rows.some((row) => isMarked(row, id))) return true;
    // Without the right to write marks, the same words of the same operator have to do.
    const isSame = ({ msg, user_id }: RestMessage) =>
      user_id === (operator === null ? BOT : operator.lhcUserId) && msg.trim() === text.trim();
    if (doubt !== undefined && rows.some((row) => isSame(row) && !isMarked(row))) return true;
    const last = rows.at(-1)?.id;
    if (last !== undefined && doubt === undefined) newest.set(place, last);
    return false;
  }

  /** Writes into a chat, once. */
  async function write(access: RestAccess, message: Message): Promise<DeliveryOutcome> {
    const { id, chatId, operator, text } = message;
    if (operator !== null && operator.lhcUserId === null) {
      return refused('operator-unknown', 'this operator has no user in LHC');
    }
    const found = await chatOf(access, chatId);
    if ('outcome' in found) return found.outcome;
    const there = await isThere(access, message);
    if (there === true) {
      doubts.delete(id);
      return ACCEPTED;
    }
    if (there !== false) return there.outcome;
    const { status, status_sub } = found.chat;
    if (!message.whisper && (status === CHAT_STATUS.closed || status_sub === ENDED_BY_VISITOR)) {
      return refused('chat-ended', 'the chat is over');
    }
    const answer = await ask(access, {
      view: 'addmsgadmin',
      form: {
        chat_id: chatId,
        ...(operator !== null && { user_id: String(operator.lhcUserId) }),
        sender: operator === null ? 'bot' : message.whisper ? 'whisper' : 'operator',
        msg: withoutHtmlTag(text),
        debug_meta_msg: `${MARK}${id}`,
      },
    });
    if (answer.kind === 'away') {
      if (answer.sent) doubts.set(id, newest.get(`${access.url} ${chatId}`) ?? 0);
      return retryOf(answer);
    }
    doubts.delete(id);
    if (answer.kind === 'error') {
      const unknown = /user_id could not be found/.test(answer.text);
      return judge(access, answer, unknown ? 'operator-unknown' : 'not-allowed');
    }
    const written = answer.body as WrittenAnswer; // each field is looked at before it is used
    if (written.msg && !isMarked({ meta_msg: String(written.msg.meta_msg) }, id)) {
      onUnmarked(new URL(access.url).host);
    }
    return { outcome: 'accepted', ...noticeIn(written) };
  }

  async function command(
    access: RestAccess,
    id: string,
    data: Extract<Callback, { type: 'chat.command' }>['data'],
  ): Promise<DeliveryOutcome> {
    const { chatId, operator, text } = data;
    if (!operator) return UNSUPPORTED;
    if (NOT_BY_REST.has(data.command)) {
      const why = `LHC's REST API does not carry out !${data.command}`;
      return refused('command-refused', why);
    }
    return write(access, { id, chatId, operator, text });
  }

  /** Closes the chat, and looks whether it is closed: LHC says yes in any case. */
  async function close(access: RestAccess, chatId: string): Promise<DeliveryOutcome> {
    const before = await chatOf(access, chatId);
    if ('outcome' in before) {
      const { outcome } = before;
      return outcome.outcome === 'refused' ? ACCEPTED : outcome; // there is nothing to close
    }
    if (before.chat.status === CHAT_STATUS.closed) return ACCEPTED;
    const form = { chat_id: chatId, status: String(CHAT_STATUS.closed) };
    const answer = await ask(access, { view: 'setchatstatus', form });
    if (answer.kind === 'away') return retryOf(answer);
    if (answer.kind === 'error') return judge(access, answer, 'not-allowed');
    const after = await chatOf(access, chatId);
    if ('outcome' in after) return after.outcome;
    if (after.chat.status === CHAT_STATUS.closed) return ACCEPTED;
    return refused('not-allowed', "the REST key's user needs the right lhchat, allowcloseremote");
  }

  /**
   * A chat that waits in LHC gets its owner there by their first message. One that somebody else has in LHC is given to
   * the operator: by name, and LHC knows the names.
   */
  async function own(
    access: RestAccess,
    chatId: string,
    operator: CallbackOperator | null,
  ): Promise<DeliveryOutcome> {
    const { lhcUserId } = operator ?? { lhcUserId: null };
    if (lhcUserId === null) return UNSUPPORTED;
    const found = await chatOf(access, chatId);
    if ('outcome' in found) {
      return found.outcome.outcome === 'refused' ? UNSUPPORTED : found.outcome;
    }
    const { status, user_id } = found.chat;
    if (status !== CHAT_STATUS.active || user_id === lhcUserId) return ACCEPTED;
    const name = await chats.username(access, lhcUserId);
    if (name.kind === 'away') return retryOf(name);
    if (name.kind === 'error' || !/^\S.*$/.test(name.value)) return UNSUPPORTED;
    const form = { chat_id: chatId, sender: 'operator', msg: `!transferforce ${name.value}` };
    const answer = await ask(access, { view: 'addmsgadmin', form });
    return answer.kind === 'away' ? retryOf(answer) : ACCEPTED;
  }

  async function alive(
    access: RestAccess,
    { lhcUserId }: CallbackOperator,
  ): Promise<DeliveryOutcome> {
    if (lhcUserId === null) return UNSUPPORTED;
    const answer = await ask(access, { view: `updatelastactivity/${lhcUserId}` });
    if (answer.kind === 'away') return retryOf(answer);
    if (answer.kind === 'ok') return ACCEPTED;
    const outcome = await judge(access, answer, 'not-allowed');
    return outcome.outcome === 'refused' ? UNSUPPORTED : outcome; // the doctor says which right is missing
  }

  return {
    async deliver(access, callback) {
      const { id, type, data } = callback as Callback; // a Pick loses the link between `type` and `data`
      switch (type) {
        case 'visitor.invited':
          return refused('not-possible', 'without its extension LHC takes no invitations');
        case 'chat.message': {
          const { chatId, operator, message } = data;
          return write(access, { id, chatId, operator, text: asNewMessage(message) });
        }
        case 'chat.notice': {
          const { chatId, message } = data;
          return write(access, { id, chatId, operator: null, text: literal(message.body) });
        }
        case 'chat.note': {
          const { chatId, operator, note } = data;
          if (!operator) return UNSUPPORTED;
          return write(access, { id, chatId, operator, text: note.body, whisper: true });
        }
        case 'chat.command':
          return command(access, id, data);
        case 'chat.closed':
          return close(access, data.chatId);
        case 'chat.accepted':
          return own(access, data.chatId, data.operator);
        case 'operator.online':
        case 'operator.alive':
          return alive(access, data.operator);
        default:
          return UNSUPPORTED;
      }
    },
  };
}

const retryOf = ({
  reason,
  afterMs,
}: Extract<RestAnswer, { kind: 'away' }>): Extract<DeliveryOutcome, { outcome: 'retry' }> => ({
  outcome: 'retry',
  reason,
  away: true,
  ...(afterMs !== undefined && { afterMs }),
});
