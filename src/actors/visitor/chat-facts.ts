/** Facts about a chat or an invitation that several decisions make. */
import type { Username } from '../ids.ts';
import type {
  CloseParty,
  InvitationEnd,
  UnassignReason,
  VisitorFact,
  VisitorFacts,
} from './facts.ts';
import type { Chat, VisitorContext, VisitorState } from './state.ts';

/** Operators whose offer ends by a fact. */
export const withdrawal = (operators: Username[]): { withdrawnFrom?: Username[] } =>
  operators.length > 0 ? { withdrawnFrom: operators } : {};

/** The operators other than these whose offer ends. They get a notice. */
export function withdrawalsBut(
  chat: Chat,
  operator: Username,
  staying: readonly Username[] = [],
): { withdrawnFrom?: Username[] } {
  const asked = chat.operator === null ? chat.offeredTo : [chat.operator];
  return withdrawal(asked.filter((each) => each !== operator && !staying.includes(each)));
}

/**
 * The assignment of a chat to an operator who answered or took it.
 * @param how `staying`: operators who may still have it; `opens`: it is shown to the operator; `byLhc`: LHC says so
 */
export const chatAssigned = (
  chat: Chat,
  operator: Username,
  reason: 'answered' | 'taken',
  how: { staying?: readonly Username[]; opens?: boolean; byLhc?: boolean } = {},
): VisitorFact => ({
  type: 'ChatAssigned',
  data: {
    chatId: chat.id,
    operator,
    reservation: null,
    reason,
    ...withdrawalsBut(chat, operator, how.staying),
    ...(how.opens && { opens: true as const }),
    ...(how.byLhc && { by: 'lhc' as const }),
  },
});

const NO_CHAT: Pick<Chat, 'id' | 'operator' | 'offeredTo'> = {
  id: '',
  operator: null,
  offeredTo: [],
};

/**
 * The fact that closes the open chat.
 * @param reason in words of the service
 * @param closer the operator who closes it, if nobody has it
 * @param said `name`: of the person in LHC who closes it; `reason`: in the words of whoever closes it
 * @param writer the operator who wrote the command
 */
export function chatClosed(
  { chat }: Pick<VisitorContext, 'chat'>,
  by: CloseParty,
  reason: string | null,
  closer: Username | null = null,
  said: { name?: string | undefined; reason?: string | null } = {},
  writer: Username | null = null,
): VisitorFact {
  const personal = {
    ...(said.name && { name: said.name }),
    ...(said.reason && { reason: said.reason }),
  };
  const { id: chatId, offeredTo, ...open } = chat ?? NO_CHAT;
  const operator = open.operator ?? closer;
  const others = offeredTo.filter((each) => each !== closer);
  return {
    type: 'ChatClosed',
    data: {
      chatId,
      operator,
      by,
      reason,
      ...withdrawal(others),
      // Who was asked is told as the others are.
      ...(operator === null && writer && !others.includes(writer) && { closer: writer }),
    },
    personal: Object.keys(personal).length > 0 ? personal : undefined,
  };
}

/** The fact that all open offers were missed. */
export function offersMissed({ chat }: Pick<VisitorContext, 'chat'>): VisitorFact {
  const { id: chatId, operator, offeredTo } = chat ?? NO_CHAT;
  const reason = 'missed';
  const operators = operator === null ? offeredTo : [operator];
  const again = operators.filter((each) => chat?.passedBy.includes(each));
  const data = { chatId, operators, reason, ...(again.length > 0 && { again }) } as const;
  return {
    type: 'ChatUnassigned',
    data: operator === null ? { ...data, broadcast: true } : data,
  };
}

/** The fact that the operator lost the chat or the offer. */
export const chatUnassigned = (
  chat: Chat,
  operator: Username,
  reason: UnassignReason,
): VisitorFact => ({
  type: 'ChatUnassigned',
  data: {
    chatId: chat.id,
    operators: [operator],
    reason,
    ...(chat.operator === null && { broadcast: true }),
  },
});

/** The fact that the chat goes to somebody else. @param name of the person in LHC who does it */
export const transferred = (
  { id: chatId, operator: from, offeredTo }: Chat,
  to: Pick<VisitorFacts['ChatTransferred'], 'operator' | 'department' | 'reservation'>,
  by: VisitorFacts['ChatTransferred']['by'],
  name?: string,
): VisitorFact => {
  const { operator, department, reservation } = to;
  return {
    type: 'ChatTransferred',
    data: { chatId, from, operator, department, reservation, by, ...withdrawal(offeredTo) },
    personal: name ? { name } : undefined,
  };
};

/** The fact that an invitation ends without an answer. */
export const invitationExpired = (
  { inviter: operator }: Pick<VisitorContext, 'inviter'>,
  reason: InvitationEnd,
): VisitorFact => ({ type: 'InvitationExpired', data: { operator, reason } });

/** The fact that a visitor has left. It names a chat that nobody has answered. */
export const timedOut = ({
  lastSeen,
  chat,
}: Pick<VisitorContext, 'lastSeen' | 'chat'>): VisitorFact => ({
  type: 'TimedOut',
  data: { lastSeen, ...(chat && { chatId: chat.id }) },
});

/** The end of an open invitation whose visitor leaves. */
export const invitationEnd = ({ conversation, context }: VisitorState): VisitorFact[] =>
  conversation === 'invited' ? [invitationExpired(context, 'visitor-left')] : [];
