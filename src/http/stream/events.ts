/** Facts as the events of a live stream: which parts of the read models each one changes, and what is told of them. */
import { actorOf, visitorJid } from '../../actors/ids.ts';
import type { OperatorFacts } from '../../actors/operator/machine.ts';
import type { TenantSettings } from '../../actors/tenant/machine.ts';
import type { VisitorFacts } from '../../actors/visitor/facts.ts';
import type { RecordedEvent } from '../../eventstore/port.ts';
import type { Projections } from '../../projections/projections.ts';
import { chatWithJid, operatorWithJid, visitorWithJid } from '../frame/jids.ts';

export const STREAM_TYPES = ['visitor', 'chat', 'operator', 'message'] as const;
export type StreamType = (typeof STREAM_TYPES)[number];

type FactType = keyof VisitorFacts | keyof OperatorFacts;

const ON_CHAT = ['chat', 'visitor'] as const;
const NOTHING = [] as const;

/** A new kind of fact has to be decided on here. */
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
  ReservationRevoked: NOTHING,
  ChatAccepted: ON_CHAT,
  ChatUnassigned: ON_CHAT,
  ChatTransferred: ON_CHAT,
  ChatClosed: ON_CHAT,
  VisitorMessageSent: ['message'],
  OperatorMessageReceived: ['message'],
  OperatorMessageTold: NOTHING,
  OperatorMessageDisplayed: ['message'],
  MessageDisplayed: ['message'],
  NoteAdded: ['message'],
  OperatorCommandSent: ['message'],
  MessageTaken: ['message'],
  MessageDelivered: ['message'],
  MessageFailed: ['message'],
  OperatorAccountClaimed: NOTHING,
  OperatorRegistered: ['operator'],
  OperatorLoggedIn: ['operator'],
  PresenceChanged: ['operator'],
  OperatorLoggedOut: ['operator'],
  OperatorUnresponsive: ['operator'],
  OperatorResponsive: ['operator'],
  AvailabilitySet: ['operator'],
  OperatorGone: NOTHING,
  QuestionAsked: NOTHING,
  ChatReserved: ['operator'],
  ChatTaken: ['operator'],
  ChatReleased: ['operator'],
  MessageRefused: NOTHING,
  OperatorRemoved: ['operator'],
  OperatorAccountRemoved: NOTHING,
  LhcUserRevoked: NOTHING,
};

/** A type that a later version writes is of no known part. */
const changesOf = (type: string): readonly StreamType[] =>
  Object.hasOwn(CHANGES, type) ? CHANGES[type as FactType] : NOTHING;

export interface Told {
  readonly type: StreamType;
  /** JSON on one line. */
  readonly data: string;
}

export type Rows = Pick<Projections, 'visitors' | 'chats' | 'operators' | 'messages'>;

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const texts = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.map(text) : [text(value)];

/** What is told of one event: nothing, or one thing for each row that it changed, as that row is now. */
export function toldOf(
  { stream, revision, type, data, metadata }: RecordedEvent,
  tenant: TenantSettings,
  rows: Rows,
): readonly Told[] {
  const actor = actorOf(stream);
  if (!actor || actor.kind === 'tenant') return [];
  const { name } = actor;
  const what = { fact: type, at: metadata.at };
  const one = (of: StreamType, more: object): Told => ({
    type: of,
    data: JSON.stringify({ ...what, ...more }),
  });
  const told: Record<StreamType, () => readonly Told[]> = {
    visitor: () => {
      const visitor = rows.visitors.get(tenant.id, name);
      return visitor ? [one('visitor', { visitor: visitorWithJid(tenant, visitor) })] : [];
    },
    chat: () => {
      const chat = rows.chats.get(tenant.id, text(data.chatId), name);
      return chat ? [one('chat', { chat: chatWithJid(tenant, chat) })] : [];
    },
    operator: () => {
      const known = rows.operators.get(tenant.id, name);
      const operator = known && operatorWithJid(tenant, known);
      return [one('operator', { username: name, operator })];
    },
    message: () => {
      if (actor.kind !== 'visitor') return [];
      const written = rows.messages.at(tenant.id, name, revision);
      const ids = texts(data.messageIds ?? data.messageId);
      const found = written
        ? [written]
        : ids.flatMap((id) => rows.messages.byId(tenant.id, name, id));
      const whose = { key: actor.name, jid: visitorJid(tenant, actor.name) };
      return found.map((message) => one('message', { ...whose, message }));
    },
  };
  return changesOf(type).flatMap((part) => told[part]());
}
