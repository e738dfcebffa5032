/** The callbacks that LHC gets: their types and bodies. */

/** Why an invitation ended without an answer. */
export type InvitationEnd = 'not-answered' | 'visitor-left';

export interface CallbackOperator {
  readonly username: string;
  /** null if the operator is not registered (any more), or if LHC knows its operators by their usernames. */
  readonly lhcUserId: number | null;
}

export interface CallbackMessage {
  readonly id: string;
  readonly body: string;
}

/** An operator's message to the visitor. */
export interface OperatorMessage extends CallbackMessage {
  /** The id of the message that this one corrects and replaces. If LHC never got that one, this is a message like any other. */
  readonly replaces?: string;
  /** It replies to this message: the visitor's, or an operator's. `body` is the text without the quotation of that one. */
  readonly replyTo?: { readonly messageId: string; readonly body: string };
  /** Files whose links are in the body. The service has looked at each; what has another hash now is another file. */
  readonly files?: readonly CallbackFile[];
}

/** A file that an operator has uploaded (XEP-0363). */
export interface CallbackFile {
  /** As it stands in the body. */
  readonly url: string;
  readonly name: string;
  /** Of its content, for example `image/png`. */
  readonly type: string;
  /** In bytes. */
  readonly size: number;
  /** In hexadecimal digits. */
  readonly sha256: string;
}

interface AboutChat {
  /** The visitor's key. */
  readonly visitor: string;
  readonly chatId: string;
  /** null if the chat had none. */
  readonly operator: CallbackOperator | null;
}

interface VisitorLastSeen {
  readonly visitor: string;
  /** ISO 8601 */
  readonly lastSeen: string;
}

interface OperatorState {
  readonly operator: CallbackOperator;
  /** ISO 8601 */
  readonly at: string;
}

interface MessageOutcome {
  readonly visitor: string;
  readonly chatId: string | null;
  readonly messageId: string;
  /** Delivered: how that is known (`receipt` or `ping`; `taken`, where nobody can tell). Failed: the cause. */
  readonly reason: string;
}

/** `data` of each type of callback. */
export interface CallbackData {
  /** Repeated for each further message until the visitor answers. */
  'visitor.invited': {
    readonly visitor: string;
    readonly operator: CallbackOperator;
    readonly message: OperatorMessage;
  };
  /**
   * The invitation stands no longer: its time was over (`not-answered`), or the visitor left before (`visitor-left`). If the
   * visitor answers it after all, the answer still belongs to it until a newer invitation, a chat or `visitor.cleaned_up`.
   */
  'visitor.invitation_expired': {
    readonly visitor: string;
    readonly operator: CallbackOperator;
    readonly reason: InvitationEnd;
  };
  'chat.message': {
    readonly visitor: string;
    readonly chatId: string;
    readonly operator: CallbackOperator;
    readonly message: OperatorMessage;
  };
  'chat.assigned': AboutChat & { readonly reason: string | null };
  'chat.accepted': AboutChat & { readonly reason?: string };
  /**
   * The chat goes to an operator, who is asked to accept it; to a department, where it waits; or back to the queue
   * (operator null), because it was missed or declined, or its operator is gone.
   */
  'chat.transferred': AboutChat & { readonly department?: string; readonly reason: string };
  'chat.closed': AboutChat & { readonly reason: string };
  /** `chatId`: the open chat that no operator has answered. It stays open, and nobody is asked twice until the visitor is back. */
  'visitor.timed_out': VisitorLastSeen & { readonly chatId?: string };
  'visitor.cleaned_up': VisitorLastSeen;
  'operator.online': OperatorState;
  'operator.offline': OperatorState;
  /**
   * At most once a minute for each operator; LHC's own time-out is 300 s. Several processes may report the same minute.
   * The id consists of tenant, operator and minute, so a receiver that drops repeats by `webhook-id` sees one.
   */
  'operator.alive': OperatorState & {
    /** Of the client that gave the sign. */
    readonly resource?: string | undefined;
  };
  'operator.typing': {
    readonly visitor: string;
    readonly chatId: string;
    readonly operator: CallbackOperator;
    readonly state: string;
  };
  /** An operator's note about the chat, for LHC's operators only. */
  'chat.note': AboutChat & { readonly note: CallbackMessage };
  /**
   * What the administrator lets a visitor read while nobody answers: the chat's department is closed, or too many wait. Once
   * for each chat. `until`: when it opens, ISO 8601.
   */
  'chat.notice': AboutChat & {
    readonly reason: 'closed' | 'full';
    readonly until?: string;
    readonly message: CallbackMessage;
  };
  /** One of LHC's own commands, which the operator wrote into the chat. LHC carries it out. `text`: all of it, with its `!`. */
  'chat.command': AboutChat & {
    readonly messageId: string;
    readonly command: string;
    readonly text: string;
  };
  'message.delivered': MessageOutcome;
  /** The operator's client has displayed this message and all before it (XEP-0333). */
  'message.displayed': {
    readonly visitor: string;
    readonly chatId: string | null;
    readonly messageId: string;
    readonly operator: CallbackOperator;
  };
  'message.failed': MessageOutcome;
  /**
   * The operator takes a message back. `messageId`: its id, or that of its last correction. `chatId` null: of an invitation,
   * or of a chat that is over. LHC's answer has to say that it was done ({@link Done}).
   */
  'message.retracted': {
    readonly visitor: string;
    readonly chatId: string | null;
    readonly messageId: string;
    readonly operator: CallbackOperator;
  };
  /** The operators' reactions to the visitor's message are these now; none if they were removed. Answer: as above. */
  'message.reaction': {
    readonly visitor: string;
    readonly chatId: string;
    readonly messageId: string;
    readonly operator: CallbackOperator;
    readonly reactions: readonly string[];
  };
  /** The visitor's account or session could not be made. */
  'visitor.failed': { readonly visitor: string; readonly reason: string };
}

export type CallbackType = keyof CallbackData;

/** The body of a callback. `id` is also its `webhook-id`: a repeat has the same. */
export type Callback = {
  [T in CallbackType]: {
    readonly id: string;
    readonly type: T;
    readonly tenant: string;
    /** When it happened, ISO 8601. */
    readonly at: string;
    readonly data: CallbackData[T];
  };
}[CallbackType];

/** The test callback of `xmpp-chat doctor`. It carries no data; any 2xx answer will do. */
export interface Ping {
  readonly id: string;
  readonly type: 'doctor.ping';
  readonly tenant: string;
  /** ISO 8601 */
  readonly at: string;
  readonly data: Readonly<Record<string, never>>;
}

/** Why LHC refuses what an operator did. */
export type RefusalCode =
  /** The visitor has ended the chat, or it is closed. */
  | 'chat-ended'
  | 'chat-unknown'
  | 'visitor-unknown'
  /** No user of LHC has the operator's `lhcUserId`. */
  | 'operator-unknown'
  | 'operator-disabled'
  /** The operator's user in LHC lacks a right, or the chat's department. */
  | 'not-allowed'
  /** A command of LHC that it has not carried out. `text` says why. */
  | 'command-refused'
  /** Anything else that would fail again. `text` says why. */
  | 'not-possible';

/** What LHC tells the operator about something that it has done, in the service's words. */
export type WordedNotice =
  /** Further words of an invitation: the visitor reads them when they answer, or load a page. */
  | 'not-shown-yet'
  /** The chat was over, and the words have become an invitation. */
  | 'invited';

/**
 * The visitor sees what the callback says. Older receivers accept `message.retracted` and `message.reaction` without doing
 * it, so what LHC does not say is taken for not done.
 */
export type Done = 'done';

/** `answer`: LHC's own answer to a command. `text` has it. */
export type NoticeCode = WordedNotice | 'answer' | Done;

/**
 * The body of LHC's answer to a callback, as JSON with a status of 2xx, if it has something to say. An answer without a
 * body, or with any other, means `accepted`. LHC answers a repeat (the same `webhook-id`) with the same.
 */
export type CallbackAnswer =
  /** The visitor does not get it, and it is not sent again. `text`: for a code that the service does not know. */
  | {
      readonly outcome: 'refused';
      readonly code: RefusalCode | (string & {});
      readonly text?: string | null | undefined;
    }
  | {
      readonly outcome: 'accepted';
      readonly notice?: {
        readonly code: NoticeCode | (string & {});
        readonly text?: string | null | undefined;
      };
    };
