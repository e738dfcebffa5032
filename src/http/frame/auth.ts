/** Who may ask. A foreign key, an unknown tenant and an unknown key get one and the same answer (docs/architecture.md, promise 7). */
import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { HonoRequest } from 'hono';
import type { TenantId } from '../../actors/ids.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import type { TenantSettings } from '../../actors/tenant/machine.ts';
import { AppError } from '../../errors.ts';

export interface Caller {
  readonly tenant: TenantSettings;
  /** It came with the admin token. */
  readonly admin: boolean;
}

/** How an endpoint lets callers in; runs before anything of the request is looked at. */
export interface Access<A> {
  /** The name of its security scheme in the OpenAPI document; null when anybody may. */
  readonly scheme: 'apiKey' | 'adminToken' | 'webhook' | null;
  /** @throws {AppError} `unauthorized` */
  authorize(request: HonoRequest): A;
}

export const unauthorized = (): AppError => new AppError('unauthorized', 'not authorized');

/** Anybody may ask. */
export const open: Access<null> = { scheme: null, authorize: () => null };

const digest = (text: string): Buffer => hash('sha256', text, 'buffer');

const SCHEME = 'bearer ';

/** RFC 6750 §2.1; the scheme's name is not case-sensitive. */
function bearer(header: string): string {
  const named = header.slice(0, SCHEME.length).toLowerCase() === SCHEME;
  return named ? header.slice(SCHEME.length).trim() : '';
}

/**
 * The two ways in: a tenant's key (or the admin token, which serves every tenant), and the admin token alone.
 * Keys are compared as hashes, in constant time.
 */
export function createAuth(
  tenants: TenantDirectory,
  adminToken: string | undefined,
): { tenant: Access<Caller>; admin: Access<null>; isAdmin(request: HonoRequest): boolean } {
  // Stands for what there is not, so that an unknown tenant costs the same comparison; no text has this hash.
  const nobody = randomBytes(32);
  const adminHash = adminToken ? digest(adminToken) : nobody;
  const hashes = new WeakMap<TenantSettings, Buffer>();
  const hashOf = (tenant: TenantSettings | undefined): Buffer => {
    if (!tenant) return nobody;
    const known = hashes.get(tenant);
    if (known) return known;
    const made = digest(tenant.apiKey);
    hashes.set(tenant, made);
    return made;
  };
  const isAdmin = (request: HonoRequest): boolean =>
    timingSafeEqual(digest(bearer(request.header('authorization') ?? '')), adminHash);

  return {
    isAdmin,
    tenant: {
      scheme: 'apiKey',
      authorize: (request) => {
        // A name that is no tenant id is in no directory: looking it up needs no parsing, and says nothing.
        const tenant = tenants.get(request.param('tenant') as TenantId);
        const presented = digest(bearer(request.header('authorization') ?? ''));
        const own = timingSafeEqual(presented, hashOf(tenant));
        if (tenant && own) return { tenant, admin: false };
        const admin = timingSafeEqual(presented, adminHash);
        if (tenant && admin) return { tenant, admin };
        if (admin) throw new AppError('not-found', 'there is no such tenant');
        throw unauthorized();
      },
    },
    admin: {
      scheme: 'adminToken',
      authorize: (request) => {
        if (!isAdmin(request)) throw unauthorized();
        return null;
      },
    },
  };
}
