/**
 * Whether ejabberd caches accounts. Its cache keeps the failure of a registration that ran beside another one of the same
 * name, and then the account cannot be used for an hour (docs/ejabberd.md). The API does not tell settings, so this does
 * to test accounts what a repeat does to visitors' accounts.
 */
import { z } from 'zod';
import type { TenantNaming } from '../actors/ids.ts';
import { AppError } from '../errors.ts';
import { newId } from '../kit/id.ts';
import type { HttpApi } from '../xmpp/admin/http-api.ts';
import { type Check, type Finding, warning } from './check.ts';
import { nameTestAccount } from './test-account-name.ts';

/** Names that are tried at most. With the cache, 28 of 40 names showed the fault (23.01, on loopback). */
export const CACHE_TRIES = 8;
/** No further name is tried after this time. */
export const CACHE_TRIES_MS = 2_000;

/** It finds nothing without rights, or while ejabberd is away: the checks of the API and of the account say so. */
export const accountCacheCheck = (
  api: HttpApi,
  { host, instance }: Pick<TenantNaming, 'host' | 'instance'>,
): Check => ({
  name: `cache ${host}`,
  async run() {
    const newAccount = () => nameTestAccount(Date.now(), newId().slice(-8), instance);
    const endsAt = performance.now() + CACHE_TRIES_MS;
    try {
      // Without the right to remove an account, none is made.
      await removeAccount(api, newAccount().user, host);
      for (let tries = 0; tries < CACHE_TRIES && performance.now() < endsAt; tries++) {
        const { user, password } = newAccount();
        if (await crashesAfterTwo(api, { user, host, password })) return [judgeCache(host)];
      }
      return [];
    } catch (error) {
      if (error instanceof AppError) return [];
      throw error;
    }
  },
});

const removeAccount = (api: HttpApi, user: string, host: string): Promise<unknown> =>
  api.call('unregister', { user, host }, z.unknown());

/** Registers a name twice at the same time. @returns true if ejabberd cannot use the account then */
async function crashesAfterTwo(
  api: HttpApi,
  account: { readonly user: string; readonly host: string; readonly password: string },
): Promise<boolean> {
  const { user, host } = account;
  const register = () => api.call('register', account, z.unknown());
  try {
    // Both have to end before the account is removed.
    await Promise.allSettled([register(), register()]);
    return await api.call('check_account', { user, host }, z.unknown()).then(
      () => false,
      (error: unknown) => {
        if (error instanceof AppError && error.details.reason === 'crash') return true;
        throw error;
      },
    );
  } finally {
    await removeAccount(api, user, host);
  }
}

const judgeCache = (host: string): Finding =>
  warning(
    `ejabberd caches the accounts of ${host}: after it hung for some seconds, visitors may be locked out for up to an hour`,
    'add "auth_use_cache: false" to ejabberd.yml (at the top level, and not true in host_config), and restart ejabberd',
  );
