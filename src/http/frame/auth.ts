/**
 * Who may ask. A foreign key, an unknown tenant and an unknown key get the same answer: nobody learns which
 * tenants exist (docs/architecture.md, promise 7).
 */
import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { HonoRequest } from 'hono';
import type { TenantId } from '../../actors/ids.ts';
import { BEING_REMOVED } from '../../actors/tenant/configuration.ts';
import { type TenantDirectory, tenantsNotKnown } from '../../actors/tenant/directory.ts';
import { isKeyOf, type Tenant } from '../../actors/tenant/tenant.ts';
import { AppError } from '../../errors.ts';
import { bearerToken } from '../../kit/bearer.ts';
import type { RequestKind } from './limits.ts';
import type { Problem } from './problem.ts';

export interface Caller {
  readonly tenant: Tenant;
  /** True if the request has the admin token instead of the tenant's key. */
  readonly admin: boolean;
}

/** How an endpoint lets callers in. Runs before the frame reads anything else of the request. */
export interface Access<A> {
  /** The name of the security scheme in the OpenAPI document; null if everybody may ask. */
  readonly scheme: 'apiKey' | 'adminToken' | 'webhook' | 'webhookKey' | null;
  /** True if a request without a key is let in too. */
  readonly optional?: boolean;
  /** @throws {AppError} `unauthorized` */
  authorize(request: HonoRequest): A;
  /**
   * Bounds what a caller may ask now. Runs before the frame reads anything else of the request.
   * @returns a problem if it is too much; otherwise what to call when the request is done, or null
   */
  admit?(caller: A, kind: RequestKind): Problem | (() => void) | null;
}

/** @param reason for the caller: never whether a tenant or a key exists */
export const unauthorized = (reason: string): AppError => new AppError('unauthorized', reason);

/** Everybody may ask. */
export const everybody: Access<null> = { scheme: null, authorize: () => null };

const digest = (text: string): Buffer => hash('sha256', text, 'buffer');

/** What a tenant that does not exist is compared with, so that the answer takes as long. No text has this digest. */
const NOBODY = { keys: [{ digest: randomBytes(32).toString('base64url'), until: null }] };

/** Methods of requests that a tenant answers while it is being removed. */
const READS: ReadonlySet<string> = new Set(['GET', 'HEAD']);

/**
 * The same for an unknown key, another tenant's key, and a key without the right.
 * @param wanted what opens this place for everybody who has it
 */
const notAdmitted = (request: HonoRequest, wanted: 'a key' | 'the admin token'): AppError => {
  if (bearerToken(request.header('authorization') ?? '') === '') {
    return unauthorized(`send ${wanted} in the header "Authorization: Bearer …"`);
  }
  const what = wanted === 'a key' ? '' : `: it takes ${wanted} (ADMIN_TOKEN of the service)`;
  return unauthorized(`this key is not valid here${what}`);
};

export interface Auth {
  readonly tenant: Access<Caller>;
  readonly admin: Access<null>;
  readonly adminIfAny: Access<boolean>;
  isAdmin(request: HonoRequest): boolean;
}

/**
 * The ways in: a tenant's key (or the admin token, which serves every tenant), the admin token alone, and the admin token
 * or none (`adminIfAny`, which answers whether there is one).
 * Keys are compared as hashes, in constant time.
 */
export function createAuth(
  tenants: TenantDirectory,
  adminToken: string | undefined,
  now: () => number,
): Auth {
  // Compared with when there is no admin token. No text has this hash.
  const noHash = randomBytes(32);
  const adminHash = adminToken ? digest(adminToken) : noHash;
  const isAdmin = (request: HonoRequest): boolean =>
    timingSafeEqual(digest(bearerToken(request.header('authorization') ?? '')), adminHash);

  return {
    isAdmin,
    tenant: {
      scheme: 'apiKey',
      authorize: (request) => {
        // No directory has a name that is no tenant id, so the name needs no parsing first.
        const tenant = tenants.get(request.param('tenant') as TenantId);
        const key = bearerToken(request.header('authorization') ?? '');
        const isOwn = isKeyOf(tenant ?? NOBODY, key, now());
        const admin = timingSafeEqual(digest(key), adminHash);
        if (tenant && (isOwn || admin)) {
          if (tenant.removing && !READS.has(request.method))
            throw new AppError('refused', BEING_REMOVED);
          return { tenant, admin: !isOwn };
        }
        if (!tenants.isComplete()) throw tenantsNotKnown();
        if (admin) throw new AppError('not-found', 'there is no such tenant');
        throw notAdmitted(request, 'a key');
      },
    },
    admin: {
      scheme: 'adminToken',
      authorize: (request) => {
        if (!isAdmin(request)) throw notAdmitted(request, 'the admin token');
        return null;
      },
    },
    adminIfAny: {
      scheme: 'adminToken',
      optional: true,
      authorize: (request) => {
        if (request.header('authorization') === undefined) return false;
        if (!isAdmin(request)) throw notAdmitted(request, 'the admin token');
        return true;
      },
    },
  };
}
