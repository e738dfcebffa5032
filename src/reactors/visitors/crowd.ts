/**
 * Bounds the visitors of each tenant: how many are online, and how many come a minute. A visitor who comes costs facts, an
 * account and a login in ejabberd, which all tenants share.
 *
 * It counts the facts of all processes. So it sees a visitor a moment after they came, and a tenant can pass a bound by
 * what comes in that moment.
 */
import { actorOf } from '../../actors/ids.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { Lru } from '../../kit/lru.ts';
import { TokenBucket } from '../../kit/token-bucket.ts';
import type { CommitListener } from '../../runtime/pending-work.ts';
import type { Crowd } from '../../runtime/ports.ts';
import type { DesiredVisitors } from './desired.ts';

/** The visitors who are online are counted at most once in this time: 1 to 2 ms for 50,000. */
export const COUNT_INTERVAL_MS = 1_000;
/**
 * The part of both bounds that is left to visitors who come with a chat, when page views may bring nobody any more: a
 * quarter of the visitors a minute, and a quarter beyond the bound of those online.
 */
export const CHATS_SHARE = 1 / 4;
const MINUTE_MS = 60_000;
/** Tenants whose arrivals are remembered. */
export const TENANTS_REMEMBERED = 10_000;
/** When a place may be free: visitors time out all the time. */
const ONLINE_RETRY_AFTER_S = 10;

interface Arrivals {
  readonly newVisitorsPerMinute: number;
  readonly bucket: TokenBucket;
  online: number;
  countedAt: number;
}

/** @param now ms since 1970, to leave out arrivals of the past @param monotonic default `performance.now` */
export function createCrowd(options: {
  desired: Pick<DesiredVisitors, 'online'>;
  tenants: TenantDirectory;
  now: () => number;
  monotonic?: () => number;
}): Crowd & CommitListener {
  const { desired, tenants, now, monotonic = () => performance.now() } = options;
  const all = new Lru<Arrivals>(TENANTS_REMEMBERED);

  function arrivalsOf({ id, newVisitorsPerMinute }: Tenant): Arrivals {
    const known = all.get(id);
    if (known?.newVisitorsPerMinute === newVisitorsPerMinute) return known;
    const rate = { burst: newVisitorsPerMinute, perSecond: newVisitorsPerMinute / 60 };
    const bucket = new TokenBucket(rate);
    const arrivals = { newVisitorsPerMinute, bucket, online: 0, countedAt: -Infinity };
    all.set(id, arrivals);
    return arrivals;
  }

  return {
    full(tenant, withChat) {
      const arrivals = arrivalsOf(tenant);
      const { newVisitorsPerMinute, maxOnlineVisitors } = tenant;
      const at = monotonic();
      // One visitor is let in, however few may come.
      const share = Math.min(newVisitorsPerMinute - 1, newVisitorsPerMinute * CHATS_SHARE);
      const waitMs = arrivals.bucket.waitMs(at, withChat ? 0 : share);
      if (waitMs > 0) {
        return { setting: 'newVisitorsPerMinute', retryAfterS: Math.ceil(waitMs / 1_000) };
      }
      if (at - arrivals.countedAt >= COUNT_INTERVAL_MS) {
        arrivals.online = desired.online(tenant.id);
        arrivals.countedAt = at;
      }
      const most = maxOnlineVisitors * (withChat ? 1 + CHATS_SHARE : 1);
      if (arrivals.online < most) return null;
      return { setting: 'maxOnlineVisitors', retryAfterS: ONLINE_RETRY_AFTER_S };
    },
    onCommit(events) {
      for (const { stream, type, metadata } of events) {
        if (type !== 'VisitorArrived' || Math.abs(now() - metadata.at) > MINUTE_MS) continue;
        const actor = actorOf(stream);
        const tenant = actor && tenants.get(actor.tenant);
        if (tenant) arrivalsOf(tenant).bucket.spend(monotonic());
      }
    },
  };
}
