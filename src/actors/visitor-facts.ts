/** What can be true of a web visitor: its facts, and what is folded from them. */
import type { MachineEvent } from './decider.ts';
import type { SeenSummary } from './seen.ts';

/** Durations of a visitor's timers in ms. They are in its facts: a later change of settings does not change a replay. */
export type VisitorDelays = {
  hardTimeout: number;
  cleanupAfter: number;
  invitationTimeout: number;
  /** Not in facts of releases before 0.3. */
  offerTimeout?: number;
  chatIdle: number;
};

export type CloseParty = 'visitor' | 'operator' | 'system';

/** Facts, by type. What is personal is sealed beside them ({@link VisitorPersonal}). */
export type VisitorFacts = {
  VisitorArrived: { digest: string | null; department: string | null; delays: VisitorDelays };
  PageViewed: { digest: string; department: string | null; delays: VisitorDelays };
  AccountReady: Record<never, never>;
  LoggedIn: Record<never, never>;
  LoggedOut: { reason: string };
  SessionFailed: { reason: string };
  Invited: { operator: string };
  InvitationExpired: { operator: string | null };
  ChatStarted: { chatId: string; department: string | null; invitedBy: string | null };
  ChatAssigned: { chatId: string; operator: string; reservation: string | null; reason: string };
  ReservationRevoked: { reservation: string };
  ChatAccepted: { chatId: string; operator: string };
  VisitorMessageSent: { chatId: string; messageId: string };
  OperatorMessageReceived: {
    operator: string;
    messageId: string;
    chatId: string | null;
    invitation: boolean;
  };
  MessageTaken: { messageIds: string[] };
  MessageDelivered: { messageIds: string[]; by: string; chatId: string | null };
  MessageFailed: { messageId: string; reason: string; chatId: string | null };
  ChatClosed: { chatId: string; operator: string | null; by: CloseParty; reason: string | null };
  TimedOut: { lastSeen: number };
  CleanedUp: { lastSeen: number; summary?: SeenSummary; kept?: VisitorKept };
};

/** What outlives a clean-up: the stream may be cut before that fact, and later decisions need these all the same. */
export type VisitorKept = Pick<
  VisitorContext,
  'lastChatId' | 'revokedReservations' | 'openMessages' | 'settledMessages'
>;

/** What is said of a page view: sealed in the fact, shown to operators. */
export type Profile = {
  page?: string;
  title?: string;
  referrer?: string;
  nick?: string;
  country?: string;
  city?: string;
  timezone?: string;
  visits?: number;
  vid?: string;
};

/** The personal part of each fact that has one. */
export type VisitorPersonal = {
  VisitorArrived: Profile;
  PageViewed: Profile;
  ChatStarted: { nick?: string };
  VisitorMessageSent: { body: string };
  OperatorMessageReceived: { body: string };
};

export type VisitorFact = {
  [T in keyof VisitorFacts]: {
    readonly type: T;
    readonly data: VisitorFacts[T];
    readonly personal?: T extends keyof VisitorPersonal
      ? VisitorPersonal[T] | undefined
      : undefined;
  };
}[keyof VisitorFacts];

export type VisitorEvent = {
  [T in keyof VisitorFacts]: MachineEvent & { type: T; data: VisitorFacts[T] };
}[keyof VisitorFacts];

/** A visitor's message with no final outcome yet. */
export type OpenMessage = { id: string; chatId: string; revision: number; taken: boolean };

export type Chat = {
  id: string;
  department: string | null;
  invitedBy: string | null;
  operator: string | null;
  reservation: string | null;
  accepted: boolean;
  startedAt: number;
  /** How many messages the visitor has sent in it. */
  messages: number;
};

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
  inviter: string | null;
  chat: Chat | null;
  lastChatId: string | null;
  revokedReservations: string[];
  openMessages: OpenMessage[];
  /** Ids of the last messages that have their final outcome: the same id again is a repeat. */
  settledMessages: string[];
};

/** A visitor's state by its two regions. */
export type VisitorState = {
  presence: 'unknown' | 'online' | 'timedOut' | 'cleanedUp';
  conversation: 'none' | 'invited' | 'waiting' | 'chatting';
  context: VisitorContext;
};
