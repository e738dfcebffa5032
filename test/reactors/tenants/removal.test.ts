/** The removal of a tenant, cut off at each of its points, with ejabberd in memory and a real log. */
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { operatorJid, rosterGroups, TenantId, visitorJid } from '../../../src/actors/ids.ts';
import { AppError } from '../../../src/errors.ts';
import { XMPP_FILTER } from '../../../src/reactors/conversation/xmpp-lane.ts';
import { LHC_FILTER } from '../../../src/reactors/lhc/drafts.ts';
import { createOperatorRemoval } from '../../../src/reactors/operators/removal.ts';
import { openRoutingTables, ROUTING_TABLE } from '../../../src/reactors/routing/table-queries.ts';
import {
  type RemovalStep,
  removeTenant,
  type TenantRemovalOptions,
} from '../../../src/reactors/tenants/removal.ts';
import {
  createDesiredVisitors,
  DESIRED_VISITORS_TABLE,
} from '../../../src/reactors/visitors/desired.ts';
import { laneTable, openLaneTable } from '../../../src/runtime/lanes/pending-effects.ts';
import { soleOwner } from '../../../src/runtime/leases/ownership.ts';
import { createPendingWork, openWorkFile } from '../../../src/runtime/pending-work.ts';
import { createTenantPurge } from '../../../src/runtime/tenant-purge.ts';
import { openTenantTable, TENANTS_TABLE } from '../../../src/runtime/tenants/table.ts';
import { register, startChat, viewPage } from '../../actors/facts.ts';
import { configure } from '../../actors/histories.ts';
import { fakeEjabberd } from '../../support/fake-ejabberd.ts';
import { username, visitorKey } from '../../support/names.ts';
import { HOST, openRig, type Rig, silent } from '../../support/rig.ts';
import { tenantWith } from '../../support/tenant.ts';

const SHOP = tenantWith({ id: 'shop', host: HOST, instance: 'shop', apiKey: 'key-of-the-shop-01' });
const OTHER = tenantWith({
  id: 'other',
  host: HOST,
  instance: 'other',
  apiKey: 'key-of-other-0001',
});
const LOG_ID = '01890000-0000-7000-8000-00000000abcd';
const VISITORS = ['1', '2', '3'].map(visitorKey);
const ROSA = username('rosa');

const rigs: Rig[] = [];
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close();
});

/** Two tenants of one host, with visitors, a chat and an operator each, and what ejabberd has of them. */
async function world() {
  const rig = await openRig();
  rigs.push(rig);
  const ejabberd = fakeEjabberd();
  const { admin } = ejabberd;
  const caughtUp = await rig.follow([
    DESIRED_VISITORS_TABLE,
    ROUTING_TABLE,
    laneTable([XMPP_FILTER, LHC_FILTER]),
  ]);
  for (const tenant of [SHOP, OTHER]) {
    const names = rosterGroups(tenant);
    await rig.actors.tenant(tenant.id).send({ ...configure('http', 'small', tenant.id) });
    await admin.ensureGroups(HOST, names);
    await admin.markGroup(HOST, names, LOG_ID);
    for (const key of VISITORS) {
      await rig.actors.visitor(tenant.id, key).send(viewPage());
      const jid = visitorJid(tenant, key);
      await admin.register(jid, 'secret');
      await admin.joinGroup(jid, names.visitors);
    }
    await rig.actors.visitor(tenant.id, visitorKey('1')).send(startChat('c1', 'Hello'));
    await rig.actors.operator(tenant.id, ROSA).send(register());
    await admin.register(operatorJid(tenant, ROSA), 'secret');
    await admin.joinGroup(operatorJid(tenant, ROSA), names.operators);
  }
  const desksRemoved: string[] = [];
  const roomsRemoved: string[] = [];
  const options: TenantRemovalOptions = {
    actors: rig.actors,
    admin,
    transport: ejabberd.transport,
    contactTable: ejabberd.contactTable,
    store: rig.store,
    ownership: soleOwner,
    desired: createDesiredVisitors(rig.workFile),
    operatorsOf: openRoutingTables(rig.workFile).operators,
    operatorRemoval: createOperatorRemoval({ ...rig, admin, ownership: soleOwner }),
    lanes: openLaneTable(rig.workFile),
    destinations: ['xmpp', 'lhc'],
    isAway: () => false,
    caughtUp,
    purge: createTenantPurge({ ...rig, settleMs: 0 }),
    removeDesk: async ({ id }) => void desksRemoved.push(id),
    removeRooms: async ({ id }) => void roomsRemoved.push(id),
    logId: LOG_ID,
    logger: silent,
    lastWordsMs: 0,
    accountsStallMs: 0,
    lookMs: 1,
  };
  const begin = (purge: boolean) =>
    rig.actors.tenant(SHOP.id).send({ type: 'BeginTenantRemoval', purge });
  const remove = (purge: boolean, mayGoOn = () => true, steps: RemovalStep[] = []) =>
    removeTenant(options, {
      id: SHOP.id,
      purge,
      tenant: SHOP,
      mayGoOn,
      onStep: (step) => steps.push(step),
    });
  const accountsOf = async () => {
    const all: string[] = [];
    await admin.accounts(HOST, (locals) => void all.push(...locals));
    return all.filter((local) => local.endsWith('.shop'));
  };
  return { rig, ejabberd, admin, options, begin, remove, accountsOf, desksRemoved, roomsRemoved };
}

type World = Awaited<ReturnType<typeof world>>;

async function expectGone(world: World): Promise<void> {
  const { rig, admin, accountsOf, desksRemoved, roomsRemoved } = world;
  expect(new Set(desksRemoved)).toEqual(new Set([SHOP.id]));
  expect(new Set(roomsRemoved)).toEqual(new Set([SHOP.id]));
  expect(await accountsOf()).toEqual([]);
  expect(await admin.groupsFault(HOST, rosterGroups(SHOP))).toMatch(/has no shared roster group/);
  expect((await rig.types('tenant-shop')).at(-1)).toBe('TenantRemoved');
  // The neighbour on the same host has everything.
  expect(await admin.groupsFault(HOST, rosterGroups(OTHER))).toBeNull();
  expect(await admin.groupMembers(HOST, rosterGroups(OTHER).visitors)).toHaveLength(3);
  expect(await admin.accountExists(operatorJid(OTHER, ROSA))).toBe(true);
  const state = await rig.actors.visitor(OTHER.id, visitorKey('1')).state();
  expect(state).toMatchObject({ presence: 'online', conversation: 'waiting' });
}

it('closes chats, removes people and groups, and keeps the log', async () => {
  const w = await world();
  await w.begin(false);
  const steps: RemovalStep[] = [];
  expect(await w.remove(false, undefined, steps)).toBe(true);
  expect(steps).toEqual(['visitors', 'operators', 'last words', 'accounts', 'groups', 'log']);
  await expectGone(w);
  const types = await w.rig.types('visitor-shop.1');
  expect(types.slice(-2)).toEqual(['ChatClosed', 'CleanedUp']);
  expect((await w.rig.types('operator-shop.rosa')).slice(-2)).toEqual([
    'OperatorRemoved',
    'OperatorAccountRemoved',
  ]);
  expect(await w.rig.types('tenant-shop')).toEqual([
    'TenantConfigured',
    'TenantRemovalBegun',
    'TenantRemoved',
  ]);
  // The same id can be made anew.
  await w.rig.actors.tenant(SHOP.id).send({ ...configure('http', 'new', 'another') });
  await w.rig.actors.visitor(SHOP.id, visitorKey('1')).send(viewPage());
});

it('ends for a host that ejabberd does not serve', async () => {
  const w = await world();
  await w.begin(true);
  w.ejabberd.state.before = async () => {
    throw new AppError('refused', 'ejabberd does not serve the host', { reason: 'unserved host' });
  };
  expect(await w.remove(true)).toBe(true);
  expect((await w.rig.types('tenant-shop')).at(-1)).toBe('TenantRemoved');
});

it('with a purge leaves nothing in the log but that it was removed', async () => {
  const w = await world();
  await w.begin(true);
  expect(await w.remove(true)).toBe(true);
  await expectGone(w);
  const streams = new Set((await w.rig.store.readAll()).map(({ stream }) => stream));
  expect([...streams].filter((stream) => /\bshop\b/.test(stream))).toEqual(['tenant-shop']);
  expect(await w.rig.types('tenant-shop')).toEqual(['TenantRemovalBegun', 'TenantRemoved']);
  expect([...streams]).toContain('key-other.1');
});

it('a purge that was killed after its cut is known to a table that is built anew', async () => {
  const w = await world();
  await w.begin(true);
  const begun = (await w.rig.facts('tenant-shop')).at(-1);
  await w.rig.store.truncateBefore('tenant-shop', begun?.revision ?? 0);
  const db = openWorkFile(join(w.rig.folder, 'anew.db'));
  const work = createPendingWork({
    db,
    store: w.rig.store,
    tables: [TENANTS_TABLE],
    logger: silent,
  });
  const ending = new AbortController();
  const ended = work.run(ending.signal);
  await work.caughtUp();
  ending.abort();
  await ended;
  expect(openTenantTable(db).get('shop')).toMatchObject({ standing: 'removing', purge: true });
  db.close();
});

it('purges a tenant that was removed before', async () => {
  const w = await world();
  await w.begin(false);
  await w.remove(false);
  await w.begin(true);
  const work = { id: SHOP.id, purge: true, tenant: undefined, mayGoOn: () => true };
  expect(await removeTenant(w.options, { ...work, onStep: () => undefined })).toBe(true);
  expect(await w.rig.types('tenant-shop')).toEqual(['TenantRemovalBegun', 'TenantRemoved']);
  expect(await w.rig.types('visitor-shop.1')).toEqual([]);
});

describe('cut off', () => {
  it.each([false, true])('at any point goes on there (purge: %s)', async (purge) => {
    const w = await world();
    await w.begin(purge);
    // Each process gets one step further than the one before it.
    let done = false;
    for (let allowed = 0; !done; allowed++) {
      expect(allowed).toBeLessThan(60);
      let asked = 0;
      done = await w.remove(purge, () => ++asked <= allowed);
    }
    await expectGone(w);
  });

  it('by an ejabberd that is away, before each of its calls', async () => {
    const w = await world();
    await w.begin(false);
    let done = false;
    for (let allowed = 0; !done; allowed++) {
      expect(allowed).toBeLessThan(100);
      let calls = 0;
      w.ejabberd.state.before = async () => {
        calls += 1;
        w.ejabberd.state.down = calls > allowed;
      };
      done = await w.remove(false).catch(() => false);
    }
    w.ejabberd.state.before = async () => undefined;
    w.ejabberd.state.down = false;
    await expectGone(w);
  });
});

it('leaves what belongs to another log', async () => {
  const w = await world();
  const stranger = visitorJid(SHOP, visitorKey('99'));
  await w.admin.register(stranger, 'secret');
  const names = rosterGroups(SHOP);
  await w.admin.markGroup(HOST, names, LOG_ID.replace('abcd', 'ef01'));
  await w.begin(false);
  await w.remove(false);
  expect(await w.accountsOf()).toEqual([stranger.split('@')[0]]);
  expect(await w.admin.groupsFault(HOST, names)).toBeNull();
});

it('does not wait for processes that may not remove accounts yet: the group has no mark', async () => {
  const w = await world();
  w.ejabberd.marks.delete(rosterGroups(SHOP).visitors);
  await w.begin(false);
  Object.assign(w.options, { accountsStallMs: 600_000 });
  expect(await w.remove(false)).toBe(true);
  await expectGone(w);
});

it('does not wait for one visitor whose history is unfit', async () => {
  const w = await world();
  const { actors } = w.rig;
  const broken: TenantRemovalOptions = {
    ...w.options,
    actors: {
      ...actors,
      visitor: (tenant, key) => {
        const actor = actors.visitor(tenant, key);
        if (tenant !== TenantId.parse('shop') || key !== '2') return actor;
        return {
          ...actor,
          send: () => actors.visitor(tenant, visitorKey('unknown')).send({ type: 'CleanUp' }),
        };
      },
    },
  };
  await w.begin(false);
  const work = { id: SHOP.id, purge: false, tenant: SHOP, mayGoOn: () => true };
  expect(await removeTenant(broken, { ...work, onStep: () => undefined })).toBe(true);
  await expectGone(w);
});
