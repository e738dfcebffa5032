/**
 * One look at a chat of an LHC without an extension: what the log does not have yet becomes the commands that the extension
 * would send (docs/adr/0047). Whatever fails is seen again by the next look, so nothing is kept in between.
 */
import { ChatId, type TenantId, VisitorKey } from '../../actors/ids.ts';
import { describingLine, MAX_NAME_CHARACTERS } from '../../actors/input-text.ts';
import { callbackEndpoint } from '../../actors/tenant/callback-endpoint.ts';
import { delaysOf } from '../../actors/tenant/settings.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import type { VisitorCommand } from '../../actors/visitor/decisions.ts';
import type { Profile } from '../../actors/visitor/profile.ts';
import { cut } from '../../kit/cut.ts';
import { Lru } from '../../kit/lru.ts';
import { legibleText } from '../../kit/xml-text.ts';
import type { RestAccess, RestAnswer } from '../../lhc/rest-api.ts';
import type { FullRestChat, RestChats, RestMessage } from '../../lhc/rest-chats.ts';
import type { LhcPeople } from '../../runtime/lhc-ports.ts';
import type { createPageDigest } from '../../runtime/page-digest.ts';
import type { Actors, Crowd, Origin } from '../../runtime/ports.ts';
import { type KnownChat, type KnownChats, messageIdOf } from './known-chats.ts';

/** What a visitor says is cut to so many characters: 64 KiB of UTF-8 at most. LHC's own bound is 500. */
const TEXT_CHARACTERS = 16_384;
const URL_CHARACTERS = 4_096;
/** Chats of which this process remembers what it has seen. One that is forgotten is read again. */
export const LOOKS_REMEMBERED = 20_000;

/** `lh_chat.status`, and `status_sub` of a chat that the visitor has ended. */
const ACTIVE = 1;
const CLOSED = 2;
const BOT = 5;
const ENDED_BY_VISITOR = 3;

const described = (text: string, most: number): string => describingLine(most).parse(text);

/** Where a tenant's LHC is; null if it is not read. */
export function accessOf(tenant: Tenant): RestAccess | null {
  const { callbackUrl, callbackFlavour, removing } = tenant;
  if (callbackFlavour !== 'rest' || callbackUrl === undefined || removing) return null;
  const { url, isDeclared, rest } = callbackEndpoint(tenant, callbackUrl, tenant.source === 'file');
  return rest ? { url, isDeclared, rest } : null;
}

export type Look =
  /** @property isNew the log has learned something */
  | { readonly kind: 'seen'; readonly isNew: boolean }
  /** LHC does not show it: it was deleted, or the key's user may not read it. */
  | { readonly kind: 'hidden'; readonly reason: string }
  | { readonly kind: 'retry'; readonly reason: string };

export interface ReadingOptions {
  readonly actors: Pick<Actors, 'visitor' | 'operator'>;
  readonly people: LhcPeople;
  readonly crowd: Crowd;
  readonly chats: RestChats;
  readonly known: KnownChats;
  readonly newId: () => string;
  readonly pageDigest: ReturnType<typeof createPageDigest>;
  /** Whether this service has written this message itself. */
  readonly isOurs: (message: RestMessage) => boolean;
}

/** What a look found in LHC, for the commands that follow. */
interface Found {
  readonly tenant: Tenant;
  readonly chat: FullRestChat;
  readonly key: VisitorKey;
  /** Whether LHC has the chat open. */
  readonly isOpen: boolean;
  readonly known: KnownChat | null;
  /** What the log does not have, the oldest first: of the visitor, of operators in LHC, of bots. */
  readonly rows: readonly RestMessage[];
}

export function createChatReading(options: ReadingOptions) {
  const { actors, people, crowd, chats, known, newId, pageDigest, isOurs } = options;
  /** By chat: the newest message that was looked at, also those that are no facts. */
  const newest = new Lru<number>(LOOKS_REMEMBERED);
  /** By chat: who had it in LHC when it was looked at. */
  const owners = new Lru<number>(LOOKS_REMEMBERED);
  /** By visitor: the page that was told last. */
  const pages = new Lru<string>(LOOKS_REMEMBERED);

  async function find(
    tenant: Tenant,
    access: RestAccess,
    chatId: number,
  ): Promise<Found | Exclude<RestAnswer, { kind: 'ok' }>> {
    const read = await chats.chat(access, String(chatId));
    if (read.kind !== 'ok') return read;
    const chat = read.value;
    const row = known.get(tenant.id, chatId);
    const after = Math.max(row?.last ?? 0, newest.get(`${tenant.id} ${chatId}`) ?? 0);
    const messages = await chats.messages(access, String(chatId), after);
    if (messages.kind !== 'ok') return messages;
    const { status, status_sub, online_user_id } = chat;
    const name = online_user_id > 0 ? String(online_user_id) : `${chatId}.chat`;
    return {
      tenant,
      chat,
      key: row?.visitor ?? VisitorKey.parse(name),
      isOpen: status !== CLOSED && status_sub !== ENDED_BY_VISITOR,
      known: row,
      rows: messages.value.filter((message) => message.user_id !== -1 && !isOurs(message)),
    };
  }

  const send = (tenant: TenantId, key: VisitorKey, command: VisitorCommand, commandId: string) =>
    actors.visitor(tenant, key).send(command, originOf(commandId));

  async function tellPage({ tenant, chat, key }: Found): Promise<void> {
    const profile = profileOf(chat);
    const page = JSON.stringify(profile);
    const place = `${tenant.id} ${key}`;
    if (!profile.page || pages.get(place) === page) return;
    const department = described(chat.department_name, MAX_NAME_CHARACTERS) || null;
    const digest = pageDigest(tenant.id, key, department, profile);
    const delays = delaysOf(tenant);
    const command: VisitorCommand = { type: 'ViewPage', digest, department, delays, profile };
    await actors.visitor(tenant.id, key).send(command);
    pages.set(place, page);
  }

  /** Begins the chat, with the visitor's first words if there are any. @returns the rest of the rows */
  async function begin(found: Found): Promise<readonly RestMessage[]> {
    const { tenant, chat, key, rows } = found;
    const first = rows.find(isOfVisitor);
    await send(
      tenant.id,
      key,
      {
        type: 'StartChat',
        chatId: ChatId.parse(String(chat.id)),
        department: described(chat.department_name, MAX_NAME_CHARACTERS) || null,
        delays: delaysOf(tenant),
        nick: described(chat.nick, MAX_NAME_CHARACTERS) || undefined,
        message: first && { id: messageIdOf(first.id), body: bodyOf(first) },
      },
      `start-${chat.id}-${first?.id ?? 0}`,
    );
    return rows.filter((row) => row !== first);
  }

  async function say({ tenant, chat, key }: Found, row: RestMessage): Promise<void> {
    const messageId = messageIdOf(row.id);
    const body = bodyOf(row);
    if (body === '') return;
    if (row.user_id !== 0) {
      const name = described(row.name_support, MAX_NAME_CHARACTERS) || undefined;
      const wish = { chatId: String(chat.id), id: messageId, body, lhcUserId: row.user_id, name };
      await people.message(tenant.id, key, wish, originOf(messageId));
      return;
    }
    const command: VisitorCommand = {
      type: 'SendMessage',
      messageId,
      chatId: String(chat.id),
      body,
    };
    await send(tenant.id, key, command, messageId);
  }

  /** Whether this LHC user has the chat here too; null if nobody has it. */
  async function hasIt({ tenant, chat, key }: Found): Promise<boolean | null> {
    const here = (await actors.visitor(tenant.id, key).state())?.context.chat;
    if (!here || here.id !== String(chat.id)) return null;
    if (here.operator === null) return here.inLhc && here.inLhc.lhcUserId === chat.user_id;
    const state = await actors.operator(tenant.id, here.operator).state();
    return state?.context.lhcUserId === chat.user_id;
  }

  /**
   * LHC has given the chat to somebody. What is done here reaches LHC a moment later, so an owner whom LHC had before says
   * nothing new, and nor does the first one that is seen of a chat that somebody has.
   */
  async function tellOwner(found: Found): Promise<void> {
    const { tenant, chat, key } = found;
    const { user_id: lhcUserId } = chat;
    const place = `${tenant.id} ${chat.id}`;
    const before = owners.get(place);
    const has = lhcUserId > 0 && before !== lhcUserId ? await hasIt(found) : true;
    if (has === null || (has === false && before !== undefined)) {
      const name = described(chat.plain_user_name, MAX_NAME_CHARACTERS) || undefined;
      const accepted = chat.status === ACTIVE;
      const wish = { chatId: String(chat.id), lhcUserId, accepted, name };
      await people.owner(tenant.id, key, wish, originOf(`owner-${chat.id}-${newId()}`));
    }
    owners.set(place, lhcUserId);
  }

  /** Whether the chat has to begin here. */
  function begins({ chat, isOpen, known: row, rows }: Found, isHere: boolean): boolean {
    if (isHere) return false;
    const says = rows.some(isOfVisitor);
    // A chat that is over here begins again when the visitor says more. One that LHC has closed began and ended unseen.
    return row === null ? isOpen || says : isOpen && says && chat.status !== CLOSED;
  }

  /** @throws {AppError} what a command was answered: the next look sends it again */
  return async function look(tenant: Tenant, access: RestAccess, chatId: number): Promise<Look> {
    const found = await find(tenant, access, chatId);
    if ('kind' in found) return failed(found);
    const { chat, key, isOpen, known: row } = found;
    // LHC's bot talks to the visitor. What they say is read when somebody gets the chat.
    if (chat.status === BOT) return { kind: 'seen', isNew: false };
    let isHere = row?.isOpen ?? false;
    const starts = begins(found, isHere);
    if (starts || (isHere && isOpen)) {
      const state = await actors.visitor(tenant.id, key).state();
      const full = state?.presence === 'online' ? null : crowd.full(tenant, true);
      if (full) return { kind: 'retry', reason: `this tenant has no place (${full.setting})` };
      await tellPage(found);
    }
    const rows = starts ? await begin(found) : found.rows;
    isHere ||= starts;
    if (isHere && isOpen) await tellOwner(found);
    if (isHere) for (const each of rows) await say(found, each);
    if (isHere && !isOpen) {
      const by = chat.status_sub === ENDED_BY_VISITOR ? 'visitor' : 'operator';
      const close = { type: 'CloseChat', chatId: String(chatId), by, reason: null } as const;
      await send(tenant.id, key, close, `close-${chatId}-${chat.last_msg_id}`);
    }
    const last = found.rows.at(-1)?.id;
    if (last !== undefined) newest.set(`${tenant.id} ${chatId}`, last);
    return { kind: 'seen', isNew: starts || found.rows.length > 0 || (isHere && !isOpen) };
  };
}

const failed = (answer: Exclude<RestAnswer, { kind: 'ok' }>): Look =>
  answer.kind === 'away'
    ? { kind: 'retry', reason: answer.reason }
    : { kind: 'hidden', reason: answer.text };

const originOf = (commandId: string): Origin => ({
  commandId: `lhc-rest:${commandId}`,
  correlationId: `lhc-rest:${commandId}`,
});

const isOfVisitor = (row: RestMessage): boolean => row.user_id === 0 && bodyOf(row) !== '';

const bodyOf = ({ msg }: RestMessage): string => legibleText(cut(msg, TEXT_CHARACTERS)).trim();

/** What LHC knows of the visitor and their page. */
function profileOf({ online_user, nick }: FullRestChat): Profile {
  if (!online_user) return {};
  const { total_visits: visits } = online_user;
  const texts = {
    page: described(online_user.current_page, URL_CHARACTERS),
    title: described(online_user.page_title, 1_024),
    referrer: described(online_user.referrer, URL_CHARACTERS),
    nick: described(nick, MAX_NAME_CHARACTERS),
    country: described(online_user.user_country_name, 64),
    city: described(online_user.city, MAX_NAME_CHARACTERS),
    vid: /^[A-Za-z0-9]{1,64}$/.test(online_user.vid) ? online_user.vid : '',
  };
  return {
    ...Object.fromEntries(Object.entries(texts).filter(([, text]) => text !== '')),
    ...(visits > 0 && { visits }),
  };
}
