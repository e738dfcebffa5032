/** What the runtime and the reactors offer to those who make, change and remove tenants, as ports.ts. */
import type { Instance, TenantId } from '../actors/ids.ts';
import type { ANY_INSTANCE, TenantSettings } from '../actors/tenant/settings.ts';
import type { Template, Tenant } from '../actors/tenant/tenant.ts';
import type { Dispatched, Origin } from './ports.ts';

/** What somebody wants a tenant to be; without `apiKey` it keeps its keys. With the instance `*` it is a template. */
export interface TenantWish extends Omit<TenantSettings, 'apiKey' | 'instance'> {
  readonly apiKey?: string | undefined;
  readonly instance?: Instance | typeof ANY_INSTANCE | undefined;
}

/** Makes, changes and removes tenants (docs/adr/0036). What resolved counts in this process. */
export interface Tenants {
  /** A tenant or a template; undefined for any other. */
  find(id: TenantId): Tenant | Template | undefined;
  /** All tenants and templates. */
  list(): readonly (Tenant | Template)[];
  /** False while there may be others, which this process does not know. */
  isComplete(): boolean;
  /** True if TENANTS_FILE of this process declares it: then nobody changes it here. */
  isDeclared(id: TenantId): boolean;
  /**
   * Makes a tenant be as wished. The same wish again changes nothing.
   * @param madeKey the key that it gets if it has none
   * @returns `key`: `madeKey`, if it is the tenant's
   * @throws {AppError} `invalid` with a field; `conflict` for a name that another tenant has, or a tenant of the file;
   *   `refused` while it is being removed
   */
  configure(
    wish: TenantWish,
    madeKey: string,
    origin: Origin,
  ): Promise<{ readonly done: Dispatched; readonly key: string | null }>;
  /**
   * @param wish `key`: default `madeKey`. `overlapMs`: how long the keys of before are valid; 0 ends them at once
   * @throws {AppError} as `configure`; `not-found`
   */
  rotateKey(
    id: TenantId,
    wish: { readonly key?: string | undefined; readonly overlapMs: number },
    madeKey: string,
    origin: Origin,
  ): Promise<{ readonly done: Dispatched; readonly key: string | null }>;
  /**
   * Begins to remove a tenant, or adds the purge to a removal. What is left to do is the reactor's.
   * @throws {AppError} `not-found`; `conflict` for a tenant of the file
   */
  beginRemoval(id: TenantId, purge: boolean, origin?: Origin): Promise<Dispatched>;
  /**
   * The tenant of an instance. If nobody has it, and its host has a template, it is made from that. For callers who have
   * proved themselves alone.
   * @param again also if there was one that was removed
   * @returns null if there is none
   * @throws {AppError} as `configure`
   */
  ofInstance(host: string, instance: string, again: boolean): Promise<Tenant | null>;
}

/** Whether a tenant's shared roster groups exist in ejabberd, each displaying the other. */
export type GroupsState =
  | { readonly state: 'ready' }
  | { readonly state: 'pending'; readonly reason: string };

/** How far a process has come with the removal of a tenant. */
export interface RemovalState {
  readonly step: string;
  /** Why the last try failed; null if none did. */
  readonly reason: string | null;
}

/** What LHC made of a ping. */
export interface CallbackTest {
  readonly status: 'ok' | 'warning' | 'problem';
  /** For a person. */
  readonly message: string;
  /** What to do. Only `ok` has none. */
  readonly advice?: string;
  /** The status of LHC's answer; null without one. */
  readonly httpStatus: number | null;
  readonly tookMs: number;
  /** LHC's clock minus ours, in seconds; null if LHC did not say. */
  readonly clockOffset: number | null;
}

/**
 * Whether callbacks go. `off`: the tenant has no address for them. `paused`: LHC has answered 410. `away`: LHC does not
 * answer, and all of them wait. `failing`: some are not taken, and are repeated.
 */
export const CALLBACK_STATES = ['off', 'ok', 'failing', 'away', 'paused'] as const;

/** As this process sees it. */
export interface CallbackState {
  readonly state: (typeof CALLBACK_STATES)[number];
  /** Of `failing` and `away`: since when, in ms since 1970; otherwise null. */
  readonly since: number | null;
  readonly reason: string | null;
}

/** What follows outside when a tenant is made or removed, as far as a request asks for it. Nothing here throws. */
export interface TenantEffects {
  /** Makes the groups, if ejabberd does so in time. Otherwise they are made later. */
  makeGroups(tenant: Tenant): Promise<GroupsState>;
  /** Asks ejabberd for the groups. */
  groups(tenant: Tenant): Promise<GroupsState>;
  /** null if this process does not work on a removal of that tenant. */
  removal(tenant: TenantId): RemovalState | null;
  /** Why callbacks could never go to this URL, which no file declares; null if they perhaps can. */
  callbackFault(url: string): string | null;
  /** Asks nobody outside. */
  callbacks(tenant: Tenant): Promise<CallbackState>;
  /** Sends a ping to the tenant's LHC. */
  testCallback(tenant: Tenant): Promise<CallbackTest>;
}
