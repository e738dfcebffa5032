/** A change of the service secret, on both event stores. */
import { randomUUIDv7 } from 'node:crypto';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { openEsdbEventStore } from '../../../src/eventstore/esdb/store.ts';
import type { EventStore } from '../../../src/eventstore/port.ts';
import { openSqliteEventStore } from '../../../src/eventstore/sqlite/store.ts';
import { type Ownership, soleOwner } from '../../../src/runtime/leases/ownership.ts';
import { encrypt } from '../../../src/runtime/vault/box.ts';
import { createRotation, type Rotation } from '../../../src/runtime/vault/rotation.ts';
import { checkSecrets } from '../../../src/runtime/vault/secret-check.ts';
import { deriveSecrets } from '../../../src/runtime/vault/secrets.ts';
import { readSecretsInUse } from '../../../src/runtime/vault/secrets-in-use.ts';
import { createVault } from '../../../src/runtime/vault/vault.ts';
import { event } from '../../eventstore/events.ts';
import { startEventStoreDouble } from '../../support/eventstoredb/server.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { silent } from '../../support/rig.ts';
import { waitFor } from '../../support/wait.ts';

const OLD = 'the old secret, which somebody has seen';
const NEW = 'the new secret, which nobody knows yet';
const THIRD = 'a third secret that was never in use before';
const newId = (): string => randomUUIDv7();
const noOwner: Ownership = { ...soleOwner, owns: () => false };

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function openSqlite(): Promise<EventStore> {
  const store = await openSqliteEventStore(join(temporaryFolder('rotation'), 'events.db'));
  closing.push(() => store.close());
  return store;
}

async function openEsdb(): Promise<EventStore> {
  const server = await startEventStoreDouble();
  const store = await openEsdbEventStore(server.url);
  closing.push(
    () => server.close(),
    () => store.close(),
  );
  return store;
}

const vaultOf = (store: EventStore, ...secrets: string[]) =>
  createVault({ store, wrapping: deriveSecrets(secrets).wrapping, now: Date.now, newId });

/** A page view of a person, stored with its personal data sealed. */
async function add(store: EventStore, person: string, ...secrets: string[]) {
  const stream = `visitor-acme.${person}`;
  const fact = event(0);
  const vault = vaultOf(store, ...secrets);
  const personal = await vault.seal(`acme.${person}`, { nick: person }, { ...fact, stream });
  await store.append(stream, [{ ...fact, personal }], 'no-stream');
}

/** As version 0.1.0 wrote it, without the id of the secret. */
async function addOld(store: EventStore, person: string): Promise<void> {
  const key = `acme.${person}`;
  const dataKey = Buffer.alloc(32, person);
  const { key: wrapping = dataKey } = deriveSecrets([OLD]).wrapping[0] ?? {};
  const data = { wrapped: encrypt(wrapping, key, dataKey).toString('base64') };
  const created = event(0, { type: 'DataKeyCreated', data });
  await store.append(`key-${key}`, [created], 'no-stream');
  await add(store, person, OLD);
}

async function nickOf(store: EventStore, person: string, ...secrets: string[]) {
  const [fact] = await store.readStream(`visitor-acme.${person}`);
  return fact && (await vaultOf(store, ...secrets).open(fact))?.nick;
}

function rotate(
  store: EventStore,
  secrets: readonly string[],
  more: { ownership?: Ownership; shared?: boolean; settleAfterMs?: number } = {},
): Rotation & { start(): Promise<void>; stop(): Promise<void> } {
  const ending = new AbortController();
  const rotation = createRotation({
    store,
    wrapping: deriveSecrets(secrets).wrapping,
    ownership: soleOwner,
    shared: false,
    now: Date.now,
    newId,
    random: () => 0,
    logger: silent,
    everyMs: 5,
    pauseShare: 0,
    ...more,
  });
  let running = Promise.resolve();
  const stop = async () => {
    ending.abort();
    await running;
  };
  closing.push(stop);
  return {
    ...rotation,
    stop,
    async start() {
      await rotation.begin();
      running = rotation.run(ending.signal);
    },
  };
}

const isSettled = (rotation: Rotation) => () => {
  rotation.check();
  return rotation.pending() === 0;
};
const people = ['ann', 'bob', 'cid'];
const keyTypes = async (store: EventStore, person: string) =>
  (await store.readStream(`key-acme.${person}`)).map(({ type }) => type);

describe.each([
  ['SQLite', openSqlite],
  ['EventStoreDB', openEsdb],
])('a new service secret on %s', (_name, open) => {
  it('wraps every data key again, and then the old one is not needed', async () => {
    const store = await open();
    await addOld(store, 'ann');
    await add(store, 'bob', OLD);
    await add(store, 'gone', OLD);
    await vaultOf(store, OLD).erase('acme.gone');
    expect(await checkSecrets(store, [NEW, OLD])).toMatchObject({ rotation: 'ahead' });

    const rotation = rotate(store, [NEW, OLD]);
    await rotation.begin();
    await add(store, 'cid', NEW, OLD);
    // Started without the old one now, the service would not open what the old one wrapped.
    await expect(checkSecrets(store, [NEW])).rejects.toThrow(/removed too early/);
    await expect(checkSecrets(store, [OLD])).rejects.toThrow(/is not the one/);
    expect(await checkSecrets(store, [NEW, OLD])).toEqual({ opened: true, rotation: 'running' });
    expect(() => rotation.check()).toThrow(/older service secret still wraps .*: keep it/);
    expect(rotation.pending()).toBeNaN();
    for (const person of people) expect(await nickOf(store, person, NEW, OLD)).toBe(person);

    await rotation.start();
    await waitFor(isSettled(rotation));
    expect(await checkSecrets(store, [NEW, OLD])).toEqual({ opened: true, rotation: 'done' });
    expect(await checkSecrets(store, [NEW])).toEqual({ opened: true, rotation: 'none' });
    await expect(checkSecrets(store, [OLD])).rejects.toThrow(/is not the one/);
    for (const person of people) {
      expect(await nickOf(store, person, NEW)).toBe(person);
      await expect(nickOf(store, person, OLD)).rejects.toMatchObject({ code: 'unavailable' });
      // What the old secret wrapped is gone, too.
      expect(await keyTypes(store, person)).toHaveLength(1);
    }
    expect(await keyTypes(store, 'ann')).toEqual(['DataKeyRewrapped']);
    expect(await keyTypes(store, 'gone')).toEqual([]);
    expect(await nickOf(store, 'gone', NEW)).toBeUndefined();
    // It says nothing about the secrets.
    const log = JSON.stringify(await store.readAll());
    for (const secret of [OLD, NEW]) {
      const [{ id = '', key = Buffer.alloc(1) } = {}] = deriveSecrets([secret]).wrapping;
      expect(log).toContain(id);
      expect(log).not.toContain(secret);
      expect(log).not.toContain(key.toString('base64').slice(0, 12));
    }
  });

  it('comes from the log, so processes with another order do not undo each other', async () => {
    const store = await open();
    for (const person of people) await add(store, person, OLD);
    const first = rotate(store, [OLD, NEW], { shared: true, settleAfterMs: 1 });
    await first.start();
    await waitFor(isSettled(first));
    await first.stop();
    const shared = { shared: true, settleAfterMs: 60_000 };
    const before = rotate(store, [OLD, NEW], shared);
    await before.start();
    expect(before.check).not.toThrow();
    const rolled = rotate(store, [NEW, OLD], { ...shared, ownership: noOwner });
    await rolled.start();
    // The process with the old order has the work. It goes on with the new secret.
    await waitFor(async () => (await keyTypes(store, 'cid')).includes('DataKeyRewrapped'));
    await waitFor(() => before.pending() === 0);
    for (const person of people) expect(await nickOf(store, person, NEW)).toBe(person);
    // So do the keys that it makes.
    await add(store, 'dan', OLD, NEW);
    expect(await nickOf(store, 'dan', NEW)).toBe('dan');
    expect(rolled.pending()).toBeNaN();
    expect(() => rolled.check()).toThrow(/keep it in SERVICE_SECRET/);

    // A key that was on its way when the secret changed.
    await add(store, 'eve', OLD);
    await waitFor(async () => (await keyTypes(store, 'eve')).includes('DataKeyRewrapped'));
    expect(await readSecretsInUse(store)).toMatchObject({ needed: { length: 2 } });
    await before.stop();

    const last = rotate(store, [NEW, OLD], { shared: true, settleAfterMs: 1 });
    await last.start();
    await waitFor(isSettled(last));
    expect(await checkSecrets(store, [NEW])).toEqual({ opened: true, rotation: 'none' });
  });

  it('is not done while a data key opens with no secret', async () => {
    const store = await open();
    await add(store, 'ann', OLD);
    await add(store, 'bob', THIRD);
    const rotation = rotate(store, [NEW, OLD]);
    await rotation.start();
    await waitFor(() => expect(() => rotation.check()).toThrow(/opens 1 data key$/) ?? true);
    expect(rotation.pending()).toBe(1);
    await addOld(store, 'cid');
    await waitFor(async () => (await keyTypes(store, 'cid')).at(-1) === 'DataKeyRewrapped');
    expect((await readSecretsInUse(store))?.needed).toHaveLength(2);
    await vaultOf(store, THIRD).erase('acme.bob');
    await waitFor(isSettled(rotation));
    expect(await nickOf(store, 'ann', NEW)).toBe('ann');
  });

  it('does not bring an erased person back', async () => {
    const store = await open();
    await add(store, 'ann', OLD);
    let erase: (() => Promise<void>) | null = () => vaultOf(store, OLD).erase('acme.ann');
    const racing: EventStore = {
      ...store,
      async append(stream, ...rest) {
        if (stream === 'key-acme.ann') {
          await erase?.();
          erase = null;
        }
        return store.append(stream, ...rest);
      },
    };
    const rotation = rotate(racing, [NEW, OLD]);
    await rotation.start();
    await waitFor(isSettled(rotation));
    expect(erase).toBeNull();
    expect(await keyTypes(store, 'ann')).toEqual([]);
    expect(await nickOf(store, 'ann', NEW)).toBeUndefined();
  });

  it('goes on after an end at any moment', async () => {
    const store = await open();
    for (const person of people) await addOld(store, person);
    for (let writes = 1; ; writes += 1) {
      let left = writes;
      const ends = async () => {
        left -= 1;
        if (left < 0) throw new Error('the process ended');
      };
      const failing: EventStore = {
        ...store,
        append: (...args) => ends().then(() => store.append(...args)),
        truncateBefore: (...args) => ends().then(() => store.truncateBefore(...args)),
      };
      const rotation = rotate(failing, [NEW, OLD]);
      await rotation.start();
      const settled = isSettled(rotation);
      await waitFor(() => left < 0 || (Number.isFinite(rotation.pending()) && settled()));
      await rotation.stop();
      for (const person of people) expect(await nickOf(store, person, NEW, OLD)).toBe(person);
      if (left >= 0) break;
    }
    for (const person of people) {
      expect(await nickOf(store, person, NEW)).toBe(person);
      expect(await keyTypes(store, person)).toEqual(['DataKeyRewrapped']);
    }
  });

  it('can be taken back, and replaced by a third', async () => {
    const store = await open();
    await add(store, 'ann', OLD);
    for (const secrets of [
      [NEW, OLD],
      [OLD, NEW],
      [THIRD, OLD, NEW],
    ]) {
      const rotation = rotate(store, secrets);
      await rotation.start();
      await waitFor(isSettled(rotation));
      await rotation.stop();
      expect(await nickOf(store, 'ann', secrets[0] ?? '')).toBe('ann');
      expect(await keyTypes(store, 'ann')).toEqual(['DataKeyRewrapped']);
    }
  });
});

it('a secret that changes during a pass is not settled by that pass', async () => {
  const store = await openSqlite();
  await add(store, 'ann', OLD);
  let change: (() => Promise<void>) | null = () => rotate(store, [THIRD, NEW, OLD]).begin();
  const slow: EventStore = {
    ...store,
    async truncateBefore(...args) {
      await change?.();
      change = null;
      return store.truncateBefore(...args);
    },
  };
  const rotation = rotate(slow, [NEW, OLD]);
  await rotation.start();
  await waitFor(async () => (await readSecretsInUse(store))?.needed.length === 3);
  await waitFor(() => {
    try {
      rotation.check();
      return false;
    } catch (error) {
      return /is not in SERVICE_SECRET here/.test(String(error));
    }
  });
  expect(await readSecretsInUse(store)).toMatchObject({ needed: { length: 3 } });
});

it('a process that lacks the new secret says so', async () => {
  const store = await openSqlite();
  await add(store, 'ann', OLD);
  const without = rotate(store, [OLD, THIRD]);
  await without.start();
  await waitFor(isSettled(without));
  await rotate(store, [NEW, OLD, THIRD]).begin();
  await waitFor(() => {
    try {
      without.check();
      return false;
    } catch (error) {
      return /is not in SERVICE_SECRET here/.test(String(error));
    }
  });
});
