/** The life of a chat: who has it, who is asked to answer it, and how the search for an operator goes. */
import type { Username } from '../ids.ts';
import type { Sought } from '../operator-selection.ts';
import type { Chat, UnassignReason, VisitorEvent } from './facts.ts';

type Of<T extends VisitorEvent['type']> = Extract<VisitorEvent, { type: T }>;

const CHAT_FACTS = [
  'ChatStarted',
  'ChatOffered',
  'ChatAssigned',
  'ChatAccepted',
  'ChatUnassigned',
  'ChatTransferred',
  'ChatClosed',
] as const;

/** A fact that moves the open chat of its visitor. */
export type ChatEvent = Of<(typeof CHAT_FACTS)[number]>;

const types: ReadonlySet<string> = new Set(CHAT_FACTS);

export const isChatEvent = (event: VisitorEvent): event is ChatEvent => types.has(event.type);

/**
 * Raise it when recorded histories of visitors fold differently (test/actors/golden). Snapshots are thrown away then, and
 * tables that keep a chat are built anew.
 */
export const VISITOR_FOLD = 1;

/** Operators kept in `passed`: as many as one broadcast asks, or the first of them would be asked again too early. */
const MAX_PASSED = 500;

/** Unassign reasons that put an operator at the end of the list for this chat. */
const PASSES: ReadonlySet<UnassignReason> = new Set(['missed', 'declined']);

/**
 * The open chat of a visitor after a fact; null when none is open. The visitor's machine, the tables of routing and the
 * read models all fold a chat by this function.
 */
export function chatAfter(chat: Chat | null, event: ChatEvent): Chat | null {
  if (event.type === 'ChatStarted') return started(event);
  if (event.type === 'ChatClosed' || chat === null) return null;
  switch (event.type) {
    case 'ChatOffered':
      return { ...chat, offered: [...chat.offered, ...event.data.operators] };
    case 'ChatAssigned': {
      const { operator, reservation } = event.data;
      return { ...chat, operator, reservation, accepted: false, offered: [] };
    }
    case 'ChatAccepted':
      return accepted(chat, event);
    case 'ChatUnassigned':
      return unassigned(chat, event);
    case 'ChatTransferred':
      return transferred(chat, event);
  }
}

const started = ({ data, at, revision }: Of<'ChatStarted'>): Chat => ({
  id: data.chatId,
  department: data.department,
  invitedBy: data.invitedBy,
  lastOperator: data.lastOperator,
  operator: null,
  reservation: null,
  accepted: false,
  startedAt: at,
  offered: [],
  passed: [],
  misses: 0,
  freeSince: at,
  transferredBy: null,
  handed: null,
  round: revision,
});

/** Nobody has the chat any more, and a new search for an operator begins. */
const released = (chat: Chat, { at, revision }: ChatEvent): Chat => ({
  ...chat,
  operator: null,
  reservation: null,
  accepted: false,
  offered: [],
  freeSince: at,
  round: revision,
});

function accepted(chat: Chat, { data: { operator } }: Of<'ChatAccepted'>): Chat {
  return {
    ...chat,
    accepted: true,
    lastOperator: operator,
    offered: [],
    passed: chat.passed.filter((each) => each !== operator),
    misses: 0,
    transferredBy: null,
    handed: null,
  };
}

function unassigned(chat: Chat, event: Of<'ChatUnassigned'>): Chat {
  const { operators, reason } = event.data;
  const offered = chat.offered.filter((each) => !operators.includes(each));
  const passes = PASSES.has(reason);
  const passed = passes ? passedBy(chat, operators) : chat.passed;
  if (offered.length > 0) return { ...chat, passed, offered };
  return { ...released(chat, event), passed, misses: chat.misses + (passes ? 1 : 0) };
}

function transferred(chat: Chat, event: Of<'ChatTransferred'>): Chat {
  const { from, operator, department, reservation } = event.data;
  const toDepartment = operator === null;
  return {
    ...released(chat, event),
    operator,
    reservation,
    department: department ?? chat.department,
    passed: toDepartment && from !== null ? passedBy(chat, [from]) : chat.passed,
    misses: 0,
    transferredBy: toDepartment ? null : from,
    handed: toDepartment ? { by: from } : null,
  };
}

/** An operator who passes again goes to the end of the list. */
const passedBy = ({ passed }: Chat, operators: readonly Username[]): Username[] =>
  [...passed.filter((each) => !operators.includes(each)), ...operators].slice(-MAX_PASSED);

/** Operators who are asked to answer the chat now: one who was assigned, or all of a broadcast. */
export const askedOf = ({ operator, accepted: answered, offered }: Chat): readonly Username[] => {
  if (answered) return [];
  return operator === null ? offered : [operator];
};

/**
 * What a choice needs of a chat. A chat that was handed to a department no longer belongs with whoever invited or served
 * the visitor before.
 */
export const soughtIn = (chat: Chat): Sought => ({
  department: chat.department,
  invitedBy: chat.handed ? null : chat.invitedBy,
  lastOperator: chat.handed ? null : chat.lastOperator,
  transferredBy: chat.transferredBy,
  offered: chat.offered,
  passed: chat.passed,
});
