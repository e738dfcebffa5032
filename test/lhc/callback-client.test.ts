import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ANSWER_MAX_BYTES, REFUSAL_MAX_CHARACTERS } from '../../src/lhc/callback-answer.ts';
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

describe('the body of an answer with 2xx', () => {
  const said = async (body: string | object, status = 200) => {
    lhc.behave({ kind: 'status', status, body });
    return deliver();
  };
  const accepted = { outcome: 'accepted' };

  test.each([
    ['nothing', ''],
    ['a page', '<!DOCTYPE html><p>{"outcome":"refused","code":"x"}</p>'],
    ['broken JSON', '{"outcome":"refused"'],
    ['a list', '[{"outcome":"refused","code":"chat-ended"}]'],
    ['a word', '"refused"'],
    ['another object', { error: true, result: 'refused' }],
    ['an unknown outcome', { outcome: 'maybe', code: 'chat-ended' }],
    ['no notice', { outcome: 'accepted' }],
    ['a notice without a code', { outcome: 'accepted', notice: { text: 'Hello' } }],
    ['a notice without words', { outcome: 'accepted', notice: { code: 'of-tomorrow' } }],
    ['a code with a space', { outcome: 'accepted', notice: { code: 'a b' } }],
    ['too much', { outcome: 'refused', code: 'chat-ended', text: 'x'.repeat(ANSWER_MAX_BYTES) }],
  ])('means accepted: %s', async (_, body) => {
    expect(await said(body)).toEqual(accepted);
  });

  test('may refuse, with a code and one line in its own words', async () => {
    const text = `  a\u0007 \r\n b${'x'.repeat(REFUSAL_MAX_CHARACTERS)}`;
    expect(await said({ outcome: 'refused', code: 'chat-ended', text, more: 1 })).toEqual({
      outcome: 'refused',
      refusal: { code: 'chat-ended', text: `a b${'x'.repeat(REFUSAL_MAX_CHARACTERS - 3)}` },
    });
    const refused = (code: string) => ({ outcome: 'refused', refusal: { code, text: null } });
    expect(await said({ outcome: 'refused', code: 'of-tomorrow', text: ' ' }, 202)).toEqual(
      refused('of-tomorrow'),
    );
    // It says clearly that nothing was done.
    expect(await said({ outcome: 'refused', code: 7, text: 8 })).toEqual(refused('not-possible'));
  });

  test('may have a notice', async () => {
    const notice = { code: 'answer', text: 'Two\r\nlines' };
    expect(await said({ outcome: 'accepted', notice })).toEqual({
      outcome: 'accepted',
      notice: { code: 'answer', text: 'Two\nlines' },
    });
    expect(await said({ outcome: 'accepted', notice: { code: 'invited' } })).toEqual({
      outcome: 'accepted',
      notice: { code: 'invited', text: null },
    });
  });

  test('says nothing with another status, or in the answer to a ping', async () => {
    const refusal = { outcome: 'refused', code: 'chat-ended' };
    expect(await said(refusal, 409)).toEqual({ outcome: 'retry', reason: 'answered 409' });
    lhc.behave({ kind: 'status', status: 200, body: refusal });
    const ping = { ...callback, type: 'doctor.ping', data: {} } as const;
    const client = createCallbackClient();
    expect(await client.deliver({ url: lhc.url, secret: SECRET, isDeclared: true }, ping)).toEqual(
      accepted,
    );
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
