/** The state that is folded from a visitor's facts (facts.ts). */
import type { Username } from '../ids.ts';
import type { VisitorDelays, VisitorNotice } from './facts.ts';
import type { Facet } from './profile.ts';

/** A visitor's message that is neither delivered nor failed. `taken`: ejabberd has processed it. */
export type OpenMessage = {
  id: string;
  chatId: string;
  revision: number;
  taken: boolean;
  digest?: string;
  /** Operators whom LHC addressed with it and who may still get it. */
  to?: Username[];
};

/** A visitor's message for one of the operators whom LHC addressed with it. `opens`: as in `VisitorMessageSent`. */
export type Copy = { operator: Username; opens?: true; taken?: true };

/** A visitor's message with the operators whom LHC addressed with it. */
export type AddressedMessage = {
  id: string;
  digest: string;
  revision: number;
  /** When LHC addressed the last operator with it, in ms since 1970. */
  at: number;
  to: Copy[];
  /** Operators who knew everything that was said before it. */
  knowing: Username[];
  /** Operators whom something later has shown it, so that it needs no stanza for them. */
  shown: Username[];
};

/** Whom LHC has picked: the operators whom it addressed with the visitor's last message. */
export type Picked = {
  operators: Username[];
  /** Revision and time (ms since 1970) of that message, or of the first answer, if that is newer. */
  revision: number;
  at: number;
};

/**
 * A visitor's message that was delivered or failed: the hash of its id, the revision of `VisitorMessageSent`, and unless the
 * fact is of release 0.1.0 the fingerprint of its text and the hash of its chat's id.
 */
export type SettledMessage =
  | [hash: string, revision: number]
  | [hash: string, revision: number, digest: string, chat: string];

/** The open chat of a visitor. Times are ms since 1970. */
export type Chat = {
  id: string;
  department: string | null;
  /** The visitor's, BCP 47; null if it is not known. */
  language: string | null;
  invitedBy: Username | null;
  /** The operator who answered last: in this chat, or else in the previous one. */
  lastOperator: Username | null;
  /** True if an operator has answered in this chat. */
  answered: boolean;
  operator: Username | null;
  reservation: string | null;
  /** Its operator has answered it, or the person in LHC who has it. */
  accepted: boolean;
  startedAt: number;
  /** Revision of `ChatStarted`. */
  startRevision: number;
  /** Operators with an open offer from a broadcast. */
  offeredTo: Username[];
  /** Operators who missed or declined the chat, or transferred it to its department. They are asked again only last. */
  passedBy: Username[];
  /** Those of `passedBy` who have passed the chat more than once. They know it: an offer to them comes without a line. */
  passedAgain: Username[];
  /** The visitor timed out while nobody had answered. Until they are back, whoever passed the chat is not asked again. */
  left: boolean;
  /** Offers in a row that nobody answered. */
  misses: number;
  /** Since when the chat has no operator: the time of the fact that began the current round. */
  freeSince: number;
  /** Since when the visitor waits for an answer in this department. Offers that are missed change nothing of it. */
  waitsSince: number;
  /** Departments in which it waited too long, in order. It goes back to none of them by itself. */
  overflowed: string[];
  /** What the visitor was told while nobody answered. */
  notified: VisitorNotice | null;
  /** The operator who transferred the chat to one who has not answered yet. They get it back if there is no answer. */
  transferredBy: Username | null;
  /** The transfer to the department, by an operator or (null) by LHC. Earlier operators of the visitor have no priority. */
  departmentTransfer: { by: Username | null } | null;
  /** Revision of the fact that began the current round: `ChatStarted`, `ChatUnassigned` or `ChatTransferred` (docs/adr/0017). */
  searchRevision: number;
  /** LHC picks its operators, and routing leaves it alone (docs/adr/0037). */
  byLhc: boolean;
  /**
   * Who has the chat in LHC's own pages, or is asked there. `accepted` says which. Nobody in XMPP has it then, and routing
   * leaves it alone. `revision`: of the fact that has their name.
   */
  inLhc: { lhcUserId: number; revision: number } | null;
};

/** An operator's message whose client asked for a displayed marker (XEP-0333), by the hash of its id. */
export type Markable = { hash: string; operator: Username };

/** An operator's message to the visitor, so that it can be corrected, taken back or reacted to. */
export type WrittenMessage = {
  /** Of its id. Ids of operators' messages are not unique; the newest counts. */
  hash: string;
  revision: number;
  operator: Username;
  /** The hash of the id of its last correction. */
  corrected?: string;
  /** It took the place of a command, or of what was refused: clients go on to name it by that id. `hash`: of it; `id`: its own. */
  alias?: { hash: string; id: string };
  /** Its chat or invitation is over. */
  over?: true;
  /** Revision of the fact by which it was taken back. */
  retracted?: number;
  /** The visitor has reacted to it. */
  reacted?: true;
  /** It is a whisper, which the visitor does not have. */
  whisper?: true;
};

/** The chat room of a chat (docs/adr/0062). */
export type ChatRoom = {
  chatId: string;
  /** Of the fact that opened it. */
  revision: number;
  /** Operators who were let in, at most {@link MAX_ROOM_MEMBERS} (room.ts). */
  members: Username[];
};

/** How far a visitor's personal data is erased (docs/adr/0049). */
export type Erasure = {
  /** Erasures so far. New facts are sealed with the data key of this generation. */
  generation: number;
  /** The data keys of all generations before this one are destroyed. */
  destroyed: number;
  /** Nothing personal has come since the last erasure. */
  clean: boolean;
};

/** The state of a visitor beside the states of the machine. */
export type VisitorContext = {
  delays: VisitorDelays;
  /** Fingerprint and time of the last page view. */
  digest: string | null;
  digestAt: number;
  /** Revision of the last page view, whose personal part has the page. -1: there is none. */
  profileRevision: number;
  /** Revisions of the facts whose personal parts last said this of the visitor. Those of release 0.1.0 may say nothing. */
  told: Partial<Record<Facet, number>>;
  department: string | null;
  /** BCP 47; null if nobody said it. */
  language: string | null;
  lastSeen: number;
  account: boolean;
  loggedIn: boolean;
  /** Why the last attempt to log in failed. A repeat with the same reason causes no fact. */
  failure: string | null;
  /**
   * The operator of the last invitation, open or lapsed: an answer belongs to it, however late. A newer invitation, a chat
   * or a clean-up replaces it.
   */
  inviter: Username | null;
  chat: Chat | null;
  /** Messages in a row that the operator returned in the current round. */
  returnedInRow: number;
  /** Number of messages that the visitor has sent in the open chat. */
  chatMessages: number;
  /** Revision of the visitor's first message in the current round that came while the chat had no operator. */
  firstWaiting: number | null;
  lastChatId: string | null;
  /** Number of chats so far. */
  chats: number;
  /** The operator who last answered a chat of this visitor. */
  lastOperator: Username | null;
  /** The room of the open chat, if it has one. */
  room: ChatRoom | null;
  /** The last room that was closed, by itself or with its chat. `until`: revision of the fact that closed it. */
  endedRoom: (ChatRoom & { until: number }) | null;
  /** The last chat, if it had an operator and somebody else ended it. That operator may still be writing. */
  endedChat: { operator: Username; at: number } | null;
  /** The last messages whose clients asked for a displayed marker. */
  markable: Markable[];
  /** Operators' last messages. */
  written: WrittenMessage[];
  /** There were messages that are not in `written` any more. */
  writtenBefore: boolean;
  /** Revision of the visitor's newest message that an operator's client has displayed. Markers only move forwards. */
  displayedRevision: number | null;
  /** Reservations that were revoked or are used up. An assignment with one of them is refused. */
  revokedReservations: string[];
  openMessages: OpenMessage[];
  /** The last messages that were delivered or failed. The same id again is a repeat. */
  settledMessages: SettledMessage[];
  /** The last messages of the chat that LHC addressed, the oldest first. */
  addressed: AddressedMessage[];
  /** Null without an open chat whose operators LHC picks. */
  picked: Picked | null;
  erasure: Erasure;
  /** Where the present history began: the first arrival since the last clean-up. Null before it. */
  history: { revision: number; at: number } | null;
  /** In the present history, the last revision before which facts are over. */
  over: number;
  /** The history is long, so it ends soon after the time-out (history.ts). */
  endsSoon: boolean;
};

/** A visitor's state by its regions. */
export type VisitorState = {
  presence: 'unknown' | 'online' | 'timedOut' | 'cleanedUp';
  conversation: 'none' | 'invited' | 'waiting' | 'chatting';
  /** Whether an operator has been asked to answer and has not done so. */
  offer: 'none' | 'open';
  context: VisitorContext;
};

/** The state that survives a clean-up. It is stored in `CleanedUp`, because earlier facts may be truncated. */
export type VisitorKept = Pick<
  VisitorContext,
  'lastChatId' | 'chats' | 'lastOperator' | 'revokedReservations' | 'openMessages'
> & {
  /** Release 0.1.0 stored ids in full, without revisions. */
  settledMessages: (SettledMessage | string)[];
  /** Absent in facts of release 0.1.0. */
  displayedRevision?: number | null;
  /** Absent if nothing of the visitor was ever erased. */
  erasure?: Erasure;
};
