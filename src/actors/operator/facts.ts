/** The facts of an operator, and the state that is folded from them. */
import type { VisitorKey } from '../ids.ts';
import type { EventOf, FactOf } from '../machine/decider.ts';
import type { SeenSummary } from '../machine/idempotency.ts';

/** The availability over all sessions (availability.ts). */
export type Availability = 'offline' | 'available' | 'away' | 'busy';

/** RFC 6121 §4.7.2.1; `available` if the presence has no `show`. null: connected without an available presence. */
export type Show = 'available' | 'chat' | 'away' | 'xa' | 'dnd' | null;

export type Change = { from: Availability; to: Availability };

/** Facts by type, with their data. */
export type OperatorFacts = {
  /**
   * The account in ejabberd belongs to the service from now on, for good once an operator is registered with it.
   * `adopted`: it existed before.
   */
  OperatorAccountClaimed: { adopted: boolean };
  /** The account was refused, so it does not belong to the service: whoever makes it later keeps it. */
  OperatorAccountClaimReleased: Record<never, never>;
  /** `lhcUserId` null: the LHC of this tenant knows its operators by their usernames. */
  OperatorRegistered: {
    lhcUserId: number | null;
    departments: string[];
    capacity: number;
    /** Left out for operators without them: the first tier, no tiers by department, no languages. */
    tier?: number;
    tiers?: Record<string, number>;
    languages?: string[];
    /** The operator is online already. LHC has had no callback for that, so it gets one now. */
    online?: true;
    /** The LHC user that this operator was until now. LHC is told that this user is offline. */
    offlineLhcUserId?: number;
  };
  OperatorLoggedIn: { session: string; resource: string; availability: Change };
  /** `priority`: RFC 6121 §4.7.2.3; left out if it is 0. */
  PresenceChanged: {
    session: string;
    resource: string;
    show: Show;
    priority?: number;
    availability: Change;
  };
  OperatorLoggedOut: { session: string; resource: string; availability: Change };
  /**
   * Presences and logins come faster than they are stored (docs/adr/0025). Until `PresenceResumed` only those are facts
   * that make the operator less available.
   */
  PresencePaused: Record<never, never>;
  /** The pause is over. ejabberd is asked for the sessions, because some presences are no facts. */
  PresenceResumed: Record<never, never>;
  /**
   * A client did not answer a ping and sent nothing else. It gets no new chats until it is heard of or sends a presence,
   * and keeps those that it has (docs/adr/0034).
   */
  OperatorUnresponsive: { resource: string; availability: Change };
  OperatorResponsive: { resource: string; availability: Change };
  /**
   * `!away` or `!back`, written in the conversation with this visitor, or at the desk (null). The operator gets an answer
   * there.
   */
  AvailabilitySet: {
    away: boolean;
    visitor: VisitorKey | null;
    messageId: string;
    availability: Change;
  };
  /** The operator was offline for longer than `ownerGrace`. `chats`: their first chats, which go to other operators. */
  OperatorGone: { chats: string[] };
  ChatReserved: { reservation: string; visitor: VisitorKey; chatId: string } & ChatTerms;
  ChatConfirmed: { reservation: string | null; visitor: VisitorKey; chatId: string } & ChatTerms;
  ChatReleased: { reservation: string | null; visitor: VisitorKey; chatId: string; reason: string };
  /** The operator gets `reason` as a line. `command`: the refused text was this command, not a message to the visitor. */
  /** `retraction`: it would have taken an earlier message back. */
  MessageRefused: {
    /** null: it was written to the desk. */
    visitor: VisitorKey | null;
    messageId: string;
    reason: string;
    command?: string;
    retraction?: true;
  };
  /**
   * A command that calls for an answer, written in the conversation with this visitor, or to the desk (null). `command` is
   * `?` for an unknown one, `desk` for a text that is none.
   */
  QuestionAsked: {
    visitor: VisitorKey | null;
    messageId: string;
    command: string;
    argument: string | null;
    /** `invite`: the visitors who were meant, the first ones. */
    visitors?: VisitorKey[];
    /** How many more there are. */
    more?: number;
  };
  /** `chats`: the operator's first chats, which go to other operators. `offlineLhcUserId`: as above. */
  OperatorRemoved: { chats?: string[]; offlineLhcUserId?: number };
  /** The removed operator's account is gone from ejabberd. The username can be used again. */
  OperatorAccountRemoved: Record<never, never>;
  /** Another operator takes over this LHC user, so a registration with it that is under way must fail. */
  LhcUserRevoked: { lhcUserId: number };
  /**
   * The state of the operator, complete. The stream may be cut before any such fact (docs/adr/0026). `cut`: the one
   * before, up to which the stream is cut now.
   */
  OperatorSummarised: {
    cut: number | null;
    state: Availability;
    kept: OperatorContext;
    summary?: SeenSummary;
  };
};

/** The terms under which an operator has a chat. */
export type ChatTerms = {
  department: string | null;
  /** How long an operator who goes offline keeps the chat, in ms. */
  ownerGrace: number;
};

/** The personal part of each fact that has one. Encrypted with the tenant's data key. */
export type OperatorPersonal = {
  OperatorRegistered: { name: string };
  PresenceChanged: { status: string };
  /** `statuses`: by session. */
  OperatorSummarised: { name?: string; statuses: Record<string, string> };
};

export type OperatorFact = FactOf<OperatorFacts, OperatorPersonal>;
export type OperatorEvent = EventOf<OperatorFacts>;

/** `priority`: left out if it is 0. */
export type Session = { resource: string; show: Show; responsive: boolean; priority?: number };
export type Sessions = Readonly<Record<string, Session>>;

/** A chat of this operator: reserved until the visitor's stream has the assignment, then `open`. */
export type OperatorChat = {
  visitor: VisitorKey;
  reservation: string | null;
  department: string | null;
  open: boolean;
  at: number;
};

/** The part of the state that the availability follows from. */
export type Presence = Pick<OperatorContext, 'sessions' | 'away'>;

/** How fast presences and logins came. */
export type PresenceBudget = Pick<OperatorContext, 'presencesPaidUntil' | 'presencePaused'>;

/** The service's claim of an account: it may change and remove it. */
export type AccountClaim = {
  /** Of the last fact that claims the account. */
  revision: number;
  /** When that was, in ms since 1970. */
  at: number;
  /** An operator was registered with the account, so it exists and is ours. Until then the claim lapses in time. */
  registered: boolean;
};

export type OperatorContext = {
  claim: AccountClaim | null;
  /**
   * Revision of the last fact that registered or removed the operator, or revoked an LHC user. -1: there is none. A
   * registration that was decided before this fact is refused.
   */
  registrationRevision: number;
  /** The operator was removed, and the account may still exist. */
  accountRemovalPending: boolean;
  registered: boolean;
  lhcUserId: number | null;
  departments: string[];
  capacity: number;
  /** Operators of the first tier are asked first. By department in `tiers`. */
  tier: number;
  tiers: Readonly<Record<string, number>>;
  /** BCP 47. */
  languages: string[];
  /** Revision of the fact whose personal part has the name. -1: there is none. */
  nameRevision: number;
  sessions: Sessions;
  /** By session, the revision of the fact whose personal part has its status. */
  statusRevisions: Readonly<Record<string, number>>;
  /** When the operator last came online, in ms since 1970; 0: never. */
  cameOnlineAt: number;
  /** When a session last ended, or the operator went offline, in ms since 1970; 0: never. */
  lostAt: number;
  /** Revision of the last `OperatorSummarised`. -1: there is none. */
  summaryRevision: number;
  /** `!away` is in force, whatever the clients show. */
  away: boolean;
  /** Each presence and each login moves it on by `PRESENCE_EVERY_MS`. Ahead of the time, it is what was spent. */
  presencesPaidUntil: number;
  /** Between `PresencePaused` and `PresenceResumed`. */
  presencePaused: boolean;
  /** The operator was offline for longer than `ownerGrace` and has not come back. */
  gone: boolean;
  /** Time to come back after going offline, in ms: that of the latest chat. */
  ownerGrace: number;
  /** By chat id. */
  chats: Readonly<Record<string, OperatorChat>>;
  /** When the operator last got or finished a chat, in ms since 1970. The longest idle operator is preferred. */
  lastChatAt: number;
};
