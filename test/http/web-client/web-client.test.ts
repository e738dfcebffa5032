/** How the web client is served, with a build of its own. What it does in a browser is tested in test/web-client/. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TenantId } from '../../../src/actors/ids.ts';
import {
  createTenantDirectory,
  type TenantDirectory,
} from '../../../src/actors/tenant/directory.ts';
import { tenantWith } from '../../support/tenant.ts';
import { fakeApp } from '../fakes.ts';

const ID = '0123456789abcdef';
const SCRIPT = 'console.log(1);'.repeat(50);
const websocket = 'wss://chat.example.org/ws';

const tenant = (id: string, wishes: Readonly<Record<string, unknown>>) =>
  tenantWith({ id, host: `${id}.test`, apiKey: `key-of-${id}-0123456789`, ...wishes });
const TENANTS = createTenantDirectory([
  tenant('acme', { webClient: { enabled: true } }),
  tenant('shop', {
    host: 'hosting.test',
    instance: 'shop1',
    webClient: {
      enabled: true,
      websocket,
      uploads: 'https://files.example.org:5443',
      title: '</script><b>A "shop" & Söhne',
      language: 'pt_BR',
      framedBy: ['https://lhc.example.org', 'https://lhc.example.com:8443'],
    },
  }),
  tenant('off', { webClient: { enabled: false, websocket } }),
  tenant('without', {}),
  { ...tenant('leaving', { webClient: { enabled: true } }), removing: true },
]);

let folder: string;
let app: ReturnType<typeof fakeApp>['app'];
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'web-client-'));
  const write = (path: string, text: string) => {
    const file = join(folder, path);
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, text);
  };
  const files = ['main.js', 'sounds/new.ogg', 'converse-license.txt', 'notes.html', 'gone.js'];
  write('dist/build.json', JSON.stringify({ id: ID, files }));
  write('dist/main.js', SCRIPT);
  write('dist/sounds/new.ogg', 'OggS');
  write('dist/converse-license.txt', 'MPL');
  write('dist/notes.html', 'of a type that is not served');
  write('dist/not-listed.js', 'x');
  write('secret.js', 'secret');
  app = fakeApp({ tenants: TENANTS, webClientFolder: join(folder, 'dist') }).app;
});
afterAll(() => rmSync(folder, { recursive: true }));

const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
  app.request(path, { method, headers });

/** The settings that the page gives to its program. */
const settingsIn = (html: string) =>
  JSON.parse(
    /<script type="application\/json" id="settings">(.*?)<\/script>/.exec(html)?.[1] ?? '',
  );

describe('the page', () => {
  test('has the settings of its tenant, and no other', async () => {
    const response = await get('/operator/shop');
    const html = await response.text();
    expect(response.status).toBe(200);
    expect(settingsIn(html)).toEqual({
      title: '</script><b>A "shop" & Söhne',
      host: 'hosting.test',
      suffix: '.shop1',
      websocket,
      language: 'pt_BR',
      assets: `/operator/-/${ID}`,
    });
    expect(html).toContain('<title>&lt;/script>&lt;b>A &quot;shop&quot; &amp; Söhne</title>');
    expect(html).toContain('<html lang="pt-BR"');
    expect(html).not.toMatch(/acme|key-of/);
    const plain = settingsIn(await (await get('/operator/acme')).text());
    expect(plain).toMatchObject({
      title: 'acme.test',
      suffix: '',
      websocket: null,
      language: null,
    });
  });

  test('has a strict policy, and what else keeps others out', async () => {
    const { headers } = await get('/operator/acme');
    expect(Object.fromEntries(headers)).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-cache',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
    });
    expect(headers.get('permissions-policy')).toMatch(/camera=\(\), geolocation=\(\)/);
    const policy = headers.get('content-security-policy') ?? '';
    expect(policy).toMatch(/^default-src 'none'; script-src 'self'; /);
    expect(policy).toContain("; connect-src 'self'; ");
    expect(policy).toContain("; frame-ancestors 'none'; ");
    expect(policy).toContain("; require-trusted-types-for 'script'; ");
    // Style attributes alone.
    expect(policy.match(/[\w-]+ [^;]*unsafe[^;]*/g)).toEqual(["style-src-attr 'unsafe-inline'"]);
    expect(policy).not.toMatch(/https?:|wss?:|\*/);
  });

  test('lets in what the settings name, and nothing else', async () => {
    const { headers } = await get('/operator/shop');
    const policy = headers.get('content-security-policy') ?? '';
    expect(policy).toContain(
      "; connect-src 'self' wss://chat.example.org https://files.example.org:5443; ",
    );
    expect(policy).toContain(
      '; frame-ancestors https://lhc.example.org https://lhc.example.com:8443; ',
    );
    expect(policy).toContain("; img-src 'self' data:; ");
  });

  test('is not there without the setting, as if there was no such tenant', async () => {
    const unknown = await get('/operator/nobody', { 'x-request-id': 'r1' });
    const answer = { status: unknown.status, body: await unknown.text() };
    expect(answer.status).toBe(404);
    for (const path of [
      'off',
      'without',
      'leaving',
      'Acme',
      'a%2Fb',
      '-',
      'acme.test',
      '__proto__',
    ]) {
      const response = await get(`/operator/${path}`, { 'x-request-id': 'r1' });
      expect([path, response.status, await response.text()]).toEqual([path, 404, answer.body]);
      expect([...response.headers]).toEqual([...unknown.headers]);
    }
  });

  test('is asked for again while not all tenants are known', async () => {
    const young: TenantDirectory = {
      ...TENANTS,
      standing: (id: TenantId) => (id === 'late' ? 'pending' : TENANTS.standing(id)),
    };
    const { app: starting } = fakeApp({ tenants: young, webClientFolder: join(folder, 'dist') });
    expect((await starting.request('/operator/late')).status).toBe(503);
  });

  test('is not sent again while it is the same', async () => {
    const etag = (await get('/operator/acme')).headers.get('etag') ?? '';
    const again = await get('/operator/acme', { 'if-none-match': etag });
    expect([again.status, await again.text()]).toEqual([304, '']);
    expect((await get('/operator/shop', { 'if-none-match': etag })).status).toBe(200);
  });

  test('answers HEAD without a body, and 405 to what is no reading', async () => {
    const head = await get('/operator/acme', {}, 'HEAD');
    expect([head.status, await head.text()]).toEqual([200, '']);
    const post = await get('/operator/acme', {}, 'POST');
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET']);
  });

  test('says how to build it when it is not built', async () => {
    const { app: unbuilt } = fakeApp({ tenants: TENANTS, webClientFolder: join(folder, 'none') });
    const response = await unbuilt.request('/operator/acme');
    expect(response.status).toBe(503);
    expect(await response.text()).toContain('npm run build:web-client');
    expect((await unbuilt.request(`/operator/-/${ID}/main.js`)).status).toBe(404);
  });
});

describe('what it is made of', () => {
  test.each([
    ['main.js', 'text/javascript; charset=utf-8'],
    ['sounds/new.ogg', 'audio/ogg'],
    ['converse-license.txt', 'text/plain; charset=utf-8'],
  ])('%s is kept for ever', async (path, type) => {
    const response = await get(`/operator/-/${ID}/${path}`);
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': type,
      'cache-control': 'public, max-age=31536000, immutable',
      'x-content-type-options': 'nosniff',
    });
  });

  test('comes compressed where that makes it smaller', async () => {
    const zipped = { 'accept-encoding': 'br, gzip' };
    const script = await get(`/operator/-/${ID}/main.js`, zipped);
    expect(script.headers.get('content-encoding')).toBe('gzip');
    expect(gunzipSync(await script.arrayBuffer()).toString()).toBe(SCRIPT);
    const sound = await get(`/operator/-/${ID}/sounds/new.ogg`, zipped);
    expect([sound.headers.get('content-encoding'), await sound.text()]).toEqual([null, 'OggS']);
  });

  test.each([
    `/operator/-/${ID}/../secret.js`,
    `/operator/-/${ID}/..%2Fsecret.js`,
    `/operator/-/${ID}/%2e%2e/secret.js`,
    `/operator/-/${ID}/..%5Csecret.js`,
    `/operator/-/${ID}//main.js`,
    `/operator/-/${ID}/./main.js%00`,
    `/operator/-/${ID}/not-listed.js`,
    `/operator/-/${ID}/notes.html`,
    `/operator/-/${ID}/gone.js`,
    `/operator/-/${ID}/build.json`,
    `/operator/-/${ID}/`,
    `/operator/-/${ID}`,
    '/operator/-/fedcba9876543210/main.js',
    '/operator/-/main.js',
    '/operator/-/../build.json',
  ])('%s is not there', async (path) => {
    const response = await get(path);
    expect([response.status, response.headers.get('content-type')]).toEqual([
      404,
      'application/problem+json',
    ]);
  });
});
