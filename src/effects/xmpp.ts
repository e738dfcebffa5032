/**
 * src/effects: what facts call for outside, as pure functions. Lanes and reactors perform it; the debugger shows it
 * (src/replay). So there is one place that knows, and it cannot send anything.
 *
 * This file: what a fact calls for in XMPP. `lhc.ts` has the callbacks, `presence.ts` who is seen,
 * and `effects.ts` all of it as a list for people.
 */
import type { Username } from '../actors/ids.ts';
import type { VisitorEvent, VisitorFact } from '../actors/visitor/facts.ts';
import type { Chat } from '../actors/visitor/state.ts';
import type { JsonObject } from '../kit/json.ts';

/** Facts that call for an effect in XMPP. */
const CONCERNS: ReadonlySet<string> = new Set([
  'VisitorMessageSent',
  'MessageAddressed',
  'Invited',
  'InvitationExpired',
  'ChatOffered',
  'ChatAssigned',
  'ChatAccepted',
  'ChatUnassigned',
  'ChatTransferred',
  'ChatTakenInLhc',
  'MessageWrittenInLhc',
  'OperatorMessageReacted',
  'ChatClosed',
  'NoteAdded',
  'OperatorCommandSent',
  'LhcAnswered',
  'LhcRefused',
  'OperatorMessageAccepted',
  'OperatorMessageDisplayed',
  'MessageRefused',
  'QuestionAsked',
  'AvailabilitySet',
  'OperatorRemoved',
  'PresenceResumed',
  'RoomOpened',
  'RoomJoined',
  'RoomClosed',
  'Whispered',
]);

/** Facts that call for an effect in the room of a chat alone (docs/adr/0062). Most chats have none. */
const CONCERNS_ROOM: ReadonlySet<string> = new Set([
  'OperatorMessageReceived',
  'OperatorMessageRetracted',
]);

/** Release 0.1.0 told the inviter nothing. Its invitations are too old for a line. A refusal has a line of its own. */
const isSilent = (type: string, { standsMs, reason }: JsonObject): boolean =>
  (type === 'Invited' && standsMs === undefined) ||
  (type === 'InvitationExpired' && (reason === undefined || reason === 'refused'));

/** Whether a fact calls for an effect in XMPP. */
export const concernsXmpp = ({ type, data }: { type: string; data: JsonObject }): boolean =>
  (CONCERNS.has(type) && !isSilent(type, data)) ||
  (CONCERNS_ROOM.has(type) && (data.room === true || data.toRoom === true));

/** A message for one operator whom LHC addressed with it. */
export interface Addressed {
  readonly messageId: string;
  readonly chatId: string;
  readonly operator: Username;
  /** Revision of the fact that the visitor sent the message. */
  readonly revision: number;
  /** It shows them the chat. */
  readonly opens: boolean;
  /** A later message has shown it to them. */
  readonly isShown: boolean;
}

/** What a fact addresses; null for every other fact. */
export function addressedBy(fact: VisitorEvent): Addressed | null {
  if (fact.type === 'MessageAddressed') {
    const { inOpening = false, ...data } = fact.data;
    return { opens: false, ...data, isShown: inOpening };
  }
  if (fact.type !== 'VisitorMessageSent' || fact.data.to === undefined) return null;
  const { messageId, chatId, to: operator, opens = false } = fact.data;
  return { messageId, chatId, operator, revision: fact.revision, opens, isShown: false };
}

/** Whom a fact shows a chat. */
export interface Opens {
  readonly chatId: string;
  readonly operators: readonly Username[];
  /** Others were asked before, so the messages may have been sent to these before this fact. */
  readonly othersWereAsked: boolean;
  /** They answered the chat without the last message: they are shown what they do not know. */
  readonly byAnswer: boolean;
}

/** Whom a fact shows the chat that it gave or offered them; null for every other fact. @param chat the open one */
export function openedBy(fact: VisitorFact, chat: Chat | null): Opens | null {
  switch (fact.type) {
    case 'ChatOffered': {
      const { chatId, operators, messageId } = fact.data;
      // The message with which LHC picked them has shown the chat.
      if (messageId !== undefined) return null;
      return { chatId, operators, othersWereAsked: false, byAnswer: false };
    }
    case 'ChatAssigned': {
      const { chatId, operator, withdrawnFrom, opens = false } = fact.data;
      if (!opens && chat?.byLhc) return null;
      const othersWereAsked = withdrawnFrom !== undefined;
      return { chatId, operators: [operator], othersWereAsked, byAnswer: opens };
    }
    case 'ChatTransferred': {
      const { chatId, operator } = fact.data;
      if (operator === null) return null;
      return { chatId, operators: [operator], othersWereAsked: false, byAnswer: false };
    }
    default:
      return null;
  }
}

/** Which message of which operator a fact acknowledges to their client, and how; null for every other fact. */
export function acknowledgedBy(
  fact: VisitorFact,
): { operator: Username; messageId: string; what: 'received' | 'displayed' } | null {
  if (fact.type === 'OperatorMessageAccepted') return { ...fact.data, what: 'received' };
  return fact.type === 'OperatorMessageDisplayed' ? { ...fact.data, what: 'displayed' } : null;
}
