/** Which chat it is, how it came to this operator, and what is expected of him: the first line of its introduction. */
import type { Username } from '../../actors/ids.ts';
import type { Chat, VisitorFact } from '../../actors/visitor/facts.ts';

/** A shorter wait is none, in ms. */
const MINUTE = 60_000;

const ACCEPT = 'Reply to accept it, or !decline.';

/**
 * @param began the fact with which this search for an operator began
 * @param at ms since 1970, for how long the visitor has waited
 */
export function headlineOf(
  chat: Chat,
  began: VisitorFact | null,
  operator: Username,
  at: number,
): string {
  const number = `chat #${chat.id}`;
  const named = `${number}${chat.department ? ` for ${chat.department}` : ''}`;
  const sentence = (text: string): string => (chat.accepted ? `${text}.` : `${text}. ${ACCEPT}`);
  switch (began?.type) {
    case 'ChatTransferred': {
      const { from, by, operator: to, department } = began.data;
      const giver = by === 'lhc' ? 'LHC' : (from ?? 'Somebody');
      if (to === operator) return sentence(`${giver} hands you ${named}`);
      return sentence(`${giver} hands ${number} to the department ${department}`);
    }
    case 'ChatUnassigned': {
      const { operators, reason } = began.data;
      if (chat.transferredBy === operator) {
        return sentence(`C${number.slice(1)} comes back: ${operators.join(', ')} did not take it`);
      }
      const away = reason === 'owner-gone' || reason === 'offline';
      const why = away ? `: ${operators.join(', ')} went away` : '';
      return sentence(`C${named.slice(1)} needs an operator${why}`);
    }
    default: {
      const minutes = Math.floor((at - chat.startedAt) / MINUTE);
      const since = !chat.accepted && minutes > 0 ? `, waiting for ${minutes} min` : '';
      const offered = chat.offered.length;
      if (offered < 2) return sentence(`New ${named}${since}`);
      return `New ${named}${since}, offered to ${offered} operators. Who replies first has it.`;
    }
  }
}
