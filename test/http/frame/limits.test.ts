/** What one tenant may ask, and that others do not notice. */
import fc from 'fast-check';
import { pino } from 'pino';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { TenantId } from '../../../src/actors/ids.ts';
import { createTenantDirectory } from '../../../src/actors/tenant/directory.ts';
import type { Access, Caller } from '../../../src/http/frame/auth.ts';
import {
  BURST_SECONDS,
  KEPT_SHARE,
  limited,
  QUERIES_AT_ONCE,
  type RequestKind,
} from '../../../src/http/frame/limits.ts';
import {
  createOverBounds,
  OVER_BOUND_LOGGED_EVERY_MS,
} from '../../../src/http/frame/over-bounds.ts';
import type { Problem } from '../../../src/http/frame/problem.ts';
import { silent } from '../../support/rig.ts';
import { tenantWith } from '../../support/tenant.ts';
import { ADMIN, fakeApp, KEYS, VISITOR } from '../fakes.ts';

const RATE = 8;
const BURST = RATE * BURST_SECONDS;
const KEPT = BURST * KEPT_SHARE;
const tenant = (id: 'acme' | 'beta', requestsPerSecond = RATE) =>
  tenantWith({ id, host: `${id}.test`, apiKey: KEYS[id], requestsPerSecond });

const access: Access<Caller> = {
  scheme: 'apiKey',
  authorize: () => ({ tenant: tenant('acme'), admin: false }),
};

function limits(requestsPerSecond = RATE) {
  let now = 0;
  const { admit } = limited(access, createOverBounds(silent), () => now);
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

describe('a tenant over its bounds', () => {
  afterEach(() => void vi.useRealTimers());
  const bounds = (text: string) =>
    [...text.matchAll(/^xmpp_chat_over_bound_total(\{.*\}) ([1-9]\d*)$/gm)].map(
      ([, labels, count]) => `${labels} ${count}`,
    );

  test('is counted by bound in /metrics, and is named to the administrator alone', async () => {
    const nobody = async () => null;
    const never = async () => {
      throw new Error('a visitor who is turned away gets no command');
    };
    const { ask } = fakeApp({
      tenants: createTenantDirectory([tenant('acme', 1), tenant('beta', 1)]),
      actors: { visitor: () => ({ send: never, state: nobody, latest: nobody }) },
      crowd: { full: () => ({ setting: 'maxOnlineVisitors', retryAfterS: 1 }) },
    });
    const chat = async (chatId: string) => {
      const body = { chatId };
      return (await ask('POST', '/v1/acme/visitors/7/chats', { body, key: KEYS.acme })).status;
    };
    // Two have no place for the visitor; the third has no request any more.
    expect([await chat('1'), await chat('2'), await chat('3')]).toEqual([429, 429, 429]);
    expect((await ask('GET', '/v1/beta/visitors', { key: KEYS.beta })).status).toBe(200);
    const admin = await ask('GET', '/metrics', { key: ADMIN });
    expect(bounds(admin.text)).toEqual([
      '{tenant="acme",bound="requestsPerSecond"} 1',
      '{tenant="acme",bound="maxOnlineVisitors"} 2',
    ]);
    // Series that begin at 0, so that the first refusal is an increase.
    expect(admin.text).toContain('{tenant="beta",bound="queriesAtOnce"} 0');
    const anybody = await ask('GET', '/metrics', { key: null });
    expect(bounds(anybody.text)).toEqual([
      '{bound="requestsPerSecond"} 1',
      '{bound="maxOnlineVisitors"} 2',
    ]);
    expect(anybody.text).not.toMatch(/acme|beta/);
  });

  test('is in the log at once, then once a minute with the number of requests', () => {
    vi.useFakeTimers();
    const lines: unknown[] = [];
    const logger = pino(
      { base: null, timestamp: false },
      { write: (line) => lines.push(JSON.parse(line)) },
    );
    const over = createOverBounds(logger);
    const { id: acme } = tenant('acme');
    const { id: beta } = tenant('beta');
    const line = (of: string, bound: string, requests: number) => ({
      level: 40,
      tenant: of,
      bound,
      requests,
      msg: 'a tenant is over its bound (429)',
    });
    for (let n = 0; n < 1_000; n++) over.note(acme, 'requestsPerSecond');
    over.note(acme, 'queriesAtOnce');
    over.note(beta, 'requestsPerSecond');
    expect(lines.splice(0)).toEqual([
      line('acme', 'requestsPerSecond', 1),
      line('acme', 'queriesAtOnce', 1),
      line('beta', 'requestsPerSecond', 1),
    ]);
    vi.advanceTimersByTime(OVER_BOUND_LOGGED_EVERY_MS);
    expect(lines.splice(0)).toEqual([line('acme', 'requestsPerSecond', 999)]);
    vi.advanceTimersByTime(10 * OVER_BOUND_LOGGED_EVERY_MS);
    expect(lines).toEqual([]);
    over.note(acme, 'requestsPerSecond');
    expect(lines).toEqual([line('acme', 'requestsPerSecond', 1)]);
    expect(over.count(acme, 'requestsPerSecond')).toBe(1_001);
  });
});

test('a changed rate counts for the next request', async () => {
  let rate = 1;
  const directory = () => createTenantDirectory([tenant('acme', rate)]);
  const tenants = { ...directory(), get: (id: TenantId) => directory().get(id) };
  const { ask } = fakeApp({ tenants });
  const write = () => ask('POST', '/v1/acme/visitors/7/messages', { body: { body: 'Hello' } });
  for (const status of [202, 202, 429]) expect((await write()).status).toBe(status);
  rate = 100;
  expect((await write()).status).toBe(202);
});
