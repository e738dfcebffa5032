/** What a purge deletes of a tenant, on both event stores, also when it is cut off in the middle. */
import { randomUUIDv7 } from 'node:crypto';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { TenantId } from '../../src/actors/ids.ts';
import { openEsdbEventStore } from '../../src/eventstore/esdb/store.ts';
import type { EventStore } from '../../src/eventstore/port.ts';
import { openSqliteEventStore } from '../../src/eventstore/sqlite/store.ts';
import { createTenantPurge } from '../../src/runtime/tenant-purge.ts';
import { deriveSecrets } from '../../src/runtime/vault/secrets.ts';
import { createVault } from '../../src/runtime/vault/vault.ts';
import { event } from '../eventstore/events.ts';
import { startEventStoreDouble } from '../support/eventstoredb/server.ts';
import { temporaryFolder } from '../support/folder.ts';

const ACME = TenantId.parse('acme');
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function openSqlite(): Promise<EventStore> {
  const store = await openSqliteEventStore(join(temporaryFolder('purge'), 'events.db'));
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

/** Streams of the tenant, and of others whose names look alike. Each sealed one belongs to a person. */
const OWN = [
  'visitor-acme.7',
  'visitor-acme.8',
  'visitor-acme.c1.chat',
  'operator-acme.rosa',
  'lane-visitor-acme.7.xmpp',
  'lane-visitor-acme.7.lhc',
  'lane-operator-acme.rosa.lhc',
  'letter-of-acme',
  'letter-acme',
  'inbox-queue-of-acme',
];
const OTHERS = [
  'visitor-acme2.7',
  'visitor-acme-2.7',
  'visitor-other.acme',
  'operator-acme2.rosa',
  'lane-visitor-acme2.7.xmpp',
  'letter-of-acme2',
  'inbox-queue-of-both',
  'lease-partitions',
];
const tenantIn = (stream: string): string =>
  /(other|acme-2|acme2|acme)/.exec(stream)?.[1] ?? 'acme2';
const personIn = (stream: string): string => /^visitor-(.*)$/.exec(stream)?.[1] ?? tenantIn(stream);

async function write(store: EventStore) {
  const vault = createVault({
    store,
    wrapping: deriveSecrets(['wrapping']).wrapping,
    now: Date.now,
    newId: randomUUIDv7,
  });
  for (const stream of [...OWN, ...OTHERS, 'tenant-acme', 'tenant-acme2']) {
    const tenant = tenantIn(stream);
    const about = { metadata: { ...event(0).metadata, tenant } };
    const fact = event(0, about);
    const personal = await vault.seal(personIn(stream), { nick: 'Ann' }, { ...fact, stream });
    await store.append(stream, [{ ...fact, personal }, event(1, about)], 'no-stream');
  }
  const metadata = { ...event(2).metadata, tenant: 'acme' };
  await store.append('inbox-queue-of-both', [event(2, { metadata })], 'any');
  return vault;
}

const left = async (store: EventStore, streams: readonly string[]): Promise<string[]> => {
  const found: string[] = [];
  for (const stream of streams) if ((await store.readStream(stream)).length > 0) found.push(stream);
  return found;
};
const KEYS = ['key-acme', 'key-acme.7', 'key-acme.8', 'key-acme.c1.chat'];
const OTHER_KEYS = ['key-acme2', 'key-acme2.7', 'key-acme-2.7', 'key-other.acme'];

describe.each([
  ['SQLite', openSqlite],
  ['EventStoreDB', openEsdb],
])('a purge on %s', (_name, open) => {
  it('deletes the keys and streams of the tenant, and nothing of others', async () => {
    const store = await open();
    const vault = await write(store);
    const purge = createTenantPurge({ store, vault, settleMs: 0 });
    expect(await left(store, [...OWN, ...KEYS])).toEqual([...OWN, ...KEYS]);
    expect(await purge(ACME, () => true)).toBe(true);
    expect(await left(store, [...OWN, ...KEYS])).toEqual([]);
    const kept = [...OTHERS, ...OTHER_KEYS, 'tenant-acme', 'tenant-acme2'];
    expect(await left(store, kept)).toEqual(kept);
    const [fact] = await store.readStream('visitor-acme2.7');
    expect(fact && (await vault.open(fact))).toEqual({ nick: 'Ann' });
    // Again, with nothing left to do.
    expect(await purge(ACME, () => true)).toBe(true);
    // The names can be used anew.
    await store.append('visitor-acme.7', [event(9)], 'no-stream');
    expect(await left(store, ['visitor-acme.7'])).toEqual(['visitor-acme.7']);
  });

  it('opens nothing from its first moment on, and goes on after each interruption', async () => {
    const store = await open();
    const vault = await write(store);
    const personal = await store.readStream('visitor-acme.7');
    for (let allowed = 1, done = false; !done; allowed++) {
      expect(allowed).toBeLessThan(30);
      let asked = 0;
      const fresh = createVault({
        store,
        wrapping: deriveSecrets(['wrapping']).wrapping,
        now: Date.now,
        newId: randomUUIDv7,
      });
      const purge = createTenantPurge({ store, vault: fresh, settleMs: 0 });
      done = await purge(ACME, () => ++asked <= 4);
      const remaining = await left(store, [...OWN, ...KEYS]);
      // While a stream of the tenant is gone, no key is left.
      if (remaining.length < OWN.length + KEYS.length && !OWN.every((s) => remaining.includes(s))) {
        expect(remaining.filter((each) => KEYS.includes(each))).toEqual([]);
      }
    }
    expect(await left(store, [...OWN, ...KEYS])).toEqual([]);
    expect(await left(store, OTHERS)).toEqual(OTHERS);
    const [first] = personal;
    if (!first) throw new Error('there was no fact');
    await vault.erase('acme.7'); // this process had the key in memory
    expect(await vault.open(first)).toBeNull();
  });
});
