import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createCallbackClient } from '../../src/lhc/callback-client.ts';
import type { Callback } from '../../src/lhc/callback-types.ts';
import { LONGEST_WAIT_MS, retryAfter } from '../../src/lhc/retry-after.ts';
import { type Lhc, startLhc } from '../support/lhc.ts';

const SECRET = `whsec_${Buffer.from('a secret of twenty-four.').toString('base64')}`;
const callback: Callback = {
  id: '01890000-0000-7000-8000-000000000001',
  type: 'visitor.invited',
  tenant: 'acme',
  at: '2026-01-01T00:00:00.000Z',
  data: {
    visitor: '7',
    operator: { username: 'op', lhcUserId: 1 },
    message: { id: 'm1', body: 'Grüße 👋\n"quoted"' },
  },
};

let lhc: Lhc;
beforeEach(async () => {
  lhc = await startLhc({ secret: SECRET });
});
afterEach(() => lhc.close());

const deliver = (options: Parameters<typeof createCallbackClient>[0] = {}, url = lhc.url) =>
  createCallbackClient(options).deliver({ url, secret: SECRET, isDeclared: true }, callback);

describe('a callback', () => {
  test('is accepted with 2xx; its signature, id and body are those of Standard Webhooks', async () => {
    expect(await deliver()).toEqual({ outcome: 'accepted' });
    const [request] = lhc.requests;
    expect(request?.signed).toBe(true);
    expect(request?.headers['webhook-id']).toBe(callback.id);
    expect(request?.callback).toEqual(callback);
  });

  test('signed with another secret is not accepted', async () => {
    const other = `whsec_${Buffer.from('another secret of 24 by.').toString('base64')}`;
    const client = createCallbackClient();
    expect(
      await client.deliver({ url: lhc.url, secret: other, isDeclared: true }, callback),
    ).toEqual({
      outcome: 'retry',
      reason: 'answered 401',
    });
  });

  test('without a secret is not signed', async () => {
    await createCallbackClient().deliver({ url: lhc.url, isDeclared: true }, callback);
    expect(lhc.requests[0]?.headers['webhook-signature']).toBeUndefined();
  });

  test('sends the user and password of its address as Basic authorization', async () => {
    const url = lhc.url.replace('http://', 'http://user:p%40ss@');
    expect(await deliver({}, url)).toEqual({ outcome: 'accepted' });
    expect(lhc.requests[0]?.headers.authorization).toBe(`Basic ${btoa('user:p@ss')}`);
  });

  test('reuses its connection, even after long answers', async () => {
    const client = createCallbackClient();
    lhc.behave({ kind: 'status', status: 200, bytes: 50_000 });
    for (let i = 0; i < 5; i += 1) {
      await client.deliver({ url: lhc.url, secret: SECRET, isDeclared: true }, callback);
    }
    // fetch may open a second one before the first is free again.
    expect(lhc.connections()).toBeLessThanOrEqual(2);
  });

  test('stops reading an endless answer at its limit', async () => {
    lhc.behave({ kind: 'status', status: 200, bytes: 20_000_000 });
    expect(await deliver()).toEqual({ outcome: 'accepted' });
  });
});

describe('an answer', () => {
  test('410: the endpoint is gone', async () => {
    lhc.behave({ kind: 'status', status: 410 });
    expect(await deliver()).toEqual({ outcome: 'gone' });
  });

  test.each([400, 401, 404, 500])(
    '%i is retried, and may be about this callback',
    async (status) => {
      lhc.behave({ kind: 'status', status });
      expect(await deliver()).toEqual({ outcome: 'retry', reason: `answered ${status}` });
    },
  );

  test.each([429, 502, 503, 504])('%i is retried: the endpoint is away for all', async (status) => {
    lhc.behave({ kind: 'status', status });
    const reason = `answered ${status}`;
    expect(await deliver()).toEqual({ outcome: 'retry', reason, away: true });
  });

  test('Retry-After is honoured', async () => {
    lhc.behave({ kind: 'status', status: 503, headers: { 'Retry-After': '7' } });
    expect(await deliver()).toEqual({
      outcome: 'retry',
      reason: 'answered 503',
      afterMs: 7000,
      away: true,
    });
  });

  test('redirects are not followed', async () => {
    lhc.behave({ kind: 'status', status: 302, headers: { Location: lhc.url } });
    const answer = await deliver();
    expect(answer).toMatchObject({ outcome: 'retry', reason: expect.stringContaining('302') });
    expect(lhc.requests).toHaveLength(1);
  });

  test('a late answer is retried', async () => {
    lhc.behave({ kind: 'hang' });
    expect(await deliver({ timeoutMs: 50 })).toEqual({
      outcome: 'retry',
      reason: 'no answer in time',
      away: true,
    });
  });

  test('a closed connection is retried, and only by the caller', async () => {
    lhc.behave({ kind: 'close' });
    expect(await deliver()).toMatchObject({ outcome: 'retry', away: true });
    expect(lhc.requests).toHaveLength(1);
  });

  test('an endpoint that is away is retried, and works after its return', async () => {
    await lhc.stop();
    expect(await deliver()).toMatchObject({
      outcome: 'retry',
      reason: expect.stringContaining('ECONNREFUSED'),
    });
    await lhc.start();
    expect(await deliver()).toEqual({ outcome: 'accepted' });
    await lhc.waitFor(({ requests }) => requests.length === 1);
    expect(lhc.accepted()).toEqual([callback]);
  });
});

describe('Retry-After', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  test.each([
    ['0', 0],
    ['120', 120_000],
    ['Thu, 01 Jan 2026 00:01:00 GMT', 60_000],
    ['Wed, 31 Dec 2025 00:00:00 GMT', 0],
    ['99999999999', LONGEST_WAIT_MS],
    ['Thu, 01 Jan 2099 00:00:00 GMT', LONGEST_WAIT_MS],
    ['soon', undefined],
    ['', undefined],
    [null, undefined],
  ])('%s', (header, ms) => {
    expect(retryAfter(header, now)).toBe(ms);
  });
});
