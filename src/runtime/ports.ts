/** What the runtime offers to those who command: the HTTP API, reactors, the command line. */
import type { ActorRef, TenantId, Username, VisitorKey } from '../actors/ids.ts';
import type { Hook } from '../actors/machine/seen.ts';
import type { OperatorCommand } from '../actors/operator/decisions.ts';
import type { TenantCommand } from '../actors/tenant/machine.ts';
import type { VisitorCommand } from '../actors/visitor/decisions.ts';
import type { Position, Sealed } from '../eventstore/port.ts';
import type { JsonObject, JsonValue } from '../kit/json.ts';

/** A command with its actor. */
export type Order =
  | { readonly kind: 'visitor'; readonly name: VisitorKey; readonly command: VisitorCommand }
  | { readonly kind: 'operator'; readonly name: Username; readonly command: OperatorCommand }
  | { readonly kind: 'tenant'; readonly command: TenantCommand };

export interface Origin {
  /**
   * The same id is carried out once. An id that the service made for a request that had none begins with `auto:`
   * (see AUTOMATIC) and is not remembered.
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

export interface Dispatcher {
  /**
   * Carries out a command: resolves when its facts are durable.
   * @throws {AppError} `refused`, `not-found`, `overloaded` (mailbox full), `unavailable` (store), `unfit`
   */
  dispatch(tenant: TenantId, order: Order, origin: Origin): Promise<Dispatched>;
}

/** Opens and seals personal data (DESIGN.md, Envelope). */
export interface Vault {
  /** @param key `{tenant}.{visitor key}` or `{tenant}` */
  seal(key: string, personal: JsonObject): Promise<Sealed>;
  /** null when the person's key was deleted: the data is gone for good. */
  open(sealed: Sealed): Promise<JsonObject | null>;
  /** Deletes a person's key. */
  erase(key: string): Promise<void>;
}

/** Takes webhook batches of mod_lhc (CONTRACTS.md §2). */
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

/** An operator's account in ejabberd and its registration, changed within the request (DESIGN.md, promise 8). */
export interface OperatorAccounts {
  /**
   * @throws {AppError} `conflict` for a foreign account, or for an LHC user that is another operator; `invalid` for what
   * a new one lacks; `unavailable` when ejabberd is away: nothing changed
   */
  put(
    tenant: TenantId,
    username: Username,
    wish: {
      /** Required for a new one; like all that follows it stays as it is where it is not said. */
      lhcUserId?: number | undefined;
      name?: string | undefined;
      departments?: readonly string[] | undefined;
      capacity?: number | undefined;
      password?: string | undefined;
      adopt?: boolean | undefined;
    },
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
