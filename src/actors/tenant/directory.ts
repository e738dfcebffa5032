/** The tenants by id and by host, as this process knows them. */
import { AppError } from '../../errors.ts';
import { componentDomain, hostsAround, type TenantId } from '../ids.ts';
import type { Tenant } from './tenant.ts';

/**
 * Where a tenant stands that this process was asked for.
 * - `removing`: its removal has begun. Nothing may begin at it any more, and what there is comes to its end.
 * - `removed`: nothing of it has to be done any more.
 * - `pending`: this process does not know all tenants yet. Whoever needs to know has to wait.
 * - `unknown`: no such tenant was ever made, or only by a file of 0.1.0.
 */
export type TenantStanding = 'active' | 'removing' | 'removed' | 'pending' | 'unknown';

export interface TenantDirectory {
  /** A tenant that is active or being removed. Another object for each change of its settings. */
  get(id: TenantId): Tenant | undefined;
  /** The tenants of a host: one tenant without an instance, or any number of tenants with instances. */
  ofHost(host: string): readonly Tenant[];
  all(): readonly Tenant[];
  standing(id: TenantId): TenantStanding;
  /** False while a tenant may exist that this process does not know: answer nobody that there is none. */
  isComplete(): boolean;
}

/** What decides whose a JID is. */
interface Named {
  readonly id: string;
  readonly host: string;
  readonly instance?: string | undefined;
}

/** @returns why these two cannot be together, in words that follow the first one's name; null if they can */
export function clashOf(one: Named, other: Named): string | null {
  if (one.id === other.id) return 'another tenant has this id';
  if (componentDomain(one.host) === other.host) return nameOfComponent(other.host, one.host);
  if (one.host === componentDomain(other.host)) return nameOfComponent(one.host, other.host);
  if (one.host !== other.host) return null;
  if (one.instance === other.instance) return `tenant ${other.id} has the same host and instance`;
  if (one.instance !== undefined && other.instance !== undefined) return null;
  return `${one.host} has either one tenant without an instance, or tenants with instances (see ${other.id})`;
}

const nameOfComponent = (domain: string, host: string): string =>
  `${domain} is the domain of the visitors of host ${host}`;

/** Those that {@link clashOf} may find something wrong with. @param tenantsOf the tenants of a host */
export const mayClash = <T>(
  { host }: Pick<Named, 'host'>,
  tenantsOf: (host: string) => readonly T[],
): readonly T[] => hostsAround(host).flatMap((each) => tenantsOf(each));

/** The answer to whoever asks for a tenant that may exist. */
export const tenantsNotKnown = (): AppError =>
  new AppError('unavailable', NOT_KNOWN, { publicMessage: NOT_KNOWN });

const NOT_KNOWN = 'this process does not know all tenants yet; send the same again in a moment';

/** @throws {AppError} `unavailable` if this process does not know all tenants yet; `not-found` if there is no such tenant */
export function requireTenant(tenants: TenantDirectory, id: TenantId): Tenant {
  const tenant = tenants.get(id);
  if (tenant) return tenant;
  if (tenants.standing(id) === 'pending') throw tenantsNotKnown();
  throw new AppError('not-found', `tenant ${id} is not configured`);
}

const NONE: readonly never[] = [];

/** Tenants by id and by host, to be changed. */
export class TenantIndex<T extends Named> {
  readonly #byId = new Map<string, T>();
  readonly #byHost = new Map<string, readonly T[]>();
  #all: readonly T[] | null = null;

  get(id: string): T | undefined {
    return this.#byId.get(id);
  }

  ofHost(host: string): readonly T[] {
    return this.#byHost.get(host) ?? NONE;
  }

  all(): readonly T[] {
    this.#all ??= [...this.#byId.values()];
    return this.#all;
  }

  /** Takes the place of what has the same id. */
  set(tenant: T): void {
    const before = this.#byId.get(tenant.id);
    if (before && before.host !== tenant.host) this.delete(tenant.id);
    const ofHost = this.ofHost(tenant.host);
    const changed = ofHost.includes(before as T) // undefined is in no list
      ? ofHost.map((each) => (each === before ? tenant : each))
      : [...ofHost, tenant];
    this.#byId.set(tenant.id, tenant);
    this.#byHost.set(tenant.host, changed);
    this.#all = null;
  }

  delete(id: string): void {
    const before = this.#byId.get(id);
    if (!before) return;
    this.#byId.delete(id);
    const left = this.ofHost(before.host).filter((each) => each !== before);
    if (left.length > 0) this.#byHost.set(before.host, left);
    else this.#byHost.delete(before.host);
    this.#all = null;
  }
}

/**
 * A directory that never changes.
 * @throws {AppError} `invalid` if two tenants have the same id, or the same host and instance, or if a host has a tenant
 *   without an instance and another tenant. A JID of that host could belong to either of them
 */
export function createTenantDirectory(tenants: readonly Tenant[]): TenantDirectory {
  const index = new TenantIndex<Tenant>();
  for (const tenant of tenants) {
    const same = index.get(tenant.id);
    for (const other of same ? [same] : mayClash(tenant, index.ofHost.bind(index))) {
      const reason = clashOf(tenant, other);
      if (reason) {
        throw new AppError('invalid', `tenant ${tenant.id}: ${reason}`, { tenant: tenant.id });
      }
    }
    index.set(tenant);
  }
  return {
    get: (id) => index.get(id),
    ofHost: (host) => index.ofHost(host),
    all: () => index.all(),
    standing: (id) => (index.get(id) ? 'active' : 'unknown'),
    isComplete: () => true,
  };
}
