/** What one tenant may ask, and that others do not notice. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createTenantDirectory } from '../../../src/actors/tenant/directory.ts';
import { TenantSettings } from '../../../src/actors/tenant/settings.ts';
import type { Access, Caller } from '../../../src/http/frame/auth.ts';
import {
  BURST_SECONDS,
  KEPT_SHARE,
  limited,
  QUERIES_AT_ONCE,
  type RequestKind,
} from '../../../src/http/frame/limits.ts';
import type { Problem } from '../../../src/http/frame/problem.ts';
import { ADMIN, fakeApp, KEYS, VISITOR } from '../fakes.ts';

const RATE = 8;
const BURST = RATE * BURST_SECONDS;
const KEPT = BURST * KEPT_SHARE;
const tenant = (id: 'acme' | 'beta', requestsPerSecond = RATE) =>
  TenantSettings.parse({ id, host: `${id}.test`, apiKey: KEYS[id], requestsPerSecond });

const access: Access<Caller> = {
  scheme: 'apiKey',
  authorize: () => ({ tenant: tenant('acme'), admin: false }),
};

function limits(requestsPerSecond = RATE) {
  let now = 0;
  const { admit } = limited(access, () => now);
  return {
    ask: (kind: RequestKind, id: 'acme' | 'beta' = 'acme', admin = false) =>
      admit?.({ tenant: tenant(id, requestsPerSecond), admin }, kind) ?? null,
    passes(ms: number) {
      now += ms;
    },
  };
}
const isAdmitted = (answer: Problem | (() => void) | null): boolean =>
  answer === null || typeof answer === 'function';

describe('requests a second', () => {
  test('may come in a burst, and the last quarter of it is for chats and messages', () => {
    const { ask, passes } = limits();
    const many = (kind: RequestKind) =>
      Array.from({ length: 2 * BURST }, () => isAdmitted(ask(kind))).filter(Boolean).length;
    expect(many('other')).toBe(BURST - KEPT);
    expect(many('query')).toBe(0);
    expect(many('urgent')).toBe(KEPT);
    expect(ask('urgent')).toMatchObject({ status: 429, code: 'too-many-requests', retryAfter: 1 });
    expect(isAdmitted(ask('other', 'beta'))).toBe(true);
    expect(isAdmitted(ask('other', 'acme', true))).toBe(true);
    passes(1_000);
    expect(many('urgent')).toBe(RATE);
  });

  test('come back after Retry-After', () => {
    const { ask, passes } = limits(1);
    while (isAdmitted(ask('urgent')));
    const refused = ask('other');
    if (refused === null || typeof refused === 'function') throw new Error('it is too much');
    passes((refused.retryAfter ?? 0) * 1_000);
    expect(isAdmitted(ask('other'))).toBe(true);
  });

  test('are never more than the rate and one burst, and a tenant that keeps to the rate is never refused', () => {
    const steps = fc.array(
      fc.record({
        ms: fc.nat(2_000),
        kind: fc.constantFrom<RequestKind[]>('urgent', 'query', 'other'),
        many: fc.nat(60),
      }),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 50 }), (all, rate) => {
        const { ask, passes } = limits(rate);
        let time = 0;
        let admitted = 0;
        for (const { ms, kind, many } of all) {
          passes(ms);
          time += ms;
          for (let n = 0; n < many; n++) {
            const answer = ask(kind);
            if (!isAdmitted(answer)) continue;
            admitted += 1;
            if (typeof answer === 'function') answer();
          }
          expect(admitted).toBeLessThanOrEqual(rate * BURST_SECONDS + (rate * time) / 1_000 + 1e-6);
          // Another tenant at its rate, whatever this one does.
          passes(1_000 / rate);
          time += 1_000 / rate;
          expect(isAdmitted(ask('other', 'beta'))).toBe(true);
        }
      }),
    );
  });
});

test('a refusal comes after the key and before everything else, and is a problem with Retry-After', async () => {
  const tenants = createTenantDirectory([tenant('acme', 1), tenant('beta', 1)]);
  const { ask, calls } = fakeApp({ tenants });
  const view = (key = KEYS.acme, raw = '{"page":"/"}') =>
    ask('POST', '/v1/acme/visitors/7/page-views', { raw, key });
  expect((await view()).status).toBe(202);
  const before = calls.commands.length;
  // Not even JSON: nothing of it was read.
  const { status, headers, json } = await view(KEYS.acme, '{');
  expect(status).toBe(429);
  expect(headers.get('content-type')).toBe('application/problem+json');
  expect(headers.get('retry-after')).toBe(String(json.retryAfter));
  expect(json).toMatchObject({
    type: '/docs#too-many-requests',
    status: 429,
    code: 'too-many-requests',
    detail: expect.stringContaining('1 requests a second'),
  });
  expect(calls.commands).toHaveLength(before);
  // A message goes first, and is the same message when it is sent again.
  const message = { id: 'm1', body: 'Hello' };
  const write = () => ask('POST', '/v1/acme/visitors/7/messages', { body: message });
  expect((await write()).status).toBe(202);
  expect((await write()).status).toBe(429);
  expect((await view('a-key-that-nobody-has')).status).toBe(401);
  expect((await view(ADMIN)).status).toBe(202);
  expect((await ask('GET', '/v1/beta/visitors', { key: KEYS.beta })).status).toBe(200);
});

test('so many queries of a tenant run at the same time; others are served meanwhile', async () => {
  const held: (() => void)[] = [];
  const app = fakeApp();
  const slow = fakeApp({
    readModels: {
      ...app.deps.readModels,
      visitors: {
        ...app.deps.readModels.visitors,
        list: async ({ tenant: of }) => {
          if (of === 'acme') await new Promise<void>((resolve) => held.push(resolve));
          return { items: [VISITOR], next: null };
        },
      },
    },
  });
  const list = (of: 'acme' | 'beta') => slow.ask('GET', `/v1/${of}/visitors`, { key: KEYS[of] });
  const running = Array.from({ length: QUERIES_AT_ONCE }, () => list('acme'));
  while (held.length < QUERIES_AT_ONCE) await new Promise(setImmediate);
  const refused = await list('acme');
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
  expect((await list('beta')).status).toBe(200);
  const view = { body: { page: '/' }, key: KEYS.acme };
  expect((await slow.ask('POST', '/v1/acme/visitors/7/page-views', view)).status).toBe(202);
  for (const resolve of held) resolve();
  expect((await Promise.all(running)).map(({ status }) => status)).toEqual(running.map(() => 200));
  const again = list('acme');
  while (held.length <= QUERIES_AT_ONCE) await new Promise(setImmediate);
  held.at(-1)?.();
  expect((await again).status).toBe(200);
});
