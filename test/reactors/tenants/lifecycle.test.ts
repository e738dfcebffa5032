/** Groups of new tenants, and removals that wait: while ejabberd is away, and until this process owns the tenant. */
import { afterEach, expect, it } from 'vitest';
import { rosterGroups, type TenantId } from '../../../src/actors/ids.ts';
import type { Tenant } from '../../../src/actors/tenant/tenant.ts';
import { createTenantLifecycle } from '../../../src/reactors/tenants/lifecycle.ts';
import { fakeEjabberd } from '../../support/fake-ejabberd.ts';
import { ALL_PARTITIONS, movableOwnership } from '../../support/ownership.ts';
import { openRig, type Rig, silent } from '../../support/rig.ts';
import { tenantWith } from '../../support/tenant.ts';
import { waitFor } from '../../support/wait.ts';

const HOST = 'xmpp.test';
const SHOP = tenantWith({ id: 'shop', host: HOST, instance: 'shop', apiKey: 'key-of-the-shop-01' });
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function world(owned: readonly number[] = ALL_PARTITIONS) {
  const rig: Rig = await openRig();
  const ejabberd = fakeEjabberd();
  const ownership = movableOwnership(owned);
  const known = new Map<TenantId, Tenant>();
  const removing = new Map<TenantId, boolean>();
  const listeners: ((id: TenantId) => void)[] = [];
  const purged: TenantId[] = [];
  const compared = { times: 0 };
  const lifecycle = createTenantLifecycle({
    ...rig,
    admin: ejabberd.admin,
    removeDesk: async () => {},
    removeRooms: async () => {},
    transport: ejabberd.transport,
    contactTable: ejabberd.contactTable,
    ownership,
    tenants: {
      get: (id) => known.get(id),
      removals: () => [...removing].map(([tenant, purge]) => ({ tenant, purge })),
      onChange: (listener) => void listeners.push(listener),
    },
    desired: { notGone: () => [], pending: () => [].values() },
    operatorsOf: () => [],
    operatorRemoval: {
      exclusively: (_tenant, _username, work) => work(),
      finish: async () => undefined,
      finishRecent: async () => undefined,
    },
    lanes: { streams: () => [] },
    destinations: ['xmpp', 'lhc'],
    isAway: () => false,
    caughtUp: async () => {
      // As the directory does when the removal is in the log.
      if (!(await rig.types('tenant-shop')).includes('TenantRemoved')) return;
      known.delete(SHOP.id);
      removing.delete(SHOP.id);
    },
    purge: async (id) => {
      purged.push(id);
      return true;
    },
    logId: '01890000-0000-7000-8000-00000000abcd',
    compare: () => {
      compared.times += 1;
    },
    random: Math.random,
    logger: silent,
    removalRetry: { firstMs: 5, mostMs: 10 },
    groupsRetry: { firstMs: 5, mostMs: 10 },
    lookMs: 1,
  });
  closing.push(rig.close, lifecycle.stop);
  const tell = () => {
    for (const listener of listeners) listener(SHOP.id);
  };
  return {
    ejabberd,
    lifecycle,
    ownership,
    purged,
    compared,
    make() {
      known.set(SHOP.id, SHOP);
      tell();
    },
    remove(purge = false) {
      known.set(SHOP.id, { ...SHOP, removing: true });
      removing.set(SHOP.id, purge);
      tell();
    },
    whenRemoved: () => waitFor(() => removing.size === 0),
    begun: (purge = false) =>
      rig.store.append(
        'tenant-shop',
        [
          {
            id: crypto.randomUUID(),
            type: 'TenantRemovalBegun',
            schemaVersion: 1,
            data: { purge },
            personal: null,
            metadata: {
              tenant: 'shop',
              at: rig.now(),
              commandId: 'c',
              correlationId: 'c',
              causationId: 'c',
              machine: 'tenant/3',
            },
          },
        ],
        'any',
      ),
  };
}

it('groups that ejabberd could not make are made when it is back', async () => {
  const { ejabberd, lifecycle, make, compared } = await world();
  lifecycle.start();
  ejabberd.state.down = true;
  make();
  expect(await lifecycle.makeGroups(SHOP)).toEqual({
    state: 'pending',
    reason: 'ejabberd is away',
  });
  expect(await lifecycle.groups(SHOP)).toMatchObject({ state: 'pending' });
  ejabberd.state.down = false;
  await waitFor(async () => (await lifecycle.groups(SHOP)).state === 'ready');
  await waitFor(() => compared.times > 0); // nobody had noted yet whose the new groups are
});

it('a removal says why it waits, and goes on when ejabberd is back', async () => {
  const { ejabberd, lifecycle, make, begun, remove, whenRemoved } = await world();
  lifecycle.start();
  make();
  await waitFor(async () => (await lifecycle.groups(SHOP)).state === 'ready');
  ejabberd.state.down = true;
  await begun();
  remove();
  await waitFor(() => lifecycle.removal(SHOP.id)?.reason === 'ejabberd is away');
  expect(lifecycle.removal(SHOP.id)?.step).toBe('accounts');
  ejabberd.state.down = false;
  await whenRemoved();
  await waitFor(() => lifecycle.removal(SHOP.id) === null);
  expect(await ejabberd.admin.groupsFault(HOST, rosterGroups(SHOP))).not.toBeNull();
});

it('the process that owns the tenant acts, also after it has got the partition', async () => {
  const { lifecycle, ownership, begun, remove, whenRemoved, purged } = await world([]);
  lifecycle.start();
  await begun(true);
  remove(true);
  expect(lifecycle.removal(SHOP.id)).toBeNull();
  for (const partition of ALL_PARTITIONS) ownership.gain(partition);
  await whenRemoved();
  expect(purged).toEqual([SHOP.id]);
});

it('a removal that was begun before the start goes on, and a stop ends it', async () => {
  const { ejabberd, lifecycle, begun, remove } = await world();
  ejabberd.state.down = true;
  await begun();
  remove();
  lifecycle.start();
  await waitFor(() => lifecycle.removal(SHOP.id)?.reason != null);
  await lifecycle.stop();
  expect(lifecycle.removal(SHOP.id)).toBeNull();
  const next = await world();
  await next.begun();
  next.remove();
  next.lifecycle.start();
  await next.whenRemoved();
});
