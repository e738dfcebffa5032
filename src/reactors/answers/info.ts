/** `!info`: everything that the service knows about a visitor. */
import { visitorFact } from '../../actors/facts.ts';
import { streamOf, type TenantId, type VisitorKey, visitorRef } from '../../actors/ids.ts';
import type { CloseParty } from '../../actors/visitor/facts.ts';
import type { Profile } from '../../actors/visitor/profile.ts';
import type { Chat, VisitorState } from '../../actors/visitor/state.ts';
import type { EventStore } from '../../eventstore/port.ts';
import { backwards } from '../../eventstore/reading.ts';
import { cut } from '../../kit/cut.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { OperatorNames } from '../operator-names.ts';
import type { PersonalData } from '../personal-data.ts';
import { asSubject, nameIn, personInLhc } from '../texts/in-lhc.ts';
import { toldLine } from '../texts/introduction.ts';
import type { NameOf } from '../texts/names.ts';
import { pageLineOf, placeOf, visitorAs } from '../texts/presence-text.ts';
import { spokenBy } from '../texts/spoken.ts';
import { durationOf, stampOf, visitorsTime } from '../texts/times.ts';

/** Facts to search for the past of a visitor. */
export const INFO_SEARCH_MAX_FACTS = 1_000;
/** Earlier chats in one answer. */
export const INFO_MAX_CHATS = 5;
/** In UTF-16 units. */
export const INFO_LINE_MAX_LENGTH = 500;

/** A chat as its facts tell it. The beginning of an old chat may be cut off. */
interface PastChat {
  readonly chatId: string;
  startedAt?: number;
  department?: string | null;
  answeredAt?: number;
  /** The names of everybody who answered the chat, in order. */
  readonly operators: string[];
  closedAt?: number;
  by?: CloseParty;
  reason?: string | null;
}

interface Past {
  /** The newest first. */
  readonly chats: readonly PastChat[];
  readonly arrivedAt: number | null;
}

export type Info = (tenant: TenantId, visitor: VisitorKey) => Promise<string>;

interface InfoOptions {
  readonly actors: Pick<Actors, 'visitor'>;
  readonly store: Pick<EventStore, 'readStream'>;
  readonly personal: PersonalData;
  readonly names: Pick<OperatorNames, 'of'>;
  readonly now: () => number;
}

async function pastOf(
  { store, personal }: InfoOptions,
  stream: string,
  nameOf: NameOf,
): Promise<Past> {
  const chats = new Map<string, PastChat>();
  let arrivedAt: number | null = null;
  const chat = (chatId: string): PastChat => {
    const known = chats.get(chatId) ?? { chatId, operators: [] };
    chats.set(chatId, known);
    return known;
  };
  for await (const event of backwards(store, stream, { most: INFO_SEARCH_MAX_FACTS })) {
    const { at } = event.metadata;
    const fact = visitorFact(event);
    if (fact?.type === 'VisitorArrived') arrivedAt ??= at;
    else if (fact?.type === 'ChatClosed') {
      const { chatId, by } = fact.data;
      const reason = (await personal.reasonOf(event)) ?? fact.data.reason;
      Object.assign(chat(chatId), { closedAt: at, by, reason });
    } else if (
      fact?.type === 'ChatAccepted' ||
      (fact?.type === 'ChatTakenInLhc' && fact.data.accepted)
    ) {
      // The search runs backwards, so the first answer comes last. The visitor waited for the first answer.
      const past = chat(fact.data.chatId);
      const name =
        fact.type === 'ChatAccepted'
          ? nameOf(fact.data.operator)
          : personInLhc(fact.data, nameIn(await personal.of(event)), nameOf);
      if (past.operators[0] !== name) past.operators.unshift(name);
      past.answeredAt = at;
    } else if (fact?.type === 'ChatStarted') {
      const { chatId, department } = fact.data;
      Object.assign(chat(chatId), { startedAt: at, department });
    }
    if (chats.size > INFO_MAX_CHATS + 1) break;
  }
  return { chats: [...chats.values()], arrivedAt };
}

export const createInfo =
  (options: InfoOptions): Info =>
  async (tenant, key) => {
    const visitor = await options.actors.visitor(tenant, key).state();
    if (!visitor) return 'This visitor is unknown.';
    const { of: nameOf } = await options.names.of(tenant);
    const [{ profile }, past, inLhc] = await Promise.all([
      options.personal.profileOf(tenant, key, visitor),
      pastOf(options, streamOf(visitorRef(tenant, key)), nameOf),
      options.personal.ownerInLhc(tenant, key, visitor, nameOf),
    ]);
    const at = options.now();
    return [
      identity(key, profile, visitor, at),
      pageLineOf(profile),
      profile.referrer && `From ${profile.referrer}`,
      whereabouts(visitor, past, at),
      ...conversation(visitor, past, at, { nameOf, inLhc }),
      ...earlierChats(visitor, past, at, nameOf),
    ]
      .filter((line): line is string => typeof line === 'string' && line !== '')
      .map((line) => cut(line, INFO_LINE_MAX_LENGTH))
      .join('\n');
  };

function identity(
  key: VisitorKey,
  profile: Profile,
  { context }: VisitorState,
  at: number,
): string {
  const { visits } = profile;
  return [
    visitorAs(key, profile),
    placeOf(profile),
    visitorsTime(at, profile.timezone),
    spokenBy(context.chat?.language ?? context.language),
    visits !== undefined && visits > 1 && `visit ${visits}`,
  ]
    .filter(Boolean)
    .join(' · ');
}

function whereabouts({ presence, context }: VisitorState, { arrivedAt }: Past, at: number): string {
  const department = context.department ? `Department ${context.department}. ` : '';
  if (presence !== 'online') return `${department}Last seen ${ago(context.lastSeen, at)}.`;
  return `${department}${arrivedAt === null ? 'Here now.' : `Here since ${ago(arrivedAt, at)}.`}`;
}

const ago = (then: number, at: number): string =>
  `${stampOf(then, at)} (${durationOf(at - then)} ago)`;

function conversation(
  visitor: VisitorState,
  { chats }: Past,
  at: number,
  people: People,
): string[] {
  const { chat, chatMessages, inviter } = visitor.context;
  if (!chat) {
    const invited = visitor.conversation === 'invited' && inviter !== null;
    return [invited ? `Invited by ${people.nameOf(inviter)}, no answer yet.` : 'No open chat.'];
  }
  const past = chats.find(({ chatId }) => chatId === chat.id);
  const from = chat.overflowed.length > 0 ? `, from ${chat.overflowed.join(', ')}` : '';
  const name = `Chat #${chat.id}${chat.department ? ` for ${chat.department}` : ''}${from}`;
  const messages = chatMessages === 1 ? '1 message' : `${chatMessages} messages`;
  return [
    `${name}, started ${ago(chat.startedAt, at)}, ${messages} from the visitor; ${placement(chat, at, people)}.`,
    toldLine(chat),
    past?.answeredAt === undefined
      ? ''
      : `First answer after ${durationOf(past.answeredAt - chat.startedAt)}.`,
  ];
}

interface People {
  readonly nameOf: NameOf;
  /** Who has the chat in LHC's own pages, or is asked there; null if nobody. */
  readonly inLhc: string | null;
}

/** Who has the chat, or who was asked. */
function placement(chat: Chat, at: number, { nameOf, inLhc }: People): string {
  if (inLhc !== null) {
    return chat.accepted ? `${asSubject(inLhc)} has it` : `offered to ${inLhc}, no answer yet`;
  }
  if (chat.operator !== null) {
    const name = nameOf(chat.operator);
    return chat.accepted ? `${name} has it` : `offered to ${name}, no answer yet`;
  }
  const offers =
    chat.offeredTo.length > 0 ? `offered to ${chat.offeredTo.map(nameOf).join(', ')}` : '';
  return [offers, `waiting for an operator for ${durationOf(at - chat.freeSince)}`]
    .filter(Boolean)
    .join('; ');
}

function earlierChats(
  { context }: VisitorState,
  { chats }: Past,
  at: number,
  nameOf: NameOf,
): string[] {
  const count = context.chats - (context.chat ? 1 : 0);
  if (count <= 0) return ['No earlier chats.'];
  const latest = chats
    .filter(({ chatId, closedAt }) => chatId !== context.chat?.id && closedAt !== undefined)
    .slice(0, INFO_MAX_CHATS);
  const last =
    context.lastOperator && !context.chat ? `, the last with ${nameOf(context.lastOperator)}` : '';
  return [
    `${count === 1 ? '1 earlier chat' : `${count} earlier chats`}${last}${latest.length > 0 ? ':' : '.'}`,
    ...latest.map((chat) => pastChat(chat, at)),
  ];
}

function pastChat(chat: PastChat, at: number): string {
  const { startedAt, closedAt = at, department, operators, by, reason } = chat;
  const duration = startedAt === undefined ? null : durationOf(closedAt - startedAt);
  const end = by && `closed by the ${by}${reason ? ` (${reason})` : ''}`;
  return [
    `#${chat.chatId}`,
    stampOf(startedAt ?? closedAt, at),
    duration,
    department,
    operators.length > 0 ? `with ${operators.join(', ')}` : 'nobody answered',
    end,
  ]
    .filter(Boolean)
    .join(' · ');
}
