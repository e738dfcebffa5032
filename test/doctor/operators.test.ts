/** Operators without an account, and one cause that is reported once. */
import { expect, it } from 'vitest';
import { TenantSettings } from '../../src/actors/tenant/settings.ts';
import { createEjabberdReach, needsApi } from '../../src/doctor/ejabberd-reach.ts';
import { MOST_OPERATORS, operatorsCheck } from '../../src/doctor/operators.ts';
import type { GetOptions, ServicePort } from '../../src/doctor/service.ts';
import { AppError } from '../../src/errors.ts';
import type { HttpApi } from '../../src/xmpp/admin/http-api.ts';

const { signal } = new AbortController();
const tenant = TenantSettings.parse({
  id: 'acme',
  host: 'xmpp.test',
  instance: 'one',
  apiKey: 'key-of-acme-0123456789',
});

/** A service with so many operators, which records how it was asked. */
function serviceWith(
  count: number,
): ServicePort & { readonly asked: [string, GetOptions | undefined][] } {
  const asked: [string, GetOptions | undefined][] = [];
  return {
    url: 'http://here',
    asked,
    async get(path, options) {
      asked.push([path, options]);
      const query = new URL(path, 'http://here').searchParams;
      const from = Number(query.get('cursor') ?? 0);
      const to = Math.min(count, from + Number(query.get('limit')));
      const items = Array.from({ length: to - from }, (_, i) => ({ username: `o${from + i}` }));
      return { status: 200, body: { items, next: to < count ? String(to) : null } };
    },
  };
}

function ejabberdWithout(...missing: string[]) {
  const seen: string[] = [];
  let [now, most] = [0, 0];
  const api: Pick<HttpApi, 'call'> = {
    async call(command, { user = '', host = '' }, schema) {
      expect(command).toBe('check_account');
      now += 1;
      most = Math.max(most, now);
      await Promise.resolve();
      now -= 1;
      seen.push(`${user}@${host}`);
      return schema.parse(missing.includes(user) ? 1 : 0);
    },
  };
  return { api, seen, most: () => most };
}

it('names the operators without an account, with what to do', async () => {
  const ejabberd = ejabberdWithout('o3.one', 'o150.one');
  const service = serviceWith(250);
  const found = await operatorsCheck(ejabberd.api, service, tenant).run(signal);
  expect(found).toEqual([
    {
      status: 'problem',
      message: expect.stringContaining('without an account in ejabberd: o3, o150. They'),
      advice: expect.stringContaining('PUT /v1/acme/operators/{username}'),
    },
  ]);
  expect(ejabberd.seen).toContain('o0.one@xmpp.test');
  expect(ejabberd.seen).toHaveLength(250);
  expect(ejabberd.most()).toBeLessThanOrEqual(8);
  expect(service.asked).toHaveLength(3);
  expect(service.asked[0]?.[1]).toEqual({ token: tenant.apiKey });
});

it('finds nothing wrong where all have one, and looks at a bounded number', async () => {
  const few = await operatorsCheck(ejabberdWithout().api, serviceWith(2), tenant).run(signal);
  expect(few).toMatchObject([{ status: 'ok', message: expect.stringMatching(/account.*: 2$/) }]);
  const many = ejabberdWithout();
  const service = serviceWith(MOST_OPERATORS * 3);
  const found = await operatorsCheck(many.api, service, tenant).run(signal);
  expect(many.seen.length).toBeLessThanOrEqual(MOST_OPERATORS);
  expect(found.at(-1)?.message).toBe(`only the first ${many.seen.length} operators were looked at`);
  expect(await operatorsCheck(many.api, serviceWith(0), tenant).run(signal)).toEqual([]);
});

it('says that the service does not know the tenant; a service that is away is said elsewhere', async () => {
  const { api } = ejabberdWithout();
  const answering = (answer: Awaited<ReturnType<ServicePort['get']>>) =>
    operatorsCheck(api, { url: '', get: async () => answer }, tenant).run(signal);
  expect(await answering({ status: 401, body: {} })).toMatchObject([
    { status: 'warning', advice: expect.stringContaining('TENANTS_FILE') },
  ]);
  expect(await answering(null)).toEqual([]);
  expect(await answering('silent')).toEqual([]);
});

it('ejabberd is asked once for all checks, and only an API that answers is checked further', async () => {
  let asked = 0;
  const reachOf = (fault: AppError | null, connects: boolean) =>
    createEjabberdReach(
      {
        knownVersion: async () => {
          asked += 1;
          if (fault) throw fault;
          return '23.01';
        },
      },
      async () => {
        if (!connects) throw new Error('refused');
      },
    );
  const away = new AppError('unavailable', 'away', { reason: 'unreachable' });
  const check = { name: 'x', run: async () => [{ status: 'ok' as const, message: 'it ran' }] };

  const none = reachOf(away, false);
  expect(await needsApi(none, check).run(signal)).toEqual([]);
  expect(await needsApi(none, check).run(signal)).toEqual([]);
  expect(await none.isAway()).toBe(true);
  expect(asked).toBe(1);
  expect(await reachOf(away, true).isAway()).toBe(false);
  const refused = reachOf(new AppError('unavailable', 'x', { reason: 'credentials' }), false);
  expect(await refused.isAway()).toBe(false);
  expect(await needsApi(reachOf(null, true), check).run(signal)).toHaveLength(1);
});
