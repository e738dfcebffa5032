/** Who wrote, and to whose desk. */
import { describe, expect, it } from 'vitest';
import { createTenantDirectory } from '../../src/actors/tenant/directory.ts';
import { operatorAtDesk } from '../../src/inbox/people.ts';
import type { Actors } from '../../src/runtime/ports.ts';
import { tenantWith } from '../support/tenant.ts';

const tenants = createTenantDirectory([
  ...['one', 'two'].map((id) =>
    tenantWith({ id, host: 'hosting.test', instance: id, apiKey: `key-of-${id}-0123456789` }),
  ),
  tenantWith({ id: 'acme', host: 'acme.test', apiKey: 'key-of-acme-0123456789' }),
]);
const options = { tenants, actors: {} as Actors, signals: { returned: () => {} } }; // nobody is asked
const at = (from: string, to: string, host = from.split('@')[1]?.split('/')[0] ?? '') =>
  operatorAtDesk(options, { from, to, host })?.name ?? null;

describe('the desk', () => {
  it.each([
    ['olga@acme.test/phone', 'visitors@acme.test', 'olga'],
    ['olga@acme.test/phone', 'Visitors@ACME.test/xmpp-chat', 'olga'],
    ['olga.one@hosting.test/phone', 'visitors.one@hosting.test', 'olga'],
    ['olga.one@hosting.test/phone', 'visitors.two@hosting.test', null],
    ['olga.one@hosting.test/phone', 'visitors@hosting.test', null],
    ['olga@acme.test/phone', 'visitors.one@hosting.test', null],
    ['olga@acme.test/phone', 'visitor.1@acme.test', null],
    ['visitor.1@acme.test/x', 'visitors@acme.test', null],
    ['visitors@acme.test/x', 'visitors@acme.test', null],
  ])('%s writes to %s: %s', (from, to, expected) => {
    expect(at(from, to)).toBe(expected);
  });

  it("an event of another host's module counts for nothing", () => {
    expect(at('olga@acme.test/phone', 'visitors@acme.test', 'hosting.test')).toBeNull();
  });
});
