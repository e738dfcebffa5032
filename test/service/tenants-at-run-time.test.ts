/** Tenants that are made, changed and rotated while two processes run on one log. ejabberd is away: nothing here needs it. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { callTo, makeService, type Service, writeTenants } from '../support/service.ts';
import { newTenantId, sharedLog } from '../support/shared-log.ts';
import { waitFor } from '../support/wait.ts';

const environment = await sharedLog();
const filed = { id: newTenantId(), host: 'filed.test', apiKey: 'key-of-filed-0123456789' };

async function makeProcess() {
  const service = await makeService();
  Object.assign(service.settings, environment, {
    EJABBERD_API_URL: 'http://127.0.0.1:2/api',
    EJABBERD_API_USER: 'api@xmpp.test',
    EJABBERD_API_PASSWORD: 'pw',
    EJABBERD_XMPP: 'xmpp://127.0.0.1:1',
    EJABBERD_WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 7).toString('base64')}`,
  });
  await writeTenants(service, [filed]);
  return service;
}

const [first, second] = [await makeProcess(), await makeProcess()];
// This one has no file.
delete second.settings.TENANTS_FILE;
const both = [first, second] as const;
afterAll(async () => {
  for (const each of both) await each.close();
});
await Promise.all(both.map((each) => each.start()));

const put = (at: Service, id: string, wish: object, key?: string) =>
  callTo(at.url)('PUT', `/v1/tenants/${id}`, wish, {
    ...(key !== undefined && { headers: { 'Idempotency-Key': key } }),
  });
const pageView = (at: Service, id: string, key: string) =>
  callTo(at.url)('POST', `/v1/${id}/visitors/1/page-views`, { page: 'https://a.test/' }, { key });
/** Waits until a process gives this answer to the key of a tenant. @returns how long that took, in ms */
async function answers(at: Service, id: string, key: string, status: number): Promise<number> {
  const from = performance.now();
  await waitFor(async () => (await pageView(at, id, key)).status === status, {
    what: `${status} of ${id}`,
    every: 10,
  });
  return performance.now() - from;
}

/** Waits until a process knows the tenants. */
const knows = (at: Service) =>
  waitFor(async () => (await callTo(at.url)('GET', '/v1/tenants')).status === 200);
await Promise.all(both.map(knows));

it('a tenant that is made on one process serves a page view on the other', async () => {
  const id = newTenantId();
  const made = await put(first, id, { host: `${id}.test` });
  expect(made.status).toBe(202);
  const { apiKey } = made.body;
  // The promise is a second. A busy machine needs more.
  expect(await answers(second, id, apiKey, 202)).toBeLessThan(10_000);
  expect((await pageView(first, id, apiKey)).status).toBe(202);
  const rotated = await callTo(second.url)('POST', `/v1/tenants/${id}/keys`, { overlap: 3_600 });
  const { apiKey: newer } = rotated.body;
  await answers(first, id, newer, 202);
  for (const each of both) expect((await pageView(each, id, apiKey)).status).toBe(202);
  await callTo(first.url)('POST', `/v1/tenants/${id}/keys`, { apiKey: newer, overlap: 0 });
  const third = await callTo(first.url)('POST', `/v1/tenants/${id}/keys`, { overlap: 0 });
  expect((await pageView(first, id, newer)).status).toBe(401);
  await answers(second, id, newer, 401);
  await answers(second, id, third.body.apiKey, 202);
});

it('a tenant of the file is known everywhere, and stays when the file leaves it out', async () => {
  await answers(second, filed.id, filed.apiKey, 202);
  expect((await put(first, filed.id, { host: filed.host })).status).toBe(409);
  await first.stop();
  await writeTenants(first, []);
  rmSync(join(first.dataDir, 'work.db'), { force: true });
  await first.start();
  await answers(first, filed.id, filed.apiKey, 202);
  await waitFor(() => first.logs().includes('does not declare these tenants any more'));
  await knows(first);
  expect((await put(first, filed.id, { host: filed.host, hardTimeout: 60 })).status).toBe(202);
  const { body } = await callTo(first.url)('GET', `/v1/tenants/${filed.id}`);
  expect(body).toMatchObject({ hardTimeout: 60, readOnly: false, source: 'http' });
});

it('a kill between the fact and the answer loses nothing, and the same request has the key', async () => {
  const id = newTenantId();
  await second.stop();
  await second.start({ XMPP_CHAT_FAILPOINTS: 'after-append=1' });
  await knows(second);
  const wish = { host: `${id}.test` };
  await expect(put(second, id, wish, 'request-1')).rejects.toThrow();
  await second.ended(30_000);
  await waitFor(async () => (await callTo(first.url)('GET', `/v1/tenants/${id}`)).status === 200);
  await second.start();
  await knows(second);
  const again = await put(second, id, wish, 'request-1');
  expect(again).toMatchObject({ status: 202, body: { revision: 0 } });
  for (const each of both) await answers(each, id, again.body.apiKey, 202);
});
