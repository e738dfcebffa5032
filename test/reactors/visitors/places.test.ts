/** Visitors by both transports, and from one to the other, with ejabberd in memory and a real log. */
import { afterEach, describe, expect, it } from 'vitest';
import { deskJid, operatorJid, otherVisitorJid, visitorJid } from '../../../src/actors/ids.ts';
import {
  createTenantDirectory,
  type TenantDirectory,
} from '../../../src/actors/tenant/directory.ts';
import type { Tenant } from '../../../src/actors/tenant/tenant.ts';
import { createMoved } from '../../../src/reactors/conversation/moved.ts';
import { keptAccountsText } from '../../../src/reactors/visitors/accounts-log.ts';
import {
  createDesiredVisitors,
  DESIRED_VISITORS_TABLE,
} from '../../../src/reactors/visitors/desired.ts';
import { createReconciler } from '../../../src/reactors/visitors/reconciler.ts';
import { NO_JOURNAL } from '../../../src/runtime/journal/observed.ts';
import { soleOwner } from '../../../src/runtime/leases/ownership.ts';
import { acceptChat, assignChat, closeChat, startChat, viewPage } from '../../actors/facts.ts';
import { configure } from '../../actors/histories.ts';
import { fakeEjabberd } from '../../support/fake-ejabberd.ts';
import { username, visitorKey } from '../../support/names.ts';
import { ACME, HOST, openRig, type Rig, silent } from '../../support/rig.ts';
import { tenantWith } from '../../support/tenant.ts';
import { waitFor } from '../../support/wait.ts';

const LOG = 'the log of these tests';
const tenantBy = (transport: 'accounts' | 'component', more: object = {}): Tenant =>
  tenantWith({ id: ACME, host: HOST, apiKey: 'key-of-acme-0123456789', transport, ...more });
const ACCOUNTS = tenantBy('accounts');
const COMPONENT = tenantBy('component');
const inAccount = (key: string): string => visitorJid(ACCOUNTS, visitorKey(key));
const asContact = (key: string): string => visitorJid(COMPONENT, visitorKey(key));
const OP1 = operatorJid(ACCOUNTS, username('op1'));

const stopping: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stopping.splice(0).reverse()) await stop();
});

/** A tenant whose settings the test changes. */
function changing(first: Tenant) {
  let directory = createTenantDirectory([first]);
  const tenants: TenantDirectory = {
    get: (id) => directory.get(id),
    ofHost: (host) => directory.ofHost(host),
    all: () => directory.all(),
    standing: (id) => directory.standing(id),
    isComplete: () => true,
  };
  return {
    tenants,
    set: (tenant: Tenant) => {
      directory = createTenantDirectory([tenant]);
    },
  };
}

async function worldOf(first: Tenant, ejabberd = fakeEjabberd(), opened?: Rig, mark = LOG) {
  const rig = opened ?? (await openRig());
  const { tenants, set } = changing(first);
  ejabberd.marks.set('visitors', mark);
  const { workFile, actors, personal, names, now } = rig;
  let follow = async (): Promise<void> => {};
  const moved = createMoved({ ...ejabberd, actors, logger: silent });
  const reconciler = createReconciler({
    ...ejabberd,
    desired: createDesiredVisitors(workFile),
    actors,
    tenants,
    personal,
    names,
    now,
    wallClock: now,
    journal: NO_JOURNAL,
    ownership: soleOwner,
    logger: silent,
    operatorsOf: () => [],
    logId: LOG,
    adoptOperator: async () => {},
    takeOverFrom: [],
    moved,
    caughtUp: () => follow(),
    passwordOf: (jid) => `password of ${jid}`,
    random: () => 1,
  });
  follow = await rig.follow([DESIRED_VISITORS_TABLE], [reconciler]);
  let stopped = false;
  const stop = async (): Promise<void> => {
    if (stopped) return;
    stopped = true;
    await reconciler.stop();
    await rig.close();
  };
  stopping.push(stop);
  await reconciler.start();
  const idle = (): Promise<unknown> =>
    waitFor(async () => {
      await follow();
      return reconciler.pending() === 0;
    });
  async function begin(tenant: Tenant): Promise<void> {
    set(tenant);
    await actors.tenant(ACME).send(configure('http', `key-${tenant.transport}`, ACME));
  }
  return {
    rig,
    ejabberd,
    reconciler,
    idle,
    stop,
    begin,
    async change(tenant: Tenant) {
      await begin(tenant);
      await idle();
    },
    /** Another process on the same log, with ejabberd as it is. */
    async restart(tenant: Tenant) {
      await reconciler.stop();
      stopped = true;
      ejabberd.present.clear();
      ejabberd.calls.length = 0;
      const again = await worldOf(tenant, ejabberd, await rig.restart());
      await again.idle();
      return again;
    },
  };
}
type World = Awaited<ReturnType<typeof worldOf>>;

/** Calls that change something in ejabberd. */
const changesIn = ({ ejabberd }: World): string[] =>
  ejabberd.calls.filter((call) =>
    /^(register|unregister|joinGroup|leaveGroup|setVisitorCard|online|offline|contact|gone) /.test(
      call,
    ),
  );

describe('by the component', () => {
  it('a visitor is a contact, without account, group and AccountReady', async () => {
    const world = await worldOf(COMPONENT);
    const { rig, ejabberd, idle } = world;
    await rig.toVisitor('1', viewPage());
    await idle();
    expect(changesIn(world)).toEqual([`contact ${asContact('1')}`]);
    expect([...ejabberd.contacts.keys()]).toEqual([asContact('1')]);
    expect(await rig.types(`visitor-${ACME}.1`)).toEqual(['VisitorArrived', 'LoggedIn']);
    await rig.toVisitor('1', { type: 'CleanUp' });
    await idle();
    expect(changesIn(world)).toEqual([
      `contact ${asContact('1')}`,
      `gone for good ${asContact('1')}`,
    ]);
    expect(await rig.types(`visitor-${ACME}.1`)).toEqual([
      'VisitorArrived',
      'LoggedIn',
      'CleanedUp',
    ]);
    expect(ejabberd.accounts.size).toBe(0);
  });

  it('a restart sends only what differs, and removes whom no fact calls for', async () => {
    const world = await worldOf(COMPONENT);
    for (const key of ['1', '2', '3']) await world.rig.toVisitor(key, viewPage());
    await world.idle();
    const { ejabberd } = world;
    ejabberd.contacts.set(asContact('2'), 'as an older release had it');
    ejabberd.contacts.set(asContact('9'), 'nobody');
    ejabberd.contacts.delete(asContact('3'));
    const again = await world.restart(COMPONENT);
    expect(changesIn(again).sort()).toEqual([
      `contact ${asContact('2')}`,
      `contact ${asContact('3')}`,
      `gone for good ${asContact('9')}`,
    ]);
  });

  it('contacts that another log has marked as its own stay', async () => {
    const ejabberd = fakeEjabberd();
    ejabberd.contacts.set(asContact('9'), 'of another log');
    const world = await worldOf(COMPONENT, ejabberd, undefined, 'another log');
    await world.idle();
    expect([...ejabberd.contacts.keys()]).toEqual([asContact('9')]);
    const kept = world.reconciler.kept().get(ACME);
    expect(kept).toMatchObject({ strangers: 1 });
    expect(kept && keptAccountsText(kept)).toContain('belong to log another log');
  });

  it('what mod_lhc forgets is sent again, and nothing else', async () => {
    const world = await worldOf(COMPONENT);
    for (const key of ['1', '2']) await world.rig.toVisitor(key, viewPage());
    await world.idle();
    const { ejabberd } = world;
    ejabberd.calls.length = 0;
    ejabberd.reconnectComponent(HOST, () => ejabberd.contacts.delete(asContact('2')));
    await waitFor(() => ejabberd.contacts.has(asContact('2')));
    await world.idle();
    expect(changesIn(world)).toEqual([`contact ${asContact('2')}`]);
  });

  it('visitors wait while the component is away, and those with accounts do not', async () => {
    const world = await worldOf(COMPONENT);
    const { rig, ejabberd } = world;
    ejabberd.state.componentDown = true;
    await rig.toVisitor('1', viewPage());
    await waitFor(() => world.reconciler.pending() > 0);
    expect(ejabberd.contacts.size).toBe(0);
    ejabberd.reconnectComponent(HOST, () => undefined);
    await waitFor(() => ejabberd.contacts.size === 1);
  });
});

describe('a change of the transport', () => {
  const both: [string, Tenant, Tenant][] = [
    ['to the component', ACCOUNTS, COMPONENT],
    ['back to accounts', COMPONENT, ACCOUNTS],
  ];

  it.each(both)(
    '%s shows visitors at the new place first, and leaves the other one',
    async (_what, from, to) => {
      const world = await worldOf(from);
      const { rig, ejabberd, idle } = world;
      for (const key of ['1', '2']) await rig.toVisitor(key, viewPage());
      await rig.toVisitor('3', viewPage());
      await rig.toVisitor('3', { type: 'CleanUp' });
      await idle();
      ejabberd.calls.length = 0;
      await world.change(to);
      const isContact = to === COMPONENT;
      expect([...ejabberd.contacts.keys()].sort()).toEqual(
        isContact ? ['1', '2'].map(asContact) : [],
      );
      expect([...ejabberd.accounts.keys()].sort()).toEqual(
        isContact ? [] : ['1', '2'].map(inAccount),
      );
      expect([...ejabberd.members('visitors')].length).toBe(isContact ? 0 : 2);
      expect([...ejabberd.present.keys()].sort()).toEqual(
        ['1', '2'].map((key) => visitorJid(to, visitorKey(key))),
      );
      const ofOne = changesIn(world).filter((call) => call.includes('visitor.1@'));
      expect(ofOne).toEqual(
        isContact
          ? [
              `contact ${asContact('1')}`,
              `offline ${inAccount('1')}`,
              `leaveGroup ${inAccount('1')}`,
              `unregister ${inAccount('1')}`,
            ]
          : [
              `register ${inAccount('1')}`,
              `setVisitorCard ${inAccount('1')}`,
              `joinGroup ${inAccount('1')}`,
              `online ${inAccount('1')}`,
              `gone for good ${asContact('1')}`,
            ],
      );
      // Nobody was away meanwhile.
      expect(await rig.types(`visitor-${ACME}.1`)).not.toContain('LoggedOut');
      expect(ejabberd.messages).toEqual([]);
    },
  );

  it('back to accounts while the component is away holds up no change of a visitor', async () => {
    const world = await worldOf(COMPONENT);
    const { rig, ejabberd } = world;
    for (const key of ['1', '2']) await rig.toVisitor(key, viewPage());
    await world.idle();
    ejabberd.state.componentDown = true;
    await world.begin(ACCOUNTS);
    await waitFor(() => ['1', '2'].every((key) => ejabberd.present.has(inAccount(key))));
    await waitFor(() => ejabberd.calls.some((call) => call.startsWith('gone for good')));
    // The clock stands still: no next try comes.
    await rig.toVisitor('1', startChat('c1'));
    await rig.toVisitor('2', { type: 'TimeOut' });
    await waitFor(() => ejabberd.present.get(inAccount('1'))?.status.startsWith('Waiting'));
    await waitFor(() => !ejabberd.present.has(inAccount('2')));
    expect([...ejabberd.contacts.keys()].sort()).toEqual(['1', '2'].map(asContact));
    ejabberd.reconnectComponent(HOST, () => rig.clock.passes(60_000));
    await waitFor(() => ejabberd.contacts.size === 0);
  });

  it.each(both)(
    '%s tells the operator of an open chat where it goes on',
    async (_what, from, to) => {
      const world = await worldOf(from);
      const { rig, ejabberd, idle } = world;
      for (const key of ['1', '2']) {
        await rig.toVisitor(key, startChat(`c${key}`, 'Hello'));
        await rig.toVisitor(key, assignChat('op1', `r${key}`, `c${key}`));
      }
      await rig.toVisitor('1', acceptChat());
      await rig.toVisitor('2', closeChat('c2'));
      await idle();
      await world.change(to);
      expect(ejabberd.messages).toEqual([
        expect.objectContaining({
          from: otherVisitorJid(to, visitorKey('1')),
          to: OP1,
          notice: true,
          body: expect.stringContaining(`goes on at ${visitorJid(to, visitorKey('1'))}`),
        }),
      ]);
    },
  );

  it.each(both)(
    '%s with a restart does the same, and again after a kill in the middle',
    async (_what, from, to) => {
      const world = await worldOf(from);
      await world.rig.toVisitor('1', startChat('c1', 'Hello'));
      await world.rig.toVisitor('1', assignChat());
      await world.idle();
      const { ejabberd } = world;
      // A process that is gone has shown the desk there.
      if (from === COMPONENT) ejabberd.contacts.set(deskJid(COMPONENT), 'the desk');
      let isDead = true;
      ejabberd.state.before = async (call) => {
        if (isDead && /^(leaveGroup|gone) /.test(call)) throw new Error('killed');
      };
      const killed = worldOf(to, ejabberd, (await restartOf(world)).rig);
      await waitFor(() => ejabberd.messages.length === 1);
      isDead = false;
      const again = await (await killed).restart(to);
      expect([...ejabberd.contacts.keys()]).toEqual(to === COMPONENT ? [asContact('1')] : []);
      expect([...ejabberd.accounts.keys()]).toEqual(to === COMPONENT ? [] : [inAccount('1')]);
      // mod_lhc drops the second one by its id.
      expect(new Set(ejabberd.messages.map(({ id }) => id)).size).toBe(1);
      await again.stop();
    },
  );
});

async function restartOf(world: World): Promise<{ rig: Rig }> {
  await world.reconciler.stop();
  world.ejabberd.present.clear();
  return { rig: await world.rig.restart() };
}
