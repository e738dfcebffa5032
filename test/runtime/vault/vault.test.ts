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

it('opens what it sealed, also after a restart', async () => {
  const sealed = await rig.vault.seal('acme.v1', ann);
  expect(await rig.vault.open(sealed)).toEqual(ann);
  expect(await vaultWith('wrapping').open(sealed)).toEqual(ann);
});

it('does not open what was sealed for somebody else', async () => {
  const sealed = await rig.vault.seal('acme.v1', ann);
  await rig.vault.seal('acme.v2', ann);
  expect(await rig.vault.open({ ...sealed, key: 'acme.v2' })).toBeNull();
  expect(await rig.vault.open({ ...sealed, key: 'acme.nobody' })).toBeNull();
  const damaged = `${sealed.box.startsWith('A') ? 'B' : 'A'}${sealed.box.slice(1)}`;
  expect(await rig.vault.open({ ...sealed, box: damaged })).toBeNull();
});

it('what was erased is gone for good, also when the person comes back', async () => {
  const sealed = await rig.vault.seal('acme.v3', ann);
  await rig.vault.erase('acme.v3');
  expect(await rig.vault.open(sealed)).toBeNull();
  const later = await rig.vault.seal('acme.v3', { nick: 'Bob' });
  expect(await rig.vault.open(later)).toEqual({ nick: 'Bob' });
  expect(await rig.vault.open(sealed)).toBeNull();
  expect(await vaultWith('wrapping').open(sealed)).toBeNull();
});

it('makes one key, however many seal at once in two processes', async () => {
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

it('a look-up that found no key does not stand in the way of the first seal', async () => {
  const before = rig.vault.open({ key: 'acme.v4', box: 'AAAA' });
  const sealed = await rig.vault.seal('acme.v4', ann);
  expect(await before).toBeNull();
  expect(await rig.vault.open(sealed)).toEqual(ann);
});

it('says what is wrong when the service secret is another one', async () => {
  const sealed = await rig.vault.seal('acme.v5', ann);
  const wrong = vaultWith('another secret');
  const fault = { code: 'unavailable', message: expect.stringContaining('SERVICE_SECRET') };
  await expect(wrong.open(sealed)).rejects.toMatchObject(fault);
  await expect(wrong.seal('acme.v5', ann)).rejects.toMatchObject(fault);
});

it('nothing personal stands in any file', async () => {
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
