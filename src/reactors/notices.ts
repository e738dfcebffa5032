/** Lines that operators are told of what became of a chat. */
import type { VisitorFact } from '../actors/visitor-facts.ts';

export interface Notice {
  readonly to: string;
  readonly text: string;
}

/** What this fact of a visitor is worth telling, and to whom; who did it himself knows. */
export function noticesOf(fact: VisitorFact): readonly Notice[] {
  switch (fact.type) {
    case 'ChatAssigned': {
      const { others = [], operator, chatId } = fact.data;
      return others.map((to) => ({ to, text: `${operator} has taken chat #${chatId}.` }));
    }
    case 'ChatAccepted': {
      const { chatId, operator, taken } = fact.data;
      return taken ? [{ to: operator, text: `Chat #${chatId} is yours.` }] : [];
    }
    case 'ChatUnassigned': {
      const { operators, chatId, reason } = fact.data;
      const why = WHY[reason];
      return why === null ? [] : operators.map((to) => ({ to, text: `Chat #${chatId} ${why}.` }));
    }
    case 'ChatTransferred': {
      const { chatId, from, operator, department, by } = fact.data;
      if (from === null) return [];
      const receiver = operator ?? `the department ${department}`;
      const text =
        by === 'lhc'
          ? `LHC has handed chat #${chatId} to ${receiver}.`
          : `Chat #${chatId} goes to ${receiver}.`;
      return [{ to: from, text }];
    }
    case 'ChatClosed': {
      const { operator, by, chatId, reason } = fact.data;
      if (operator === null) return [];
      const why = reason ? ` (${reason})` : '';
      const who = { visitor: 'The visitor closed', system: 'The system closed', operator: null }[
        by
      ];
      const text = who ? `${who} chat #${chatId}${why}.` : `Chat #${chatId} is closed.`;
      return [{ to: operator, text }];
    }
    default:
      return [];
  }
}

/** null: he is not there to read it, or sees by himself. */
const WHY = {
  missed: 'was not answered in time and is offered to others',
  declined: 'is offered to others',
  offline: null,
  'owner-gone': 'was given to others while you were away',
  'operator-removed': null,
} as const;
