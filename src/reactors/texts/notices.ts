/** One-line messages to operators about what happened to a chat. */
import type { Username } from '../../actors/ids.ts';
import type { InvitationEnd, UnassignReason, VisitorFact } from '../../actors/visitor/facts.ts';
import { asSubject } from './in-lhc.ts';
import type { NameOf } from './names.ts';

const MINUTE_MS = 60_000;

export interface Notice {
  readonly to: Username;
  readonly text: string;
}

/**
 * The notices that a fact calls for. An operator gets none for their own action, unless they need its result.
 * @param visitor `Visitor Ann`, or `The visitor`
 * @param inviter who is asked first now, because they invited the visitor last
 * @param inLhc the person in LHC who did it; null if they are not known
 */
export function noticesOf(
  fact: VisitorFact,
  nameOf: NameOf,
  visitor: string,
  inviter: Username | null,
  inLhc: string | null,
): readonly Notice[] {
  switch (fact.type) {
    case 'Invited': {
      const { operator: to, standsMs } = fact.data;
      if (standsMs === undefined) return [];
      const text = `You have invited this visitor. Without an answer the invitation lapses after ${spanOf(standsMs)}.`;
      return [{ to, text }];
    }
    case 'InvitationExpired': {
      const { operator: to, reason } = fact.data;
      // Why LHC has refused it is a line of its own.
      if (to === null || reason === undefined || reason === 'refused') return [];
      // A clean-up ends the claim, and so does the invitation of somebody else.
      const claim = to === inviter ? ' If they answer it later, you are asked first.' : '';
      return [{ to, text: `${visitor} ${LAPSED[reason]}${claim}` }];
    }
    case 'ChatAssigned': {
      const { withdrawnFrom = [], operator, chatId, reason } = fact.data;
      const byThemselves = reason === 'answered' || reason === 'taken';
      const text = byThemselves
        ? `${nameOf(operator)} has taken chat #${chatId}.`
        : `Chat #${chatId} was given to ${nameOf(operator)}.`;
      return withdrawnFrom.map((to) => ({ to, text }));
    }
    case 'ChatAccepted': {
      const { chatId, operator, byCommand, by } = fact.data;
      if (by === 'lhc')
        return [{ to: operator, text: `You have accepted chat #${chatId} in LHC.` }];
      return byCommand ? [{ to: operator, text: `Chat #${chatId} is yours.` }] : [];
    }
    case 'ChatTakenInLhc': {
      const { chatId, accepted, operator, from, withdrawnFrom = [] } = fact.data;
      const who = inLhc ?? 'somebody in LHC';
      const text = accepted
        ? `${asSubject(who)} has taken chat #${chatId}.`
        : `Chat #${chatId} was given to ${who}.`;
      const own = `You have taken chat #${chatId} in LHC. The visitor's messages go there now.`;
      return toEach([from, ...withdrawnFrom], text).map((notice) =>
        notice.to === operator ? { ...notice, text: own } : notice,
      );
    }
    case 'ChatUnassigned': {
      const { operators, chatId, reason, again = [] } = fact.data;
      const text = UNASSIGNED[reason]?.(chatId);
      // Who misses it again has read this.
      const readers = operators.filter((each) => !again.includes(each));
      return text === undefined ? [] : readers.map((to) => ({ to, text }));
    }
    case 'ChatTransferred': {
      const { chatId, from, operator, department, by, taken, withdrawnFrom = [] } = fact.data;
      const receiver = operator === null ? `the department ${department}` : nameOf(operator);
      const text =
        by === 'lhc'
          ? `${asSubject(inLhc ?? 'LHC')} transferred chat #${chatId} to ${receiver}.`
          : taken
            ? `${receiver} has taken chat #${chatId}.`
            : `Chat #${chatId} goes to ${receiver}.`;
      return toEach([from, ...withdrawnFrom], text).filter(({ to }) => to !== operator);
    }
    case 'ChatClosed': {
      const { operator, by, chatId, reason, withdrawnFrom = [] } = fact.data;
      const why = reason ? ` (${reason})` : '';
      const closer = inLhc === null ? null : `${asSubject(inLhc)} closed`;
      const system = 'The system closed';
      const who = { visitor: `${visitor} closed`, system, operator: closer }[by];
      const text = who ? `${who} chat #${chatId}${why}.` : `Chat #${chatId} is closed${why}.`;
      return toEach([operator, fact.data.closer ?? null, ...withdrawnFrom], text);
    }
    default:
      return [];
  }
}

/** What confirms a command of an operator, by the visitor's fact that it caused. */
export function confirmationsOf(fact: VisitorFact): readonly Notice[] {
  switch (fact.type) {
    case 'NoteAdded': {
      const { operator: to, chatId } = fact.data;
      return [{ to, text: `Your note is in chat #${chatId}. The visitor does not see the note.` }];
    }
    case 'OperatorCommandSent': {
      const { operator: to, command } = fact.data;
      return [{ to, text: `!${command} was passed on to LHC.` }];
    }
    default:
      return [];
  }
}

const LAPSED: Record<Exclude<InvitationEnd, 'refused'>, string> = {
  'not-answered': 'has not answered your invitation, and it has lapsed.',
  'visitor-left': 'has left without an answer to your invitation.',
};

/** A setting in seconds, without a loss: `90 s`, `2 min`. */
const spanOf = (ms: number): string =>
  ms % MINUTE_MS === 0 ? `${ms / MINUTE_MS} min` : `${ms / 1000} s`;

const toEach = (receivers: readonly (Username | null)[], text: string): Notice[] =>
  receivers.flatMap((to) => (to === null ? [] : { to, text }));

const backInQueue = (chatId: string): string =>
  `Chat #${chatId} went back to the queue while you were away.`;

/** What an operator who lost a chat reads, now or when they are back. A removed operator has no account. */
const UNASSIGNED: Record<UnassignReason, ((chatId: string) => string) | undefined> = {
  missed: (chatId) => `Chat #${chatId} was not answered in time and is back in the queue.`,
  declined: (chatId) => `You have declined chat #${chatId}.`,
  offline: backInQueue,
  'owner-gone': backInQueue,
  'operator-removed': undefined,
  // Their address would refuse this line as well.
  refused: undefined,
};
