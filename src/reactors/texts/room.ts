/** What the service writes into the room of a chat, and of it to operators (docs/adr/0062). */
import type { TenantNaming, Username, VisitorKey } from '../../actors/ids.ts';
import { visitorRoom } from '../../actors/ids.ts';
import type { VisitorFact } from '../../actors/visitor/facts.ts';
import { hanging } from '../../kit/lines.ts';
import { asSubject } from './in-lhc.ts';
import { reasonOfRefusal } from './lhc-answers.ts';
import type { NameOf } from './names.ts';

/** The room as a link that clients open (XEP-0045 §17.1). */
export const roomLink = (tenant: TenantNaming, key: VisitorKey): string => {
  const { name, service } = visitorRoom(tenant, key);
  return `xmpp:${name}@${service}?join`;
};

const GONE_SOON = 'This room is gone in a minute.';
const CORRECTED = ' (corrected)';

/** Somebody's words where they do not stand themselves. All lines but the first are indented, so that none looks like another. */
export const wordsOf = (author: string, body: string, isCorrection: boolean): string =>
  `${author}${isCorrection ? CORRECTED : ''}: ${hanging(body)}`;

/** A whisper where it was not written. src/actors/visitor/whisper-form.ts knows it by its form. */
export const whisperOf = (author: string, body: string, isCorrection: boolean): string =>
  `${author} whispers${isCorrection ? CORRECTED : ''}: ${hanging(body)}`;

/** Behind the name of somebody whose words stand in the room, for who reads them elsewhere. */
export const inTheRoom = (name: string): string => `${name}, in the room`;

/** The first line of a room. @param owner who has the chat; null if nobody has */
export const welcome = (chatId: string, visitor: string, owner: string | null): string =>
  [
    `The room of chat #${chatId} with ${visitor}. ${owner === null ? 'Nobody' : asSubject(owner)} has the chat.`,
    'What you write here goes to the visitor. For colleagues alone: !whisper TEXT, or a private message to one of them.',
  ].join('\n');

/** What a client shows with an invitation. */
export const reasonToCome = (chatId: string, visitor: string): string =>
  `The room of chat #${chatId} with ${visitor}`;

const list = (names: readonly string[]): string =>
  names.length < 2 ? names.join() : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;

/** Who asked for the room reads where it is, and who is asked in. @param others beside them */
export const madeRoom = (chatId: string, link: string, others: readonly string[]): string =>
  others.length > 0
    ? `The room of chat #${chatId}, for you, ${list(others)}: ${link}`
    : `The room of chat #${chatId}: ${link}`;

/** Whoever else is asked in. @param by null: they have the chat now */
export const askedIn = (chatId: string, link: string, by: string | null): string =>
  by === null
    ? `Chat #${chatId} has a room: ${link}`
    : `${by} asks you into the room of chat #${chatId}: ${link}`;

/** A room that ejabberd could not make. */
export const notMade = (chatId: string): string =>
  `Chat #${chatId} gets no room: the XMPP server has not made it. Your administrator can find out why.`;

/** Who comes in, for those who are in the room; null if that is whoever asked, whom they see come in. */
export function comesIn(
  { by, operators }: { readonly by: Username | null; readonly operators: readonly Username[] },
  nameOf: NameOf,
): string | null {
  const others = operators.filter((each) => each !== by);
  if (by === null || others.length === 0) return null;
  return `${nameOf(by)} has asked in ${list(others.map(nameOf))}.`;
}

/** Who whispered reads who has it. @param to who reads it in the conversation; null if nobody does */
export function whisperedTo(to: string | null, room: boolean): string {
  if (!room) return to === null ? NOBODY_READ : `${to} has your whisper. The visitor has not.`;
  const also = to === null ? '' : ` and with ${to}`;
  return `Your whisper is in the room${also}. The visitor does not see it.`;
}

const NOBODY_READ = 'Nobody has read your whisper: the room cannot be reached now.';

/**
 * What becomes of the chat, for those in its room; null for facts that say nothing to them.
 * @param inLhc the person in LHC who did it; null if they are not known
 * @param said LHC's own words of why it has refused something
 */
export function roomNoticeOf(
  fact: VisitorFact,
  nameOf: NameOf,
  inLhc: string | null,
  said: string | null,
): string | null {
  switch (fact.type) {
    case 'ChatAssigned': {
      const { operator, reason } = fact.data;
      // Behind it stands who has the chat.
      const hasIt = reason === 'answered' || reason === 'taken';
      return hasIt ? null : `${nameOf(operator)} is asked to answer.`;
    }
    case 'ChatAccepted':
      return `${nameOf(fact.data.operator)} has the chat now.`;
    case 'ChatUnassigned':
      return fact.data.broadcast ? null : 'Nobody has the chat now.';
    case 'ChatTransferred': {
      const { operator, department, taken } = fact.data;
      if (taken) return null;
      return operator === null
        ? `The chat goes to the department ${department}.`
        : `The chat goes to ${nameOf(operator)}, who is asked to answer.`;
    }
    case 'ChatTakenInLhc': {
      const who = asSubject(inLhc ?? 'Somebody in LHC');
      return fact.data.accepted ? `${who} has the chat now.` : `${who} is asked to answer.`;
    }
    case 'ChatClosed':
      return `Chat #${fact.data.chatId} is over. ${GONE_SOON}`;
    case 'RoomClosed': {
      const { by } = fact.data;
      return by === null
        ? null
        : `${nameOf(by)} has closed this room. ${GONE_SOON} The chat goes on in the conversation with the visitor.`;
    }
    case 'RoomJoined':
      return comesIn(fact.data, nameOf);
    case 'OperatorMessageRetracted':
      return `${nameOf(fact.data.operator)} has taken a message to the visitor back.`;
    case 'LhcRefused': {
      if (!('messageId' in fact.data) || fact.data.command !== undefined) return null;
      const reason = reasonOfRefusal(fact.data.code, said);
      const end = /[.!?]$/.test(reason) ? '' : '.';
      return `Not delivered, of ${nameOf(fact.data.operator)}: ${reason}${end}`;
    }
    default:
      return null;
  }
}
