/** Tenants over HTTP, with the real parts behind it: actors, log and directory. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TenantId } from '../../../src/actors/ids.ts';
import { openRig, type Rig } from '../../support/rig.ts';
import { runningProcess, startProcess, stopProcesses } from '../../support/tenant-process.ts';
import { ADMIN, fakeApp, WEBHOOK_SECRET } from '../fakes.ts';

let rig: Rig;
let process: Awaited<ReturnType<typeof runningProcess>>;
let ask: ReturnType<typeof fakeApp>['ask'];

const appOf = ({ directory, tenants }: Awaited<ReturnType<typeof startProcess>>, now = rig.now) =>
  fakeApp({ tenants: directory, tenancy: tenants, now }).ask;

beforeAll(async () => {
  rig = await openRig();
  process = await runningProcess(rig, [
    { id: 'filed', host: 'filed.test', apiKey: 'key-of-filed-0123456789' },
  ]);
  ask = appOf(process);
});
afterAll(async () => {
  await stopProcesses();
  await rig.close();
});

const admin = (
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
) => ask(method, path, { key: ADMIN, body, headers });

describe('PUT /v1/tenants/{tenant}', () => {
  it('makes a tenant and shows its key once; the same again changes nothing', async () => {
    const wish = { host: 'acme.test', hardTimeout: 60, callbackUrl: 'https://u:p@lhc.test/x' };
    const made = await admin('PUT', '/v1/tenants/acme', wish);
    expect(made).toMatchObject({
      status: 202,
      json: { actor: 'tenant-acme', apiKey: expect.stringMatching(/^key_.{43}$/) },
    });
    const key = made.json.apiKey;
    expect((await ask('GET', '/v1/acme/visitors', { key })).status).toBe(200);
    const again = await admin('PUT', '/v1/tenants/acme', wish);
    expect(again.status).toBe(202);
    expect(again.json.apiKey).toBeUndefined();
    expect(again.json.revision).toBe(made.json.revision);
    expect((await ask('GET', '/v1/acme/visitors', { key })).status).toBe(200);
  });

  it('answers the key again to the same Idempotency-Key, for a caller who missed the answer', async () => {
    const put = (host: string) =>
      admin('PUT', '/v1/tenants/again', { host }, { 'Idempotency-Key': 'request-1' });
    const first = await put('again.test');
    const second = await put('again.test');
    expect(second.json).toEqual(first.json);
    expect(second.json.apiKey).toBeDefined();
    expect((await put('other.test')).status).toBe(422);
  });

  it.each<[string, object, string]>([
    ['a wrong number', { hardTimeout: '60' }, 'hardTimeout'],
    ['a wrong address', { callbackUrl: 'ftp://x' }, 'callbackUrl'],
    ['a short key', { apiKey: 'short' }, 'apiKey'],
    ['an unknown setting', { hardTimout: 60 }, 'hardTimout'],
    ['a key in a template', { instance: '*', apiKey: 'k'.repeat(16) }, 'apiKey'],
    ['a template without an address', { instance: '*', callbackUrl: '{instance}' }, 'callbackUrl'],
    ['a wrong instance', { instance: 'Shop' }, 'instance'],
  ])('refuses %s and names the field', async (_what, wish, field) => {
    const answer = await admin('PUT', '/v1/tenants/wrong', { host: 'wrong.test', ...wish });
    expect(answer).toMatchObject({ status: 400, json: { errors: [{ field }] } });
    expect((await admin('GET', '/v1/tenants/wrong')).status).toBe(404);
  });

  it.each([
    ['another tenant', { host: 'acme.test' }, /acme/],
    ['tenants with instances', { host: 'acme.test', instance: 'x' }, /either one tenant/],
  ])('refuses a name that clashes with that of %s', async (_what, wish, reason) => {
    const answer = await admin('PUT', '/v1/tenants/second', wish);
    expect(answer).toMatchObject({
      status: 409,
      json: {
        code: 'conflict',
        detail: expect.stringMatching(reason),
        errors: [{ field: 'host' }],
      },
    });
  });

  it('refuses the name of the API and names that are none', async () => {
    for (const name of ['tenants', 'Acme', 'chat']) {
      const answer = await admin('PUT', `/v1/tenants/${name}`, { host: 'x.test' });
      expect(answer).toMatchObject({ status: 400, json: { errors: [{ field: 'tenant' }] } });
    }
  });
});

describe('GET', () => {
  it('shows no secret', async () => {
    const secrets = {
      apiKey: 'cAnArY-key-0123456789',
      callbackUrl: 'https://lhc:cAnArY@lhc.test/x',
      callbackSecret: WEBHOOK_SECRET.replace(/.$/, 'A'),
      legacySecret: 'cAnArY of LHC',
    };
    await admin('PUT', '/v1/tenants/quiet', { host: 'quiet.test', ...secrets });
    const { json, text } = await admin('GET', '/v1/tenants/quiet');
    expect(text).not.toContain('cAnArY');
    expect(text).not.toContain(secrets.callbackSecret);
    expect(json).toMatchObject({
      id: 'quiet',
      host: 'quiet.test',
      instance: null,
      callbackUrl: 'https://lhc.test/x',
      hasCallbackSecret: true,
      hasLegacySecret: true,
      keys: [{ until: null }],
      state: 'active',
      source: 'http',
      readOnly: false,
      hardTimeout: 300,
    });
    expect(json).not.toHaveProperty('callbackSecret');
    expect(json).not.toHaveProperty('legacyDigest');
  });

  it('lists all in pages', async () => {
    const ids: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page = await admin('GET', `/v1/tenants?limit=2${cursor && `&cursor=${cursor}`}`);
      expect(page.status).toBe(200);
      ids.push(...page.json.items.map(({ id }: { id: string }) => id));
      cursor = page.json.next;
    }
    expect(ids).toEqual([...process.tenants.list().map(({ id }) => id)].sort());
    expect(ids).toContain('filed');
  });

  it.each(['GET', 'PUT', 'DELETE'])("%s is the administrator's alone", async (method) => {
    const key = 'key-of-filed-0123456789';
    const body = method === 'PUT' ? { host: 'x.test' } : undefined;
    expect((await ask(method, '/v1/tenants/filed', { key, body })).status).toBe(401);
  });
});

describe('a tenant of the file', () => {
  it('is read-only', async () => {
    expect((await admin('GET', '/v1/tenants/filed')).json).toMatchObject({
      readOnly: true,
      source: 'file',
    });
    for (const answer of [
      await admin('PUT', '/v1/tenants/filed', { host: 'filed.test' }),
      await admin('DELETE', '/v1/tenants/filed'),
      await admin('POST', '/v1/tenants/filed/keys', { overlap: 0 }),
    ]) {
      expect(answer).toMatchObject({
        status: 409,
        json: { detail: expect.stringContaining('TENANTS_FILE') },
      });
    }
  });
});

describe('POST /v1/tenants/{tenant}/keys', () => {
  it('gives a key, and the one of before ends when the caller said', async () => {
    const { apiKey: old } = (await admin('PUT', '/v1/tenants/turn', { host: 'turn.test' })).json;
    const rotated = await admin('POST', '/v1/tenants/turn/keys', { overlap: 60 });
    const statusOf = async (key: string) => (await ask('GET', '/v1/turn/visitors', { key })).status;
    expect(rotated.status).toBe(202);
    expect([await statusOf(old), await statusOf(rotated.json.apiKey)]).toEqual([200, 200]);
    const third = { apiKey: 'third-key-0123456789', overlap: 60 };
    expect((await admin('POST', '/v1/tenants/turn/keys', third)).status).toBe(409);
    rig.clock.passes(60_000);
    expect([await statusOf(old), await statusOf(rotated.json.apiKey)]).toEqual([401, 200]);
    const given = await admin('POST', '/v1/tenants/turn/keys', { ...third, overlap: 0 });
    expect(given.json.apiKey).toBeUndefined();
    expect([await statusOf(rotated.json.apiKey), await statusOf(third.apiKey)]).toEqual([401, 200]);
  });

  it('names a wrong field, and answers 404 for no tenant', async () => {
    const wrong = await admin('POST', '/v1/tenants/turn/keys', { overlap: -1 });
    expect(wrong).toMatchObject({ status: 400, json: { errors: [{ field: 'overlap' }] } });
    expect((await admin('POST', '/v1/tenants/none/keys', { overlap: 0 })).status).toBe(404);
  });
});

describe('DELETE /v1/tenants/{tenant}', () => {
  it('begins the removal: queries are answered, commands are refused with the reason', async () => {
    const { apiKey: key } = (await admin('PUT', '/v1/tenants/gone', { host: 'gone.test' })).json;
    expect((await admin('DELETE', '/v1/tenants/gone?purge=maybe')).status).toBe(400);
    expect((await admin('DELETE', '/v1/tenants/gone?purge=true')).status).toBe(202);
    expect((await admin('GET', '/v1/tenants/gone')).json).toMatchObject({ state: 'removing' });
    expect((await ask('GET', '/v1/gone/visitors', { key })).status).toBe(200);
    const viewed = await ask('POST', '/v1/gone/visitors/1/page-views', {
      key,
      body: { page: 'https://gone.test/' },
    });
    const refused = {
      status: 409,
      json: { code: 'refused', detail: 'this tenant is being removed' },
    };
    expect(viewed).toMatchObject(refused);
    expect(await admin('PUT', '/v1/tenants/gone', { host: 'gone.test' })).toMatchObject(refused);
    await rig.actors.tenant(TenantId.parse('gone')).send({ type: 'ReportTenantRemoved' });
    await process.catchUp();
    expect((await admin('GET', '/v1/tenants/gone')).status).toBe(404);
    expect((await ask('GET', '/v1/gone/visitors', { key })).status).toBe(401);
    expect((await admin('DELETE', '/v1/tenants/none')).status).toBe(404);
  });
});

it('says whether the groups are made, which address can never be reached, and what LHC answers', async () => {
  const put = (callbackUrl: string) =>
    admin('PUT', '/v1/tenants/effects', { host: 'effects.test', callbackUrl });
  expect(await put('http://10.0.0.1/callback')).toMatchObject({
    status: 400,
    json: { errors: [{ field: 'callbackUrl', reason: 'is not on the public Internet' }] },
  });
  expect((await admin('GET', '/v1/tenants/effects')).status).toBe(404);
  expect((await put('https://lhc.test/callback')).json.groups).toEqual({ state: 'ready' });
  const shown = (await admin('GET', '/v1/tenants/effects')).json;
  expect(shown).toMatchObject({ groups: { state: 'ready' }, removal: null });
  expect(await admin('POST', '/v1/tenants/effects/callback-test')).toMatchObject({
    status: 200,
    json: { status: 'ok', httpStatus: 200, clockOffset: 0 },
  });
  expect((await admin('POST', '/v1/tenants/none/callback-test')).status).toBe(404);
  const template = { host: 'any.test', instance: '*', callbackUrl: 'https://{instance}.test/' };
  expect((await admin('PUT', '/v1/tenants/any', template)).json.groups).toBeUndefined();
  expect((await admin('GET', '/v1/tenants/any')).json.groups).toBeNull();
});

it('while the tenants are not known, nobody hears that there is none', async () => {
  const starting = await startProcess(rig);
  const early = appOf(starting);
  for (const [path, key] of [
    ['/v1/acme/visitors', 'any-key-0123456789'],
    ['/v1/acme/visitors', ADMIN],
    ['/v1/tenants/acme', ADMIN],
    ['/v1/tenants', ADMIN],
  ] as const) {
    const answer = await early('GET', path, { key });
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('1');
  }
  await starting.catchUp();
  expect((await early('GET', '/v1/tenants/acme', { key: ADMIN })).status).toBe(200);
  expect((await early('GET', '/v1/acme/visitors', { key: 'any-key-0123456789' })).status).toBe(401);
});
