/**
 * What each fact changes in what is known of a visitor. Where it takes the visitor is the machine's (machine.ts), which
 * asks for these changes once for each fact.
 */
import type { Username } from '../ids.ts';
import type { Chat, UnassignReason, VisitorContext, VisitorDelays, VisitorEvent } from './facts.ts';

const REVOKED_KEPT = 32;
const SETTLED_KEPT = 256;
const MARKABLE_KEPT = 32;
/** As many operators as one broadcast asks, or those who were asked first would be asked again before the others. */
const PASSED_KEPT = 500;

export const NO_DELAYS: Required<VisitorDelays> = {
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
  ended: null,
  markable: [],
  displayed: null,
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
    delays: { ...NO_DELAYS, ...delays },
    digest,
    digestAt: event.at,
    lastSeen: event.at,
    failure: event.type === 'VisitorArrived' ? null : context.failure,
    department: department ?? context.department,
    // A chat that begins with no page view has a visitor with nothing to tell.
    profileRevision: digest === null ? context.profileRevision : event.revision,
  };
}

function startChat({ chats }: VisitorContext, { data, at, revision }: Of<'ChatStarted'>): Change {
  const chat: Chat = {
    id: data.chatId,
    department: data.department,
    invitedBy: data.invitedBy,
    operator: null,
    reservation: null,
    accepted: false,
    startedAt: at,
    messages: 0,
    offered: [],
    passed: [],
    misses: 0,
    freeSince: at,
    transferredBy: null,
    handed: null,
    round: revision,
    parked: null,
  };
  return {
    lastSeen: at,
    inviter: null,
    lastChatId: chat.id,
    chats: chats + 1,
    nickRevision: revision,
    chat,
  };
}

/** A chat that nobody has any more: what its next owner has to be told begins here. */
const released = (chat: Chat, { at, revision }: VisitorEvent): Chat => ({
  ...chat,
  operator: null,
  reservation: null,
  accepted: false,
  offered: [],
  freeSince: at,
  round: revision,
  parked: null,
});

/** Who misses it again goes to the end of the list. */
export const passedBy = (chat: Pick<Chat, 'passed'>, operators: readonly Username[]): Username[] =>
  [...chat.passed.filter((each) => !operators.includes(each)), ...operators].slice(-PASSED_KEPT);

/** Who no longer has it for one of these is asked again only when nobody else is free. */
export const PASSES: ReadonlySet<UnassignReason> = new Set(['missed', 'declined']);

/** Its reservation was used: a second assignment with it, which comes late, is refused as if it had been revoked. */
const spent = ({ chat, revokedReservations }: VisitorContext): Change =>
  chat?.reservation ? revoked(revokedReservations, chat.reservation) : {};

const revoked = (known: readonly string[], reservation: string) => ({
  revokedReservations: [...known, reservation].slice(-REVOKED_KEPT),
});

function changeChat(context: VisitorContext, chat: Chat, event: ChatEvent): Change {
  switch (event.type) {
    case 'ChatOffered':
      return { chat: { ...chat, offered: [...chat.offered, ...event.data.operators] } };
    case 'ChatAssigned': {
      const { operator, reservation } = event.data;
      return {
        ...spent(context),
        chat: { ...chat, operator, reservation, accepted: false, offered: [] },
      };
    }
    case 'ChatAccepted':
      return acceptChat(chat, event);
    case 'ChatUnassigned':
      return { ...spent(context), chat: unassignChat(chat, event) };
    case 'ChatTransferred':
      return { ...spent(context), chat: transferChat(chat, event) };
    case 'VisitorMessageSent':
      return keepMessage(context, chat, event);
  }
}

type ChatEvent = Of<
  | 'ChatOffered'
  | 'ChatAssigned'
  | 'ChatAccepted'
  | 'ChatUnassigned'
  | 'ChatTransferred'
  | 'VisitorMessageSent'
>;

/** Whoever answers it has no longer passed on it, and nobody gets it back from him. */
function acceptChat(chat: Chat, { data: { operator } }: Of<'ChatAccepted'>): Change {
  const passed = chat.passed.filter((each) => each !== operator);
  const answered = { accepted: true, offered: [], misses: 0, passed };
  const settled = { transferredBy: null, handed: null };
  return { chat: { ...chat, ...answered, ...settled }, lastOperator: operator };
}

function unassignChat(chat: Chat, event: Of<'ChatUnassigned'>): Chat {
  const { operators, reason } = event.data;
  const offered = chat.offered.filter((each) => !operators.includes(each));
  const passes = PASSES.has(reason);
  const passed = passes ? passedBy(chat, operators) : chat.passed;
  if (offered.length > 0) return { ...chat, passed, offered };
  return { ...released(chat, event), passed, misses: chat.misses + (passes ? 1 : 0) };
}

function transferChat(chat: Chat, event: Of<'ChatTransferred'>): Chat {
  const { from, operator, department, reservation } = event.data;
  const passes = from !== null && operator === null;
  return {
    ...released(chat, event),
    operator,
    reservation,
    department: department ?? chat.department,
    passed: passes ? passedBy(chat, [from]) : chat.passed,
    misses: 0,
    transferredBy: operator === null ? null : from,
    handed: operator === null ? { by: from } : null,
  };
}

function keepMessage(
  context: VisitorContext,
  chat: Chat,
  { data, at, revision }: Of<'VisitorMessageSent'>,
): Change {
  const message = { id: data.messageId, chatId: data.chatId, revision, taken: false };
  const parked = chat.parked ?? (chat.operator === null ? revision : null);
  return {
    lastSeen: at,
    openMessages: [...context.openMessages, message],
    chat: { ...chat, messages: chat.messages + 1, parked },
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
  ended: chat?.operator && data.by !== 'operator' ? { operator: chat.operator, at } : null,
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
      return startChat(context, event);
    case 'ChatOffered':
    case 'ChatAssigned':
    case 'ChatAccepted':
    case 'ChatUnassigned':
    case 'ChatTransferred':
    case 'VisitorMessageSent':
      return context.chat ? changeChat(context, context.chat, event) : {};
    case 'ChatClosed':
      return { chat: null, ...ended(context, event) };
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
      return { displayed: event.data.messageId };
    // Told to LHC or to the operator by reactors.
    case 'OperatorMessageTold':
    case 'NoteAdded':
    case 'OperatorCommandSent':
      return {};
    // Messages stay open: what ejabberd holds for an operator may still be delivered. A stream that was cut before this
    // fact has to fold to the same state, hence `kept`, and no rest of what was before.
    case 'CleanedUp':
      return { lastSeen: event.data.lastSeen, ...event.data.kept, ...FORGOTTEN };
  }
}
