/** The desks of tenants: made, kept, changed in time, handed over and removed. */
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import type { TenantId } from '../../../src/actors/ids.ts';
import { deskJid } from '../../../src/actors/ids.ts';
import type { Tenant } from '../../../src/actors/tenant/tenant.ts';
import { AppError } from '../../../src/errors.ts';
import { createDesks, DESK_STATUS_EVERY_MS, type Desks } from '../../../src/reactors/desk/desk.ts';
import { deskStatus } from '../../../src/reactors/desk/status.ts';
import { DESK_NAME } from '../../../src/reactors/texts/presence-text.ts';
import { partitionOf } from '../../../src/runtime/leases/ownership.ts';
import { fakeEjabberd } from '../../support/fake-ejabberd.ts';
import { movableOwnership } from '../../support/ownership.ts';
import { tenantWith } from '../../support/tenant.ts';
import { waitFor } from '../../support/wait.ts';

const tenantOf = (instance: string, more: Record<string, unknown> = {}): Tenant =>
  tenantWith({
    id: instance,
    host: 'chat.test',
    instance,
    apiKey: `key-of-${instance}-0123456789`,
    ...more,
  });
const ONE = tenantOf('one');
const TWO = tenantOf('two');

let desks: Desks | undefined;
afterEach(() => desks?.stop());

function world(tenants: Tenant[] = [ONE, TWO], ownership = movableOwnership()) {
  const ejabberd = fakeEjabberd();
  const { admin, transport } = ejabberd;
  const listeners: ((id: TenantId) => void)[] = [];
  const counts = { waiting: 0, chatting: 0, visitors: 0 };
  const clock = { now: 0 };
  const logged: string[] = [];
  desks = createDesks({
    admin,
    transport,
    ownership,
    tenants: {
      get: (id) => tenants.find((tenant) => tenant.id === id),
      all: () => tenants,
      onChange: (listener) => void listeners.push(listener),
    },
    passwordOf: (jid) => `password of ${jid}`,
    countsOf: () => counts,
    now: () => clock.now,
    random: () => 0,
    logger: pino({ base: null }, { write: (line) => void logged.push(line) }),
  });
  const started = desks;
  started.start();
  const arrived = (tenant: Tenant) =>
    started.onCommit([
      // The parts of a stored event that the desk reads.
      { stream: `visitor-${tenant.id}.1`, type: 'VisitorArrived' } as never,
    ]);
  const shown = (tenant: Tenant) => ejabberd.present.get(deskJid(tenant));
  const isShown = (tenant: Tenant) =>
    waitFor(() => shown(tenant) !== undefined, { every: 5, what: `the desk of ${tenant.id}` });
  return {
    ...ejabberd,
    ownership,
    tenants,
    listeners,
    counts,
    clock,
    logged,
    desks: started,
    arrived,
    shown,
    isShown,
    /** Its session is the last but one step of a desk. */
    areAllShown: () => waitFor(() => started.pending() === 0, { every: 5, what: 'all desks' }),
  };
}

describe('a desk', () => {
  it('has an account, a card, a place in the group and a session', async () => {
    const w = world();
    expect(w.desks.pending()).toBe(2);
    await w.isShown(ONE);
    await w.isShown(TWO);
    await w.areAllShown();
    const jid = deskJid(ONE);
    expect(jid).toBe('visitors.one@chat.test');
    expect(w.accounts.get(jid)).toBe(`password of ${jid}`);
    expect(w.nicknames.get(jid)).toBe(DESK_NAME);
    expect(await w.admin.groupMembers('chat.test', 'visitors.one')).toEqual([jid]);
    expect(w.shown(ONE)).toEqual({ status: '0 on the site', nick: DESK_NAME });
  });

  it('is made when ejabberd is back, and made again when it has lost the account', async () => {
    const w = world([ONE]);
    w.state.down = true;
    await waitFor(() => w.calls.length > 0, { every: 5 });
    expect(w.desks.pending()).toBe(1);
    w.state.down = false;
    w.clock.now += 120_000;
    await w.isShown(ONE);
    await w.areAllShown();
    w.accounts.clear();
    w.desks.compare();
    expect(w.desks.pending()).toBe(1);
    await waitFor(() => w.accounts.has(deskJid(ONE)), { every: 5 });
    await w.areAllShown();
  });

  it.each([
    ['is a line of the log', {}, 1],
    ['whose connection is on its way is none', { isOnItsWay: true }, 0],
  ])('that cannot be shown %s', async (_, details, lines) => {
    const w = world([ONE]);
    let fails = true;
    w.state.before = async (call) => {
      if (fails && call.startsWith('online')) {
        throw new AppError('unavailable', 'not connected', details);
      }
    };
    await waitFor(() => w.calls.some((call) => call.startsWith('online')), { every: 5 });
    fails = false;
    w.clock.now += 120_000;
    await w.areAllShown();
    expect(w.logged).toHaveLength(lines);
  });

  it('changes its status no more often than it may, and then to the newest one', async () => {
    const w = world([ONE]);
    await w.isShown(ONE);
    w.counts.visitors = 1;
    w.arrived(ONE);
    const before = w.calls.length;
    w.counts.visitors = 7;
    w.arrived(ONE);
    w.clock.now += DESK_STATUS_EVERY_MS - 1;
    // Another desk is made in between: a tick has passed.
    w.tenants.push(TWO);
    for (const listener of w.listeners) listener(TWO.id);
    await w.isShown(TWO);
    expect(w.shown(ONE)?.status).toBe('0 on the site');
    w.clock.now += 1;
    await waitFor(() => w.shown(ONE)?.status === '7 on the site', { every: 5 });
    const own = w.calls.slice(before).filter((call) => call.endsWith(deskJid(ONE)));
    expect(own.filter((call) => call.startsWith('register'))).toEqual([]);
  });

  it('belongs to the process that owns the tenant', async () => {
    const partition = partitionOf(ONE.id);
    expect(partitionOf(TWO.id)).not.toBe(partition);
    const w = world([ONE, TWO], movableOwnership([partitionOf(TWO.id)]));
    await w.isShown(TWO);
    await w.areAllShown();
    expect(w.shown(ONE)).toBeUndefined();
    w.ownership.gain(partition);
    expect(w.desks.pending()).toBe(2); // both are looked at
    await w.isShown(ONE);
    await w.ownership.handOver(partition);
    expect(w.releasedFor.has(deskJid(ONE))).toBe(true);
    expect(w.releasedFor.has(deskJid(TWO))).toBe(false);
  });

  it('comes back when another login has replaced its session', async () => {
    const w = world([ONE]);
    await w.isShown(ONE);
    await w.areAllShown();
    w.present.delete(deskJid(ONE));
    w.desks.sessionLost(ONE.id);
    expect(w.desks.pending()).toBe(1);
    w.clock.now += 60_000;
    await w.isShown(ONE);
  });

  it('leaves the place of the other transport, also if ejabberd has lost that it did', async () => {
    const w = world([ONE]);
    await w.isShown(ONE);
    const moved: Tenant = { ...ONE, transport: 'component' };
    w.tenants[0] = moved;
    for (const listener of w.listeners) listener(ONE.id);
    const isGone = () =>
      waitFor(() => w.accounts.size === 0 && w.members('visitors.one').size === 0, {
        every: 5,
        what: 'no account of the desk',
      });
    await w.isShown(moved);
    await isGone();
    // As after a kill, which loses Mnesia's last two seconds.
    await w.admin.register(deskJid(ONE), 'password');
    await w.admin.joinGroup(deskJid(ONE), 'visitors.one');
    w.desks.compare();
    await isGone();
    expect(w.shown(moved)).toBeDefined();
  });

  it('goes for good with its tenant, and no other one does', async () => {
    const w = world();
    await w.isShown(ONE);
    await w.isShown(TWO);
    w.tenants[0] = { ...ONE, removing: true };
    await w.desks.remove(ONE);
    expect(w.desks.pending()).toBe(0);
    for (const listener of w.listeners) listener(ONE.id);
    w.arrived(ONE);
    w.clock.now += 60_000;
    w.counts.visitors = 1;
    w.arrived(TWO);
    await waitFor(() => w.shown(TWO)?.status === '1 on the site', { every: 5 });
    expect(w.accounts.has(deskJid(ONE))).toBe(false);
    expect(await w.admin.groupMembers('chat.test', 'visitors.one')).toEqual([]);
    expect(w.shown(ONE)).toBeUndefined();
  });
});

it.each([
  [{ waiting: 2, chatting: 5, visitors: 31 }, '2 waiting, 5 in chats, 31 on the site'],
  [{ waiting: 0, chatting: 1, visitors: 3 }, '1 in a chat, 3 on the site'],
  [{ waiting: 0, chatting: 0, visitors: 0 }, '0 on the site'],
])('the status of %j', (counts, status) => {
  expect(deskStatus(counts)).toBe(status);
});
