/** Lines that operators are told of what became of a chat. */
import type { Username } from '../../actors/ids.ts';
import type { UnassignReason, VisitorFact } from '../../actors/visitor/facts.ts';

export interface Notice {
  readonly to: Username;
  readonly text: string;
}

/** What this fact of a visitor is worth telling, and to whom; who did it himself knows. */
export function noticesOf(fact: VisitorFact): readonly Notice[] {
  switch (fact.type) {
    case 'ChatAssigned': {
      const { others = [], operator, chatId, reason } = fact.data;
      const himself = reason === 'answered' || reason === 'taken';
      const text = himself
        ? `${operator} has taken chat #${chatId}.`
        : `Chat #${chatId} was given to ${operator}.`;
      return others.map((to) => ({ to, text }));
    }
    case 'ChatAccepted': {
      const { chatId, operator, taken } = fact.data;
      return taken ? [{ to: operator, text: `Chat #${chatId} is yours.` }] : [];
    }
    case 'ChatUnassigned': {
      const { operators, chatId, reason } = fact.data;
      const text = WHY[reason]?.(`hat #${chatId}`);
      return text === undefined ? [] : operators.map((to) => ({ to, text }));
    }
    case 'ChatTransferred': {
      const { chatId, from, operator, department, by, others = [] } = fact.data;
      const receiver = operator ?? `the department ${department}`;
      const text =
        by === 'lhc'
          ? `LHC has handed chat #${chatId} to ${receiver}.`
          : `Chat #${chatId} goes to ${receiver}.`;
      return all([from, ...others], text).filter(({ to }) => to !== operator);
    }
    case 'ChatClosed': {
      const { operator, by, chatId, reason, others = [] } = fact.data;
      const why = reason ? ` (${reason})` : '';
      const who = { visitor: 'The visitor closed', system: 'The system closed', operator: null }[
        by
      ];
      const text = who ? `${who} chat #${chatId}${why}.` : `Chat #${chatId} is closed${why}.`;
      return all([operator, ...others], text);
    }
    default:
      return [];
  }
}

const all = (receivers: readonly (Username | null)[], text: string): Notice[] =>
  receivers.flatMap((to) => (to === null ? [] : { to, text }));

/** What whoever lost a chat reads, also when he comes back; a removed one has no account. */
const WHY: Record<UnassignReason, ((chat: string) => string) | undefined> = {
  missed: (chat) => `C${chat} was not answered in time and is back in the queue.`,
  declined: (chat) => `You have declined c${chat}.`,
  offline: (chat) => `C${chat} went back to the queue while you were away.`,
  'owner-gone': (chat) => `C${chat} went back to the queue while you were away.`,
  'operator-removed': undefined,
};
