/** A log that several processes share: the server that EVENTSTOREDB_URL names, or the double. */
import { randomInt } from 'node:crypto';
import { afterAll } from 'vitest';
import { startEventStoreDouble } from './eventstoredb/server.ts';

/** @returns the settings of the service for a shared log. A double is closed after the tests of the file */
export async function sharedLog(): Promise<Record<string, string>> {
  let url = process.env.EVENTSTOREDB_URL;
  if (!url) {
    const double = await startEventStoreDouble();
    afterAll(() => double.close());
    url = double.url;
  }
  return { EVENT_STORE: url, SERVICE_SECRET: 'a-secret-of-the-tests-for-every-process' };
}

/** A tenant id that no earlier run on the same server has used. */
export const newTenantId = (): string => `t${randomInt(2 ** 40).toString(36)}`;
