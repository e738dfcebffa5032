/** examples/callback-receiver.mjs takes what the service really sends. */
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createReceiver, isSigned } from '../../examples/callback-receiver.mjs';
import { createCallbackClient } from '../../src/lhc/callback-client.ts';
import type { Callback, Ping } from '../../src/lhc/callback-types.ts';

const SECRET = `whsec_${Buffer.from('a secret of twenty-four.').toString('base64')}`;
const OTHER = `whsec_${Buffer.from('another secret of 24 by.').toString('base64')}`;
const AT = '2026-01-01T00:00:00.000Z';

const callback: Callback = {
  id: '01890000-0000-7000-8000-000000000001',
  type: 'chat.message',
  tenant: 'acme',
  at: AT,
  data: {
    visitor: '7',
    chatId: '42',
    operator: { username: 'op', lhcUserId: 1 },
    message: { id: 'm1', body: 'Grüße 👋\n"quoted"' },
  },
};
const ping: Ping = { id: 'p1', type: 'doctor.ping', tenant: 'acme', at: AT, data: {} };

let handled: unknown[];
let failing: boolean;
let receiver: ReturnType<typeof createReceiver>;
let url: string;

beforeEach(async () => {
  handled = [];
  failing = false;
  receiver = createReceiver(SECRET, (each) => {
    if (failing) throw new Error('the database is away');
    handled.push(each);
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`; // it listens on a TCP port
});
afterEach(() => {
  receiver.closeAllConnections();
  receiver.close();
});

const deliver = (
  what: Callback | Ping,
  secret: string | undefined = SECRET,
  options: Parameters<typeof createCallbackClient>[0] = {},
) => createCallbackClient(options).deliver({ url, secret, isDeclared: true }, what);

describe('the example of a receiver', () => {
  test('handles a signed callback', async () => {
    expect(await deliver(callback)).toEqual({ outcome: 'accepted' });
    expect(handled).toEqual([callback]);
  });

  test('handles a repeat once and accepts it', async () => {
    await deliver(callback);
    expect(await deliver(callback)).toEqual({ outcome: 'accepted' });
    expect(handled).toHaveLength(1);
  });

  test('accepts a type that it does not know', async () => {
    expect(await deliver(ping)).toEqual({ outcome: 'accepted' });
  });

  test.each([
    ['signed with another secret', OTHER, Date.now],
    ['not signed', undefined, Date.now],
    ['from ten minutes ago', SECRET, () => Date.now() - 600_000],
    ['from the future', SECRET, () => Date.now() + 600_000],
  ])('refuses one that is %s', async (_what, secret, now) => {
    const client = createCallbackClient({ now });
    const outcome = await client.deliver({ url, secret, isDeclared: true }, callback);
    expect(outcome).toEqual({ outcome: 'retry', reason: 'answered 401' });
    expect(handled).toEqual([]);
  });

  test('gets a callback again that it could not handle', async () => {
    failing = true;
    const outcome = await deliver(callback);
    expect(outcome).toEqual({ outcome: 'retry', reason: 'answered 500' });
    failing = false;
    expect(await deliver(callback)).toEqual({ outcome: 'accepted' });
    expect(handled).toEqual([callback]);
  });

  test('knows a body that was changed on its way', async () => {
    let sent: RequestInit | undefined;
    const fetch = async (_address: unknown, init?: RequestInit) => {
      sent = init;
      return new Response();
    };
    await deliver(callback, SECRET, { fetch });
    const headers = Object.fromEntries(new Headers(sent?.headers));
    const body = Buffer.from(String(sent?.body));
    expect(isSigned(SECRET, headers, body)).toBe(true);
    expect(isSigned(SECRET, headers, Buffer.concat([body, Buffer.from(' ')]))).toBe(false);
    expect(isSigned(SECRET, { ...headers, 'webhook-timestamp': undefined }, body)).toBe(false);
  });
});
