/** What LHC is told (CONTRACTS.md §3). */

export interface CallbackOperator {
  readonly username: string;
  /** null when it is not registered (any more). */
  readonly lhcUserId: number | null;
}

export interface CallbackMessage {
  readonly id: string;
  readonly body: string;
}

/** Of an operator, for the visitor. */
export interface OperatorMessage extends CallbackMessage {
  /** The message that this one corrects, whose place it takes. Of one that LHC never got it is a message like any other. */
  readonly replaces?: string;
}

interface AboutChat {
  /** The visitor's key. */
  readonly visitor: string;
  readonly chatId: string;
  /** null when the chat had none. */
  readonly operator: CallbackOperator | null;
}

interface Left {
  readonly visitor: string;
  /** ISO 8601 */
  readonly lastSeen: string;
}

interface OperatorNews {
  readonly operator: CallbackOperator;
  /** ISO 8601 */
  readonly at: string;
}

interface MessageOutcome {
  readonly visitor: string;
  readonly chatId: string | null;
  readonly messageId: string;
  /** Delivered: by what it is known (`receipt` or `ping`); failed: why. */
  readonly reason: string;
}

/** `data` of each type of callback. */
export interface CallbackData {
  /** Also for each further message before the visitor answers. */
  'visitor.invited': {
    readonly visitor: string;
    readonly operator: CallbackOperator;
    readonly message: OperatorMessage;
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
   * To an operator, who is asked to answer; to a department, where it waits; or back to the queue (operator null), since
   * it was missed or declined, or its operator is gone.
   */
  'chat.transferred': AboutChat & { readonly department?: string; readonly reason: string };
  'chat.closed': AboutChat & { readonly reason: string };
  'visitor.timed_out': Left;
  'visitor.cleaned_up': Left;
  'operator.online': OperatorNews;
  'operator.offline': OperatorNews;
  /**
   * At most once a minute for each operator: LHC's own timeout is 300 s. Several processes may tell of the same minute:
   * its id is made of tenant, operator and minute, so that a receiver that drops repeats by `webhook-id` sees one.
   */
  'operator.alive': OperatorNews;
  'operator.typing': {
    readonly visitor: string;
    readonly chatId: string;
    readonly operator: CallbackOperator;
    readonly state: string;
  };
  /** A line of an operator about the chat, for LHC's operators alone. */
  'chat.note': AboutChat & { readonly note: CallbackMessage };
  /** One of LHC's own commands, written in the conversation: LHC carries it out. `text`: all of it, with its `!`. */
  'chat.command': AboutChat & {
    readonly messageId: string;
    readonly command: string;
    readonly text: string;
  };
  'message.delivered': MessageOutcome;
  /** The operator's client has shown it, and all before (XEP-0333). */
  'message.displayed': {
    readonly visitor: string;
    readonly chatId: string | null;
    readonly messageId: string;
    readonly operator: CallbackOperator;
  };
  'message.failed': MessageOutcome;
  /** Its account or its session could not be made. */
  'visitor.failed': { readonly visitor: string; readonly reason: string };
}

export type CallbackType = keyof CallbackData;

/** A callback's body. `id` is also its `webhook-id`: a repeat has the same. */
export type Callback = {
  [T in CallbackType]: {
    readonly id: string;
    readonly type: T;
    readonly tenant: string;
    /** ISO 8601: when it happened. */
    readonly at: string;
    readonly data: CallbackData[T];
  };
}[CallbackType];

/** What `xmpp-chat doctor` sends. It says nothing and asks for nothing: any 2xx will do. */
export interface Ping {
  readonly id: string;
  readonly type: 'doctor.ping';
  readonly tenant: string;
  /** ISO 8601 */
  readonly at: string;
  readonly data: Readonly<Record<string, never>>;
}
