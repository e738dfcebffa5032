/**
 * What one tenant may ask of this process: requests a second, and queries at the same time. A refusal is 429, before
 * anything of the request but its key is read. The admin token is not limited.
 */
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { Lru } from '../../kit/lru.ts';
import { TokenBucket } from '../../kit/token-bucket.ts';
import type { Access, Caller } from './auth.ts';
import type { OverBounds } from './over-bounds.ts';
import { type Problem, tooMany } from './problem.ts';

/** Requests that a tenant which was quiet may send at once, in seconds of its rate. */
export const BURST_SECONDS = 2;
/** The part of the burst that is kept for chats and messages, so that page views and queries cannot use all of it. */
export const KEPT_SHARE = 1 / 4;
/** Queries of one tenant that run at the same time in this process. They share one thread with all other tenants. */
export const QUERIES_AT_ONCE = 32;
/** Tenants whose usage is remembered. */
export const TENANTS_REMEMBERED = 10_000;
/** A query lasts less than this, so one of the tenant's places is free soon. */
const QUERY_RETRY_AFTER_S = 1;

/**
 * What a request is: `urgent`, a chat or a message, which goes first; a `query`; or any `other`, such as a page view,
 * which comes again.
 */
export type RequestKind = 'urgent' | 'query' | 'other';

interface Usage {
  readonly requestsPerSecond: number;
  readonly requests: TokenBucket;
  /** Tokens that are kept for urgent requests. */
  readonly kept: number;
  /** It stays the same when the settings change: each query ends where it began. */
  readonly queries: { running: number };
}

/** @param overBounds learns of each refusal @param monotonicMs a clock that never jumps. Default `performance.now` */
export function limited(
  access: Access<Caller>,
  overBounds: OverBounds,
  monotonicMs: () => number = () => performance.now(),
): Access<Caller> {
  const usages = new Lru<Usage>(TENANTS_REMEMBERED);

  function usageOf({ id, requestsPerSecond }: Tenant): Usage {
    const known = usages.get(id);
    if (known?.requestsPerSecond === requestsPerSecond) return known;
    const burst = requestsPerSecond * BURST_SECONDS;
    const requests = new TokenBucket({ burst, perSecond: requestsPerSecond });
    const kept = burst * KEPT_SHARE;
    const usage = { requestsPerSecond, requests, kept, queries: known?.queries ?? { running: 0 } };
    usages.set(id, usage);
    return usage;
  }

  return {
    ...access,
    admit({ tenant, admin }, kind) {
      if (admin) return null;
      const usage = usageOf(tenant);
      const kept = kind === 'urgent' ? 0 : usage.kept;
      const at = monotonicMs();
      const { requests } = usage;
      if (!requests.take(at, kept)) {
        overBounds.note(tenant.id, 'requestsPerSecond');
        return tooManyRequests(tenant, requests.waitMs(at, kept));
      }
      if (kind !== 'query') return null;
      if (usage.queries.running >= QUERIES_AT_ONCE) {
        overBounds.note(tenant.id, 'queriesAtOnce');
        return tooMany(
          `this tenant has ${QUERIES_AT_ONCE} queries running, the most`,
          QUERY_RETRY_AFTER_S,
        );
      }
      usage.queries.running += 1;
      return () => {
        usage.queries.running -= 1;
      };
    },
  };
}

const tooManyRequests = ({ requestsPerSecond }: Tenant, waitMs: number): Problem =>
  tooMany(
    `this tenant may send ${requestsPerSecond} requests a second; chats and messages go first`,
    Math.ceil(waitMs / 1_000),
  );
