/** A real ejabberd with its cache of accounts, which can lock visitors out (findings/ejabberd-register-poisons-cache.sh). */

import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  createDesiredVisitors,
  DESIRED_VISITORS_TABLE,
} from '../../../src/reactors/visitors/desired.ts';
import { createReconciler } from '../../../src/reactors/visitors/reconciler.ts';
import { NO_JOURNAL } from '../../../src/runtime/journal/observed.ts';
import { soleOwner } from '../../../src/runtime/leases/ownership.ts';
import { createEjabberdAdmin } from '../../../src/xmpp/admin/admin.ts';
import { createAccountsTransport } from '../../../src/xmpp/sessions/accounts.ts';
import { viewPage } from '../../actors/facts.ts';
import { testEjabberd } from '../../support/ejabberd.ts';
import { fakeEjabberd } from '../../support/fake-ejabberd.ts';
import { HOST, jidOf, openRig, silent } from '../../support/rig.ts';
import { waitFor } from '../../support/wait.ts';

/** The race is lost in more than half of the tries. */
const MOST_TRIES = 100;

const ejabberd = await testEjabberd({
  hosts: [HOST],
  modLhc: false,
  extraConfig: { auth_use_cache: true },
});
const admin = createEjabberdAdmin({ url: ejabberd.apiUrl, ...ejabberd.api });
const passwordOf = (jid: string) => `password of ${jid}`;
const transport = createAccountsTransport({
  service: ejabberd.xmpp,
  passwordOf,
  logger: silent,
  retry: { firstMs: 50, mostMs: 500 },
});
const rig = await openRig();
const desired = createDesiredVisitors(rig.workFile);
const reconciler = createReconciler({
  journal: NO_JOURNAL,
  wallClock: Date.now,
  ...rig,
  desired,
  now: () => performance.now(),
  ownership: soleOwner,
  logger: silent,
  admin,
  transport,
  contactTable: fakeEjabberd().contactTable,
  moved: async () => {},
  operatorsOf: () => [],
  logId: '0190d0a8-0000-7000-8000-000000000001',
  adoptOperator: async () => {},
  takeOverFrom: [],
  caughtUp: () => caughtUp(),
  passwordOf,
  random: Math.random,
});
const caughtUp = await rig.follow([DESIRED_VISITORS_TABLE], [reconciler]);

beforeAll(() => reconciler.start());
afterAll(async () => {
  await reconciler.stop();
  await transport.close(1_000);
  await rig.close();
});

/** Registers the visitor twice at the same time, until ejabberd cannot use the account. */
async function lockOut(jid: string): Promise<void> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const once = () => admin.register(jid, passwordOf(jid));
    await Promise.all([once(), once()]);
    const failure = await admin.accountExists(jid).catch((error: unknown) => error);
    if (failure !== true) {
      expect(failure).toMatchObject({ code: 'unavailable', details: { reason: 'crash' } });
      return;
    }
    await admin.unregister(jid);
  }
  throw new Error(`ejabberd took two registrations at once ${MOST_TRIES} times without harm`);
}

it('a new visitor whose account ejabberd cannot use is made anew, and shown', async () => {
  const jid = jidOf('new');
  await lockOut(jid);
  await rig.toVisitor('new', viewPage());
  await waitFor(() => transport.isOnline(jid), { what: 'the session of the new visitor' });
  expect(await admin.accountExists(jid)).toBe(true);
  expect(await admin.groupMembers(HOST, 'visitors')).toContain(jid);
});

it('so is a visitor whose account was known, with card and group', async () => {
  const jid = jidOf('known');
  await rig.toVisitor('known', viewPage());
  await waitFor(() => transport.isOnline(jid), { what: 'the first session' });
  await rig.toVisitor('known', { type: 'TimeOut' });
  await waitFor(() => !transport.isOnline(jid), { what: 'the end of the first session' });
  await admin.unregister(jid);
  await lockOut(jid);
  await reconciler.compare();
  await rig.toVisitor('known', viewPage());
  await waitFor(() => transport.isOnline(jid), { what: 'the session after the lock-out' });
  expect(await admin.groupMembers(HOST, 'visitors')).toContain(jid);
  // The removal took the card along; it is there again.
  expect(await admin.setVisitorCard(jid, 'Visitor known')).toBe(false);
});
