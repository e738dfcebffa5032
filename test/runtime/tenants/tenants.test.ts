import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { TenantId } from '../../../src/actors/ids.ts';
import { TenantSettings } from '../../../src/actors/tenant/settings.ts';
import { isKeyOf, isLegacySecret } from '../../../src/actors/tenant/tenant.ts';
import { digestOf } from '../../../src/kit/key-digest.ts';
import type { Origin } from '../../../src/runtime/ports.ts';
import type { TenantWish } from '../../../src/runtime/tenant-ports.ts';
import { newId, openRig, type Rig } from '../../support/rig.ts';
import { runningProcess, startProcess, stopProcesses } from '../../support/tenant-process.ts';

const rigs: Rig[] = [];
afterAll(async () => {
  await stopProcesses();
  for (const rig of rigs) await rig.close();
});

async function openLog(): Promise<Rig> {
  const rig = await openRig();
  rigs.push(rig);
  return rig;
}

const KEY = 'key-of-acme-0123456789';
const WHSEC = `whsec_${'A'.repeat(32)}`;
const acme = { id: 'acme', host: 'chat.test', apiKey: KEY };
const id = (text: string) => TenantId.parse(text);
const auto = (): Origin => ({ commandId: `auto:${newId()}` });
const wish = (settings: object): TenantWish =>
  ({
    apiKey: undefined,
    ...TenantSettings.partial({ apiKey: true }).parse(settings),
  }) as TenantWish;
const configured = (rig: Rig, tenant = 'acme') =>
  rig
    .types(`tenant-${tenant}`)
    .then((types) => types.filter((type) => type === 'TenantConfigured').length);

async function until(isSo: () => boolean): Promise<void> {
  for (let tries = 0; !isSo(); tries++) {
    if (tries > 2000) throw new Error('it did not come so far');
    await delay(5);
  }
}

describe('a tenant that is made', () => {
  it('counts at once where it was made and then everywhere, and the log has no secret in plain', async () => {
    const rig = await openLog();
    const [one, other] = [await runningProcess(rig), await runningProcess(rig)];
    const secrets = {
      callbackUrl: 'https://user:pass@lhc.test/',
      callbackSecret: WHSEC,
      legacySecret: 'the secret key of LHC',
    };
    await one.tenants.configure(wish({ ...acme, ...secrets }), 'unused-key-0123456789', auto());
    const made = one.directory.get(id('acme'));
    expect(made).toMatchObject({
      host: 'chat.test',
      callbackUrl: secrets.callbackUrl,
      callbackSecret: WHSEC,
      hardTimeout: 300,
      source: 'http',
      removing: false,
    });
    expect(made && isKeyOf(made, KEY, rig.now())).toBe(true);
    expect(made && isKeyOf(made, 'unused-key-0123456789', rig.now())).toBe(false);
    expect(made && isLegacySecret(made, secrets.legacySecret)).toBe(true);
    expect(made && isLegacySecret(made, 'another')).toBe(false);
    await until(() => other.directory.get(id('acme')) !== undefined);
    expect(other.directory.get(id('acme'))).toEqual(made);
    const text = JSON.stringify(await rig.facts('tenant-acme'));
    for (const secret of [KEY, WHSEC, 'lhc.test', secrets.legacySecret]) {
      expect(text).not.toContain(secret);
    }
    expect(text).not.toContain(digestOf(secrets.legacySecret));
  });

  it('is not changed by the same wish, and the same object stays', async () => {
    const rig = await openLog();
    const one = await runningProcess(rig);
    const again = () => one.tenants.configure(wish(acme), 'x'.repeat(20), auto());
    await again();
    const before = one.directory.get(id('acme'));
    expect((await again()).done.facts).toBe(0);
    expect(one.directory.get(id('acme'))).toBe(before);
    await one.tenants.configure(wish({ ...acme, callbackUrl: 'https://b.test/' }), '', auto());
    expect(one.directory.get(id('acme'))).not.toBe(before);
    expect(await configured(rig)).toBe(2);
  });

  it('keeps its host and its instance', async () => {
    const one = await runningProcess(await openLog());
    await one.tenants.configure(wish(acme), '', auto());
    await expect(
      one.tenants.configure(wish({ ...acme, host: 'other.test' }), '', auto()),
    ).rejects.toMatchObject({ code: 'refused', details: { field: 'host' } });
  });

  it('has a key of its own', async () => {
    const rig = await openLog();
    const one = await runningProcess(rig);
    await one.tenants.configure(wish(acme), '', auto());
    const beta = { id: 'beta', host: 'beta.test' };
    await expect(
      one.tenants.configure(wish({ ...beta, apiKey: KEY }), '', auto()),
    ).rejects.toMatchObject({ code: 'invalid', details: { field: 'apiKey' } });
    const made = await one.tenants.configure(wish(beta), 'made-0123456789abc', auto());
    expect(made.key).toBe('made-0123456789abc');
    const again = await one.tenants.configure(wish(beta), 'other-0123456789ab', auto());
    expect(again).toMatchObject({ key: null, done: { facts: 0 } });
  });
});

describe('two tenants that want one name', () => {
  const south = { id: 'south', host: 'h.test', instance: 'shop', apiKey: 'key-of-south-0123456' };
  const north = { id: 'north', host: 'h.test', instance: 'shop', apiKey: 'key-of-north-0123456' };

  it.each([
    ['the same instance', north],
    ['a host with and without instances', { ...north, instance: undefined }],
  ])(
    'at the same time, in two processes: %s: the first in the log has it, everywhere',
    async (_what, second) => {
      const rig = await openLog();
      const processes = [await runningProcess(rig), await runningProcess(rig)] as const;
      const results = await Promise.allSettled([
        processes[0].tenants.configure(wish(south), '', auto()),
        processes[1].tenants.configure(wish(second), '', auto()),
      ]);
      expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
      const [winner] = results[0].status === 'fulfilled' ? ['south'] : ['north'];
      const loser = winner === 'south' ? 'north' : 'south';
      expect(results.find(({ status }) => status === 'rejected')).toMatchObject({
        reason: { code: 'conflict' },
      });
      // A process that folds everything anew comes to the same.
      for (const each of [...processes, await runningProcess(rig)]) {
        await each.catchUp();
        expect(each.directory.ofHost('h.test').map((tenant) => tenant.id)).toEqual([winner]);
        expect(each.directory.get(id(loser))).toBeUndefined();
      }
      expect((await rig.types(`tenant-${loser}`)).at(-1)).toBe('TenantRemoved');
      await expect(
        processes[0].tenants.configure(wish(loser === 'north' ? second : south), '', auto()),
      ).rejects.toMatchObject({ code: 'conflict' });
    },
  );

  it('after a kill between the fact and its withdrawal, the next wish for that id counts', async () => {
    const rig = await openLog();
    const one = await runningProcess(rig);
    await one.tenants.configure(wish(south), '', auto());
    // As the process that was killed has left it.
    const command = {
      type: 'ConfigureTenant',
      source: 'http',
      host: 'h.test',
      instance: 'shop',
      settings: {},
      key: null,
      firstKey: null,
      sealed: '',
      secrets: {},
      anew: false,
    } as const;
    await rig.actors.tenant(id('north')).send(command);
    await one.catchUp();
    expect(one.directory.get(id('north'))).toBeUndefined();
    await one.tenants.beginRemoval(id('south'), false, auto());
    await rig.actors.tenant(id('south')).send({ type: 'ReportTenantRemoved' });
    await one.catchUp();
    expect(one.directory.get(id('north'))).toBeUndefined();
    await one.tenants.configure(wish(north), '', auto());
    expect(one.directory.ofHost('h.test')).toMatchObject([{ id: 'north' }]);
  });
});

describe('a key that is rotated', () => {
  it('ends when the caller said, and there are never more than two', async () => {
    const rig = await openLog();
    const one = await runningProcess(rig);
    await one.tenants.configure(wish(acme), '', auto());
    const rotate = (key: string | undefined, overlapMs: number) =>
      one.tenants.rotateKey(id('acme'), { key, overlapMs }, 'made-key-0123456789', auto());
    const isValid = (key: string) => {
      const tenant = one.directory.get(id('acme'));
      return tenant !== undefined && isKeyOf(tenant, key, rig.now());
    };
    expect((await rotate(undefined, 60_000)).key).toBe('made-key-0123456789');
    expect([isValid(KEY), isValid('made-key-0123456789')]).toEqual([true, true]);
    await expect(rotate('third-key-0123456789', 60_000)).rejects.toMatchObject({ code: 'refused' });
    rig.clock.passes(60_000);
    expect([isValid(KEY), isValid('made-key-0123456789')]).toEqual([false, true]);
    expect((await rotate('third-key-0123456789', 60_000)).key).toBeNull();
    await rotate('fourth-key-012345678', 0);
    expect(isValid('third-key-0123456789')).toBe(false);
    expect(isValid('fourth-key-012345678')).toBe(true);
  });
});

describe('a restart', () => {
  it.each([true, false])(
    'has the tenants again, with its file of pending work: %s',
    async (keep) => {
      const rig = await openLog();
      const one = await runningProcess(rig);
      const url = { callbackUrl: 'https://lhc.test/' };
      await one.tenants.configure(wish({ ...acme, ...url }), '', auto());
      await one.tenants.rotateKey(id('acme'), { overlapMs: 9_000 }, 'made-key-0123456789', auto());
      const before = one.directory.get(id('acme'));
      await one.stop();
      const next = await startProcess(rig, [], keep ? one.work : undefined);
      expect(next.directory.isComplete()).toBe(false);
      if (keep) expect(next.directory.get(id('acme'))).toEqual(before);
      expect(next.directory.standing(id('other'))).toBe('pending');
      await next.catchUp();
      expect(next.directory.get(id('acme'))).toEqual(before);
      expect(next.directory.isComplete()).toBe(true);
      expect(next.directory.standing(id('other'))).toBe('unknown');
    },
  );
});

describe('TENANTS_FILE', () => {
  it('is one fact where it differs, and none where it does not', async () => {
    const rig = await openLog();
    for (const [settings, facts] of [
      [acme, 1],
      [acme, 1],
      [{ ...acme, hardTimeout: 60 }, 2],
      [{ ...acme, hardTimeout: 60, callbackUrl: 'https://lhc.test/' }, 3],
      [{ ...acme, hardTimeout: 60, callbackUrl: 'https://lhc.test/', apiKey: 'k'.repeat(16) }, 4],
      [{ ...acme, host: 'moved.test' }, 5],
    ] as const) {
      const process = await startProcess(rig, [settings]);
      // It counts before the log was read.
      expect(process.directory.get(id('acme'))).toMatchObject({ host: settings.host });
      await process.catchUp();
      expect(await configured(rig)).toBe(facts);
      expect(process.directory.get(id('acme'))).toMatchObject({ source: 'file' });
      await process.stop();
    }
  });

  it('is read-only over HTTP, and what it leaves out stays and can be changed', async () => {
    const rig = await openLog();
    const older = await runningProcess(rig, [acme]);
    const changed = wish({ ...acme, hardTimeout: 60 });
    const refused = { code: 'conflict', message: expect.stringContaining('TENANTS_FILE') };
    await expect(older.tenants.configure(changed, '', auto())).rejects.toMatchObject(refused);
    await expect(
      older.tenants.rotateKey(id('acme'), { overlapMs: 0 }, 'made-key-0123456789', auto()),
    ).rejects.toMatchObject(refused);
    await expect(older.tenants.beginRemoval(id('acme'), false, auto())).rejects.toMatchObject(
      refused,
    );
    const next = await runningProcess(rig);
    expect(next.lines).toMatchObject([{ level: 'warn', tenants: ['acme'] }]);
    expect(next.directory.get(id('acme'))).toBeDefined();
    await next.tenants.configure(changed, '', auto());
    expect(next.directory.get(id('acme'))).toMatchObject({ hardTimeout: 60, source: 'http' });
    // The process with the older file follows, and does not fight.
    await until(() => older.directory.get(id('acme'))?.hardTimeout === 60);
    expect(await configured(rig)).toBe(2);
  });

  it('does not take the name of another tenant, and the log says so', async () => {
    const rig = await openLog();
    await (await runningProcess(rig)).tenants.configure(wish(acme), '', auto());
    const beta = { id: 'beta', host: acme.host, apiKey: 'key-of-beta-0123456789' };
    const next = await runningProcess(rig, [beta]);
    expect(next.lines).toMatchObject([{ level: 'error', tenant: 'beta' }]);
    expect(next.directory.ofHost(acme.host)).toMatchObject([{ id: 'acme' }]);
  });
});

describe('a removal', () => {
  it('shows in every process, and lets nobody change the tenant', async () => {
    const rig = await openLog();
    const [one, other] = [await runningProcess(rig), await runningProcess(rig)];
    await one.tenants.configure(wish(acme), '', auto());
    await one.tenants.beginRemoval(id('acme'), false, auto());
    expect(one.directory.get(id('acme'))?.removing).toBe(true);
    expect(one.directory.standing(id('acme'))).toBe('removing');
    expect(one.directory.removals()).toEqual([{ tenant: 'acme', purge: false }]);
    await expect(one.tenants.configure(wish(acme), '', auto())).rejects.toMatchObject({
      code: 'refused',
      message: 'this tenant is being removed',
    });
    const changes: string[] = [];
    other.directory.onChange((tenant) => changes.push(tenant));
    await one.tenants.beginRemoval(id('acme'), true, auto());
    await rig.actors.tenant(id('acme')).send({ type: 'ReportTenantRemoved' });
    await until(() => other.directory.standing(id('acme')) === 'removed');
    expect(other.directory.get(id('acme'))).toBeUndefined();
    expect(other.directory.removals()).toEqual([]);
    expect(changes).toContain('acme');
    await one.catchUp();
    await one.tenants.configure(wish({ ...acme, host: 'new.test' }), '', auto());
    expect(one.directory.get(id('acme'))).toMatchObject({ host: 'new.test', removing: false });
  });

  it('of a tenant that nobody made is not found', async () => {
    const one = await runningProcess(await openLog());
    await expect(one.tenants.beginRemoval(id('none'), true, auto())).rejects.toMatchObject({
      code: 'not-found',
    });
  });
});

describe('a template', () => {
  const shops = {
    id: 'shops',
    host: 'hosting.test',
    instance: '*',
    callbackUrl: 'https://{address}.test/{instance}',
    legacySecret: 'the secret key of LHC',
    routing: { by: 'lhc' },
  };

  it('makes the tenant of an instance, once, whoever asks first', async () => {
    const rig = await openLog();
    const [one, other] = [await runningProcess(rig, [shops]), await runningProcess(rig)];
    expect(one.directory.all()).toEqual([]);
    const made = await Promise.all(
      [one, other].map(({ tenants }) => tenants.ofInstance('hosting.test', 'a-shop', false)),
    );
    expect(made[0]).toMatchObject({
      id: 'shops-a-shop',
      instance: 'a-shop',
      callbackUrl: 'https://a.shop.test/a-shop',
      routing: { by: 'lhc' },
      keys: [],
      source: 'template',
    });
    expect(made[1]).toEqual(made[0]);
    expect(made[0] && isLegacySecret(made[0], shops.legacySecret)).toBe(true);
    const long = await one.tenants.ofInstance('hosting.test', 'a'.repeat(63), false);
    expect(long?.id).toHaveLength(31);
    expect(await one.tenants.ofInstance('hosting.test', '../x', true)).toBeNull();
    expect(await one.tenants.ofInstance('other.test', 'a-shop', true)).toBeNull();
    // Who was removed comes back only if that is meant.
    const shop = id('shops-a-shop');
    await one.tenants.beginRemoval(shop, false);
    await rig.actors.tenant(shop).send({ type: 'ReportTenantRemoved' });
    await until(() => one.directory.standing(shop) === 'removed');
    expect(await one.tenants.ofInstance('hosting.test', 'a-shop', false)).toBeNull();
    expect(await one.tenants.ofInstance('hosting.test', 'a-shop', true)).toMatchObject({
      id: shop,
    });
  });
});
