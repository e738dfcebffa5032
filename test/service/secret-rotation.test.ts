/** The service secret is changed: in one process with SQLite, and in two processes that are restarted one by one. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { makeService, type Service, writeTenants } from '../support/service.ts';
import { sharedLog } from '../support/shared-log.ts';
import { waitFor } from '../support/wait.ts';

const OLD = 'the-old-secret-that-somebody-has-seen-1';
const NEW = 'the-new-secret-that-nobody-has-seen-yet';
const API_KEY = 'a-key-of-the-tenant-acme';
const SETTINGS = {
  EJABBERD_API_URL: 'http://127.0.0.1:2/api',
  EJABBERD_API_USER: 'api@xmpp.test',
  EJABBERD_API_PASSWORD: 'pw',
  EJABBERD_XMPP: 'xmpp://127.0.0.1:1',
  EJABBERD_WEBHOOK_SECRET: `whsec_${Buffer.alloc(32).toString('base64')}`,
};

/** An `afterAll` that a running test registers is never called. */
const made: Service[] = [];
afterAll(async () => {
  for (const service of made) await service.close();
});

async function makeProcess(more: Record<string, string>) {
  const service = await makeService();
  made.push(service);
  await writeTenants(service, [{ id: 'acme', host: 'xmpp.test', apiKey: API_KEY }]);
  Object.assign(service.settings, SETTINGS, more);
  return service;
}
type Process = Awaited<ReturnType<typeof makeProcess>>;

async function view(service: Service, visitor: string): Promise<void> {
  const path = `/v1/acme/visitors/${visitor}/page-views`;
  const answer = await service.call('POST', path, { page: 'https://shop.test/', nick: visitor });
  expect(answer.status).toBe(202);
  const { position } = answer.body;
  expect(await nickOf(service, visitor, `?minPosition=${encodeURIComponent(position)}`)).toBe(
    visitor,
  );
}

async function nickOf(service: Service, visitor: string, query = ''): Promise<string> {
  return (await service.call('GET', `/v1/acme/visitors/${visitor}${query}`)).body.nick;
}

async function restart(service: Process, secrets: string): Promise<void> {
  await service.stop();
  await service.start({ SERVICE_SECRET: secrets });
}

/** The read models are gone, so everything is opened again. */
async function rebuild(service: Process, secrets: string): Promise<void> {
  await service.stop();
  for (const name of ['projections.db.1', 'projections.db.1-wal', 'projections.db.1-shm']) {
    await rm(join(service.dataDir, name), { force: true });
  }
  await service.start({ SERVICE_SECRET: secrets });
  await waitFor(async () => {
    const { body } = await service.call('GET', '/readyz');
    return body.checks.readModels.ok;
  });
}

const older = async (service: Service): Promise<number> => {
  const { body } = await service.call('GET', '/metrics');
  return Number(/^xmpp_chat_data_keys_older (\S+)$/m.exec(body)?.[1] ?? 'none');
};
const secretsCheck = async (service: Service) =>
  (await service.call('GET', '/readyz')).body.checks.secrets;

describe('a new service secret', { timeout: 120_000 }, () => {
  it('replaces the old one in one process, and the doctor says when', async () => {
    const service = await makeProcess({});
    await service.start({ SERVICE_SECRET: OLD });
    for (const visitor of ['ann', 'bob']) await view(service, visitor);
    expect(await secretsCheck(service)).toEqual({ ok: true });
    await service.stop();

    const doctor = async (secrets: string) => {
      service.settings.SERVICE_SECRET = secrets;
      const { output } = await service.cli('doctor', '--json');
      delete service.settings.SERVICE_SECRET;
      return output;
    };
    expect(await doctor(`${NEW},${OLD}`)).toContain('is not in use yet');
    await service.start({ SERVICE_SECRET: `${NEW},${OLD}` });
    await view(service, 'cid');
    await waitFor(async () => (await secretsCheck(service)).ok);
    expect(await older(service)).toBe(0);
    expect(await doctor(`${NEW},${OLD}`)).toContain('the others can be removed');
    for (const visitor of ['ann', 'bob', 'cid'])
      expect(await nickOf(service, visitor)).toBe(visitor);

    await rebuild(service, NEW);
    for (const visitor of ['ann', 'bob', 'cid'])
      expect(await nickOf(service, visitor)).toBe(visitor);
    await service.stop();
    service.settings.SERVICE_SECRET = OLD;
    const { code, output } = await service.cli('serve');
    expect(code).toBe(1);
    expect(output).toMatch(/is not the one that the log was written with/);
    expect(service.logs() + output).not.toMatch(new RegExp(`${OLD}|${NEW}`));
  });

  it('can be put into the file, above the old one', async () => {
    const service = await makeProcess({});
    await service.start();
    await view(service, 'ann');
    await service.stop();
    const file = join(service.dataDir, 'service-secret');
    await writeFile(file, `${NEW}\n${await readFile(file, 'utf8')}`);
    await service.start();
    await waitFor(async () => (await secretsCheck(service)).ok);
    await service.stop();
    await writeFile(file, `${NEW}\n`);
    await service.start();
    expect(await nickOf(service, 'ann')).toBe('ann');
    await view(service, 'bob');
  });

  it('comes to two processes one by one', async () => {
    const { EVENT_STORE = '' } = await sharedLog();
    const [one, two] = [await makeProcess({ EVENT_STORE }), await makeProcess({ EVENT_STORE })];
    const both = [one, two];
    for (const process of both) await process.start({ SERVICE_SECRET: OLD });
    await view(one, 'ann');
    for (const process of both) await restart(process, `${OLD},${NEW}`);
    await view(two, 'bob');
    await restart(one, `${NEW},${OLD}`);
    // Both orders at once: each opens what the other seals.
    await view(one, 'cid');
    await view(two, 'dan');
    for (const process of both) {
      for (const visitor of ['ann', 'bob', 'cid', 'dan']) {
        await waitFor(async () => (await nickOf(process, visitor)) === visitor);
      }
    }
    await restart(two, `${NEW},${OLD}`);
    await view(two, 'eve');
    await waitFor(async () => {
      const left = await Promise.all(both.map(older));
      return left.includes(0);
    });
    // Another process may still have a key on its way, so the old secret counts as needed for some minutes.
    two.settings.SERVICE_SECRET = NEW;
    await two.stop();
    const { code, output } = await two.cli('serve');
    expect({ code, output }).toMatchObject({
      code: 1,
      output: expect.stringMatching(/removed too early/),
    });
  });
});
