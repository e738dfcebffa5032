/** Decisions about who has a visitor's chat: offers, assignments, acceptance, transfers. */
import type { Username } from '../ids.ts';
import { refuse } from '../machine/decider.ts';
import type { Considered, PickReason } from '../operator-selection.ts';
import { isByLhc } from './addressed.ts';
import { chatAssigned, chatUnassigned, transferred, withdrawalsBut } from './chat-facts.ts';
import type { UnassignReason, VisitorFact, VisitorNotice } from './facts.ts';
import { openChat, refuseForeign } from './open-chat.ts';
import type { Chat, VisitorContext } from './state.ts';

/**
 * A pick of routing.
 * @property search the `searchRevision` of the chat when the pick was made. A pick for an earlier search is refused: since
 * then the chat moved to another department, or an operator passed it. Absent: for whatever search there is
 */
interface RoutingPick {
  chatId: string;
  search?: number;
  reason: PickReason;
  considered?: Considered;
}

export type PlacementCommand =
  | (RoutingPick & {
      type: 'AssignChat';
      operator: Username;
      reservation: string | null;
    })
  /** Offers the chat to several operators. The first to answer gets it. Open offers stay. */
  | (RoutingPick & { type: 'OfferChat'; operators: readonly Username[] })
  /** From routing. No effect if the operator no longer has the chat, or if the reason is `offline` and they have answered. */
  | { type: 'UnassignChat'; chatId: string; operator: Username; reason: UnassignReason }
  /**
   * `!take`: the operator takes the open chat, if no other operator has answered it.
   * @param room it was written in the chat's room: also from the operator who has it
   */
  | { type: 'AcceptChat'; operator: Username; room?: boolean }
  | { type: 'DeclineChat'; operator: Username }
  /**
   * A transfer to an operator, with or without a reservation, or to a department.
   * @param from the operator who transfers the open chat; null: LHC does, and gives the chat id
   * @param name of the person in LHC who does it
   */
  | {
      type: 'TransferChat';
      chatId: string | null;
      from: Username | null;
      operator: Username | null;
      department: string | null;
      reservation: string | null;
      name?: string | undefined;
    }
  | { type: 'RevokeReservation'; reservation: string }
  /** From routing: the chat has waited too long, and somebody in this department is free. */
  | { type: 'OverflowChat'; chatId: string; search: number; department: string }
  /** From routing: the visitor is told that nobody answers now. @param until ms since 1970 */
  | {
      type: 'NotifyVisitor';
      chatId: string;
      reason: VisitorNotice;
      text: string;
      until: number | null;
    };

type CommandOf<T extends PlacementCommand['type']> = Extract<PlacementCommand, { type: T }>;

function assign(context: VisitorContext, command: CommandOf<'AssignChat'>): VisitorFact[] {
  const { chatId, operator, reservation } = command;
  if (reservation !== null) refuseRevoked(context, reservation);
  const chat = openChat(context, chatId);
  refuseByLhc(context);
  if (chat.operator === operator && chat.reservation === reservation) return [];
  if (chat.operator !== null || chat.inLhc) return refuseForeign(chat);
  refuseOldPick(chat, command);
  const { type: _type, search: _search, ...data } = command;
  return [{ type: 'ChatAssigned', data: { ...data, ...withdrawalsBut(chat, operator) } }];
}

/** Refuses what LHC has no form for where it picks the operators itself (docs/adr/0037). @throws {AppError} `refused` */
function refuseByLhc(
  context: VisitorContext,
  reason = 'LHC picks the operators of this chat',
): void {
  if (isByLhc(context)) refuse(reason);
}

/** @throws {AppError} `refused` where LHC picks the operators: it would address the next message to the same ones */
export const refuseTransferByLhc = (context: VisitorContext): void =>
  refuseByLhc(context, 'LHC picks the operators of this chat; transfer it in LHC');

const refuseOldPick = ({ searchRevision }: Chat, { search }: Pick<RoutingPick, 'search'>): void => {
  if (search !== undefined && search !== searchRevision) {
    refuse('another search for an operator has begun since this pick');
  }
};

const refuseRevoked = ({ revokedReservations }: VisitorContext, reservation: string): void => {
  if (revokedReservations.includes(reservation)) {
    refuse('this reservation was revoked', { reservation });
  }
};

function offer(context: VisitorContext, command: CommandOf<'OfferChat'>): VisitorFact[] {
  const { type: _type, search: _search, ...data } = command;
  const chat = openChat(context, command.chatId);
  refuseByLhc(context);
  if (chat.operator !== null || chat.inLhc) return refuseForeign(chat);
  refuseOldPick(chat, command);
  const operators = command.operators.filter((each) => !chat.offeredTo.includes(each));
  return operators.length > 0 ? [{ type: 'ChatOffered', data: { ...data, operators } }] : [];
}

function unassign(context: VisitorContext, command: CommandOf<'UnassignChat'>): VisitorFact[] {
  const { chat } = context;
  const { chatId, operator, reason } = command;
  if (chat?.id !== chatId || !isAskedOrOwner(chat, operator) || isByLhc(context)) return [];
  // The operator came back and answered before this command arrived.
  if (reason === 'offline' && chat.accepted) return [];
  return [chatUnassigned(chat, operator, reason)];
}

const isAskedOrOwner = (chat: Chat, operator: Username): boolean =>
  chat.operator === operator || chat.offeredTo.includes(operator);

function accept(context: VisitorContext, command: CommandOf<'AcceptChat'>): VisitorFact[] {
  const { operator, room = false } = command;
  if (!context.chat) return refuse('this visitor has no open chat; write to them to invite them');
  const { chat } = context;
  const accepted: VisitorFact = {
    type: 'ChatAccepted',
    data: { chatId: chat.id, operator, byCommand: true },
  };
  if (chat.operator === operator) return chat.accepted ? [] : [accepted];
  if (chat.accepted && !chat.inLhc) {
    if (!room || !context.room) return refuseForeign(chat);
    return [takenInRoom(chat, operator), accepted];
  }
  refuseByLhc(context, 'LHC gives a chat to whoever answers it; write to the visitor');
  return [chatAssigned(chat, operator, 'taken'), accepted];
}

/** Everybody in the room reads who takes the chat from whom. */
function takenInRoom(chat: Chat, operator: Username): VisitorFact {
  const to = { operator, department: null, reservation: null };
  const { data } = transferred(chat, to, 'operator') as Extract<
    VisitorFact,
    { type: 'ChatTransferred' }
  >;
  return { type: 'ChatTransferred', data: { ...data, taken: true } };
}

function decline(context: VisitorContext, { operator }: CommandOf<'DeclineChat'>): VisitorFact[] {
  const chat = openChat(context, null);
  if (!isAskedOrOwner(chat, operator)) {
    return chat.passedBy.includes(operator) ? [] : refuse('this chat is not offered to you');
  }
  refuseByLhc(context, 'LHC cannot be told that you decline a chat; whoever answers it has it');
  if (chat.accepted) return refuse('you have answered this chat; write !transfer or !close');
  return [chatUnassigned(chat, operator, 'declined')];
}

function transfer(context: VisitorContext, command: CommandOf<'TransferChat'>): VisitorFact[] {
  const { from, operator, department, reservation } = command;
  const chat = openChat(context, command.chatId);
  refuseTransferByLhc(context);
  if (reservation !== null) refuseRevoked(context, reservation);
  if (from !== null && chat.operator !== from) {
    if (chat.inLhc) return refuseForeign(chat);
    return chat.operator === null
      ? refuse('nobody has this chat yet; write !take first')
      : refuse(`this chat belongs to @${chat.operator}`, { owner: chat.operator });
  }
  if (operator !== null && chat.operator === operator) {
    return refuse(`@${operator} already has this chat`, { owner: operator });
  }
  const there = (department ?? chat.department) === chat.department;
  const isFree = chat.operator === null && chat.inLhc === null;
  if (operator === null && isFree && there) return []; // the chat already waits there
  const by = from === null ? 'lhc' : 'operator';
  return [transferred(chat, { operator, department, reservation }, by, command.name)];
}

function revoke(
  context: VisitorContext,
  { reservation }: CommandOf<'RevokeReservation'>,
): VisitorFact[] {
  if (context.chat?.reservation === reservation) {
    return refuse('the chat was assigned with this reservation', { reservation });
  }
  return context.revokedReservations.includes(reservation)
    ? []
    : [{ type: 'ReservationRevoked', data: { reservation } }];
}

function overflow(context: VisitorContext, command: CommandOf<'OverflowChat'>): VisitorFact[] {
  const { department } = command;
  const chat = openChat(context, command.chatId);
  refuseByLhc(context);
  if (chat.operator !== null || chat.inLhc) return refuseForeign(chat);
  refuseOldPick(chat, command);
  if (chat.offeredTo.length > 0) return refuse('operators are asked about this chat now');
  if (chat.department === null || chat.overflowed.includes(department)) {
    return refuse(`this chat does not go to ${department} by itself`);
  }
  if (chat.department === department) return [];
  const { type, ...fact } = transferred(
    chat,
    { operator: null, department, reservation: null },
    'overflow',
  ) as Extract<VisitorFact, { type: 'ChatTransferred' }>;
  return [{ ...fact, type, data: { ...fact.data, fromDepartment: chat.department } }];
}

function notify(context: VisitorContext, command: CommandOf<'NotifyVisitor'>): VisitorFact[] {
  const chat = openChat(context, command.chatId);
  if (chat.notified !== null) return [];
  refuseByLhc(context);
  if (chat.operator !== null || chat.inLhc) return refuseForeign(chat);
  const { type: _type, ...data } = command;
  return [{ type: 'VisitorNotified', data }];
}

/** The facts that a command causes; none if nothing changes. @throws {AppError} `refused` with the reason */
export function decidePlacement(context: VisitorContext, command: PlacementCommand): VisitorFact[] {
  switch (command.type) {
    case 'AssignChat':
      return assign(context, command);
    case 'OfferChat':
      return offer(context, command);
    case 'UnassignChat':
      return unassign(context, command);
    case 'AcceptChat':
      return accept(context, command);
    case 'DeclineChat':
      return decline(context, command);
    case 'TransferChat':
      return transfer(context, command);
    case 'RevokeReservation':
      return revoke(context, command);
    case 'OverflowChat':
      return overflow(context, command);
    case 'NotifyVisitor':
      return notify(context, command);
  }
}
