/** What a tenant's key shows of the tenant itself, and the test of its callbacks. */
import { expect, test, vi } from 'vitest';
import { createTenantDirectory } from '../../../src/actors/tenant/directory.ts';
import { CALLBACK_TESTS } from '../../../src/http/v1/tenant-own.ts';
import { tenantWith } from '../../support/tenant.ts';
import { ADMIN, fakeApp, KEYS } from '../fakes.ts';

const SECRET = `whsec_${Buffer.from('a secret that nobody sees').toString('base64')}`;
const tenants = createTenantDirectory([
  tenantWith({
    id: 'acme',
    host: 'xmpp.test',
    apiKey: KEYS.acme,
    callbackUrl: 'https://user:password@lhc.test:8443/path-with-a-token?key=of-it',
    callbackSecret: SECRET,
    legacySecret: 'legacy-secret',
    lhcCommands: ['block'],
    routing: { departments: { sales: {} } },
  }),
  tenantWith({ id: 'beta', host: 'beta.test', apiKey: KEYS.beta }),
]);

test('a tenant sees clock, version and settings, and no secret', async () => {
  const { ask, deps } = fakeApp({ tenants });
  const { status, json, text, headers } = await ask('GET', '/v1/acme');
  expect(status).toBe(200);
  expect(json).toEqual({
    id: 'acme',
    host: 'xmpp.test',
    instance: null,
    version: deps.version,
    time: deps.now(),
    state: 'active',
    readOnly: true,
    callbacks: {
      host: 'lhc.test:8443',
      flavour: 'native',
      signed: true,
      state: 'away',
      since: deps.now(),
      reason: 'answered 503',
    },
    routing: { by: 'service', departments: ['sales'] },
    lhcCommands: ['block'],
  });
  expect(text).not.toMatch(/user|password|path-with|of-it|whsec|legacy|key-of/);
  // The time is another one each time.
  expect(headers.get('etag')).toBeNull();
});

test('a tenant without callbacks sees that', async () => {
  const callbacks = async () => ({ state: 'off', since: null, reason: null }) as const;
  const { tenantEffects } = fakeApp().deps;
  const app = fakeApp({ tenants, tenantEffects: { ...tenantEffects, callbacks } });
  const { json } = await app.ask('GET', '/v1/beta', { key: KEYS.beta });
  expect(json.callbacks).toMatchObject({ host: null, signed: false, state: 'off' });
  expect(json.lhcCommands).toContain('block');
});

test('a test of callbacks says what came, a few times in a row; others have their own', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  try {
    const { ask } = fakeApp({ tenants });
    const tested = (key: string, tenant = 'acme') =>
      ask('POST', `/v1/${tenant}/callback-test`, { key });
    for (let n = 0; n < CALLBACK_TESTS.burst; n += 1) {
      const { status, json } = await tested(KEYS.acme);
      expect([status, json.message]).toEqual([200, 'LHC takes callbacks, in 1 ms']);
    }
    const { status, headers, json } = await tested(KEYS.acme);
    expect([status, headers.get('retry-after')]).toEqual([429, '10']);
    expect(json.detail).toContain('one every 10 s');
    expect((await tested(KEYS.beta, 'beta')).status).toBe(200);
    expect((await tested(ADMIN)).status).toBe(200);
    vi.advanceTimersByTime(10_000);
    expect((await tested(KEYS.acme)).status).toBe(200);
    expect((await tested(KEYS.acme)).status).toBe(429);
    const metrics = await ask('GET', '/metrics', { key: ADMIN });
    expect(metrics.text).toContain('{tenant="acme",bound="callbackTests"} 2');
  } finally {
    vi.useRealTimers();
  }
});
