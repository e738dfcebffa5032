/** When a tenant was removed, no table of pending work and no read model has a row of it, and others lose nothing. */
import { DatabaseSync } from 'node:sqlite';
import { afterEach, expect, it } from 'vitest';
import { operatorRef, TenantId, visitorRef } from '../../src/actors/ids.ts';
import type { RecordedEvent } from '../../src/eventstore/port.ts';
import { createSetAside } from '../../src/inbox/set-aside.ts';
import { applyToAll, SCHEMA, sweepOf, TABLES } from '../../src/projections/models.ts';
import { XMPP_FILTER } from '../../src/reactors/conversation/xmpp-lane.ts';
import { LHC_FILTER } from '../../src/reactors/lhc/drafts.ts';
import { ROUTING_TABLE } from '../../src/reactors/routing/table-queries.ts';
import { DESIRED_VISITORS_TABLE } from '../../src/reactors/visitors/desired.ts';
import { DEADLINES_TABLE } from '../../src/runtime/deadlines.ts';
import { DEAD_LETTERS_TABLE } from '../../src/runtime/lanes/dead-letter-table.ts';
import { laneTable } from '../../src/runtime/lanes/pending-effects.ts';
import {
  assignChat,
  changePresence,
  offerChat,
  openSession,
  receive,
  register,
  reserve,
  startChat,
  take,
  viewPage,
} from '../actors/facts.ts';
import { event } from '../eventstore/events.ts';
import { username, visitorKey } from '../support/names.ts';
import { newId, openRig, type Rig } from '../support/rig.ts';

const [ACME, ...OTHERS] = ['acme', 'acme2', 'acme-2'].map((id) => TenantId.parse(id));
const WORK_TABLES = [
  DEADLINES_TABLE,
  laneTable([XMPP_FILTER, LHC_FILTER]),
  DESIRED_VISITORS_TABLE,
  ROUTING_TABLE,
  DEAD_LETTERS_TABLE,
];
const rigs: Rig[] = [];
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close();
});

/** Visitors who wait and chat, an operator with a session and chats, and a dead letter. */
async function live(rig: Rig, tenant: TenantId): Promise<void> {
  const origin = () => ({ commandId: `auto:${newId()}` });
  const operator = operatorRef(tenant, username('op1'));
  for (const command of [
    register(),
    openSession(),
    changePresence('available'),
    reserve(),
    take(),
  ]) {
    await rig.host.dispatch(operator, command, origin());
  }
  await rig.host.dispatch(operator, reserve('r2', 'c2'), origin());
  const commands = { 7: [assignChat(), receive()], 8: [offerChat('op1')], 9: [] };
  for (const [key, more] of Object.entries(commands)) {
    const visitor = visitorRef(tenant, visitorKey(key));
    for (const command of [viewPage(), startChat('c1', 'Hello'), ...more]) {
      await rig.host.dispatch(visitor, command, origin());
    }
  }
  const setAside = createSetAside({ ...rig, newId });
  const about = { queueId: newId(), seq: 1, operator: 'op1', sealingKey: tenant };
  await setAside.keep({ ...about, tenant, reason: 'wrong', content: {} });
}

/** A full-text index without content: nothing reads its rows (test/projections/search.test.ts looks into it). */
const WITHOUT_ROWS = 'search_words';
/** Says which tenants were removed. */
const REMOVED = 'removed_tenants';

/** The rows of a file by whose they are. */
function rowsOf(db: DatabaseSync, tables: readonly string[]): Map<string, unknown[]> {
  const found = new Map<string, unknown[]>();
  for (const table of tables) {
    if (table === WITHOUT_ROWS || table === REMOVED) continue;
    for (const row of db.prepare(`SELECT * FROM ${table}`).all()) {
      if (row.last_type === 'TenantRemoved') continue; // the tenant's own stream is still there
      const owner = row.tenant ?? /-([^.]*)/.exec(String(row.stream).replace(/^\w+-/, '-'))?.[1];
      found.set(`${table} ${owner}`, [...(found.get(`${table} ${owner}`) ?? []), row]);
    }
  }
  return found;
}

const ofTenant = (rows: Map<string, unknown[]>, tenant: TenantId | undefined) =>
  [...rows].filter(([owner]) => owner.endsWith(` ${tenant}`));

it('forgets every row of the tenant alone', async () => {
  const rig = await openRig();
  rigs.push(rig);
  if (!ACME) throw new Error('there is a first tenant');
  for (const tenant of [ACME, ...OTHERS]) await live(rig, tenant);
  const readModels = new DatabaseSync(':memory:');
  readModels.exec(SCHEMA);
  const apply = applyToAll(readModels);
  const project = (events: readonly RecordedEvent[]) => {
    apply.begin();
    for (const each of events) apply.add(each, new Map());
    apply.end();
  };
  project(await rig.store.readAll({ limit: 1_000 }));
  const caughtUp = await rig.follow(WORK_TABLES);

  const workTables = WORK_TABLES.flatMap(({ tables }) => tables);
  const rows = () => [rowsOf(rig.workFile, workTables), rowsOf(readModels, TABLES)] as const;
  const before = rows();
  const metadata = { ...event(0).metadata, tenant: 'acme' };
  const removed = event(0, { type: 'TenantRemoved', data: { purged: false }, metadata });
  await rig.store.append('tenant-acme', [removed], 'any');
  await caughtUp();
  project(await rig.store.readStream('tenant-acme'));
  // Rows of read models go in the background, some at a time.
  const sweep = sweepOf(readModels);
  while (sweep.hasMore()) sweep.step();
  const after = rows();
  for (const [index, kind] of ['pending work', 'read models'].entries()) {
    const [was, is] = [before[index] ?? new Map(), after[index] ?? new Map()];
    expect(ofTenant(was, ACME).length, kind).toBeGreaterThanOrEqual(5);
    expect(ofTenant(is, ACME), kind).toEqual([]);
    for (const tenant of OTHERS) expect(ofTenant(is, tenant), kind).toEqual(ofTenant(was, tenant));
  }
});

it('no state of an actor is remembered, in memory or as a snapshot', async () => {
  const rig = await openRig();
  rigs.push(rig);
  const streams = [ACME, ...OTHERS].map((tenant) => `visitor-${tenant}.7`);
  for (const tenant of [ACME, ...OTHERS]) {
    if (tenant) await rig.actors.visitor(tenant, visitorKey('7')).send(viewPage());
  }
  for (const stream of streams) rig.snapshots.save(stream, 'visitor/1', 0, {});
  await rig.store.deleteStream('visitor-acme.7');
  const metadata = { ...event(0).metadata, tenant: 'acme' };
  const removed = event(0, { type: 'TenantRemoved', data: { purged: true }, metadata });
  await rig.store.append('tenant-acme', [removed], 'any');
  rig.host.onCommit(await rig.store.readStream('tenant-acme'));
  expect(streams.map((stream) => rig.snapshots.load(stream, 'visitor/1') !== null)).toEqual([
    false,
    true,
    true,
  ]);
  const visitor = rig.visitor('7');
  expect(await visitor.state()).toBeNull();
  await visitor.send(viewPage());
  await visitor.send(startChat('c1', 'Hello'));
  await visitor.send({ type: 'CleanUp' });
  expect(await visitor.state()).toMatchObject({ presence: 'cleanedUp' });
  expect((await rig.types('visitor-acme.7')).slice(0, 2)).toEqual([
    'VisitorArrived',
    'ChatStarted',
  ]);
});
