import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/kit/json.ts';
import { createVault } from '../../../src/runtime/vault/vault.ts';
import { DELAYS } from '../../actors/facts.ts';
import { newId, openRig, type Rig, secret } from '../../support/rig.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await openRig();
});
afterAll(() => rig.close());

const vaultWith = (word: string) =>
  createVault({ store: rig.store, wrapping: secret(word), now: rig.now, newId });
const ann: JsonObject = { nick: 'Ann', page: '/ä "quoted"' };

it('a vault opens what it sealed, after a restart too', async () => {
  const sealed = await rig.vault.seal('acme.v1', ann);
  expect(await rig.vault.open(sealed)).toEqual(ann);
  expect(await vaultWith('wrapping').open(sealed)).toEqual(ann);
});

it('a box that was sealed for another person does not open', async () => {
  const sealed = await rig.vault.seal('acme.v1', ann);
  await rig.vault.seal('acme.v2', ann);
  expect(await rig.vault.open({ ...sealed, key: 'acme.v2' })).toBeNull();
  expect(await rig.vault.open({ ...sealed, key: 'acme.nobody' })).toBeNull();
  const damaged = `${sealed.box.startsWith('A') ? 'B' : 'A'}${sealed.box.slice(1)}`;
  expect(await rig.vault.open({ ...sealed, box: damaged })).toBeNull();
});

it('erased data is gone for good, even if the person comes back', async () => {
  const sealed = await rig.vault.seal('acme.v3', ann);
  await rig.vault.erase('acme.v3');
  expect(await rig.vault.open(sealed)).toBeNull();
  const later = await rig.vault.seal('acme.v3', { nick: 'Bob' });
  expect(await rig.vault.open(later)).toEqual({ nick: 'Bob' });
  expect(await rig.vault.open(sealed)).toBeNull();
  expect(await vaultWith('wrapping').open(sealed)).toBeNull();
});

it('a person gets one data key, however many calls in two processes seal at once', async () => {
  const vaults = [vaultWith('wrapping'), vaultWith('wrapping')];
  const sealed = await Promise.all(
    Array.from({ length: 20 }, (_, i) => vaults[i % 2]?.seal('acme.race', { i })),
  );
  expect(await rig.types('key-acme.race')).toEqual(['DataKeyCreated']);
  const third = vaultWith('wrapping');
  for (const [i, each] of sealed.entries()) {
    expect(each && (await third.open(each))).toEqual({ i });
  }
});

it('a search that finds no key does not disturb the first seal', async () => {
  const before = rig.vault.open({ key: 'acme.v4', box: 'AAAA' });
  const sealed = await rig.vault.seal('acme.v4', ann);
  expect(await before).toBeNull();
  expect(await rig.vault.open(sealed)).toEqual(ann);
});

it('a wrong service secret is named in the error', async () => {
  const sealed = await rig.vault.seal('acme.v5', ann);
  const wrong = vaultWith('another secret');
  const fault = { code: 'unavailable', message: expect.stringContaining('SERVICE_SECRET') };
  await expect(wrong.open(sealed)).rejects.toMatchObject(fault);
  await expect(wrong.seal('acme.v5', ann)).rejects.toMatchObject(fault);
});

it('no file contains personal data', async () => {
  const canary = 'canary-7f3a91';
  const other = await openRig();
  await other.toVisitor('7', {
    type: 'ViewPage',
    digest: 'd',
    department: null,
    delays: DELAYS,
    profile: { nick: `${canary}-n`, page: `/${canary}-p` },
  });
  await other.toVisitor('7', {
    type: 'StartChat',
    chatId: 'c1',
    department: null,
    delays: DELAYS,
    message: { id: 'm1', body: `${canary}-b` },
  });
  other.host.passivate(-1);
  const sealed = (await other.facts('visitor-acme.7')).filter(({ personal }) => personal);
  expect(sealed.length).toBeGreaterThanOrEqual(2);
  const { folder } = other;
  await other.follow([]);
  await other.close();
  const files = readdirSync(folder).map((name) => readFileSync(join(folder, name)));
  expect(files.length).toBeGreaterThan(1);
  const all = Buffer.concat(files);
  expect(all.includes('visitor-acme.7')).toBe(true);
  expect(all.includes(canary)).toBe(false);
  expect(all.includes(Buffer.from(canary).toString('base64').slice(0, 16))).toBe(false);
});
