/** `!info`: all that is known of a visitor. */
import { visitorFact } from '../../actors/facts.ts';
import { streamOf, type TenantId, type VisitorKey, visitorRef } from '../../actors/ids.ts';
import type { Chat, CloseParty, Profile, VisitorState } from '../../actors/visitor/facts.ts';
import type { EventStore } from '../../eventstore/port.ts';
import { backwards } from '../../eventstore/reading.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { PersonalData } from '../personal.ts';
import { cut } from '../texts/cut.ts';
import { localTime, nickOf, placeOf } from '../texts/presence-text.ts';
import { durationOf, stampOf } from '../texts/times.ts';

/** What is told of the past is looked for among so many of the last facts. */
const LOOKED_AT_MOST = 1_000;
const CHATS_MOST = 5;
const MOST_OF_LINE = 500;

/** A chat as the facts tell it; of an old one the beginning may be cut off. */
interface Past {
  readonly chatId: string;
  startedAt?: number;
  department?: string | null;
  answeredAt?: number;
  /** Who answered it, in this order. */
  readonly operators: string[];
  closedAt?: number;
  by?: CloseParty;
  reason?: string | null;
}

interface Story {
  /** The newest first. */
  readonly chats: readonly Past[];
  readonly arrivedAt: number | null;
}

export type Info = (tenant: TenantId, visitor: VisitorKey) => Promise<string>;

export function createInfo(options: {
  actors: Actors;
  store: Pick<EventStore, 'readStream'>;
  personal: PersonalData;
  now: () => number;
}): Info {
  const { actors, store, personal, now } = options;

  async function storyOf(stream: string): Promise<Story> {
    const chats = new Map<string, Past>();
    let arrivedAt: number | null = null;
    const chat = (chatId: string): Past => {
      const known = chats.get(chatId) ?? { chatId, operators: [] };
      chats.set(chatId, known);
      return known;
    };
    for await (const event of backwards(store, stream, { most: LOOKED_AT_MOST })) {
      const { at } = event.metadata;
      const fact = visitorFact(event);
      if (fact?.type === 'VisitorArrived') arrivedAt ??= at;
      else if (fact?.type === 'ChatClosed') {
        const { chatId, by, reason } = fact.data;
        Object.assign(chat(chatId), { closedAt: at, by, reason });
      } else if (fact?.type === 'ChatAccepted') {
        // Read backwards: the first answer, which the visitor waited for, comes last.
        const { chatId, operator } = fact.data;
        const past = chat(chatId);
        if (past.operators[0] !== operator) past.operators.unshift(operator);
        past.answeredAt = at;
      } else if (fact?.type === 'ChatStarted') {
        const { chatId, department } = fact.data;
        Object.assign(chat(chatId), { startedAt: at, department });
      }
      if (chats.size > CHATS_MOST + 1) break;
    }
    return { chats: [...chats.values()], arrivedAt };
  }

  return async (tenant, key) => {
    const visitor = await actors.visitor(tenant, key).state();
    if (!visitor) return 'Nothing is known of this visitor.';
    const [{ profile }, story] = await Promise.all([
      personal.profileOf(tenant, key, visitor),
      storyOf(streamOf(visitorRef(tenant, key))),
    ]);
    const at = now();
    return [
      who(key, profile, at),
      [profile.title, profile.page].filter(Boolean).join(' — '),
      profile.referrer && `From ${profile.referrer}`,
      whereabouts(visitor, story, at),
      ...conversation(visitor, story, at),
      ...earlier(visitor, story, at),
    ]
      .filter((line): line is string => typeof line === 'string' && line !== '')
      .map((line) => cut(line, MOST_OF_LINE))
      .join('\n');
  };
}

function who(key: VisitorKey, profile: Profile, at: number): string {
  const time = localTime(at, profile.timezone);
  const { visits } = profile;
  return [
    nickOf(key, profile),
    placeOf(profile),
    time && `local time ${time}`,
    visits !== undefined && visits > 1 && `visit ${visits}`,
  ]
    .filter(Boolean)
    .join(' · ');
}

function whereabouts({ presence, context }: VisitorState, story: Story, at: number): string {
  const department = context.department ? `Department ${context.department}. ` : '';
  if (presence !== 'online') return `${department}Last seen ${ago(context.lastSeen, at)}.`;
  const { arrivedAt } = story;
  return `${department}${arrivedAt === null ? 'Here now.' : `Here since ${ago(arrivedAt, at)}.`}`;
}

const ago = (then: number, at: number): string =>
  `${stampOf(then, at)} (${durationOf(at - then)} ago)`;

function conversation(visitor: VisitorState, story: Story, at: number): string[] {
  const { chat, inviter } = visitor.context;
  if (!chat) {
    const invited = visitor.conversation === 'invited' && inviter !== null;
    return [invited ? `Invited by ${inviter}, no answer yet.` : 'No chat is open.'];
  }
  const past = story.chats.find(({ chatId }) => chatId === chat.id);
  const begun = `Chat #${chat.id}${chat.department ? ` for ${chat.department}` : ''}`;
  const said = chat.messages === 1 ? '1 message' : `${chat.messages} messages`;
  return [
    `${begun}, begun ${ago(chat.startedAt, at)}, ${said} of the visitor; ${placement(chat, at)}.`,
    past?.answeredAt === undefined
      ? ''
      : `First answer after ${durationOf(past.answeredAt - chat.startedAt)}.`,
  ];
}

/** Who has it. */
function placement(chat: Chat, at: number): string {
  if (chat.accepted) return `${chat.operator} has it`;
  if (chat.operator !== null) return `offered to ${chat.operator}, no answer yet`;
  const asked = chat.offered.length > 0 ? `offered to ${chat.offered.join(', ')}` : '';
  return [asked, `waits for an operator since ${durationOf(at - chat.freeSince)}`]
    .filter(Boolean)
    .join('; ');
}

function earlier({ context }: VisitorState, { chats }: Story, at: number): string[] {
  const count = context.chats - (context.chat ? 1 : 0);
  if (count <= 0) return ['No earlier chats.'];
  const told = chats
    .filter(({ chatId, closedAt }) => chatId !== context.chat?.id && closedAt !== undefined)
    .slice(0, CHATS_MOST);
  const last =
    context.lastOperator && !context.chat ? `, the last with ${context.lastOperator}` : '';
  return [
    `${count === 1 ? '1 earlier chat' : `${count} earlier chats`}${last}${told.length > 0 ? ':' : '.'}`,
    ...told.map((chat) => pastChat(chat, at)),
  ];
}

function pastChat(chat: Past, at: number): string {
  const { startedAt, closedAt = at, department, operators, by, reason } = chat;
  const lasted = startedAt === undefined ? null : durationOf(closedAt - startedAt);
  const ended = by && `closed by the ${by}${reason ? ` (${reason})` : ''}`;
  return [
    `#${chat.chatId}`,
    stampOf(startedAt ?? closedAt, at),
    lasted,
    department,
    operators.length > 0 ? `with ${operators.join(', ')}` : 'nobody answered',
    ended,
  ]
    .filter(Boolean)
    .join(' · ');
}
