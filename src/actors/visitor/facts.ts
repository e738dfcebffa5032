/** The facts of a web visitor. state.ts has what is folded from them. */
import type { Username } from '../ids.ts';
import type { EventOf, FactOf } from '../machine/decider.ts';
import type { SeenSummary } from '../machine/idempotency.ts';
import type { Considered, PickReason } from '../operator-selection.ts';
import type { Facet, Profile } from './profile.ts';
import type { VisitorKept } from './state.ts';

/** Durations of a visitor's timers, in ms. They are stored in facts, so a later change of settings does not change a replay. */
export type VisitorDelays = {
  hardTimeout: number;
  cleanupAfter: number;
  invitationTimeout: number;
  offerTimeout: number;
  chatIdle: number;
};

/** A file that a visitor has sent, as LHC describes it. What it is says nobody but who looks at it. */
export type VisitorFile = { name: string; type?: string; size?: number };

/** Who closed a chat. */
export type CloseParty = 'visitor' | 'operator' | 'system';

/**
 * Why an operator lost a chat or an offer. `missed`: no answer within `offerTimeout`. `offline`: went offline before the
 * answer. `owner-gone`: had answered, and was offline for longer than `ownerGrace`. `refused`: their address takes no
 * messages of this visitor.
 */
export type UnassignReason =
  | 'missed'
  | 'declined'
  | 'offline'
  | 'owner-gone'
  | 'operator-removed'
  | 'refused';

/** Why an invitation ended without an answer: its time was over, the visitor left before, or LHC has refused it. */
export type InvitationEnd = 'not-answered' | 'visitor-left' | 'refused';

/** Why a visitor is told that nobody answers now. */
export type VisitorNotice = 'closed' | 'full';

/** What LHC has refused to do: something that an operator wrote, or what they did with a chat. */
export type RefusedByLhc =
  | { messageId: string; command?: string }
  | { change: 'accept' | 'transfer' | 'close' | 'retract' | 'react' };

/** Facts by type, with their data. Personal data is encrypted in a part of its own ({@link VisitorPersonal}). */
export type VisitorFacts = {
  /**
   * `digest` null: the visitor came by a chat, and there is no profile. `told`: what the profile says of the visitor.
   * `generation`: that of the data key which this life begins with, behind a `RetentionApplied`; absent for 0. The stream
   * may be without that fact (docs/adr/0050).
   */
  VisitorArrived: {
    digest: string | null;
    department: string | null;
    delays: VisitorDelays;
    /** BCP 47; left out if nobody says it. */
    language?: string;
    told?: Facet[];
    generation?: number;
  };
  /** Facts of release 0.1.0 have no `told`. */
  PageViewed: {
    digest: string;
    department: string | null;
    delays: VisitorDelays;
    language?: string;
    told?: Facet[];
  };
  AccountReady: Record<never, never>;
  LoggedIn: Record<never, never>;
  LoggedOut: { reason: string };
  SessionFailed: { reason: string };
  /** `standsMs`: how long the invitation stands after each message of the operator. Absent in facts of release 0.1.0. */
  Invited: { operator: Username; standsMs?: number };
  /**
   * The invitation stands no longer. LHC may still show it, so an answer still belongs to it.
   * Facts of release 0.1.0 have no reason, and an operator or null.
   */
  InvitationExpired: { operator: Username | null; reason?: InvitationEnd };
  ChatStarted: {
    chatId: string;
    department: string | null;
    invitedBy: Username | null;
    /** The operator who answered the visitor's previous chat. */
    lastOperator: Username | null;
    /** The visitor's, BCP 47; left out if it is not known. */
    language?: string;
    /** `['name']` if the visitor gave one for the chat. Absent in facts of release 0.1.0. */
    told?: Facet[];
    /** LHC picks the operators of this chat (docs/adr/0037). */
    byLhc?: true;
  };
  /**
   * The chat was offered to several operators (policy `broadcast`), or LHC picked one of them (`lhc`). The first to answer
   * gets it. No place is reserved. `messageId`: LHC picked the operator with this message, so it shows them the chat.
   */
  ChatOffered: {
    chatId: string;
    operators: Username[];
    reason: PickReason | 'lhc';
    considered?: Considered;
    messageId?: string;
  };
  /**
   * The chat has one operator, who is asked to answer it. `answered` and `taken`: the operator wrote a message or `!take`.
   * `withdrawnFrom`: operators whose offer ends by this fact. `opens`: LHC had not addressed the last message to them, so
   * they are shown what they do not know.
   */
  ChatAssigned: {
    chatId: string;
    operator: Username;
    reservation: string | null;
    reason: PickReason | 'answered' | 'taken';
    considered?: Considered;
    withdrawnFrom?: Username[];
    opens?: true;
    /** LHC said so, and is not told. */
    by?: 'lhc';
  };
  ReservationRevoked: { reservation: string };
  /** `byCommand`: by `!take`, before any message. `by`: as above. */
  ChatAccepted: { chatId: string; operator: Username; byCommand?: true; by?: 'lhc' };
  /**
   * Somebody who works in LHC's own pages has the chat, and nobody in XMPP (docs/adr/0044). `accepted`: they have answered
   * it. `operator`: they are this operator, who has no client in XMPP. `from`: the operator who had it, or was asked.
   */
  ChatTakenInLhc: {
    chatId: string;
    lhcUserId: number;
    accepted: boolean;
    operator?: Username;
    from: Username | null;
    /** Operators whose offer from a `broadcast` ends by this fact. */
    withdrawnFrom?: Username[];
  };
  /**
   * What somebody wrote in LHC's own pages. `lhcUserId` 0 and -1: LHC itself, -2: a bot. `operator`: they are this operator.
   * `to`: the operator who has the chat, or is asked to answer it. They read it as a line of the service.
   */
  MessageWrittenInLhc: {
    chatId: string;
    messageId: string;
    lhcUserId: number;
    operator?: Username;
    to?: Username;
  };
  /**
   * The visitor is told that nobody answers now: the department is closed, or too many wait. Once for each chat. `text`: in
   * the administrator's words. `until`: when it opens, ms since 1970; null if that is not known.
   */
  VisitorNotified: {
    chatId: string;
    reason: VisitorNotice;
    text: string;
    until: number | null;
  };
  /** These operators lost the chat, or their offer from a `broadcast`. Other offers stay open. */
  ChatUnassigned: {
    chatId: string;
    operators: Username[];
    reason: UnassignReason;
    broadcast?: true;
    /** Those of the operators who had missed the chat before. */
    again?: Username[];
  };
  /**
   * The chat goes to an operator, who is asked to answer it, or to a department, where it waits. `from`: its operator.
   * `by` `overflow`: it has waited too long in `fromDepartment`, and somebody in this one is free (docs/adr/0059).
   */
  ChatTransferred: {
    chatId: string;
    from: Username | null;
    operator: Username | null;
    department: string | null;
    reservation: string | null;
    by: 'operator' | 'lhc' | 'overflow';
    /** The new operator has taken it from the one before, in the chat's room. */
    taken?: true;
    fromDepartment?: string;
    /** Operators whose offer from a `broadcast` ends by this fact. */
    withdrawnFrom?: Username[];
  };
  /**
   * `digest`: a keyed fingerprint of the text, absent in facts of release 0.1.0. `to`: the first operator whom LHC addresses
   * with it. `opens`: the message shows them the chat, because they do not know what was said until now.
   */
  VisitorMessageSent: {
    chatId: string;
    messageId: string;
    digest?: string;
    to?: Username;
    opens?: true;
  };
  /**
   * LHC addresses one more operator with a message. `revision`: of `VisitorMessageSent`. `opens`: as above. `inOpening`: a
   * later message that came first has shown them this one already.
   */
  MessageAddressed: {
    chatId: string;
    messageId: string;
    revision: number;
    operator: Username;
    opens?: true;
    inOpening?: true;
  };
  /** One of the operators whom LHC addressed with this message does not get it. Others may. */
  MessageReturned: { messageId: string; operator: Username; reason: string };
  OperatorMessageReceived: {
    operator: Username;
    messageId: string;
    chatId: string | null;
    invitation: boolean;
    /** The client asked for a receipt (XEP-0184), and for a displayed marker (XEP-0333). */
    receipt?: true;
    markable?: true;
    /**
     * The id of the corrected message (XEP-0308), as the client gave it: of the first text, or of an earlier correction. In
     * facts of release 0.1.0 no such message may have arrived.
     */
    replaces?: string;
    /**
     * The id of what it corrects if that never was a message to the visitor: a command, or what was refused. Clients name the
     * message by it from now on (XEP-0308 wants the first id).
     */
    insteadOf?: string;
    /** Revision of the fact with the first text. Absent in facts of release 0.1.0. */
    corrects?: number;
    /** The id of the message that this one replies to (XEP-0461): the visitor's, or an operator's. */
    replyTo?: string;
    /** The first message of an invitation. */
    invites?: true;
    /** It was written in the chat's room, and stands there (docs/adr/0062). */
    room?: true;
    /** The chat has a room, and the text does not stand there: it is shown there as a line. */
    toRoom?: true;
  };
  /**
   * The operator takes a message back (XEP-0424). `messageId`: its id, or that of a correction, as the client gave it.
   * `revision`: of the fact with the first text.
   */
  OperatorMessageRetracted: {
    operator: Username;
    messageId: string;
    revision: number;
    chatId: string | null;
    /** The chat has a room, and the retraction was not written there. */
    toRoom?: true;
  };
  /** The operator's reactions to the visitor's message are these now (XEP-0444); none if they were removed. */
  MessageReacted: { operator: Username; messageId: string; chatId: string };
  /**
   * The visitor's reactions to a message of this operator are these now. `revision`: of the fact with its first text.
   * `first`: the first ones, so a client that knows no reactions shows a line.
   */
  OperatorMessageReacted: {
    operator: Username;
    messageId: string;
    revision: number;
    first?: true;
  };
  /** LHC has accepted the message. The operator's client now gets the receipt that it asked for. */
  OperatorMessageAccepted: { operator: Username; messageId: string };
  /** LHC reports that the visitor has seen this message and all before it. */
  OperatorMessageDisplayed: { operator: Username; messageId: string };
  /** The operator's client has displayed this message of the visitor and all before it (XEP-0333). */
  MessageDisplayed: { operator: Username; messageId: string; chatId: string | null };
  NoteAdded: { chatId: string; operator: Username; noteId: string };
  /** The open chat has a chat room from now on, in which these operators are let in (docs/adr/0062). */
  RoomOpened: { chatId: string; operator: Username; members: Username[] };
  /** These operators are let into the room, or asked in again. `by` null: one of them has the chat now. */
  RoomJoined: { chatId: string; operators: Username[]; by: Username | null };
  /** The room is closed before its chat. `by` null: ejabberd could not make it. */
  RoomClosed: { chatId: string; by: Username | null };
  /**
   * A word to colleagues that the visitor never sees. LHC is not told either. `room`: it was written in the room, where they
   * have read it; `toRoom`: it is shown there. `to`: the chat's operator, who reads it where they are not in the room.
   * `corrects`: revision of the whisper that it corrects; `insteadOf`: as in `OperatorMessageReceived`.
   */
  Whispered: {
    chatId: string;
    operator: Username;
    messageId: string;
    room?: true;
    toRoom?: true;
    to?: Username;
    corrects?: number;
    insteadOf?: string;
  };
  /** The operator wrote a command that LHC carries out (`!block`). */
  OperatorCommandSent: { chatId: string; operator: Username; messageId: string; command: string };
  /**
   * LHC itself says something to the operator in this conversation: the outcome of a command. It is no word of the visitor.
   * `notice`: the code of what it says, if it has one (src/lhc/callback-types.ts).
   */
  LhcAnswered: { operator: Username; notice?: string };
  /**
   * LHC will not do what it was told by the fact at `revision`. The operator reads why. A message has not reached the
   * visitor. `code`: as in src/lhc/callback-types.ts.
   */
  LhcRefused: {
    operator: Username;
    revision: number;
    code: string;
    chatId: string | null;
  } & RefusedByLhc;
  /** ejabberd has processed the messages. `operator`: for this one of those whom LHC addressed. */
  MessageTaken: { messageIds: string[]; operator?: Username };
  /** An operator's client has the messages. `by`: how this became known; `lhc`: somebody in LHC has them there. */
  MessageDelivered: { messageIds: string[]; by: string; chatId: string | null };
  /** `returned`: by the operator's address. */
  MessageFailed: { messageId: string; reason: string; chatId: string | null; returned?: true };
  ChatClosed: {
    chatId: string;
    operator: Username | null;
    by: CloseParty;
    /** In words of the service. Facts of release 0.1.0 have here what somebody wrote. */
    reason: string | null;
    /** Operators whose offer from a `broadcast` ends by this fact. */
    withdrawnFrom?: Username[];
    /** Who wrote `!close` where nobody had the chat. */
    closer?: Username;
  };
  /** `chatId`: the open chat that nobody has answered. It stays open. */
  TimedOut: { lastSeen: number; chatId?: string };
  /**
   * `silent`: a new history begins, and nobody outside hears of it (docs/adr/0050). The visitor's account and session stay
   * as they are.
   */
  CleanedUp: {
    lastSeen: number;
    summary?: SeenSummary;
    kept?: VisitorKept;
    silent?: { account: boolean; loggedIn: boolean };
  };
  /**
   * Everything personal in the facts before this one is erased (docs/adr/0049). Later facts are sealed with the data key of
   * this generation; 0 is the first key of a visitor.
   */
  PersonalDataErased: { generation: number };
  /** The data keys of all generations before this one are destroyed. */
  DataKeyDestroyed: { generation: number };
  /**
   * The tenant's `retention` is over for the facts before this revision: derived stores drop them, and the stream is cut
   * there (docs/adr/0050). With `generation`, the visitor has not come back: the fact is the end of everything that is known
   * of them. Their data keys of all generations before this one are deleted, and then the stream. Facts of a visitor who
   * comes in that very moment are sealed with the key of `generation`.
   */
  RetentionApplied: { before: number; generation?: number };
};

/** The personal part of each fact that has one. */
export type VisitorPersonal = {
  VisitorArrived: Profile;
  PageViewed: Profile;
  ChatStarted: { nick?: string };
  /** `name`: of the person in LHC who has it, who wrote, who transferred the chat, who closed it. */
  ChatTakenInLhc: { name?: string };
  MessageWrittenInLhc: { name?: string; body: string };
  ChatTransferred: { name?: string };
  /** `reason`: in the words of whoever closed it. */
  ChatClosed: { name?: string; reason?: string };
  /** `file`: the body is the address of this file, and nothing else. */
  VisitorMessageSent: { body: string; file?: VisitorFile };
  /** `plain`: without the quotation before a reply, if there is one. */
  OperatorMessageReceived: { body: string; plain?: string };
  MessageReacted: { reactions: string[] };
  OperatorMessageReacted: { reactions: string[] };
  NoteAdded: { body: string };
  Whispered: { body: string };
  OperatorCommandSent: { text: string };
  LhcAnswered: { text?: string };
  LhcRefused: { text?: string };
};

export type VisitorFact = FactOf<VisitorFacts, VisitorPersonal>;
export type VisitorEvent = EventOf<VisitorFacts>;

/** The facts of one type, or of some. */
export type Of<T extends VisitorEvent['type']> = Extract<VisitorEvent, { type: T }>;
