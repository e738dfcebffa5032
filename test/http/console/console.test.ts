/** How the console is served, with a build of its own. What it shows is tested in test/console/. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CONSOLE_CSP } from '../../../src/http/console/console.ts';
import { fakeApp } from '../fakes.ts';

const PAGE = '<!doctype html><script type="module" src="/console/assets/index-AbC_-9.js"></script>';
const SCRIPT = 'console.log(1);'.repeat(50);

let folder: string;
let app: ReturnType<typeof fakeApp>['app'];
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'console-'));
  mkdirSync(join(folder, 'dist/assets'), { recursive: true });
  writeFileSync(join(folder, 'dist/index.html'), PAGE);
  writeFileSync(join(folder, 'dist/assets/index-AbC_-9.js'), SCRIPT);
  writeFileSync(join(folder, 'dist/assets/notes.txt'), 'notes');
  writeFileSync(join(folder, 'secret.js'), 'secret');
  app = fakeApp({ consoleFolder: join(folder, 'dist') }).app;
});
afterAll(() => rmSync(folder, { recursive: true }));

const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
  app.request(path, { method, headers });

describe('the page', () => {
  test.each([
    '/console',
    '/console/',
    '/console/streams/visitor-acme.7?revision=12',
    '/console/search?q=ann%40x',
    '/console/no/such/page',
  ])('is at %s, without a key', async (path) => {
    const response = await get(path);
    expect([response.status, await response.text()]).toEqual([200, PAGE]);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-cache',
      'content-security-policy': CONSOLE_CSP,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    });
  });

  test('allows nothing inline and nothing from elsewhere', () => {
    expect(CONSOLE_CSP).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self';/);
    expect(CONSOLE_CSP).not.toMatch(/unsafe|https?:|\*/);
  });

  test('is not sent again while it is the same', async () => {
    const etag = (await get('/console')).headers.get('etag') ?? '';
    const again = await get('/console', { 'if-none-match': etag });
    expect([again.status, await again.text()]).toEqual([304, '']);
    expect((await get('/console', { 'if-none-match': '"other"' })).status).toBe(200);
  });

  test('is new as soon as it is built anew', async () => {
    writeFileSync(join(folder, 'dist/index.html'), 'new');
    expect(await (await get('/console')).text()).toBe('new');
    writeFileSync(join(folder, 'dist/index.html'), PAGE);
  });

  test('answers HEAD without a body, and 405 to what is no reading', async () => {
    const head = await get('/console', {}, 'HEAD');
    expect([head.status, await head.text()]).toEqual([200, '']);
    expect(head.headers.get('content-length')).toBe(String(PAGE.length));
    for (const path of ['/console', '/console/streams/x']) {
      const post = await get(path, {}, 'POST');
      expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET']);
    }
  });

  test('says how to build it when it is not built', async () => {
    const { app: unbuilt } = fakeApp({ consoleFolder: join(folder, 'nowhere') });
    const response = await unbuilt.request('/console');
    expect([response.status, response.headers.get('cache-control')]).toEqual([503, 'no-store']);
    expect(await response.text()).toContain('npm run build:console');
    expect((await unbuilt.request('/console/assets/index-AbC_-9.js')).status).toBe(404);
  });
});

describe('an asset', () => {
  const path = '/console/assets/index-AbC_-9.js';

  test('is kept for ever, because its name has its hash', async () => {
    const response = await get(path);
    expect([response.status, await response.text()]).toEqual([200, SCRIPT]);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'text/javascript; charset=utf-8',
      'cache-control': 'public, max-age=31536000, immutable',
      'x-content-type-options': 'nosniff',
    });
  });

  test('comes compressed to who takes that', async () => {
    const response = await get(path, { 'accept-encoding': 'br, gzip' });
    expect(response.headers.get('content-encoding')).toBe('gzip');
    expect(response.headers.get('vary')).toBe('Accept-Encoding');
    expect(gunzipSync(await response.arrayBuffer()).toString()).toBe(SCRIPT);
    expect((await get(path)).headers.get('content-encoding')).toBe(null);
    const encodingFor = async (accepted: string) =>
      (await get(path, { 'accept-encoding': accepted })).headers.get('content-encoding');
    for (const taken of ['gzip', 'GZIP;q=0.5, br', 'br,gzip ; q=1']) {
      expect(await encodingFor(taken)).toBe('gzip');
    }
    for (const refused of ['gzip;q=0', 'gzip; q=0.000, br', 'x-gzipped', 'identity']) {
      expect(await encodingFor(refused)).toBe(null);
    }
  });

  test.each([
    'missing-123.js',
    'notes.txt',
    '..%2f..%2fsecret.js',
    '%2e%2e/%2e%2e/secret.js',
    '..%5csecret.js',
    '....//secret.js',
    'index-AbC_-9.js%00.css',
    'constructor',
    '',
  ])('%s is not found', async (name) => {
    const response = await get(`/console/assets/${name}`);
    const text = await response.text();
    expect(text).not.toContain('secret');
    // What the URL parser takes out of the folder of assets is a page of the console.
    if (response.status === 200) expect(text).toBe(PAGE);
    else expect(response.status).toBe(404);
  });
});
