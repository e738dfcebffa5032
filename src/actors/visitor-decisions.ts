/** What may be asked of a visitor, and which facts that causes or why it is refused. */
import { AppError } from '../errors.ts';
import { type Core, type Decider, type DecisionContext, refuse } from './decider.ts';
import type { SeenSummary } from './seen.ts';
import { VISITOR_VERSION, type VisitorSnapshot, visitorMachine } from './visitor.ts';
import type {
  Chat,
  CloseParty,
  Profile,
  VisitorContext,
  VisitorDelays,
  VisitorFact,
  VisitorKept,
} from './visitor-facts.ts';
import { report, type VisitorReport } from './visitor-reports.ts';

export type VisitorCommand =
  | {
      type: 'ViewPage';
      /** Fingerprint of the profile: machines compare it and never read what is personal. */
      digest: string;
      department: string | null;
      delays: VisitorDelays;
      profile: Profile;
    }
  | {
      type: 'StartChat';
      chatId: string;
      department: string | null;
      delays: VisitorDelays;
      nick?: string | undefined;
      message?: { id: string; body: string } | undefined;
    }
  | { type: 'SendMessage'; messageId: string; chatId: string | null; body: string }
  | { type: 'ReceiveOperatorMessage'; operator: string; messageId: string; body: string }
  | {
      type: 'AssignChat';
      chatId: string;
      operator: string;
      reservation: string | null;
      reason: string;
    }
  | { type: 'RevokeReservation'; reservation: string }
  | { type: 'CloseChat'; chatId: string; by: CloseParty; reason: string | null }
  | { type: 'TimeOut' }
  | { type: 'CleanUp' }
  | VisitorReport;

/** The same page again within this time is no new fact, in ms. */
const SAME_PAGE_WITHIN = 30_000;

/** Messages of one visitor that nobody has received yet; one more is refused. */
export const MAX_OPEN_MESSAGES = 1000;

type VisitorCore = Core<VisitorSnapshot>;
type Presence = 'unknown' | 'online' | 'timedOut' | 'cleanedUp';
type Conversation = 'none' | 'invited' | 'waiting' | 'chatting';

/** A visitor's state by its two regions. */
export const visitorState = (
  core: VisitorCore,
): { presence: Presence; conversation: Conversation; context: VisitorContext } => {
  // The regions' names are those of the machine above; xstate types a parallel value the same way.
  const { presence, conversation } = core.snapshot.value as {
    presence: Presence;
    conversation: Conversation;
  };
  return { presence, conversation, context: core.snapshot.context };
};

const openChat = (context: VisitorContext, chatId: string): Chat => {
  const { chat } = context;
  if (chat === null) return refuse(`chat ${chatId} is not open`, { chatId });
  if (chat.id !== chatId) return refuse(`chat ${chat.id} is open, not ${chatId}`, { chatId });
  return chat;
};

const arrived = (
  digest: string | null,
  department: string | null,
  delays: VisitorDelays,
  profile?: Profile,
): VisitorFact => ({
  type: 'VisitorArrived',
  data: { digest, department, delays },
  personal: profile,
});

function viewPage(
  core: VisitorCore,
  command: Extract<VisitorCommand, { type: 'ViewPage' }>,
  { now }: DecisionContext,
): VisitorFact[] {
  const { presence, context } = visitorState(core);
  const { digest, department, delays, profile } = command;
  if (presence !== 'online') return [arrived(digest, department, delays, profile)];
  // A reload is no news, but a short time-out must not run out because reloads were no facts.
  const within = Math.min(SAME_PAGE_WITHIN, delays.hardTimeout / 2);
  const moved = department !== null && department !== context.department;
  if (digest === context.digest && !moved && now - context.digestAt < within) return [];
  return [{ type: 'PageViewed', data: { digest, department, delays }, personal: profile }];
}

function startChat(
  core: VisitorCore,
  command: Extract<VisitorCommand, { type: 'StartChat' }>,
): VisitorFact[] {
  const { presence, context } = visitorState(core);
  const { chatId, delays, nick, message } = command;
  const department = command.department ?? context.department;
  if (context.chat && context.chat.id !== chatId) {
    return refuse(`chat ${context.chat.id} is open; close it first`, { chatId });
  }
  const facts: VisitorFact[] = [];
  if (presence !== 'online') facts.push(arrived(null, department, delays));
  if (!context.chat) {
    facts.push({
      type: 'ChatStarted',
      data: { chatId, department, invitedBy: context.inviter },
      personal: nick === undefined ? undefined : { nick },
    });
  }
  if (message) facts.push(...sent(context, chatId, message.id, message.body));
  return facts;
}

function sent(
  context: VisitorContext,
  chatId: string,
  messageId: string,
  body: string,
): VisitorFact[] {
  if (context.settledMessages.includes(messageId)) return [];
  if (context.openMessages.some((message) => message.id === messageId)) return [];
  if (context.openMessages.length >= MAX_OPEN_MESSAGES) {
    return refuse(
      `${MAX_OPEN_MESSAGES} messages wait for an operator; send more when one has them`,
    );
  }
  return [{ type: 'VisitorMessageSent', data: { chatId, messageId }, personal: { body } }];
}

function receive(
  core: VisitorCore,
  command: Extract<VisitorCommand, { type: 'ReceiveOperatorMessage' }>,
): VisitorFact[] {
  const { presence, conversation, context } = visitorState(core);
  const { operator, messageId, body } = command;
  const { chat, inviter } = context;
  const message = (invitation: boolean): VisitorFact => ({
    type: 'OperatorMessageReceived',
    data: { operator, messageId, chatId: chat?.id ?? null, invitation },
    personal: { body },
  });
  if (chat) {
    if (chat.operator !== null && chat.operator !== operator) {
      return refuse(`this chat belongs to ${chat.operator}`, { owner: chat.operator });
    }
    const facts: VisitorFact[] = [];
    if (chat.operator === null) {
      // Nobody has it yet: who answers takes it.
      facts.push({
        type: 'ChatAssigned',
        data: { chatId: chat.id, operator, reservation: null, reason: 'answered' },
      });
    }
    if (!chat.accepted) {
      facts.push({ type: 'ChatAccepted', data: { chatId: chat.id, operator } });
    }
    return [...facts, message(false)];
  }
  if (presence !== 'online') return refuse('this visitor has left');
  if (conversation === 'invited') {
    if (inviter !== operator) {
      return refuse(`${inviter} has just invited this visitor`, { owner: inviter });
    }
    return [message(true)];
  }
  return [{ type: 'Invited', data: { operator } }, message(true)];
}

function assignChat(
  core: VisitorCore,
  command: Extract<VisitorCommand, { type: 'AssignChat' }>,
): VisitorFact[] {
  const { context } = visitorState(core);
  const { chatId, operator, reservation, reason } = command;
  if (reservation !== null && context.revokedReservations.includes(reservation)) {
    return refuse('this reservation was revoked', { reservation });
  }
  const chat = openChat(context, chatId);
  if (chat.operator === operator && chat.reservation === reservation) return [];
  if (chat.operator !== null) {
    return refuse(`this chat belongs to ${chat.operator}`, { owner: chat.operator });
  }
  return [{ type: 'ChatAssigned', data: { chatId, operator, reservation, reason } }];
}

function closeChat(
  core: VisitorCore,
  command: Extract<VisitorCommand, { type: 'CloseChat' }>,
): VisitorFact[] {
  const { context } = visitorState(core);
  const { chatId, by, reason } = command;
  // Closing what is closed is no mistake: both sides do it.
  if (context.chat === null && context.lastChatId === chatId) return [];
  const { operator } = openChat(context, chatId);
  return [{ type: 'ChatClosed', data: { chatId, operator, by, reason } }];
}

function cleanUp(core: VisitorCore): VisitorFact[] {
  const { presence, context } = visitorState(core);
  if (presence === 'cleanedUp') return [];
  const facts: VisitorFact[] = [];
  if (context.chat) {
    facts.push({
      type: 'ChatClosed',
      data: {
        chatId: context.chat.id,
        operator: context.chat.operator,
        by: 'system',
        reason: 'visitor cleaned up',
      },
    });
  }
  return [...facts, { type: 'CleanedUp', data: { lastSeen: context.lastSeen } }];
}

function decideVisitor(
  core: VisitorCore,
  command: VisitorCommand,
  decision: DecisionContext,
): readonly VisitorFact[] {
  const { presence, context } = visitorState(core);
  if (command.type === 'ViewPage') return viewPage(core, command, decision);
  if (command.type === 'StartChat') return startChat(core, command);
  if (presence === 'unknown') {
    throw new AppError('not-found', 'this visitor is not known; it has viewed no page yet');
  }
  switch (command.type) {
    case 'SendMessage': {
      const chatId = command.chatId ?? context.chat?.id;
      if (chatId === undefined) return refuse('this visitor has no open chat; start one first');
      return sent(context, openChat(context, chatId).id, command.messageId, command.body);
    }
    case 'ReceiveOperatorMessage':
      return receive(core, command);
    case 'AssignChat':
      return assignChat(core, command);
    case 'RevokeReservation': {
      const { reservation } = command;
      if (context.chat?.reservation === reservation) {
        return refuse('the chat was assigned with this reservation', { reservation });
      }
      return context.revokedReservations.includes(reservation)
        ? []
        : [{ type: 'ReservationRevoked', data: { reservation } }];
    }
    case 'CloseChat':
      return closeChat(core, command);
    case 'TimeOut':
      if (presence !== 'online') return [];
      if (context.chat) {
        return refuse(`chat ${context.chat.id} is open; close it first`, {
          chatId: context.chat.id,
        });
      }
      return [{ type: 'TimedOut', data: { lastSeen: context.lastSeen } }];
    case 'CleanUp':
      return cleanUp(core);
    default:
      return report(context, command);
  }
}

const kept = ({
  lastChatId,
  revokedReservations,
  openMessages,
  settledMessages,
}: VisitorContext): VisitorKept => ({
  lastChatId,
  revokedReservations,
  openMessages,
  settledMessages,
});

export const visitorDecider: Decider<VisitorCommand, VisitorSnapshot> = {
  version: VISITOR_VERSION,
  machine: visitorMachine,
  decide: decideVisitor,
  // The stream may be cut before this fact: it carries what later decisions need.
  complete: (fact, state) =>
    fact.type === 'CleanedUp'
      ? {
          ...fact,
          data: {
            ...fact.data,
            summary: state.seen.summary(),
            kept: kept(state.core.snapshot.context),
          },
        }
      : fact,
  summaryOf: (fact) =>
    fact.type === 'CleanedUp' && fact.data.summary
      ? (fact.data.summary as unknown as SeenSummary) // written by `complete` above
      : null,
};
