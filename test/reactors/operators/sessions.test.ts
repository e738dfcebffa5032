/** What ejabberd's list of sessions says about an operator. Comparisons are in test/reactors/lhc/signals.test.ts. */
import { expect, it } from 'vitest';
import { hasSession } from '../../../src/reactors/operators/sessions.ts';
import { fakeEjabberd } from '../../support/fake-ejabberd.ts';
import { username } from '../../support/names.ts';
import { ACME, HOST, tenantsWith } from '../../support/rig.ts';

it.each([
  ['no client', [], false],
  ['a client', [['available', 0]], true],
  ['a client that is away', [['away', 5]], true],
  ['a client with a negative priority', [['available', -1]], false],
  ['a client without presence', [['unset', -1]], false],
  [
    'a bot and a client',
    [
      ['available', -1],
      ['dnd', 0],
    ],
    true,
  ],
] as const)(
  '%s: an operator who would get a message is there, and nobody else',
  async (_what, clients, there) => {
    const { admin, sessions } = fakeEjabberd();
    sessions.set(
      `op1@${HOST}`,
      clients.map(([show, priority]) => ({ resource: show, show, status: '', priority })),
    );
    expect(await hasSession({ admin, tenants: tenantsWith() }, ACME, username('op1'))).toBe(there);
  },
);
