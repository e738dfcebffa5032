/**
 * What the runtime offers to those who command: the HTTP API, the inbox, the reactors, the command line. Types only, so
 * everybody may import it.
 */
import type { ActorRef, TenantId, Username, VisitorKey } from '../actors/ids.ts';
import type { Hook, Said, Seen } from '../actors/machine/idempotency.ts';
import type { OperatorCommand, OperatorState } from '../actors/operator/decisions.ts';
import type { TenantCommand, TenantState } from '../actors/tenant/machine.ts';
import type { Tenant } from '../actors/tenant/tenant.ts';
import type { VisitorCommand } from '../actors/visitor/decisions.ts';
import type { VisitorState } from '../actors/visitor/state.ts';
import type { Position, RecordedEvent, Sealed } from '../eventstore/port.ts';
import type { JsonObject, JsonValue } from '../kit/json.ts';

/** Where a command comes from. */
export interface Origin {
  /**
   * A command is carried out once for each id. An automatic id begins with `auto:` (AUTOMATIC in
   * src/actors/machine/idempotency.ts) and is not remembered: nobody can repeat it.
   */
  readonly commandId: string;
  /** Default that of the cause (cause.ts), or else the command id. */
  readonly correlationId?: string | undefined;
  /** Default the id of the causing fact (cause.ts), or else the command id. */
  readonly causationId?: string | undefined;
  /** The webhook event that caused the command. Such a command is never refused because the mailbox is full. */
  readonly hook?: Hook | undefined;
  /** What a person said by the command. Said again on another stream of their client, it does nothing. */
  readonly said?: Said | undefined;
  /** A keyed fingerprint of the request, if the caller chose the command's id: it must not have another one. */
  readonly request?: string | undefined;
  /** The same without a hook, for a caller who sends a bounded number of commands. */
  readonly unbounded?: boolean | undefined;
}

/** The outcome of a command. */
export interface Dispatched {
  readonly actor: ActorRef;
  /** The machine's state value after the command, e.g. `{ presence: 'online', conversation: 'none' }`. */
  readonly state: JsonValue;
  /** Of the stream's last fact. */
  readonly revision: number;
  /** Of the stream's last fact; null for a stream without facts. */
  readonly position: Position | null;
  /** How many facts the command caused; 0 for a repeat, and for a command that had nothing to change. */
  readonly facts: number;
}

/** An actor's state, as one object for as long as no fact moves the actor. */
export type ActorView<State> = State & {
  /** Of the last fact. */
  readonly revision: number;
  /** When the last fact was appended, ms since 1970. */
  readonly at: number;
  /** Which commands and webhook events the actor has carried out. */
  readonly seen: Pick<Seen, 'hasCommand' | 'hasHook' | 'wasSaid'>;
};

/** One visitor, operator or tenant: takes commands and answers with its state. */
export interface Actor<Command, State> {
  /**
   * Carries out a command. Resolves when its facts are durable.
   * @param origin without a `commandId` the command gets an automatic one
   * @throws {AppError} `refused`, `not-found`, `overloaded` (mailbox full), `unavailable` (store), `unfit`
   */
  send(command: Command, origin?: Partial<Origin>): Promise<Dispatched>;
  /** The state, at least as new as the tables of pending work; null for an actor without facts. */
  state(): Promise<ActorView<State> | null>;
  /** The state, as new as the log is now: for a refusal that would be final. */
  latest(): Promise<ActorView<State> | null>;
}

/** The only way to the actors for the HTTP API, the inbox and the reactors. */
export interface Actors {
  visitor(tenant: TenantId, key: VisitorKey): Actor<VisitorCommand, VisitorState>;
  operator(tenant: TenantId, username: Username): Actor<OperatorCommand, OperatorState>;
  tenant(tenant: TenantId): Actor<TenantCommand, TenantState>;
}

/** The fact that personal data belongs to. The data opens in this fact alone. */
export type SealedIn = Pick<RecordedEvent, 'stream' | 'type' | 'id'>;

/** Seals and opens personal data (docs/architecture.md, Personal data). */
export interface Vault {
  /**
   * @param key `{tenant}.{visitor key}`, with its generation, or `{tenant}`
   * @param fact where the result will be appended
   * @param isFirst it will be the first fact of its stream: the key may have been deleted with an earlier stream of this
   *   name, so it is read in this moment
   * @throws {AppError} `conflict` if the key was destroyed: the visitor has another one now
   */
  seal(key: string, personal: JsonObject, fact: SealedIn, isFirst?: boolean): Promise<Sealed>;
  /**
   * Opens the personal data of a stored fact.
   * @returns null if it has none, if the person's key was deleted, or if the data was sealed in another fact
   */
  open(fact: SealedIn & Pick<RecordedEvent, 'personal'>): Promise<JsonObject | null>;
  /** Deletes a data key. The name can be used again: it is for a person of whom nothing stays. */
  erase(key: string): Promise<void>;
  /** Whether there is such a data key, so that something may be sealed with it. */
  exists(key: string): Promise<boolean>;
  /** Destroys a data key for good: under this name nothing is ever sealed or opened again. Repeating it is harmless. */
  destroy(key: string): Promise<void>;
  /**
   * A person was erased: forgets their keys of all generations before this one, and what was opened. Nothing opens with
   * them any more, whether they are destroyed yet or not.
   * @param person as in {@link generationOf}
   * @param all nothing stays of this person (docs/adr/0050): if they come back, their first key has the first name again
   */
  forget(person: string, generation: number, all?: boolean): void;
  /**
   * Deletes a data key of a person of whom nothing stays, as `erase` does, unless it was changed meanwhile.
   * @param isOver asked when the key was read: false keeps it
   */
  retire(key: string, isOver: () => Promise<boolean>): Promise<void>;
}

/** Bounds the visitors of each tenant. */
export interface Crowd {
  /**
   * Whether another visitor may come.
   * @param withChat the visitor starts a chat: those go on when page views may bring nobody any more
   * @returns null if so; otherwise the setting that stands against it, and when to try again, in seconds
   */
  full(tenant: Tenant, withChat: boolean): CrowdBound | null;
}

export interface CrowdBound {
  readonly setting: 'maxOnlineVisitors' | 'newVisitorsPerMinute';
  readonly retryAfterS: number;
}

/** Takes webhook batches of mod_lhc (docs/contracts.md). */
export interface Inbox {
  /**
   * Resolves when every event is durable, set aside or of no use. No event can fail the batch.
   * @param events the batch as parsed JSON, of one queue
   * @throws {AppError} `unavailable` when the event store is away, `overloaded` when too many batches wait. mod_lhc has to
   * send the batch again
   */
  take(events: readonly unknown[]): Promise<void>;
}

/** What a callback of ejabberd's older modules says. `operator` and `receiver` are local parts, in hosting with the instance. */
export type OlderReport = { readonly host: string; readonly operator: string } & (
  | { readonly type: 'session' }
  | { readonly type: 'ping'; readonly resource: string }
  | { readonly type: 'message'; readonly receiver: string; readonly body: string }
  /** A message in a chat room, or somebody enters or leaves one. */
  | { readonly type: 'room' }
);

/** Takes callbacks of ejabberd's older modules (docs/xmppservice.md). */
export interface OlderModules {
  /**
   * Resolves when what it says is durable; for sessions, when ejabberd is going to be asked.
   * @param calledAs the host in the address of the request
   * @throws {AppError} `refused` for a host of no tenant, and if the address is that of another instance; `unavailable` when
   *   the event store is away, `overloaded`
   */
  take(report: OlderReport, calledAs: string): Promise<void>;
}

/** An effect or a webhook event that was given up and waits for a person. */
export interface DeadLetter {
  /** Shows the letter and sends it again. */
  readonly id: string;
  readonly tenant: string | null;
  readonly at: number;
  readonly kind: 'webhook' | 'effect';
  /** Of the fact whose effect was given up, or `message` for a message of an operator; null if the event is gone. */
  readonly type: string | null;
  /** The operator whom the event names; null if it names none. */
  readonly operator: string | null;
  readonly stream: string;
  readonly destination: string;
  readonly reason: string;
}

/** A visitor was erased. */
export interface Erased extends Dispatched {
  /** Later facts of the visitor are sealed with the data key of this generation. */
  readonly generation: number;
  /** The older data keys are destroyed. If not, they will be: the fact calls for it. */
  readonly keysDestroyed: boolean;
}

/**
 * Erases everything personal of a visitor (docs/adr/0049). Nothing happens if nothing personal has come since they were
 * erased.
 * @throws {AppError} `not-found` for an unknown visitor; `unavailable` if the event store is away: nothing happened then
 */
export type EraseVisitor = (
  tenant: TenantId,
  visitor: VisitorKey,
  origin?: Partial<Origin>,
) => Promise<Erased>;

export interface LetterRequest {
  /** Only letters of this tenant; default those of all tenants and of none. */
  readonly tenant?: string | undefined;
  /** Only letters with data of this visitor: `{tenant}.{visitor key}`. */
  readonly person?: string | undefined;
  /** `next` of the page before. */
  readonly cursor?: string | undefined;
  readonly limit: number;
}

export interface LetterPage {
  readonly items: readonly DeadLetter[];
  /** The cursor of the next page; null at the end. */
  readonly next: string | null;
}

export interface DeadLetters {
  /** The newest first. @throws {AppError} `invalid` for a cursor that is not of this list */
  list(request: LetterRequest): Promise<LetterPage>;
  /** The letter with its content opened. */
  show(id: string): Promise<(DeadLetter & { readonly content: JsonValue }) | null>;
  /**
   * Sends a letter as a new command or effect, out of order.
   * @throws {AppError} `not-found`; `refused` if it can never be sent; `unavailable` if it cannot be sent now; `conflict`
   *   while another request of this process works on it. All say why
   */
  sendAgain(id: string): Promise<void>;
  /** Removes a letter: nobody will send it. @throws {AppError} `not-found`; `conflict` as above */
  discard(id: string): Promise<void>;
}

/** Who a chat is transferred to. If a name alone fits an operator and a department, the operator gets the chat. */
export type Receiver =
  | { readonly operator: string }
  | { readonly department: string }
  | { readonly name: string };

/**
 * An operator transfers their open chat. Without an id it is the visitor's open chat. The receiver must be available and
 * have a free place. LHC (`from: null`) may give the chat to every registered operator, available or not.
 * @throws {AppError} `refused` with a reason for a person, and `details.field` if the receiver does not exist;
 * `not-found` for an unknown visitor
 */
export type Transfer = (
  tenant: TenantId,
  visitor: VisitorKey,
  wish: {
    readonly chatId: string | null;
    readonly from: Username | null;
    readonly to: Receiver;
    /** Of the person in LHC who does it. */
    readonly name?: string | undefined;
  },
  origin: Origin,
) => Promise<Dispatched>;

/** Shows an operator that their visitor is typing, or has closed the page (`gone`): at once or not at all. */
export type ForwardTyping = (
  tenant: TenantId,
  visitor: VisitorKey,
  state: 'composing' | 'paused' | 'active' | 'gone',
  /** What they have typed so far, as far as it is known. */
  preview?: string,
) => Promise<void>;
