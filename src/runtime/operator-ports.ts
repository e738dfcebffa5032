/** What the reactors offer about operators: their accounts in ejabberd, and their chat rooms. As ports.ts. */
import type { TenantId, Username } from '../actors/ids.ts';
import type { Dispatched, Origin } from './ports.ts';

/** An operator's account in ejabberd and its registration, changed within the request (docs/architecture.md, Commit before effect). */
export interface OperatorAccounts {
  /**
   * @throws {AppError} `conflict` for a foreign account, or for an LHC user that belongs to another operator; `invalid`
   * if a new operator lacks something; `unavailable` when ejabberd is away: nothing changed
   */
  put(
    tenant: TenantId,
    username: Username,
    wish: {
      /** Required for a new operator. Like all fields below, an absent one keeps its value. */
      lhcUserId?: number | undefined;
      /** A new operator needs no LHC user: their LHC knows them by the username. */
      withoutLhcUser?: boolean | undefined;
      name?: string | undefined;
      departments?: readonly string[] | undefined;
      /** null: the tenant's `routing.capacity` as it is now. */
      capacity?: number | null | undefined;
      tier?: number | undefined;
      /** By department. */
      tiers?: Readonly<Record<string, number>> | undefined;
      languages?: readonly string[] | undefined;
      password?: string | undefined;
      adopt?: boolean | undefined;
    },
    origin: Origin & { readonly admin: boolean },
  ): Promise<Dispatched>;
  remove(tenant: TenantId, username: Username, origin: Origin): Promise<Dispatched>;
  /**
   * Registers an operator whose account LHC says is there, by facts alone: nobody waits for ejabberd. Without effect if the
   * operator is registered.
   * @throws {AppError} `invalid` for a reserved name; `refused` for an operator who was removed
   */
  adopt(tenant: TenantId, username: Username): Promise<void>;
  /**
   * Removes an operator by facts alone, also one who was never registered here: their lane removes the account. Without
   * effect if the operator was removed before.
   * @throws {AppError} `invalid` for a reserved name
   */
  dismiss(tenant: TenantId, username: Username, origin: Origin): Promise<void>;
}

/**
 * Chat rooms for the private chats of a tenant's operators (docs/adr/0039). What ejabberd refuses or cannot do now is
 * logged and raises no error: LHC's own private chat must go on. Each call resolves in time, whatever ejabberd does; what
 * takes longer goes on behind it, in the order of the calls of a room.
 * @throws {AppError} from every call: `invalid` for a name that no room can have, `refused` for somebody who is no operator
 *   of the tenant. Nothing is done then
 */
export interface OperatorRooms {
  /** The names of the tenant's rooms; none if ejabberd does not say in time. */
  list(tenant: TenantId): Promise<readonly string[]>;
  /** A room that exists stays as it is. */
  create(tenant: TenantId, room: string): Promise<void>;
  /** Whether somebody may subscribe to the room. */
  allowSubscription(tenant: TenantId, room: string, allowed: boolean): Promise<void>;
  /**
   * @param jid of an operator, or of a user of LHC without an account, whose JID ends with `.operator`
   * @param nodes of MUC/Sub, with commas between them
   */
  subscribe(
    tenant: TenantId,
    room: string,
    subscriber: { readonly jid: string; readonly nick: string; readonly nodes: string },
  ): Promise<void>;
  /** @param jids of operators */
  invite(tenant: TenantId, room: string, jids: readonly string[], reason: string): Promise<void>;
  /** @param from of a subscriber */
  say(tenant: TenantId, room: string, from: string, body: string): Promise<void>;
  /** A room that does not exist is fine. */
  destroy(tenant: TenantId, room: string): Promise<void>;
}
