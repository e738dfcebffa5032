/** What can be true of an operator: its facts, and what is folded from them. */
import type { VisitorKey } from '../ids.ts';
import type { EventOf, FactOf } from '../machine/decider.ts';

/** As the operator's chat client shows it, over all its sessions. */
export type Availability = 'offline' | 'available' | 'away' | 'busy';

/** RFC 6121 §4.7.2.1, `available` for none; null: connected, but no presence sent yet (or taken back). */
export type Show = 'available' | 'chat' | 'away' | 'xa' | 'dnd' | null;

export type Change = { from: Availability; to: Availability };

export type OperatorFacts = {
  /** Its account in ejabberd is ours: we are about to make it, or were told to adopt it. */
  OperatorAccountClaimed: { adopted: boolean };
  OperatorRegistered: {
    lhcUserId: number;
    departments: string[];
    capacity: number;
    /** It is online already: its presence counts from now on, and LHC was told of none before. */
    online?: true;
    /** The LHC user that this operator was until now. LHC is told that this user is offline. */
    offlineLhcUserId?: number;
  };
  OperatorLoggedIn: { session: string; resource: string; availability: Change };
  PresenceChanged: { session: string; resource: string; show: Show; availability: Change };
  OperatorLoggedOut: { session: string; resource: string; availability: Change };
  /** A ping was not answered: no chats until something is heard of that client again. */
  OperatorUnresponsive: { resource: string; availability: Change };
  OperatorResponsive: { resource: string; availability: Change };
  /** He says himself that he wants no chats, or wants them again; where he said it, he is answered. */
  AvailabilitySet: { away: boolean; visitor: VisitorKey; messageId: string; availability: Change };
  /** Offline for longer than he has to come back: his chats (the first of them) go to others. */
  OperatorGone: { chats: string[] };
  ChatReserved: { reservation: string; visitor: VisitorKey; chatId: string } & ChatTerms;
  ChatConfirmed: { reservation: string | null; visitor: VisitorKey; chatId: string } & ChatTerms;
  ChatReleased: { reservation: string | null; visitor: VisitorKey; chatId: string; reason: string };
  /** `command`: it was one (`transfer`), and not a message to the visitor. */
  MessageRefused: { visitor: VisitorKey; messageId: string; reason: string; command?: string };
  /** Asked in the conversation with this visitor, and answered there; `?` when it is no command of ours or LHC's. */
  QuestionAsked: {
    visitor: VisitorKey;
    messageId: string;
    command: string;
    argument: string | null;
  };
  /** `chats`: the operator's first chats, which go to other operators. `offlineLhcUserId`: as above. */
  OperatorRemoved: { chats?: string[]; offlineLhcUserId?: number };
  /** The account of the removed operator is gone from ejabberd: its name may be given to somebody else. */
  OperatorAccountRemoved: Record<never, never>;
  /** Another operator takes over a claim that was never used: a registration under way with this id is void. */
  LhcUserRevoked: { lhcUserId: number };
};

/** The terms under which an operator has a chat. */
export type ChatTerms = {
  department: string | null;
  /** How long an operator who goes offline keeps the chat, in ms. */
  ownerGrace: number;
};

/** Sealed with the tenant's key. */
export type OperatorPersonal = {
  OperatorRegistered: { name: string };
  PresenceChanged: { status: string };
};

export type OperatorFact = FactOf<OperatorFacts, OperatorPersonal>;
export type OperatorEvent = EventOf<OperatorFacts>;

export type Session = { resource: string; show: Show; responsive: boolean };
export type Sessions = Readonly<Record<string, Session>>;

/** A chat of this operator: reserved until the visitor's stream has the assignment, then open. */
export type OperatorChat = {
  visitor: VisitorKey;
  reservation: string | null;
  department: string | null;
  open: boolean;
  at: number;
};

/** What his availability follows from. */
export type Presence = Pick<OperatorContext, 'sessions' | 'away'>;

export type OperatorContext = {
  claimed: boolean;
  /**
   * Revision of the last fact that registered or removed the operator, or revoked an LHC user; -1 without one. A
   * registration that was decided before it is void.
   */
  registrationRevision: number;
  /** Removed, and its account may still be there. */
  leaving: boolean;
  registered: boolean;
  lhcUserId: number | null;
  departments: string[];
  capacity: number;
  /** The fact whose personal part has the name; -1 when there is none. */
  nameRevision: number;
  sessions: Sessions;
  /** He said so himself, whatever his clients show. */
  away: boolean;
  /** Offline for too long: his chats are others'. */
  gone: boolean;
  /** In ms: of the chat that was given last. */
  ownerGrace: number;
  /** By chat id. */
  chats: Readonly<Record<string, OperatorChat>>;
  /** When it last was given or finished a chat: ties go to the longest idle. */
  lastChatAt: number;
};
