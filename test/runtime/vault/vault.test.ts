import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Sealed } from '../../../src/eventstore/port.ts';
import type { JsonObject } from '../../../src/kit/json.ts';
import type { Vault } from '../../../src/runtime/ports.ts';
import { encrypt } from '../../../src/runtime/vault/box.ts';
import { deriveSecrets } from '../../../src/runtime/vault/secrets.ts';
import { createVault, isKeyDestroyed } from '../../../src/runtime/vault/vault.ts';
import { DELAYS } from '../../actors/facts.ts';
import { event } from '../../eventstore/events.ts';
import { newId, openRig, type Rig, secret } from '../../support/rig.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await openRig();
});
afterAll(() => rig.close());

const vaultWith = (word: string) =>
  createVault({
    store: rig.store,
    wrapping: deriveSecrets([word]).wrapping,
    now: rig.now,
    newId,
  });
const ann: JsonObject = { nick: 'Ann', page: '/ä "quoted"' };

/** A fact of a person, with its personal data sealed. */
async function sealed(key: string, personal: JsonObject, by: Pick<Vault, 'seal'> = rig.vault) {
  const fact = { stream: `visitor-${key}`, type: 'PageViewed', id: newId() };
  return { ...fact, personal: await by.seal(key, personal, fact) };
}

it('a vault opens what it sealed, after a restart too', async () => {
  const fact = await sealed('acme.v1', ann);
  expect(await rig.vault.open(fact)).toEqual(ann);
  expect(await vaultWith('wrapping').open(fact)).toEqual(ann);
  expect(await rig.vault.open({ ...fact, personal: null })).toBeNull();
});

it('a box that was sealed for another person does not open, and no damaged one', async () => {
  const fact = await sealed('acme.v1', ann);
  await sealed('acme.v2', ann);
  const openAs = (more: Partial<Sealed>) =>
    rig.vault.open({ ...fact, personal: { ...fact.personal, ...more } });
  expect(await openAs({})).toEqual(ann);
  expect(await openAs({ key: 'acme.v2' })).toBeNull();
  expect(await openAs({ key: 'acme.nobody' })).toBeNull();
  const { box } = fact.personal;
  expect(await openAs({ box: `${box.startsWith('A') ? 'B' : 'A'}${box.slice(1)}` })).toBeNull();
});

it('a box that was moved to another fact of the same person does not open', async () => {
  const fact = await sealed('acme.v1', ann);
  const { personal } = fact;
  expect(await rig.vault.open({ ...fact, id: newId() })).toBeNull();
  expect(await rig.vault.open({ ...fact, stream: 'visitor-acme.v2' })).toBeNull();
  expect(await rig.vault.open({ ...fact, type: 'VisitorMessageSent' })).toBeNull();
  // Nor does it pass for one of the time when boxes were not bound to facts.
  const { v: _v, ...unbound } = personal;
  expect(await rig.vault.open({ ...fact, personal: unbound })).toBeNull();
  const key = JSON.stringify(['acme.v1', fact.stream, fact.type, fact.id]);
  expect(await rig.vault.open({ ...fact, personal: { ...unbound, key } })).toBeNull();
});

it('boxes of version 0.1.0 open', async () => {
  const stream = 'key-acme.old';
  const dataKey = secret('a data key');
  const { key = dataKey } = deriveSecrets(['wrapping']).wrapping[0] ?? {};
  const data = { wrapped: encrypt(key, 'acme.old', dataKey).toString('base64') };
  await rig.store.append(stream, [event(0, { type: 'DataKeyCreated', data })], 'no-stream');
  const box = encrypt(dataKey, 'acme.old', Buffer.from(JSON.stringify(ann))).toString('base64');
  const fact = { stream: 'visitor-acme.old', type: 'PageViewed', id: newId() };
  const old: Sealed = { key: 'acme.old', box };
  expect(await rig.vault.open({ ...fact, personal: old })).toEqual(ann);
  expect(await rig.vault.open({ ...fact, personal: { ...old, v: 2 } })).toBeNull();
});

it('every fact of an actor opens in its place, and in no other', async () => {
  await rig.toVisitor('bound', {
    type: 'ViewPage',
    digest: 'd',
    department: null,
    delays: DELAYS,
    profile: ann,
  });
  for (const id of ['m1', 'm2']) {
    await rig.toVisitor('bound', {
      type: 'StartChat',
      chatId: 'c1',
      department: null,
      delays: DELAYS,
      message: { id, body: `text of ${id}` },
    });
  }
  const facts = (await rig.facts('visitor-acme.bound')).filter(({ personal }) => personal);
  expect(facts.length).toBeGreaterThanOrEqual(2);
  for (const fact of facts) {
    for (const { personal } of facts) {
      const opened = await rig.vault.open({ ...fact, personal });
      if (personal === fact.personal) expect(opened).not.toBeNull();
      else expect(opened).toBeNull();
    }
  }
});

it('what was sealed a moment ago opens without decryption, in its place alone', async () => {
  const vault = vaultWith('wrapping');
  const fact = await sealed('acme.v7', ann, vault);
  const elsewhere = { ...fact, id: newId() };
  expect(await vault.open(fact)).toEqual(ann);
  expect(await vault.open(elsewhere)).toBeNull();
  const { box } = fact.personal;
  const opened = await vault.open(fact);
  Object.assign(opened ?? {}, { nick: 'changed by a reader' });
  expect(await vault.open(fact)).toEqual(ann);
  expect(await vault.open({ ...fact, personal: { ...fact.personal, box: `A${box}` } })).toBeNull();
});

it('erased data is gone for good, even if the person comes back', async () => {
  const fact = await sealed('acme.v3', ann);
  await rig.vault.erase('acme.v3');
  expect(await rig.vault.open(fact)).toBeNull();
  const later = await sealed('acme.v3', { nick: 'Bob' });
  expect(await rig.vault.open(later)).toEqual({ nick: 'Bob' });
  expect(await rig.vault.open(fact)).toBeNull();
  expect(await vaultWith('wrapping').open(fact)).toBeNull();
});

it('an erasure that was interrupted counts, and its key does not stay behind a new one', async () => {
  const fact = await sealed('acme.v6', ann);
  const interrupted = createVault({
    store: { ...rig.store, deleteStream: () => Promise.reject(new Error('the process ended')) },
    wrapping: deriveSecrets(['wrapping']).wrapping,
    now: rig.now,
    newId,
  });
  await expect(interrupted.erase('acme.v6')).rejects.toThrow('ended');
  expect(await vaultWith('wrapping').open(fact)).toBeNull();
  const later = await sealed('acme.v6', { nick: 'Bob' }, vaultWith('wrapping'));
  expect(await vaultWith('wrapping').open(later)).toEqual({ nick: 'Bob' });
  expect(await vaultWith('wrapping').open(fact)).toBeNull();
  expect(await rig.types('key-acme.v6')).toEqual(['DataKeyErased', 'DataKeyCreated']);
  await vaultWith('wrapping').erase('acme.v6');
  expect(await rig.types('key-acme.v6')).toEqual([]);
  await vaultWith('wrapping').erase('acme.v6');
  expect(await rig.types('key-acme.v6')).toEqual([]);
});

it('nothing is sealed with a key that was destroyed, in no process', async () => {
  const fact = await sealed('acme.v8', ann);
  expect(await rig.vault.exists('acme.v8')).toBe(true);
  await rig.vault.destroy('acme.v8');
  expect(await rig.vault.exists('acme.v8')).toBe(false);
  const isRefused = (by: Pick<Vault, 'seal'>, key = 'acme.v8') =>
    expect(sealed(key, ann, by)).rejects.toSatisfy(isKeyDestroyed);
  await isRefused(vaultWith('wrapping')); // it learns of it from the log
  expect(await rig.types('key-acme.v8')).toEqual(['DataKeyDestroyed']);
  expect(await vaultWith('wrapping').open(fact)).toBeNull();
  // A fact tells it. There is no key, and none is made.
  rig.vault.forget('acme.v9', 1);
  await isRefused(rig.vault, 'acme.v9');
  expect(await rig.types('key-acme.v9')).toEqual([]);
  // The fact comes while a key is being made.
  const { store, now } = rig;
  const racing = createVault({
    store: {
      ...store,
      append: async (...args) => {
        racing.forget('acme.v10', 1);
        return store.append(...args);
      },
    },
    wrapping: deriveSecrets(['wrapping']).wrapping,
    now,
    newId,
  });
  await isRefused(racing, 'acme.v10');
});

it('a process forgets a person of whom nothing stays, and knows nothing of them when they return', async () => {
  const vault = vaultWith('wrapping');
  const fact = await sealed('acme.v11', ann, vault);
  await vaultWith('wrapping').erase('acme.v11'); // another process
  vault.forget('acme.v11', 1, true);
  expect(await vault.open(fact)).toBeNull();
  // The name of the key may be used again. Without `all` it may not.
  const later = await sealed('acme.v11', { nick: 'Bob' }, vault);
  expect(await vault.open(later)).toEqual({ nick: 'Bob' });
  expect(await vault.open(fact)).toBeNull();
});

it('a key is retired only while its person is gone, and if nobody has changed it', async () => {
  const key = 'acme.v12';
  await sealed(key, ann);
  await rig.vault.retire(key, async () => false);
  expect(await rig.types(`key-${key}`)).toEqual(['DataKeyCreated']);
  await rig.vault.retire(key, async () => true);
  expect(await rig.types(`key-${key}`)).toEqual([]);
  await rig.vault.retire(key, () => expect.unreachable()); // there is none

  // They come back in the moment of the deletion.
  await sealed(key, ann);
  const { store, now } = rig;
  const found: { fact?: Awaited<ReturnType<typeof sealed>> } = {};
  const late = createVault({
    store: {
      ...store,
      deleteStream: async (...args) => {
        found.fact = await sealed(key, { nick: 'Bob' }, vaultWith('wrapping'));
        return store.deleteStream(...args);
      },
    },
    wrapping: deriveSecrets(['wrapping']).wrapping,
    now,
    newId,
  });
  await expect(late.retire(key, async () => true)).rejects.toThrow();
  expect(await vaultWith('wrapping').open(found.fact ?? expect.unreachable())).toEqual({
    nick: 'Bob',
  });
});

it('a person gets one data key, however many calls in two processes seal at once', async () => {
  const vaults = [vaultWith('wrapping'), vaultWith('wrapping')];
  const facts = await Promise.all(
    Array.from({ length: 20 }, (_, i) => sealed('acme.race', { i }, vaults[i % 2])),
  );
  expect(await rig.types('key-acme.race')).toEqual(['DataKeyCreated']);
  const third = vaultWith('wrapping');
  for (const [i, fact] of facts.entries()) expect(await third.open(fact)).toEqual({ i });
});

it('a search that finds no key does not disturb the first seal', async () => {
  const fact = { stream: 'visitor-acme.v4', type: 'PageViewed', id: newId() };
  const before = rig.vault.open({ ...fact, personal: { key: 'acme.v4', box: 'AAAA' } });
  const first = await sealed('acme.v4', ann);
  expect(await before).toBeNull();
  expect(await rig.vault.open(first)).toEqual(ann);
});

it('a wrong service secret is named in the error', async () => {
  const fact = await sealed('acme.v5', ann);
  const wrong = vaultWith('another secret');
  const fault = { code: 'unavailable', message: expect.stringContaining('SERVICE_SECRET') };
  await expect(wrong.open(fact)).rejects.toMatchObject(fault);
  await expect(sealed('acme.v5', ann, wrong)).rejects.toMatchObject(fault);
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
  const facts = (await other.facts('visitor-acme.7')).filter(({ personal }) => personal);
  expect(facts.length).toBeGreaterThanOrEqual(2);
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
