/** Tenants that no file declares: the doctor asks the running service. */
import { expect, it } from 'vitest';
import { TenantId } from '../../src/actors/ids.ts';
import type { ServiceAnswer } from '../../src/doctor/service.ts';
import { otherCallbackCheck, otherTenants } from '../../src/doctor/tenants.ts';

const URL = 'http://127.0.0.1:8090';
const listed = (id: string, more: object = {}) => ({
  id,
  host: 'xmpp.test',
  instance: id,
  state: 'active',
  callbackUrl: `https://${id}.example.org/callback`,
  ...more,
});

/** A service that lists these tenants, one on each page. */
const serviceWith = (...items: readonly object[]) => ({
  url: URL,
  get: async (path: string): Promise<ServiceAnswer> => {
    const at = Number(new URLSearchParams(path.split('?')[1]).get('cursor') ?? 0);
    const next = at + 1 < items.length ? String(at + 1) : null;
    return { status: 200, body: { items: items.slice(at, at + 1), next } };
  },
});
const signal = new AbortController().signal;

it('are found on all pages, without those of the file, templates and what is being removed', async () => {
  const service = serviceWith(
    listed('shop'),
    listed('acme', { instance: null }),
    listed('any', { instance: '*' }),
    listed('filed', { readOnly: true }),
    listed('old', { state: 'removing', removal: { step: 'accounts', reason: null } }),
    listed('stuck', { state: 'removing', removal: { step: 'groups', reason: 'may not call it' } }),
    listed('quiet', { callbackUrl: null }),
  );
  const { tenants, findings } = await otherTenants(service, new Set(['acme']));
  expect(tenants).toEqual([
    {
      id: 'shop',
      host: 'xmpp.test',
      instance: 'shop',
      callbackUrl: 'https://shop.example.org/callback',
    },
    { id: 'quiet', host: 'xmpp.test', instance: 'quiet', callbackUrl: undefined },
  ]);
  expect(findings.map(({ status, message }) => `${status}: ${message}`)).toEqual([
    'ok: tenant old is being removed',
    'warning: the removal of tenant stuck waits: may not call it',
  ]);
});

it.each([
  [null, /not looked at: no service answers at http:\/\/127.0.0.1:8090/],
  ['silent', /not looked at: no service answers/],
  [{ status: 401, body: {} }, /not looked at: the service answered 401/],
] as const)('%j: says what was not looked at', async (answer, expected) => {
  const service = { url: URL, get: async () => answer };
  const { tenants, findings } = await otherTenants(service, new Set());
  expect(tenants).toEqual([]);
  expect(findings).toMatchObject([{ status: 'warning', message: expect.stringMatching(expected) }]);
});

it('use the xmppservice wire, or do not', async () => {
  const useWire = async (...items: readonly object[]) =>
    (await otherTenants(serviceWith(...items), new Set())).useWire;
  expect(await useWire(listed('shop', { routing: { by: 'service' } }))).toBe(false);
  expect(await useWire(listed('shop', { routing: { by: 'lhc' } }), listed('b'))).toBe(true);
  expect(await useWire(listed('all', { instance: '*', hasLegacySecret: true }))).toBe(true);
});

it('are none in a service of an older version', async () => {
  const service = { url: URL, get: async () => ({ status: 404, body: {} }) };
  expect(await otherTenants(service, new Set())).toMatchObject({
    tenants: [],
    findings: [],
  });
});

it('have their callback tested by the service, which knows the secret', async () => {
  const asked: string[] = [];
  const check = (answer: ServiceAnswer | 'silent' | null, callbackUrl?: string) =>
    otherCallbackCheck(
      {
        post: async (path) => {
          asked.push(path);
          return answer;
        },
      },
      { id: TenantId.parse('shop'), host: 'xmpp.test', callbackUrl },
    ).run(signal);
  const url = 'https://shop.example.org/callback';
  const said = { status: 'problem', message: 'LHC answered 401', advice: 'set it', clockOffset: 0 };
  expect(await check({ status: 200, body: said }, url)).toContainEqual({
    status: 'problem',
    message: 'LHC answered 401',
    advice: 'set it',
  });
  expect(asked).toEqual(['/v1/tenants/shop/callback-test']);
  expect(await check({ status: 500, body: {} }, url)).toMatchObject([{ status: 'problem' }]);
  expect(await check(null, url)).toEqual([]);
  expect(await check(null)).toMatchObject([{ message: expect.stringMatching(/no callbackUrl/) }]);
});
