/** The extension's pages in a real LHC's back office: rights, forms, the tab at a user, another language. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type BackOffice, logIn, type OfficeAnswer } from '../../scripts/lhc/back-office.ts';
import { startLhc } from '../../scripts/lhc/real-lhc.ts';

/** What the extension asked, and nothing but what this test needs of the service. */
const asked: { call: string; body: unknown }[] = [];
const service = createServer(async (request, response) => {
  let text = '';
  for await (const part of request) text += String(part);
  const call = `${request.method} ${request.url?.split('?')[0]}`;
  asked.push({ call, body: text === '' ? null : JSON.parse(text) });
  const known = call === 'PUT /v1/shop/operators/olga';
  response.writeHead(known ? 202 : 404, { 'content-type': 'application/json' });
  response.end(JSON.stringify(known ? {} : { detail: 'there is nothing at this path' }));
}).listen(0, '127.0.0.1');
await once(service, 'listening');
const { port } = service.address() as AddressInfo; // it listens on a port

const dir = await mkdtemp(join(tmpdir(), 'lhc-'));
const lhc = await startLhc({
  lhcDir: process.env.LHC_DIR ?? '',
  dir,
  operators: [{ username: 'olga', name: 'Olga', departments: ['Sales'] }],
});
let admin: BackOffice;
beforeAll(async () => {
  admin = await logIn(lhc.url, lhc.admin);
});
afterAll(async () => {
  service.close();
  await lhc.stop();
  await rm(dir, { recursive: true, force: true });
});

const alerts = ({ text }: OfficeAnswer): string =>
  [...text.matchAll(/<div role="(?:alert|status)"[^>]*>(.*?)<\/div>/gs)]
    .map(([, words]) => words)
    .join('\n');

/** Presses a button of one of our pages, with the page's own token. */
async function press(path: string, action: string, fields: Record<string, string> = {}) {
  const { text } = await admin.get(path);
  const [, token = ''] = /name="csfr_token" value="([^"]+)"/.exec(text) ?? [];
  return admin.post(path, { csfr_token: token, action, ...fields });
}

const settings = () => ({
  enabled: '1',
  serviceUrl: `http://127.0.0.1:${port}`,
  tenant: 'shop',
  apiKey: 'key-of-the-tests-0123',
  callbackSecret: `whsec_${Buffer.alloc(32, 'a').toString('base64')}`,
  lhcAddress: lhc.url,
});

it('is for those with the rights', async () => {
  const olga = await logIn(lhc.url, lhc.operator('olga'));
  for (const path of ['status', 'settings', 'test', 'hosting', `account/${lhc.admin.id}`]) {
    expect((await admin.get(`xmppchat/${path}`)).text).toContain('XMPP');
    expect((await olga.get(`xmppchat/${path}`)).text).not.toMatch(/csfr_token|id="xc-/);
  }
});

it('saves settings, and makes a secret that is shown once', async () => {
  const wrong = await press('xmppchat/settings', 'save', { ...settings(), tenant: '"><script>' });
  expect(alerts(wrong)).toContain('Tenant: is a-z');
  expect(wrong.text).not.toContain('"><script>');
  expect(alerts(await press('xmppchat/settings', 'save', settings()))).toContain('are saved');
  const { text } = await press('xmppchat/settings', 'secret');
  const [row] = await lhc.sql('SELECT value FROM lhc_xmppchat_setting WHERE name = ?', [
    'callbackSecret',
  ]);
  expect(text).toContain(`${row?.value}`);
  expect((await admin.get('xmppchat/settings')).text).not.toContain(`${row?.value}`);
});

it('makes an account in the tab at a user', async () => {
  const { id } = lhc.operator('olga');
  expect((await admin.get(`user/edit/${id}`)).text).toContain('href="#xmppchat"');
  const made = await press(`xmppchat/account/${id}`, 'create', {
    username: 'olga',
    password: 'a good password',
  });
  expect(alerts(made)).toContain('The account is ready.');
  expect(asked).toContainEqual({
    call: 'PUT /v1/shop/operators/olga',
    body: {
      lhcUserId: id,
      name: 'Olga',
      departments: ['Sales'],
      capacity: null,
      password: 'a good password',
    },
  });
  const tab = await admin.get(`xmppchat/account/${id}/(tab)/true`);
  expect(tab.text).toContain('olga');
  expect(tab.text).not.toContain('<html');
});

it('says what is wrong with the connection', async () => {
  const { text } = await press('xmppchat/test', 'test');
  const found = [...text.matchAll(/data-code="([^"]+)" data-status="([^"]+)"/g)];
  expect(found.map(([, code, status]) => `${code} ${status}`)).toEqual(
    expect.arrayContaining(['tables ok', 'not-xmpp-chat problem', 'accounts ok']),
  );
});

it('speaks German', async () => {
  expect((await admin.get('../ger/xmppchat/test')).text).toContain('Verbindung testen');
});
