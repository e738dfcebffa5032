/** What can be true of a web visitor: its facts, and what is folded from them. */
import type { Username } from '../ids.ts';
import type { EventOf, FactOf } from '../machine/decider.ts';
import type { SeenSummary } from '../machine/idempotency.ts';
import type { Considered, PickReason } from '../operator-selection.ts';
import type { Profile } from './profile.ts';

/** Durations of a visitor's timers in ms. They are in its facts: a later change of settings does not change a replay. */
export type VisitorDelays = {
  hardTimeout: number;
  cleanupAfter: number;
  invitationTimeout: number;
  offerTimeout: number;
  chatIdle: number;
};

export type CloseParty = 'visitor' | 'operator' | 'system';

/** Why somebody has a chat no more, who had it or was asked. */
export type UnassignReason = 'missed' | 'declined' | 'offline' | 'owner-gone' | 'operator-removed';

/** Facts, by type. What is personal is sealed beside them ({@link VisitorPersonal}). */
export type VisitorFacts = {
  VisitorArrived: { digest: string | null; department: string | null; delays: VisitorDelays };
  PageViewed: { digest: string; department: string | null; delays: VisitorDelays };
  AccountReady: Record<never, never>;
  LoggedIn: Record<never, never>;
  LoggedOut: { reason: string };
  SessionFailed: { reason: string };
  Invited: { operator: Username };
  InvitationExpired: { operator: Username | null };
  ChatStarted: {
    chatId: string;
    department: string | null;
    invitedBy: Username | null;
    /** Who answered the chat before this one. */
    lastOperator: Username | null;
  };
  /** Several were asked at once (policy `broadcast`): who answers first has it. Nobody's place is taken. */
  ChatOffered: {
    chatId: string;
    operators: Username[];
    reason: PickReason;
    considered?: Considered;
  };
  /** One has it, and is asked to answer; `withdrawnFrom`: operators whose offer ends by this. */
  ChatAssigned: {
    chatId: string;
    operator: Username;
    reservation: string | null;
    reason: PickReason | 'answered' | 'taken';
    considered?: Considered;
    withdrawnFrom?: Username[];
  };
  ReservationRevoked: { reservation: string };
  /** `byCommand`: the operator took the chat by a command and has not written yet. */
  ChatAccepted: { chatId: string; operator: Username; byCommand?: true };
  /** These have it no more, or are asked no more by a `broadcast`; who is left of one still is. */
  ChatUnassigned: {
    chatId: string;
    operators: Username[];
    reason: UnassignReason;
    broadcast?: true;
  };
  /** To an operator, who is asked to answer, or to a department, where it waits. */
  ChatTransferred: {
    chatId: string;
    from: Username | null;
    operator: Username | null;
    department: string | null;
    reservation: string | null;
    by: 'operator' | 'lhc';
    /** Operators whose offer from a `broadcast` ends by this. */
    withdrawnFrom?: Username[];
  };
  VisitorMessageSent: { chatId: string; messageId: string };
  OperatorMessageReceived: {
    operator: Username;
    messageId: string;
    chatId: string | null;
    invitation: boolean;
    /** The client asked for a receipt (XEP-0184), or to be told when it is read (XEP-0333). */
    receipt?: true;
    markable?: true;
    /** The message that it corrects (XEP-0308), by the id that the client gave; perhaps one that never came. */
    replaces?: string;
  };
  /** It reached LHC: the client that asked for a receipt gets it. */
  OperatorMessageAccepted: { operator: Username; messageId: string };
  /** The visitor has seen it and all before, as LHC says. */
  OperatorMessageDisplayed: { operator: Username; messageId: string };
  /** The operator's client has shown this message of the visitor and all before (XEP-0333). */
  MessageDisplayed: { operator: Username; messageId: string; chatId: string | null };
  NoteAdded: { chatId: string; operator: Username; noteId: string };
  /** A command of LHC's own, written in the conversation (`!block`). */
  OperatorCommandSent: { chatId: string; operator: Username; messageId: string; command: string };
  MessageTaken: { messageIds: string[] };
  MessageDelivered: { messageIds: string[]; by: string; chatId: string | null };
  MessageFailed: { messageId: string; reason: string; chatId: string | null };
  ChatClosed: {
    chatId: string;
    operator: Username | null;
    by: CloseParty;
    reason: string | null;
    /** Operators whose offer from a `broadcast` ends by this. */
    withdrawnFrom?: Username[];
  };
  TimedOut: { lastSeen: number };
  CleanedUp: { lastSeen: number; summary?: SeenSummary; kept?: VisitorKept };
};

/** What outlives a clean-up: the stream may be cut before that fact, and later decisions need these all the same. */
export type VisitorKept = Pick<
  VisitorContext,
  | 'lastChatId'
  | 'chats'
  | 'lastOperator'
  | 'revokedReservations'
  | 'openMessages'
  | 'settledMessages'
>;

/** The personal part of each fact that has one. */
export type VisitorPersonal = {
  VisitorArrived: Profile;
  PageViewed: Profile;
  ChatStarted: { nick?: string };
  VisitorMessageSent: { body: string };
  OperatorMessageReceived: { body: string };
  NoteAdded: { body: string };
  OperatorCommandSent: { text: string };
};

export type VisitorFact = FactOf<VisitorFacts, VisitorPersonal>;
export type VisitorEvent = EventOf<VisitorFacts>;

/** A visitor's message with no final outcome yet. */
export type OpenMessage = { id: string; chatId: string; revision: number; taken: boolean };

export type Chat = {
  id: string;
  department: string | null;
  invitedBy: Username | null;
  /** Who answered last: this chat, or else the one before. */
  lastOperator: Username | null;
  operator: Username | null;
  reservation: string | null;
  accepted: boolean;
  startedAt: number;
  /** Asked together, and not answered yet. */
  offeredTo: Username[];
  /** Who missed or declined it, or handed it to a department: asked again only when nobody else is free. */
  passedBy: Username[];
  /** Offers in a row that nobody answered, and when the last one ended. */
  misses: number;
  freeSince: number;
  /** Who handed it to an operator that has not answered yet: he gets it back when that one does not take it. */
  transferredBy: Username | null;
  /** Handed to its department, by this operator or by LHC: whom the visitor knows from before has no claim on it. */
  departmentTransfer: { by: Username | null } | null;
  /** Revision of the fact with which the search for an operator began: chat started, unassigned, transferred. */
  searchRevision: number;
};

/** An operator's message whose client wants to know when it is read. */
export type Markable = { id: string; operator: Username };

export type VisitorContext = {
  delays: VisitorDelays;
  /** Fingerprint of the last page view, and when it was. */
  digest: string | null;
  digestAt: number;
  /** The fact whose personal part says who the visitor is and on which page; -1 when there is none. */
  profileRevision: number;
  /** The fact whose personal part carries the nick of the chat, when it gave one. */
  nickRevision: number;
  department: string | null;
  lastSeen: number;
  account: boolean;
  loggedIn: boolean;
  /** Why it has no session, when one was tried in vain; the same reason again is no news. */
  failure: string | null;
  inviter: Username | null;
  chat: Chat | null;
  /** How many messages the visitor has sent in the open chat. */
  chatMessages: number;
  /** Revision of the first message of the visitor that came in the chat's round while nobody had the chat. */
  firstWaiting: number | null;
  lastChatId: string | null;
  /** How many it has begun. */
  chats: number;
  /** Who answered the visitor's last chat. */
  lastOperator: Username | null;
  /** Who had the chat that ended last, when it was not ended by him, and when that was: he may be writing still. */
  endedChat: { operator: Username; at: number } | null;
  /** The last messages that a client wants to be told of when they are read, and the last one that an operator read. */
  markable: Markable[];
  lastDisplayedId: string | null;
  /** Those that were revoked, and those that were used and are over: an assignment with one of them comes too late. */
  revokedReservations: string[];
  openMessages: OpenMessage[];
  /** Ids of the last messages that have their final outcome: the same id again is a repeat. */
  settledMessages: string[];
};

/** A visitor's state by its regions. */
export type VisitorState = {
  presence: 'unknown' | 'online' | 'timedOut' | 'cleanedUp';
  conversation: 'none' | 'invited' | 'waiting' | 'chatting';
  /** Whether somebody has been asked and has not answered yet. */
  offer: 'none' | 'open';
  context: VisitorContext;
};
