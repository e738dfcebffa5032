/** The doctor finds ejabberd's cache of accounts: a real ejabberd, one host with it and one without. */
import { expect, it } from 'vitest';
import { accountCacheCheck } from '../../src/doctor/account-cache.ts';
import { AppError } from '../../src/errors.ts';
import { createEjabberdAdmin } from '../../src/xmpp/admin/admin.ts';
import { createHttpApi, type HttpApi } from '../../src/xmpp/admin/http-api.ts';
import { testEjabberd } from '../support/ejabberd.ts';

const CACHED = 'cached.test';
const PLAIN = 'plain.test';
const ejabberd = await testEjabberd({
  hosts: [PLAIN, CACHED],
  modLhc: false,
  extraConfig: { host_config: { [CACHED]: { auth_use_cache: true } } },
});
const connection = { url: ejabberd.apiUrl, ...ejabberd.api };
const api = createHttpApi(connection);
const admin = createEjabberdAdmin(connection);

const check = (host: string, from: HttpApi = api) =>
  accountCacheCheck(from, { host }).run(new AbortController().signal);

async function testAccounts(host: string): Promise<string[]> {
  const all: string[] = [];
  await admin.accounts(host, (locals) => void all.push(...locals));
  return all.filter((name) => name.includes('doctor'));
}

it('warns of the cache, with the line to add, and leaves no account', async () => {
  expect(await check(CACHED)).toEqual([
    {
      status: 'warning',
      message: expect.stringContaining(`caches the accounts of ${CACHED}`),
      advice: expect.stringContaining('"auth_use_cache: false"'),
    },
  ]);
  expect(await testAccounts(CACHED)).toEqual([]);
});

it('says nothing without the cache, and leaves no account', async () => {
  expect(await check(PLAIN)).toEqual([]);
  expect(await testAccounts(PLAIN)).toEqual([]);
});

it.each(['unregister', 'register', 'check_account'])(
  'says nothing without the right to %s, and leaves no account',
  async (denied) => {
    const limited: HttpApi = {
      ...api,
      call(command, ...rest) {
        if (command !== denied) return api.call(command, ...rest);
        return Promise.reject(new AppError('unavailable', 'no right', { reason: 'rights' }));
      },
    };
    expect(await check(CACHED, limited)).toEqual([]);
    expect(await testAccounts(CACHED)).toEqual([]);
  },
);
