/**
 * What each fact changes in what is known of a visitor. Where it takes the visitor is the machine's (machine.ts), which
 * asks for these changes once for each fact.
 */
import { type ChatEvent, chatAfter } from './chat.ts';
import type { VisitorContext, VisitorDelays, VisitorEvent } from './facts.ts';

const REVOKED_KEPT = 32;
const SETTLED_KEPT = 256;
const MARKABLE_KEPT = 32;

export const NO_DELAYS: VisitorDelays = {
  hardTimeout: 300_000,
  cleanupAfter: 86_400_000,
  invitationTimeout: 120_000,
  offerTimeout: 60_000,
  chatIdle: 86_400_000,
};

/** What a clean-up leaves nothing of. */
const FORGOTTEN = {
  delays: NO_DELAYS,
  digest: null,
  digestAt: 0,
  profileRevision: -1,
  nickRevision: -1,
  department: null,
  account: false,
  loggedIn: false,
  failure: null,
  inviter: null,
  chat: null,
  chatMessages: 0,
  firstWaiting: null,
  endedChat: null,
  markable: [],
  lastDisplayedId: null,
} satisfies Partial<VisitorContext>;

export const NOBODY: VisitorContext = {
  ...FORGOTTEN,
  lastSeen: 0,
  lastChatId: null,
  chats: 0,
  lastOperator: null,
  revokedReservations: [],
  openMessages: [],
  settledMessages: [],
};

type Change = Partial<VisitorContext>;
type Of<T extends VisitorEvent['type']> = Extract<VisitorEvent, { type: T }>;

function arrive(context: VisitorContext, event: Of<'VisitorArrived' | 'PageViewed'>): Change {
  const { digest, department, delays } = event.data;
  return {
    delays,
    digest,
    digestAt: event.at,
    lastSeen: event.at,
    failure: event.type === 'VisitorArrived' ? null : context.failure,
    department: department ?? context.department,
    // A chat that begins with no page view has a visitor with nothing to tell.
    profileRevision: digest === null ? context.profileRevision : event.revision,
  };
}

/** Its reservation was used: a second assignment with it, which comes late, is refused as if it had been revoked. */
const spent = ({ chat, revokedReservations }: VisitorContext): Change =>
  chat?.reservation ? revoked(revokedReservations, chat.reservation) : {};

const revoked = (known: readonly string[], reservation: string) => ({
  revokedReservations: [...known, reservation].slice(-REVOKED_KEPT),
});

/** What a fact of the chat changes besides the chat itself. */
function beside(context: VisitorContext, event: ChatEvent): Change {
  switch (event.type) {
    case 'ChatStarted':
      return {
        lastSeen: event.at,
        inviter: null,
        lastChatId: event.data.chatId,
        chats: context.chats + 1,
        chatMessages: 0,
        nickRevision: event.revision,
      };
    case 'ChatAssigned':
    case 'ChatUnassigned':
    case 'ChatTransferred':
      return spent(context);
    case 'ChatAccepted':
      return { lastOperator: event.data.operator };
    case 'ChatClosed':
      return ended(context, event);
    case 'ChatOffered':
      return {};
  }
}

function changeChat(context: VisitorContext, event: ChatEvent): Change {
  const chat = chatAfter(context.chat, event);
  const sameRound = chat !== null && chat.searchRevision === context.chat?.searchRevision;
  return {
    chat,
    firstWaiting: sameRound ? context.firstWaiting : null,
    ...beside(context, event),
  };
}

function keepMessage(
  { openMessages, chat, chatMessages, firstWaiting }: VisitorContext,
  { data, at, revision }: Of<'VisitorMessageSent'>,
): Change {
  const message = { id: data.messageId, chatId: data.chatId, revision, taken: false };
  return {
    lastSeen: at,
    openMessages: [...openMessages, message],
    chatMessages: chatMessages + 1,
    firstWaiting: firstWaiting ?? (chat?.operator === null ? revision : null),
  };
}

const settle = (context: VisitorContext, ids: readonly string[]): Change => ({
  openMessages: context.openMessages.filter((message) => !ids.includes(message.id)),
  settledMessages: [...context.settledMessages, ...ids].slice(-SETTLED_KEPT),
});

const take = ({ openMessages }: VisitorContext, ids: readonly string[]): Change => ({
  openMessages: openMessages.map((message) =>
    ids.includes(message.id) ? { ...message, taken: true } : message,
  ),
});

function keepMarkable(context: VisitorContext, { data }: Of<'OperatorMessageReceived'>): Change {
  if (!data.markable) return {};
  const markable = { id: data.messageId, operator: data.operator };
  return { markable: [...context.markable, markable].slice(-MARKABLE_KEPT) };
}

function displayMarkable({ markable }: VisitorContext, messageId: string): Change {
  const read = markable.findIndex(({ id }) => id === messageId);
  return { markable: markable.slice(read + 1) };
}

const ended = ({ chat }: VisitorContext, { data, at }: Of<'ChatClosed'>): Change => ({
  endedChat: chat?.operator && data.by !== 'operator' ? { operator: chat.operator, at } : null,
});

/** What this fact changes. */
export function changesBy(context: VisitorContext, event: VisitorEvent): Change {
  switch (event.type) {
    case 'VisitorArrived':
    case 'PageViewed':
      return arrive(context, event);
    case 'AccountReady':
      return { account: true, failure: null };
    case 'LoggedIn':
      return { loggedIn: true, account: true, failure: null };
    case 'LoggedOut':
      return { loggedIn: false };
    case 'SessionFailed':
      return { loggedIn: false, failure: event.data.reason };
    case 'Invited':
      return { inviter: event.data.operator };
    case 'InvitationExpired':
    case 'TimedOut':
      return { inviter: null };
    case 'ChatStarted':
    case 'ChatOffered':
    case 'ChatAssigned':
    case 'ChatAccepted':
    case 'ChatUnassigned':
    case 'ChatTransferred':
    case 'ChatClosed':
      return changeChat(context, event);
    case 'VisitorMessageSent':
      return keepMessage(context, event);
    case 'ReservationRevoked':
      return revoked(context.revokedReservations, event.data.reservation);
    case 'OperatorMessageReceived':
      return keepMarkable(context, event);
    case 'OperatorMessageDisplayed':
      return displayMarkable(context, event.data.messageId);
    case 'MessageTaken':
      return take(context, event.data.messageIds);
    case 'MessageDelivered':
      return settle(context, event.data.messageIds);
    case 'MessageFailed':
      return settle(context, [event.data.messageId]);
    case 'MessageDisplayed':
      return { lastDisplayedId: event.data.messageId };
    // Told to LHC or to the operator by reactors.
    case 'OperatorMessageAccepted':
    case 'NoteAdded':
    case 'OperatorCommandSent':
      return {};
    // Messages stay open: what ejabberd holds for an operator may still be delivered. A stream that was cut before this
    // fact has to fold to the same state, hence `kept`, and no rest of what was before.
    case 'CleanedUp':
      return { lastSeen: event.data.lastSeen, ...event.data.kept, ...FORGOTTEN };
  }
}
