/** What the runtime offers to those who command: the HTTP API, reactors, the command line. */
import type { ActorRef, TenantId, Username, VisitorKey } from '../actors/ids.ts';
import type { Hook, Seen } from '../actors/machine/seen.ts';
import type { OperatorCommand, OperatorState } from '../actors/operator/decisions.ts';
import type { OperatorRegistration } from '../actors/operator/registration.ts';
import type { TenantCommand, TenantState } from '../actors/tenant/machine.ts';
import type { VisitorCommand } from '../actors/visitor/decisions.ts';
import type { VisitorState } from '../actors/visitor/facts.ts';
import type { Position, Sealed } from '../eventstore/port.ts';
import type { JsonObject, JsonValue } from '../kit/json.ts';

export interface Origin {
  /**
   * A command is carried out once for each id. An automatic id begins with `auto:` (AUTOMATIC in
   * src/actors/machine/seen.ts) and is not remembered: nobody can repeat it.
   */
  readonly commandId: string;
  readonly correlationId?: string | undefined;
  readonly causationId?: string | undefined;
  readonly hook?: Hook | undefined;
}

export interface Dispatched {
  readonly actor: ActorRef;
  /** The machine's state value after the command, e.g. `{ presence: 'online', conversation: 'none' }`. */
  readonly state: JsonValue;
  /** Of the stream's last fact. */
  readonly revision: number;
  /** Of the last fact of this command; of an earlier one when it caused none; null when the process knows none. */
  readonly position: Position | null;
  /** How many facts it caused; 0 for a repeat and for a wish that was true already. */
  readonly facts: number;
}

/** An actor's state, as one object for as long as no fact moves the actor. */
export type ActorView<State> = State & {
  /** Of the last fact. */
  readonly revision: number;
  /** When the last fact was appended, ms since 1970. */
  readonly at: number;
  /** Which commands and webhook events the actor has carried out. */
  readonly seen: Pick<Seen, 'hasCommand' | 'hasHook'>;
};

/** One visitor, operator or tenant: takes commands and answers with its state. */
export interface Actor<Command, State> {
  /**
   * Carries out a command. Resolves when its facts are durable.
   * @param origin without a `commandId` the command gets an automatic one, which is not remembered
   * @throws {AppError} `refused`, `not-found`, `overloaded` (mailbox full), `unavailable` (store), `unfit`
   */
  send(command: Command, origin?: Partial<Origin>): Promise<Dispatched>;
  /** The state, at least as new as the table of pending work; null for an actor that has no facts. */
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

/** Opens and seals personal data (docs/architecture.md, Personal data). */
export interface Vault {
  /** @param key `{tenant}.{visitor key}` or `{tenant}` */
  seal(key: string, personal: JsonObject): Promise<Sealed>;
  /** null when the person's key was deleted: the data is gone for good. */
  open(sealed: Sealed): Promise<JsonObject | null>;
  /** Deletes a person's key. */
  erase(key: string): Promise<void>;
}

/** Takes webhook batches of mod_lhc (docs/contracts.md). */
export interface Inbox {
  /**
   * Resolves when every event is durable or set aside.
   * @param events the batch as parsed JSON; malformed ones are set aside, they never fail the batch
   * @throws {AppError} `unavailable` when the batch has to come again
   */
  take(events: readonly unknown[]): Promise<void>;
}

/** Something that did not work out, waiting for a person. */
export interface DeadLetter {
  /** Stable id, used to show it and to send it again. */
  readonly id: string;
  readonly tenant: string | null;
  readonly at: number;
  readonly kind: 'webhook' | 'effect';
  readonly stream: string;
  readonly destination: string;
  readonly reason: string;
}

export interface DeadLetters {
  list(tenant?: string): Promise<readonly DeadLetter[]>;
  /** With its content opened. */
  show(id: string): Promise<(DeadLetter & { readonly content: JsonValue }) | null>;
  /** As a new command or effect, out of order. @throws {AppError} `not-found` */
  sendAgain(id: string): Promise<void>;
}

/** An operator's account in ejabberd and its registration, changed within the request (docs/architecture.md, promise 8). */
export interface OperatorAccounts {
  /**
   * @throws {AppError} `conflict` for a foreign account, or for an LHC user that is another operator; `invalid` for what
   * a new one lacks; `unavailable` when ejabberd is away: nothing changed
   */
  put(
    tenant: TenantId,
    username: Username,
    wish: OperatorRegistration,
    origin: Origin & { readonly admin: boolean },
  ): Promise<Dispatched>;
  remove(tenant: TenantId, username: Username, origin: Origin): Promise<Dispatched>;
}

/** To whom a chat is handed on; by a name alone, an operator of that name goes before a department. */
export type Receiver =
  | { readonly operator: string }
  | { readonly department: string }
  | { readonly name: string };

/**
 * An operator hands on the open chat that it has; without an id it is the visitor's open one. The receiver has to be
 * available and have a free place. LHC (`from: null`) may give it to anybody who is registered, whatever he has.
 * @throws {AppError} `refused` with a reason for a person, and `details.field` where there is no such receiver;
 * `not-found` for an unknown visitor
 */
export type Transfer = (
  tenant: TenantId,
  visitor: VisitorKey,
  wish: { readonly chatId: string | null; readonly from: Username | null; readonly to: Receiver },
  origin: Origin,
) => Promise<Dispatched>;

/** Typing of a visitor towards its operator: sent at once or not at all. */
export type ForwardTyping = (
  tenant: TenantId,
  visitor: VisitorKey,
  state: 'composing' | 'paused' | 'active',
) => Promise<void>;
