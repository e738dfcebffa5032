/** Which rows of the read models a fact changes, and each changed row as an event of the live stream. */
import { actorOf, type TenantNaming, visitorJid } from '../actors/ids.ts';
import type { OperatorFacts } from '../actors/operator/machine.ts';
import type { VisitorFacts } from '../actors/visitor/facts.ts';
import type { RecordedEvent } from '../eventstore/port.ts';
import type { JsonObject } from '../kit/json.ts';
import { chatWithJid, operatorWithJid, visitorWithJid } from './jids.ts';
import type { Queries } from './models.ts';

export const STREAM_TYPES = ['visitor', 'chat', 'operator', 'message'] as const;
export type StreamType = (typeof STREAM_TYPES)[number];

type FactType = keyof VisitorFacts | keyof OperatorFacts;

const ON_CHAT = ['chat', 'visitor'] as const;
const NOTHING = [] as const;

/** Which rows a fact changes. The compiler asks for an entry for each new type of fact. */
const CHANGES: Readonly<Record<FactType, readonly StreamType[]>> = {
  VisitorArrived: ['visitor'],
  PageViewed: ['visitor'],
  AccountReady: NOTHING,
  LoggedIn: ['visitor'],
  LoggedOut: ['visitor'],
  SessionFailed: ['visitor'],
  Invited: ['visitor'],
  InvitationExpired: ['visitor'],
  TimedOut: ['visitor'],
  CleanedUp: ['visitor'],
  ChatStarted: ON_CHAT,
  ChatOffered: ['chat'],
  ChatAssigned: ON_CHAT,
  PersonalDataErased: ['visitor'],
  DataKeyDestroyed: NOTHING,
  RetentionApplied: NOTHING,
  ReservationRevoked: NOTHING,
  ChatAccepted: ON_CHAT,
  ChatUnassigned: ON_CHAT,
  ChatTransferred: ON_CHAT,
  VisitorNotified: ['chat'],
  ChatTakenInLhc: ON_CHAT,
  ChatClosed: ON_CHAT,
  VisitorMessageSent: ['message'],
  MessageAddressed: NOTHING,
  MessageReturned: NOTHING,
  OperatorMessageReceived: ['message'],
  OperatorMessageRetracted: ['message'],
  MessageReacted: ['message'],
  OperatorMessageReacted: ['message'],
  OperatorMessageAccepted: NOTHING,
  OperatorMessageDisplayed: ['message'],
  MessageDisplayed: ['message'],
  RoomOpened: NOTHING,
  RoomJoined: NOTHING,
  RoomClosed: NOTHING,
  Whispered: NOTHING,
  NoteAdded: ['message'],
  OperatorCommandSent: ['message'],
  LhcAnswered: NOTHING,
  MessageWrittenInLhc: ['message'],
  LhcRefused: ['message'],
  MessageTaken: ['message'],
  MessageDelivered: ['message'],
  MessageFailed: ['message'],
  OperatorAccountClaimed: NOTHING,
  OperatorAccountClaimReleased: NOTHING,
  OperatorRegistered: ['operator'],
  OperatorLoggedIn: ['operator'],
  PresenceChanged: ['operator'],
  OperatorLoggedOut: ['operator'],
  PresencePaused: NOTHING,
  PresenceResumed: NOTHING,
  OperatorUnresponsive: ['operator'],
  OperatorResponsive: ['operator'],
  AvailabilitySet: ['operator'],
  OperatorGone: NOTHING,
  QuestionAsked: NOTHING,
  ChatReserved: ['operator'],
  ChatConfirmed: ['operator'],
  ChatReleased: ['operator'],
  MessageRefused: NOTHING,
  OperatorRemoved: ['operator'],
  OperatorAccountRemoved: NOTHING,
  LhcUserRevoked: NOTHING,
  OperatorSummarised: NOTHING,
};

/** A type of fact that this version does not know changes nothing. */
const changesOf = (type: string): readonly StreamType[] =>
  Object.hasOwn(CHANGES, type) ? CHANGES[type as FactType] : NOTHING;

export interface StreamEvent {
  readonly type: StreamType;
  /** JSON on one line. */
  readonly data: string;
}

export type Rows = Pick<Queries, 'visitors' | 'chats' | 'operators' | 'messages'>;

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const texts = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.map(text) : [text(value)];

/** The revision of an earlier message whose row the fact changes; undefined for every other fact. */
function rowOf(type: string, { corrects, revision }: JsonObject): number | undefined {
  const isAbout = type === 'OperatorMessageRetracted' || type === 'OperatorMessageReacted';
  const earlier = isAbout ? revision : corrects;
  return typeof earlier === 'number' ? earlier : undefined;
}

/** The stream events of one fact: one for each row that the fact changed, with the row as it is now. */
export function streamEventsOf(
  { stream, revision, type, data, metadata }: RecordedEvent,
  tenant: TenantNaming,
  rows: Rows,
): readonly StreamEvent[] {
  const actor = actorOf(stream);
  if (!actor || actor.kind === 'tenant') return [];
  const { name } = actor;
  const eventOf = (of: StreamType, row: object): StreamEvent => ({
    type: of,
    data: JSON.stringify({ fact: type, at: metadata.at, ...row }),
  });
  const eventsOf: Record<StreamType, () => readonly StreamEvent[]> = {
    visitor: () => {
      const visitor = rows.visitors.get(tenant.id, name);
      if (visitor) return [eventOf('visitor', { visitor: visitorWithJid(tenant, visitor) })];
      return type === 'PersonalDataErased'
        ? [eventOf('visitor', { key: name, visitor: null })]
        : [];
    },
    chat: () => {
      const chat = rows.chats.get(tenant.id, text(data.chatId), name);
      return chat ? [eventOf('chat', { chat: chatWithJid(tenant, chat) })] : [];
    },
    operator: () => {
      const row = rows.operators.get(tenant.id, name);
      const operator = row && operatorWithJid(tenant, row);
      return [eventOf('operator', { username: name, operator })];
    },
    message: () => {
      if (actor.kind !== 'visitor') return [];
      const atRevision = rows.messages.at(tenant.id, name, rowOf(type, data) ?? revision);
      const ids = texts(data.messageIds ?? data.messageId);
      const messages = atRevision
        ? [atRevision]
        : ids.flatMap((id) => rows.messages.byId(tenant.id, name, id));
      const visitor = { key: actor.name, jid: visitorJid(tenant, actor.name) };
      return messages.map((message) => eventOf('message', { ...visitor, message }));
    },
  };
  return changesOf(type).flatMap((part) => eventsOf[part]());
}
