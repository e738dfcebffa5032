/** The life of a chat: its operator, its open offers, and the search for an operator. */
import type { Username } from '../ids.ts';
import { BROADCAST_MAX_OPERATORS, type ChatCriteria } from '../operator-selection.ts';
import type { Of, UnassignReason, VisitorEvent } from './facts.ts';
import type { Chat } from './state.ts';

const CHAT_FACTS = [
  'ChatStarted',
  'ChatOffered',
  'ChatAssigned',
  'ChatAccepted',
  'ChatUnassigned',
  'ChatTransferred',
  'ChatTakenInLhc',
  'VisitorNotified',
  'ChatClosed',
  // The visitor leaves while the chat waits, and comes back.
  'TimedOut',
  'VisitorArrived',
] as const;

/** A fact that may change the open chat of a visitor. */
export type ChatEvent = Of<(typeof CHAT_FACTS)[number]>;

const types: ReadonlySet<string> = new Set(CHAT_FACTS);

export const isChatEvent = (event: VisitorEvent): event is ChatEvent => types.has(event.type);

/**
 * Raise it when recorded histories of visitors fold differently (test/actors/golden). Then snapshots are dropped, and tables
 * with chats are built again.
 */
export const VISITOR_FOLD = 12;

/** Length of `passedBy`. A shorter list would forget the first operators of a broadcast and ask them again too early. */
const PASSED_BY_MAX_OPERATORS = BROADCAST_MAX_OPERATORS;

/** Unassign reasons that put an operator at the end of the list for this chat. */
const PASS_REASONS: ReadonlySet<UnassignReason> = new Set(['missed', 'declined', 'refused']);

/**
 * The open chat of a visitor after a fact; null when none is open. The visitor's machine, the tables of routing and the
 * read models all fold a chat by this function.
 */
export function chatAfter(chat: Chat | null, event: ChatEvent): Chat | null {
  if (event.type === 'ChatStarted') return started(event);
  if (event.type === 'ChatClosed' || chat === null) return null;
  switch (event.type) {
    case 'ChatOffered': {
      const { operators, reason } = event.data;
      const byLhc = chat.byLhc || reason === 'lhc';
      return { ...chat, byLhc, offeredTo: [...chat.offeredTo, ...operators] };
    }
    case 'ChatAssigned': {
      const { operator, reservation } = event.data;
      return { ...chat, operator, reservation, accepted: false, offeredTo: [], inLhc: null };
    }
    case 'ChatAccepted':
      return accepted(chat, event);
    case 'ChatUnassigned':
      return unassigned(chat, event);
    case 'ChatTransferred':
      return transferred(chat, event);
    case 'ChatTakenInLhc':
      return takenInLhc(chat, event);
    case 'VisitorNotified':
      return { ...chat, notified: event.data.reason };
    case 'TimedOut':
      return { ...chat, left: true };
    case 'VisitorArrived':
      return chat.left ? { ...chat, left: false } : chat;
  }
}

const started = ({ data, at, revision }: Of<'ChatStarted'>): Chat => ({
  id: data.chatId,
  department: data.department,
  language: data.language ?? null,
  invitedBy: data.invitedBy,
  lastOperator: data.lastOperator,
  answered: false,
  operator: null,
  reservation: null,
  accepted: false,
  startedAt: at,
  startRevision: revision,
  offeredTo: [],
  passedBy: [],
  passedAgain: [],
  left: false,
  misses: 0,
  freeSince: at,
  waitsSince: at,
  overflowed: [],
  notified: null,
  transferredBy: null,
  departmentTransfer: null,
  searchRevision: revision,
  byLhc: data.byLhc === true,
  inLhc: null,
});

/** The chat without an operator. A new search for an operator begins. */
const released = (chat: Chat, { at, revision }: ChatEvent): Chat => ({
  ...chat,
  operator: null,
  reservation: null,
  accepted: false,
  offeredTo: [],
  inLhc: null,
  freeSince: at,
  // Whoever was answered begins to wait only now.
  waitsSince: chat.accepted ? at : chat.waitsSince,
  searchRevision: revision,
});

function accepted(chat: Chat, { data: { operator } }: Of<'ChatAccepted'>): Chat {
  return {
    ...chat,
    accepted: true,
    lastOperator: operator,
    answered: true,
    offeredTo: [],
    passedBy: chat.passedBy.filter((each) => each !== operator),
    passedAgain: chat.passedAgain.filter((each) => each !== operator),
    misses: 0,
    transferredBy: null,
    departmentTransfer: null,
  };
}

function unassigned(chat: Chat, event: Of<'ChatUnassigned'>): Chat {
  const { operators, reason } = event.data;
  const offeredTo = chat.offeredTo.filter((each) => !operators.includes(each));
  const passes = PASS_REASONS.has(reason);
  const passed = passes ? withPasses(chat, operators) : {};
  if (offeredTo.length > 0) return { ...chat, ...passed, offeredTo };
  return { ...released(chat, event), ...passed, misses: chat.misses + (passes ? 1 : 0) };
}

function transferred(chat: Chat, event: Of<'ChatTransferred'>): Chat {
  const { from, operator, department, reservation, by, fromDepartment } = event.data;
  const toDepartment = operator === null;
  if (by === 'overflow') {
    // Nobody chose the department, so operators who know the visitor keep their priority.
    const overflowed = [
      ...chat.overflowed,
      ...(fromDepartment === undefined ? [] : [fromDepartment]),
    ];
    return { ...released(chat, event), department, waitsSince: event.at, misses: 0, overflowed };
  }
  return {
    ...released(chat, event),
    operator,
    reservation,
    department: department ?? chat.department,
    ...(toDepartment && from !== null && withPasses(chat, [from])),
    misses: 0,
    waitsSince: event.at,
    overflowed: toDepartment ? [] : chat.overflowed,
    transferredBy: toDepartment ? null : from,
    departmentTransfer: toDepartment ? { by: from } : null,
  };
}

/** If they give it up, a new search begins as for a new chat. */
const takenInLhc = (chat: Chat, event: Of<'ChatTakenInLhc'>): Chat => ({
  ...released(chat, event),
  accepted: event.data.accepted,
  misses: 0,
  transferredBy: null,
  departmentTransfer: null,
  inLhc: { lhcUserId: event.data.lhcUserId, revision: event.revision },
});

/** Adds operators to `passedBy`. An operator who is there already moves to the end. */
function withPasses(
  { passedBy, passedAgain }: Chat,
  operators: readonly Username[],
): Pick<Chat, 'passedBy' | 'passedAgain'> {
  const added = (list: readonly Username[], more: readonly Username[]): Username[] =>
    [...list.filter((each) => !more.includes(each)), ...more].slice(-PASSED_BY_MAX_OPERATORS);
  return {
    passedBy: added(passedBy, operators),
    passedAgain: added(
      passedAgain,
      operators.filter((each) => passedBy.includes(each)),
    ),
  };
}

/** Operators who are asked to answer the chat now: the assigned one, or all with an offer from a broadcast. */
export const openOffersOf = ({
  operator,
  accepted: isAccepted,
  offeredTo,
}: Chat): readonly Username[] => {
  if (isAccepted) return [];
  return operator === null ? offeredTo : [operator];
};

/**
 * The part of a chat that a choice depends on. After a transfer to a department, earlier operators of the visitor have no
 * priority.
 */
export const criteriaOf = (chat: Chat): ChatCriteria => ({
  department: chat.department,
  language: chat.language,
  waitsSince: chat.waitsSince,
  invitedBy: chat.departmentTransfer ? null : chat.invitedBy,
  lastOperator: chat.departmentTransfer ? null : chat.lastOperator,
  answered: chat.answered,
  transferredBy: chat.transferredBy,
  offeredTo: chat.offeredTo,
  passedBy: chat.passedBy,
});
