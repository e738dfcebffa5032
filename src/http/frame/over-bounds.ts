/** Requests of tenants over their bounds (docs/adr/0027): counted for /metrics, and told in the log without a flood. */
import type { Logger } from 'pino';
import type { TenantId } from '../../actors/ids.ts';

/** The bounds of a tenant that are answered with 429: three settings, what runs at the same time, and tests of callbacks. */
export const BOUNDS = [
  'requestsPerSecond',
  'queriesAtOnce',
  'liveConnections',
  'callbackTests',
  'newVisitorsPerMinute',
  'maxOnlineVisitors',
] as const;
export type Bound = (typeof BOUNDS)[number];

/** The log has one line at most in this time for each tenant and bound. */
export const OVER_BOUND_LOGGED_EVERY_MS = 60_000;

export interface OverBounds {
  /** A request of this tenant is answered with 429. */
  note(tenant: TenantId, bound: Bound): void;
  /** Requests that were answered with 429 since this process started. */
  count(tenant: TenantId, bound: Bound): number;
}

interface Refusals {
  /** Since the process started. */
  requests: number;
  /** Those of them that the log knows. */
  told: number;
  /** Runs until the log may have the next line. */
  timer: NodeJS.Timeout | undefined;
}

export function createOverBounds(logger: Logger): OverBounds {
  /** There are only as many as tenants and bounds. */
  const all = new Map<string, Refusals>();
  const nameOf = (tenant: TenantId, bound: Bound): string => `${tenant} ${bound}`;

  function tell(tenant: TenantId, bound: Bound, refusals: Refusals): void {
    const { requests, told } = refusals;
    refusals.timer = undefined;
    if (requests === told) return;
    logger.warn({ tenant, bound, requests: requests - told }, 'a tenant is over its bound (429)');
    refusals.told = requests;
    refusals.timer = setTimeout(
      () => tell(tenant, bound, refusals),
      OVER_BOUND_LOGGED_EVERY_MS,
    ).unref();
  }

  return {
    note(tenant, bound) {
      const name = nameOf(tenant, bound);
      const refusals = all.get(name) ?? { requests: 0, told: 0, timer: undefined };
      all.set(name, refusals);
      refusals.requests += 1;
      if (refusals.timer === undefined) tell(tenant, bound, refusals);
    },
    count: (tenant, bound) => all.get(nameOf(tenant, bound))?.requests ?? 0,
  };
}
