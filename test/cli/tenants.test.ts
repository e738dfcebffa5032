/** `xmpp-chat tenants` against a service that records what it is asked. */
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import { afterEach, expect, it, vi } from 'vitest';
import { tenantsCommand } from '../../src/cli/tenants.ts';
import { temporaryFolder } from '../support/folder.ts';

let close: () => Promise<void> = async () => {};
afterEach(async () => {
  vi.restoreAllMocks();
  await close();
});

const SHOP = {
  id: 'shop',
  host: 'hosting.test',
  instance: 'shop\u001b[2J',
  source: 'http',
  state: 'active',
  callbackFlavour: 'native',
  routing: { policy: 'least-loaded' },
};

async function run(...args: string[]) {
  await close(); // of the run before
  vi.restoreAllMocks();
  const asked: unknown[] = [];
  const server = createServer(async (request, response) => {
    const body = await readAll(request);
    asked.push([request.method, request.url, ...(body ? [JSON.parse(body)] : [])]);
    const isRefused = request.url?.endsWith('/filed');
    const answers: Record<string, unknown> = {
      GET: request.url === '/v1/tenants' ? { items: [SHOP], next: null } : SHOP,
      PUT: { apiKey: 'key_new', groups: { state: 'pending', reason: 'ejabberd is away' } },
      POST: { apiKey: 'key_new' },
      DELETE: {},
    };
    response.writeHead(isRefused ? 409 : 200, { 'content-type': 'application/json' });
    const refusal = { detail: 'TENANTS_FILE declares this tenant: change it there' };
    response.end(JSON.stringify(isRefused ? refusal : answers[request.method ?? '']));
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  close = async () => {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
    close = async () => {};
  };
  const said: string[] = [];
  const warned: string[] = [];
  vi.spyOn(console, 'log').mockImplementation((line) => void said.push(String(line)));
  vi.spyOn(console, 'error').mockImplementation((line) => void warned.push(String(line)));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // it listens on a port
  const all = ['--url', url, '--token', 'the-token', ...args];
  const error = await tenantsCommand()
    .parseAsync(all, { from: 'user' })
    .then(() => null)
    .catch((failure: Error) => failure.message);
  return { asked, said: said.join('\n'), warned: warned.join('\n'), error };
}

it('lists and shows tenants, for people and for programs, and obeys nothing that stands in it', async () => {
  const listed = await run('list');
  expect(listed.said).toMatch(
    /^TENANT +HOST.*\nshop +hosting.test +shop\\u001b\[2J +http +active +native$/,
  );
  expect(JSON.parse((await run('list', '--json')).said)).toEqual([SHOP]);
  expect((await run('show', 'shop')).said).toMatch(
    /^host: hosting.test$.*^instance: .*\\u001b\[2J.*^routing.policy: least/ms,
  );
  expect(JSON.parse((await run('show', 'shop', '--json')).said)).toEqual(SHOP);
});

it('puts what the file says, with the options over it, and prints the new key alone', async () => {
  const file = join(temporaryFolder('tenants'), 'shop.json');
  const settings = { host: 'a.test', callbackSecret: 'whsec_x', routing: { capacity: 2 } };
  writeFileSync(file, JSON.stringify(settings));
  const done = await run('put', 'shop', '--file', file, '--host', 'b.test', '--routing-by', 'lhc');
  const routing = { capacity: 2, by: 'lhc' };
  expect(done.asked).toEqual([
    ['PUT', '/v1/tenants/shop', { ...settings, host: 'b.test', routing }],
  ]);
  expect(done.said).toBe('tenant shop is as wished\nkey_new');
  expect(done.warned).toMatch(/groups in ejabberd are made later: ejabberd is away/);
});

it('says what is wrong with a file, and quotes nothing of it', async () => {
  const file = join(temporaryFolder('tenants'), 'shop.json');
  for (const [text, expected] of [
    ['{ "callbackSecret": whsec_secret', /shop.json is not JSON$/],
    ['["whsec_secret"]', /has to hold one tenant/],
    ['{ "id": "other" }', /the file is about tenant other, and not shop/],
  ] as const) {
    writeFileSync(file, text);
    const { error, asked } = await run('put', 'shop', '--file', file);
    expect(error).toMatch(expected);
    expect(error).not.toContain('whsec_secret');
    expect(asked).toEqual([]);
  }
  expect((await run('put', 'filed', '--host', 'a.test')).error).toMatch(/TENANTS_FILE declares/);
});

it('removes only with --yes', async () => {
  const refused = await run('remove', 'shop', '--purge');
  expect(refused).toMatchObject({ asked: [], error: expect.stringMatching(/log has.*say --yes/) });
  const done = await run('remove', 'shop', '--yes', '--purge');
  expect(done.asked).toEqual([['DELETE', '/v1/tenants/shop?purge=true']]);
});

it.each([
  ['0', 0],
  ['90s', 90],
  ['15m', 900],
  ['1h', 3_600],
  ['2d', 172_800],
  ['30', 30],
])('rotates a key with an overlap of %s', async (overlap, seconds) => {
  const { asked, said } = await run('rotate-key', 'shop', '--overlap', overlap);
  expect(asked).toEqual([['POST', '/v1/tenants/shop/keys', { overlap: seconds }]]);
  expect(said).toMatch(/\nkey_new$/);
});

it('takes a key from a file, and no other overlap', async () => {
  const file = join(temporaryFolder('tenants'), 'key');
  writeFileSync(file, 'a key of my own 0123456789\n');
  const { asked } = await run('rotate-key', 'shop', '--key-file', file);
  const body = { overlap: 0, apiKey: 'a key of my own 0123456789' };
  expect(asked).toEqual([['POST', '/v1/tenants/shop/keys', body]]);
  for (const wrong of ['1w', '-1', 'soon', '']) {
    expect((await run('rotate-key', 'shop', '--overlap', wrong)).error).toMatch(/--overlap has to/);
  }
});
