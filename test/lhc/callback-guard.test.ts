/** Which addresses a tenant's callbacks may reach. Everything here is on the loopback addresses of this machine. */
import type { LookupAddress, lookup } from 'node:dns';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCallbackClient } from '../../src/lhc/callback-client.ts';
import { createCallbackGuard, NOTHING_ALLOWED } from '../../src/lhc/callback-guard.ts';
import type { Callback } from '../../src/lhc/callback-types.ts';
import { type Lhc, startLhc } from '../support/lhc.ts';

let lhc: Lhc;
beforeEach(async () => {
  lhc = await startLhc();
});
afterEach(() => lhc.close());

const callback: Callback = {
  id: '01890000-0000-7000-8000-000000000001',
  type: 'visitor.invited',
  tenant: 'acme',
  at: '2026-01-01T00:00:00.000Z',
  data: {
    visitor: '7',
    operator: { username: 'op', lhcUserId: 1 },
    message: { id: 'm1', body: 'Hello' },
  },
};

/** A DNS whose answers are the given ones, one after the other; the last one stays. Each is what a name leads to. */
function fakeDns(...answers: readonly (readonly string[])[]) {
  const asked: string[] = [];
  const resolve = (
    name: string,
    _options: object,
    answer: (error: Error | null, found: LookupAddress[]) => void,
  ): void => {
    const addresses = answers[Math.min(asked.length, answers.length - 1)];
    asked.push(name);
    if (!addresses) return; // it hangs
    const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
    queueMicrotask(() => answer(null, found));
  };
  // Of the forms of lookup the guard uses the one with `all`.
  return { asked, resolve: resolve as unknown as typeof lookup };
}

interface Given {
  readonly url?: string;
  readonly allowed?: Partial<typeof NOTHING_ALLOWED>;
  readonly dns?: ReturnType<typeof fakeDns>;
  readonly timeoutMs?: number;
}

const named = (name: string): string => lhc.url.replace('127.0.0.1', name);

async function deliver({ url = lhc.url, allowed = {}, dns = fakeDns([]), timeoutMs }: Given = {}) {
  const guard = createCallbackGuard({ ...NOTHING_ALLOWED, ...allowed }, dns.resolve);
  const client = createCallbackClient({ guard, ...(timeoutMs !== undefined && { timeoutMs }) });
  return client.deliver({ url }, callback);
}

const refused = (reason: string) => ({
  outcome: 'retry',
  away: true,
  reason: `${reason} is not on the public Internet. The administrator can allow it with CALLBACK_ALLOW`,
});

describe('an address in the own network', () => {
  it.each([
    ['127.0.0.1', '127.0.0.1'],
    ['2130706433', '127.0.0.1'],
    ['0x7f.1', '127.0.0.1'],
    ['0177.0.0.01', '127.0.0.1'],
    ['[::1]', '::1'],
    ['[::ffff:127.0.0.1]', '::ffff:7f00:1'],
    ['[64:ff9b::127.0.0.1]', '64:ff9b::7f00:1'],
  ])('written as %s is not reached', async (host, address) => {
    expect(await deliver({ url: named(host) })).toEqual(refused(address));
    expect(lhc.connections()).toBe(0);
  });

  it.each([['127.0.0.1'], ['::1'], ['::ffff:127.0.0.1'], ['10.0.0.1'], ['fd00::1']])(
    'behind a name, %s, is not reached',
    async (address) => {
      const outcome = await deliver({ url: named('lhc.example.org'), dns: fakeDns([address]) });
      expect(outcome).toEqual(refused(`lhc.example.org leads to ${address}, which`));
      expect(lhc.connections()).toBe(0);
    },
  );

  it('is left out where a name has another one', async () => {
    // 127.0.0.2 stands for the public address: it is the one that is allowed.
    const allowed = { ranges: ['127.0.0.2'] };
    const dns = fakeDns(['127.0.0.1', '127.0.0.2']);
    const outcome = await deliver({ url: named('lhc.example.org'), allowed, dns });
    expect(outcome).toMatchObject({ outcome: 'retry', reason: expect.stringMatching(/127.0.0.2/) });
    expect(lhc.connections()).toBe(0);
  });

  it('is not reached by a name that leads elsewhere the next time', async () => {
    // Judged and connected to is one answer: nobody asks DNS again in between.
    const dns = fakeDns(['127.0.0.1'], ['10.0.0.1']);
    const allowed = { ranges: ['127.0.0.1'] };
    expect(await deliver({ url: named('lhc.example.org'), allowed, dns })).toEqual({
      outcome: 'accepted',
    });
    expect(dns.asked).toEqual(['lhc.example.org']);
    const next = await deliver({ url: named('lhc.example.org'), dns: fakeDns(['10.0.0.1']) });
    expect(next).toEqual(refused('lhc.example.org leads to 10.0.0.1, which'));
  });

  it('is not reached by a connection that a declared tenant has opened', async () => {
    const guard = createCallbackGuard(NOTHING_ALLOWED, fakeDns(['127.0.0.1']).resolve);
    const client = createCallbackClient({ guard });
    const endpoint = { url: lhc.url };
    expect(await client.deliver({ ...endpoint, isDeclared: true }, callback)).toEqual({
      outcome: 'accepted',
    });
    expect(await client.deliver(endpoint, callback)).toEqual(refused('127.0.0.1'));
    expect(lhc.requests).toHaveLength(1);
  });

  it('is not reached by a redirect', async () => {
    lhc.behave({ kind: 'status', status: 302, headers: { Location: lhc.url } });
    const outcome = await deliver({ allowed: { ranges: ['127.0.0.1'] } });
    expect(outcome).toMatchObject({ reason: expect.stringMatching(/redirects are not followed/) });
    expect(lhc.requests).toHaveLength(1);
  });
});

describe('CALLBACK_ALLOW opens', () => {
  const dns = () => fakeDns(['127.0.0.1']);
  it.each([
    ['an address', { ranges: ['127.0.0.1'] }, '127.0.0.1'],
    ['a range', { ranges: ['127.0.0.0/8'] }, '127.0.0.1'],
    ['a range, behind a name', { ranges: ['127.0.0.0/8'] }, 'lhc.example.org'],
    ['a name', { hosts: ['lhc.example.org'] }, 'lhc.example.org'],
    ['a name, written with a dot at its end', { hosts: ['lhc.example.org'] }, 'LHC.example.org.'],
    ['the names below one', { hosts: ['*.example.org'] }, 'a.b.example.org'],
    ['localhost', { hosts: ['localhost'] }, 'localhost'],
  ])('%s', async (_what, allowed, host) => {
    expect(await deliver({ url: named(host), allowed, dns: dns() })).toEqual({
      outcome: 'accepted',
    });
  });

  it.each([
    ['another name', ['example.org', '*.lhc.example.org', 'example'], 'lhc.example.org'],
    ['a name that only ends the same', ['*.example.org'], 'lhc-example.org'],
    ['the name itself with *.', ['*.example.org'], 'example.org'],
  ])('not %s', async (_what, hosts, host) => {
    const outcome = await deliver({ url: named(host), allowed: { hosts }, dns: dns() });
    expect(outcome).toEqual(refused(`${host} leads to 127.0.0.1, which`));
  });
});

it('a DNS that hangs, or knows nothing, is a failure within the deadline', async () => {
  const url = named('lhc.example.org');
  // As above.
  const silent = { asked: [], resolve: (() => undefined) as unknown as typeof lookup };
  expect(await deliver({ url, dns: silent, timeoutMs: 50 })).toEqual({
    outcome: 'retry',
    reason: 'no answer in time',
    away: true,
  });
  expect(await deliver({ url, dns: fakeDns([]) })).toMatchObject({
    reason: expect.stringMatching(/lhc.example.org has no address/),
  });
});

it('says at once what DNS cannot change', () => {
  const { fault } = createCallbackGuard({ hosts: ['*.own.example'], ranges: ['10.1.0.0/16'] });
  const faultOf = (host: string) => fault(`https://${host}:8443/callback`);
  for (const host of ['10.2.0.1', '[fd00::1]', 'localhost', 'x.localhost', '127.1']) {
    expect(faultOf(host)).toMatch(/is not on the public Internet.*CALLBACK_ALLOW/);
  }
  for (const host of ['10.1.0.1', 'lhc.own.example', 'lhc.example.org', '8.8.8.8']) {
    expect(faultOf(host)).toBeNull();
  }
});
