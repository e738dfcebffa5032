/** The first line of an introduction: which chat it is, why it reaches this operator, and what they can do. */
import type { VisitorFact } from '../../actors/visitor/facts.ts';
import type { Chat } from '../../actors/visitor/state.ts';
import { asSubject } from './in-lhc.ts';
import type { NameOf } from './names.ts';

/** The waiting time is in minutes, and a shorter wait is not mentioned. */
const MINUTE_MS = 60_000;

const ACCEPT = 'Reply to accept it, or !decline.';

/**
 * The first line of a message with which LHC addressed an operator who did not know all of the chat (docs/adr/0037).
 * @param at ms since 1970, for the visitor's waiting time
 * @param knew the operator had messages of this chat before
 */
export function headlineByLhc(
  chat: Chat,
  operator: string,
  at: number,
  nameOf: NameOf,
  knew: boolean,
): string {
  const name = `chat #${chat.id}${chat.department ? ` for ${chat.department}` : ''}`;
  const left = chat.left ? ' The visitor has left meanwhile.' : '';
  if (chat.accepted && chat.operator === operator) return `${capital(name)} goes on.${left}`;
  if (chat.accepted && chat.operator !== null) {
    return `LHC sends you ${name}, which ${nameOf(chat.operator)} has answered.${left} Reply to take it over.`;
  }
  if (knew) return `${capital(name)} goes on, and nobody has answered.${left} ${REPLY}`;
  const minutes = Math.floor((at - chat.startedAt) / MINUTE_MS);
  const wait = minutes > 0 ? `, waiting for ${minutes} min` : '';
  return `New ${name}${wait}.${left} ${REPLY}`;
}

/** LHC picks several operators, one after the other. */
const REPLY = 'The first to reply gets it.';

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/**
 * @param began the fact that started this search for an operator
 * @param at ms since 1970, for the visitor's waiting time
 * @param people `inLhc`: who had the chat in LHC, or transferred it there, if they are known
 */
export function headlineOf(
  chat: Chat,
  began: VisitorFact | null,
  operator: string,
  at: number,
  { nameOf, inLhc }: { readonly nameOf: NameOf; readonly inLhc?: string | undefined },
): string {
  const number = `chat #${chat.id}`;
  const from = chat.overflowed.length > 0 ? `, from ${chat.overflowed.join(', ')}` : '';
  const name = `${number}${chat.department ? ` for ${chat.department}` : ''}${from}`;
  const left = chat.left ? ' The visitor has left meanwhile.' : '';
  const sentence = (text: string): string =>
    chat.accepted ? `${text}.${left}` : `${text}.${left} ${ACCEPT}`;
  // It has come here by itself, and nobody here knows it: it is new.
  const isOverflow = began?.type === 'ChatTransferred' && began.data.by === 'overflow';
  const start = isOverflow ? null : began;
  switch (start?.type) {
    case 'ChatTransferred': {
      const { from, by, operator: to, department } = start.data;
      const giverInLhc = asSubject(inLhc ?? 'LHC');
      const giver = by === 'lhc' ? giverInLhc : from === null ? 'Somebody' : nameOf(from);
      const place = to === operator ? 'you' : `the department ${department}`;
      const origin = to === operator && chat.department ? ` from ${chat.department}` : '';
      return sentence(`${giver} transferred ${number}${origin} to ${place}`);
    }
    case 'ChatTakenInLhc': {
      return sentence(`You have taken ${name} from ${inLhc ?? 'somebody in LHC'}`);
    }
    case 'ChatUnassigned': {
      const { reason } = start.data;
      const operators = start.data.operators.map(nameOf);
      if (chat.transferredBy === operator) {
        return sentence(`${capital(number)} is back: ${operators.join(', ')} did not accept it`);
      }
      const offline = reason === 'owner-gone' || reason === 'offline';
      const why = offline ? `: ${operators.join(', ')} went offline` : '';
      const needs = chat.accepted ? 'needed' : 'needs';
      return sentence(`${capital(name)} ${needs} an operator${why}`);
    }
    default: {
      const minutes = Math.floor((at - chat.startedAt) / MINUTE_MS);
      const wait = !chat.accepted && minutes > 0 ? `, waiting for ${minutes} min` : '';
      const offers = chat.offeredTo.length;
      if (offers < 2) return sentence(`New ${name}${wait}`);
      return `New ${name}${wait}, offered to ${offers} operators. The first to reply gets it.`;
    }
  }
}
