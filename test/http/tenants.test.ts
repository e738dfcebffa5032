/** A foreign key, an unknown tenant and an unknown key get the same answer at every endpoint. */
import { expect, test } from 'vitest';
import { fakeApp, KEYS } from './fakes.ts';

interface Document {
  paths: Record<string, Record<string, { security: Record<string, unknown>[] }>>;
}

const { ask, calls } = fakeApp();
const document: Document = (await ask('GET', '/openapi.json')).json;
const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, { security }]) => ({
    method: method.toUpperCase(),
    path,
    scheme: Object.keys(security[0] ?? {})[0],
  })),
);
const at = (path: string, tenant: string, rest = '7'): string =>
  path.replace('{tenant}', tenant).replaceAll(/\{\w+\}/g, rest);

/** The whole answer: status, headers and body. */
const answer = async (method: string, path: string, key: string | null, body?: unknown) => {
  const { status, headers, text } = await ask(method, path, {
    key,
    body: method === 'GET' || method === 'DELETE' ? undefined : body,
    headers: { 'X-Request-Id': 'same' },
  });
  return { status, headers: Object.fromEntries(headers), text };
};

test('the document lists these endpoints', () => {
  expect(operations.map(({ method, path }) => `${method} ${path}`).sort()).toMatchSnapshot();
});

test.each(operations.filter(({ scheme }) => scheme === 'apiKey'))(
  '$method $path answers the key of another tenant like an unknown key',
  async ({ method, path }) => {
    const unknown = await answer(method, at(path, 'acme'), 'unknown-key-0123456789', {});
    expect(unknown.status).toBe(401);
    const others = [
      [at(path, 'acme'), KEYS.beta],
      [at(path, 'gamma'), KEYS.beta],
      [at(path, 'NO%20TENANT'), KEYS.beta],
      [at(path, 'acme', 'Bad%20Id'), KEYS.beta],
      [at(path, '__proto__'), KEYS.beta],
    ] as const;
    for (const [where, key] of others) {
      expect(await answer(method, where, key, { nonsense: 1 })).toEqual(unknown);
    }
    // Without a key there is nothing to guess: the answer says how to send one, whatever the path names.
    const without = await answer(method, at(path, 'acme'), null, {});
    expect(without.status).toBe(401);
    expect(without.text).toContain('Authorization: Bearer');
    expect(await answer(method, at(path, 'acme'), '', {})).toEqual(without);
    expect(await answer(method, at(path, 'gamma', 'Bad%20Id'), null, {})).toEqual(without);
    expect(calls.commands).toEqual([]);
    expect(calls.filters).toEqual([]);
  },
);

test.each(operations.filter(({ scheme }) => scheme !== 'apiKey'))(
  '$method $path answers a tenant like everybody else',
  async ({ method, path, scheme }) => {
    const anybody = await answer(
      method,
      at(path, 'acme'),
      scheme ? 'unknown-key-0123456789' : null,
    );
    const tenant = await answer(method, at(path, 'acme'), KEYS.acme);
    expect(tenant).toEqual(anybody);
    if (scheme) expect(tenant.status).toBe(401);
  },
);

test('without a configured admin token, admin endpoints answer 401 to everybody', async () => {
  const { ask: without } = fakeApp({ adminToken: undefined });
  for (const key of ['', 'undefined', 'anything', KEYS.acme]) {
    expect((await without('GET', '/debug/events', { key })).status).toBe(401);
  }
});
