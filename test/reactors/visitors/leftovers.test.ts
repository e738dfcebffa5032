/** Contacts in operators' own rosters whose visitors are gone. */

import fc from 'fast-check';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTenantDirectory } from '../../../src/actors/tenant/directory.ts';
import { AppError } from '../../../src/errors.ts';
import {
  createDesiredVisitors,
  DESIRED_VISITORS_TABLE,
} from '../../../src/reactors/visitors/desired.ts';
import {
  createLeftovers,
  LEFTOVERS_AFTER_MS,
  LEFTOVERS_MOST_AT_ONCE,
} from '../../../src/reactors/visitors/leftovers.ts';
import { createReconciler } from '../../../src/reactors/visitors/reconciler.ts';
import { NO_JOURNAL } from '../../../src/runtime/journal/observed.ts';
import { type Ownership, partitionOf, soleOwner } from '../../../src/runtime/leases/ownership.ts';
import { viewPage } from '../../actors/facts.ts';
import { fakeEjabberd } from '../../support/fake-ejabberd.ts';
import { username } from '../../support/names.ts';
import { ALL_PARTITIONS, movableOwnership } from '../../support/ownership.ts';
import { ACME, HOST, jidOf, newId, openRig, type Rig, silent } from '../../support/rig.ts';
import { tenantWith } from '../../support/tenant.ts';
import { waitFor } from '../../support/wait.ts';

const LOG = 'the log of these tests';
const OPERATORS = ['op1', 'op2'];
const operatorJid = (name: string): string => `${name}@${HOST}`;

let rig: Rig;
let ejabberd: ReturnType<typeof fakeEjabberd>;
const stopping: (() => Promise<void>)[] = [];
beforeEach(async () => {
  rig = await openRig();
  ejabberd = fakeEjabberd();
  ejabberd.marks.set('visitors', LOG);
  for (const name of OPERATORS) ejabberd.rosters.set(operatorJid(name), new Set());
});
afterEach(async () => {
  for (const stop of stopping.splice(0)) await stop();
  await rig.close();
});

/** Starts a process. @returns waits until it has read every fact and has nothing left to do */
async function start(ownership: Ownership = soleOwner, logger = silent) {
  const { workFile, now } = rig;
  let follow = async (): Promise<void> => {};
  const reconciler = createReconciler({
    journal: NO_JOURNAL,
    wallClock: Date.now,
    ...rig,
    now,
    ownership,
    logger,
    desired: createDesiredVisitors(workFile),
    admin: ejabberd.admin,
    transport: ejabberd.transport,
    contactTable: ejabberd.contactTable,
    moved: async () => {},
    operatorsOf: () => OPERATORS.map(username),
    logId: LOG,
    adoptOperator: async () => {},
    takeOverFrom: [],
    caughtUp: () => follow(),
    passwordOf: () => 'secret',
    random: () => 1,
  });
  follow = await rig.follow([DESIRED_VISITORS_TABLE], [reconciler]);
  stopping.push(() => reconciler.stop());
  await reconciler.start();
  return () =>
    waitFor(async () => {
      await follow();
      return reconciler.pending() === 0;
    });
}
const roster = (name: string) => [...(ejabberd.rosters.get(operatorJid(name)) ?? [])].sort();
const keep = (name: string, ...jids: string[]) => {
  for (const jid of jids) ejabberd.rosters.get(operatorJid(name))?.add(jid);
};
/** Lets the time pass after which rosters are read, and waits until all of them were read once more. */
async function sweep(): Promise<void> {
  const read = () => ejabberd.count(`rosterContacts ${operatorJid('op2')}`);
  const before = read();
  rig.clock.passes(LEFTOVERS_AFTER_MS);
  await waitFor(() => read() > before);
  let calls = -1;
  await waitFor(
    () => {
      const unchanged = calls === ejabberd.calls.length;
      calls = ejabberd.calls.length;
      return unchanged;
    },
    { every: 300 },
  );
}
const FRIEND = 'friend@elsewhere.test';
const cleanUp = (key: string) => rig.toVisitor(key, { type: 'CleanUp' });

describe('a contact that an operator stored', () => {
  it('goes after its visitor was cleaned up, from the roster of every operator', async () => {
    const idle = await start();
    for (const key of ['1', '2', '3']) await rig.toVisitor(key, viewPage());
    await idle();
    keep('op1', jidOf('1'), jidOf('2'), FRIEND);
    keep('op2', jidOf('1'), jidOf('3'));
    await cleanUp('1');
    await rig.toVisitor('3', { type: 'TimeOut' });
    await idle();
    await sweep();
    expect(roster('op1')).toEqual([FRIEND, jidOf('2')]);
    // A visitor who has timed out may come back, and still has the name that the operator gave them.
    expect(roster('op2')).toEqual([jidOf('3')]);
    await rig.toVisitor('1', viewPage()); // the same visitor again
    await idle();
    keep('op1', jidOf('1'));
    await cleanUp('2');
    await idle();
    await sweep();
    expect(roster('op1')).toEqual([FRIEND, jidOf('1')]);
  });

  it('goes with a comparison if nobody removed it: after a crash, or before this release', async () => {
    await rig.toVisitor('1', viewPage());
    await cleanUp('1');
    keep('op1', jidOf('1'), jidOf('never-seen'), FRIEND);
    await start();
    await sweep();
    expect(roster('op1')).toEqual([FRIEND]);
  });

  it('is never of somebody else: other hosts, operators, accounts that are no visitors', async () => {
    const others = [
      FRIEND,
      'visitor.1@elsewhere.test',
      'elsewhere.test',
      operatorJid('op2'),
      `visitor.@${HOST}`,
      `visitor.A B@${HOST}`,
      `visitors@${HOST}`,
      `pubsub.${HOST}`,
      `xvisitor.1@${HOST}`,
    ];
    keep('op1', ...others, jidOf('gone'));
    await start();
    await sweep();
    expect(roster('op1')).toEqual(others.toSorted());
  });

  it('stays while its visitor is in the group: ejabberd would only store it again', async () => {
    ejabberd.members('visitors').add(jidOf('1'));
    keep('op1', jidOf('1'), jidOf('2'));
    // Another process has to take the orphan out of the group.
    await start(withoutPartition(partitionOf(`${ACME}.1`)));
    await sweep();
    expect(roster('op1')).toEqual([jidOf('1')]);
    expect(ejabberd.count('removeContact')).toBe(1);
  });

  it('stays while the accounts belong to another log', async () => {
    ejabberd.marks.set('visitors', 'another log');
    keep('op1', jidOf('1'));
    await start();
    rig.clock.passes(LEFTOVERS_AFTER_MS);
    await waitFor(() => ejabberd.count('groupMark') > 1);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(roster('op1')).toEqual([jidOf('1')]);
  });
});

/** A process that owns all partitions but this one. */
const withoutPartition = (partition: number): Ownership =>
  movableOwnership(ALL_PARTITIONS.filter((each) => each !== partition));

it('only the process that looks after the tenant reads rosters', async () => {
  keep('op1', jidOf('gone'));
  const idle = await start(withoutPartition(partitionOf(ACME)));
  await rig.toVisitor('1', viewPage());
  await cleanUp('1');
  await idle();
  rig.clock.passes(LEFTOVERS_AFTER_MS);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(ejabberd.count('rosterContacts')).toBe(0);
});

it('a failure is in the log, and the next comparison goes on', async () => {
  const logged: string[] = [];
  const logger = pino({ base: null }, { write: (text) => void logged.push(text) });
  keep('op2', jidOf('gone'));
  let fails = true;
  ejabberd.state.before = async (call) => {
    if (fails && call.startsWith('removeContact')) {
      throw new AppError('unavailable', 'the API may not call delete_rosteritem');
    }
  };
  const idle = await start(soleOwner, logger);
  await sweep();
  expect(roster('op2')).toEqual([jidOf('gone')]);
  expect(logged.join('')).toMatch(/could not be cleaned.*|delete_rosteritem/);
  fails = false;
  await rig.toVisitor('1', viewPage(newId()));
  await cleanUp('1');
  await idle();
  await sweep();
  expect(roster('op2')).toEqual([]);
  expect(logged.join('')).not.toContain('gone@');
});

it('of any rosters on hosts of several tenants, exactly the own visitors who are gone are removed', async () => {
  const HOSTS = ['shared.test', 'alone.test', 'elsewhere.test'];
  const key = 'key-of-a-tenant-0123456789';
  const tenants = createTenantDirectory(
    [
      { id: 'north', host: 'shared.test', instance: 'north' },
      { id: 'south', host: 'shared.test', instance: 'south' },
      { id: 'alone', host: 'alone.test' },
    ].map((each) => tenantWith({ ...each, apiKey: `${key}-${each.id}` })),
  );
  const ids = tenants.all().map(({ id }) => id);
  const names = ['visitor.1', 'visitor.2', 'visitor.3.chat', 'visitor.', 'op1', 'visitors', 'x'];
  const jid = fc
    .tuple(
      fc.constantFrom(...names),
      fc.constantFrom('', '.north', '.south', '.chat'),
      fc.constantFrom(...HOSTS),
    )
    .map(([name, end, host]) => `${name}${end}@${host}`);
  const jidSet = fc.uniqueArray(jid, { maxLength: 20 });
  /** The visitor that a JID names, written without the code. */
  const visitorIn = (contact: string) => {
    const [, local = '', host] = /^visitor\.(.+)@(.*)$/.exec(contact) ?? [];
    const suffix = { north: '.north', south: '.south', alone: '' };
    for (const { id, host: own } of tenants.all()) {
      const end = suffix[id as keyof typeof suffix]; // the tenants above
      const name = local.slice(0, local.length - end.length);
      if (own === host && local.endsWith(end) && /^\w+(\.chat)?$/.test(name))
        return `${id} ${name}`;
    }
    return null;
  };
  await fc.assert(
    fc.asyncProperty(
      jidSet,
      jidSet,
      fc.uniqueArray(fc.constantFrom<string[]>('1', '2', '3.chat')),
      async (contacts, members, known) => {
        const removed: string[] = [];
        let now = 0;
        const leftovers = createLeftovers({
          admin: {
            groupMembers: async (host) => members.filter((each) => each.endsWith(`@${host}`)),
            rosterContacts: async () => contacts,
            removeContact: async (_operator, contact) => void removed.push(contact),
          },
          actors: { visitor: () => ({ state: async () => null }) as never }, // nothing else is asked
          desired: {
            get: (visitor) =>
              known.includes(visitor.key) ? { ...visitor, online: false, gone: false } : null,
          },
          accountsLog: { isOwn: async () => true },
          tenants,
          ownership: soleOwner,
          operatorsOf: () => [username('op1')],
          caughtUp: async () => {},
          now: () => now,
          logger: silent,
        });
        for (const id of ids) leftovers.mark(id);
        now = LEFTOVERS_AFTER_MS;
        for (const _ of ids) {
          leftovers.tick();
          await leftovers.idle();
        }
        const expected = contacts.filter((contact) => {
          const visitor = visitorIn(contact);
          return (
            visitor && !members.includes(contact) && !known.includes(visitor.split(' ')[1] ?? '')
          );
        });
        expect(removed.toSorted()).toEqual(expected.toSorted());
      },
    ),
    { numRuns: 200 },
  );
});

it('a roster without end takes its turns: other tenants are not held up, and all of it goes', async () => {
  const tenants = createTenantDirectory(
    ['flood', 'quiet'].map((id) =>
      tenantWith({ id, host: `${id}.test`, apiKey: `key-of-a-tenant-0123456789-${id}` }),
    ),
  );
  const [flood, quiet] = tenants.all().map(({ id }) => id);
  if (!flood || !quiet) throw new Error('two tenants');
  const contactsOf = (host: string, count: number) =>
    Array.from({ length: count }, (_, n) => `visitor.${n}@${host}`);
  const rosters = new Map([
    ['flood.test', new Set(contactsOf('flood.test', 2 * LEFTOVERS_MOST_AT_ONCE + 1))],
    ['quiet.test', new Set(contactsOf('quiet.test', 1))],
  ]);
  const of = (jid: string) => rosters.get(jid.split('@')[1] ?? '') ?? new Set<string>();
  let now = 0;
  const leftovers = createLeftovers({
    admin: {
      groupMembers: async () => [],
      rosterContacts: async (operator) => [...of(operator)],
      removeContact: async (operator, contact) => void of(operator).delete(contact),
    },
    actors: { visitor: () => ({ state: async () => null }) as never }, // nothing else is asked
    desired: { get: () => null },
    accountsLog: { isOwn: async () => true },
    tenants,
    ownership: soleOwner,
    operatorsOf: () => [username('op1')],
    caughtUp: async () => {},
    now: () => now,
    logger: silent,
  });
  const left = () => [...rosters.values()].map(({ size }) => size);
  const turn = async (): Promise<readonly number[]> => {
    leftovers.tick();
    await leftovers.idle();
    return left();
  };
  leftovers.mark(flood);
  leftovers.mark(quiet);
  now += LEFTOVERS_AFTER_MS;
  expect(await turn()).toEqual([LEFTOVERS_MOST_AT_ONCE + 1, 1]);
  expect(await turn()).toEqual([LEFTOVERS_MOST_AT_ONCE + 1, 0]);
  for (const rest of [1, 0, 0]) {
    now += LEFTOVERS_AFTER_MS;
    expect(await turn()).toEqual([rest, 0]);
  }
});
