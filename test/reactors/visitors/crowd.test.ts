/** How many visitors of a tenant may come, and be online. */
import { describe, expect, it } from 'vitest';
import { TenantId } from '../../../src/actors/ids.ts';
import { createTenantDirectory } from '../../../src/actors/tenant/directory.ts';
import type { RecordedEvent } from '../../../src/eventstore/port.ts';
import {
  CHATS_SHARE,
  COUNT_INTERVAL_MS,
  createCrowd,
} from '../../../src/reactors/visitors/crowd.ts';
import { tenantWith } from '../../support/tenant.ts';

const settings = (id: string, more: object) =>
  tenantWith({ id, host: `${id}.test`, apiKey: `key-of-${id}-0123456789`, ...more });

function crowdOf(more: object) {
  const acme = settings('acme', more);
  const beta = settings('beta', more);
  let now = 1_000_000;
  let online = 0;
  let counts = 0;
  const crowd = createCrowd({
    tenants: createTenantDirectory([acme, beta]),
    desired: {
      online(tenant) {
        counts += 1;
        return tenant === acme.id ? online : 0;
      },
    },
    now: () => now,
    monotonic: () => now,
  });
  return {
    acme,
    beta,
    crowd,
    counts: () => counts,
    passes(ms: number) {
      now += ms;
    },
    online(many: number) {
      online = many;
    },
    /** So many visitors have come. */
    come(many: number, { at = now, type = 'VisitorArrived' } = {}) {
      const event = { stream: 'visitor-acme.v1', type, metadata: { at } };
      // The crowd reads no more of an event.
      crowd.onCommit(Array.from({ length: many }, () => event as unknown as RecordedEvent));
    },
  };
}

describe('new visitors a minute', () => {
  it('are bounded, for page views earlier than for chats, and for each tenant alone', () => {
    const { acme, beta, crowd, come, passes } = crowdOf({ newVisitorsPerMinute: 60 });
    come(60 * (1 - CHATS_SHARE) - 1);
    expect(crowd.full(acme, false)).toBeNull();
    come(1);
    expect(crowd.full(acme, false)).toEqual({ setting: 'newVisitorsPerMinute', retryAfterS: 1 });
    expect(crowd.full(acme, true)).toBeNull();
    come(60 * CHATS_SHARE);
    expect(crowd.full(acme, true)).toEqual({ setting: 'newVisitorsPerMinute', retryAfterS: 1 });
    expect(crowd.full(acme, false)?.retryAfterS).toBe(60 * CHATS_SHARE + 1);
    expect(crowd.full(beta, false)).toBeNull();
    passes(1_000);
    expect(crowd.full(acme, true)).toBeNull();
    passes((60 * CHATS_SHARE + 1) * 1_000);
    expect(crowd.full(acme, false)).toBeNull();
  });

  it('do not count what is long past, or no arrival', () => {
    const { acme, crowd, come } = crowdOf({ newVisitorsPerMinute: 2 });
    come(100, { at: 0 });
    come(100, { type: 'PageViewed' });
    expect(crowd.full(acme, false)).toBeNull();
  });

  it('let one in, however few may come', () => {
    const { acme, crowd, come } = crowdOf({ newVisitorsPerMinute: 1 });
    expect(crowd.full(acme, false)).toBeNull();
    come(1);
    expect(crowd.full(acme, true)).toEqual({ setting: 'newVisitorsPerMinute', retryAfterS: 60 });
  });
});

it('visitors who are online are bounded; they are counted once a second', () => {
  const { acme, beta, crowd, counts, online, passes } = crowdOf({ maxOnlineVisitors: 100 });
  online(99);
  expect(crowd.full(acme, false)).toBeNull();
  online(100);
  expect(crowd.full(acme, false)).toBeNull();
  expect(counts()).toBe(1);
  passes(COUNT_INTERVAL_MS);
  expect(crowd.full(acme, false)).toEqual({ setting: 'maxOnlineVisitors', retryAfterS: 10 });
  expect(crowd.full(acme, true)).toBeNull();
  expect(crowd.full(beta, false)).toBeNull();
  online(100 * (1 + CHATS_SHARE));
  passes(COUNT_INTERVAL_MS);
  expect(crowd.full(acme, true)?.setting).toBe('maxOnlineVisitors');
});

it('the defaults are generous', () => {
  const { acme } = crowdOf({});
  expect(acme.id).toBe(TenantId.parse('acme'));
  expect(acme).toMatchObject({
    maxOnlineVisitors: 50_000,
    newVisitorsPerMinute: 6_000,
    requestsPerSecond: 1_000,
  });
});

it('a changed bound counts for the next visitor', () => {
  const { acme, crowd, come } = crowdOf({ newVisitorsPerMinute: 4 });
  come(4);
  expect(crowd.full(acme, true)).not.toBeNull();
  expect(crowd.full({ ...acme, newVisitorsPerMinute: 60 }, true)).toBeNull();
});
