import { createHmac } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { describe, expect, test } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import type { HttpDeps } from '../../../src/http/deps.ts';
import { MAX_EVENTS } from '../../../src/http/webhook/endpoint.ts';
import { MAX_SIGNATURES } from '../../../src/http/webhook/signature.ts';
import { ADMIN, fakeApp, WEBHOOK_SECRET } from '../fakes.ts';

const OTHER = `whsec_${Buffer.from('the secret before rotation').toString('base64')}`;
const BATCH = [{ queueId: 'q', seq: 1, type: 'message', body: 'Grüße 👋' }, 'malformed'];

interface Signing {
  readonly secret?: string;
  readonly at?: number;
  readonly id?: string;
  readonly tamper?: string;
}

/** Signs with the reference implementation. That uses the real clock, so the app does too. */
const post = (deps: Partial<HttpDeps> = {}) => {
  const { ask, calls } = fakeApp({ now: Date.now, ...deps });
  const send = (text: string, signing: Signing = {}, more: Record<string, string> = {}) => {
    const { secret = WEBHOOK_SECRET, at = Date.now(), id = 'batch-1', tamper = '' } = signing;
    const headers = {
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(at / 1000)),
      'webhook-signature': new Webhook(secret).sign(id, new Date(at), text),
      ...more,
    };
    return ask('POST', '/ejabberd/events', { raw: text + tamper, key: null, headers });
  };
  return { ask, send, calls };
};

describe('a batch of events', () => {
  test('goes to the inbox as it is, and is answered with 204', async () => {
    const { send, calls } = post();
    const { status, text } = await send(JSON.stringify(BATCH));
    expect([status, text]).toEqual([204, '']);
    expect(calls.batches).toEqual([BATCH]);
  });

  test('is accepted with any of the secrets and any of the signatures', async () => {
    const { send, calls } = post({
      webhookSecrets: [WEBHOOK_SECRET, OTHER].map((secret) => ({ secret, hosts: null })),
    });
    const text = JSON.stringify(BATCH);
    expect((await send(text, { secret: OTHER })).status).toBe(204);
    const at = Date.now();
    const right = new Webhook(OTHER).sign('batch-1', new Date(at), text);
    const several = { 'webhook-signature': `v1a,AAAA v1,AAAA ${right}` };
    expect((await send(text, { at }, several)).status).toBe(204);
    expect(calls.batches).toHaveLength(2);
    const many = { 'webhook-signature': `${'v1a,AAAA '.repeat(MAX_SIGNATURES)}${right}` };
    expect((await send(text, { at }, many)).status).toBe(401);
  });

  test('has a bounded number of events', async () => {
    const { send, calls } = post();
    const of = (count: number) => JSON.stringify(Array.from({ length: count }, () => 1));
    expect((await send(of(MAX_EVENTS))).status).toBe(204);
    const { status, text } = await send(of(MAX_EVENTS + 1));
    expect(status).toBe(413);
    expect(text).toContain(`more than ${MAX_EVENTS} events`);
    expect(calls.batches).toHaveLength(1);
  });

  test('of another host than that of its secret is refused as a whole', async () => {
    const { send, calls } = post({
      webhookSecrets: [
        { secret: WEBHOOK_SECRET, hosts: ['one.test', 'two.test'] },
        { secret: OTHER, hosts: null },
      ],
    });
    const batch = (...hosts: string[]) =>
      JSON.stringify(hosts.map((host, seq) => ({ queueId: 'q', seq, host, type: 'message' })));
    expect((await send(batch('one.test', 'two.test'))).status).toBe(204);
    expect((await send(batch('three.test'), { secret: OTHER })).status).toBe(204);
    expect(calls.batches).toHaveLength(2);
    for (const hosts of [['three.test'], ['one.test', 'three.test']]) {
      const { status, json } = await send(batch(...hosts));
      expect([status, json.detail]).toEqual([401, expect.stringMatching(/not for the host/)]);
    }
    expect(calls.batches).toHaveLength(2);
  });

  test.each<[string, Signing, Record<string, string>, RegExp]>([
    ['with another secret', { secret: OTHER }, {}, /^webhook-signature does not match/],
    ['changed on the way', { tamper: ' ' }, {}, /^webhook-signature does not match/],
    [
      'that is stale',
      { at: Date.now() - 402_000 },
      {},
      /^webhook-timestamp is 4\d\d s behind our clock; 300 s are allowed$/,
    ],
    [
      'from the future',
      { at: Date.now() + 360_000 },
      {},
      /^webhook-timestamp is 3\d\d s ahead of our clock/,
    ], // far enough for a busy machine
    [
      'of another day',
      { at: Date.now() - 172_800_000 },
      {},
      /^webhook-timestamp is 172\d\d\d s behind our clock/,
    ],
    [
      'of another day, unread, so nobody knows who has signed it',
      { secret: OTHER, at: Date.now() - 172_800_000 },
      {},
      /^webhook-timestamp is 172\d\d\d s behind our clock/,
    ],
    ['under another id', {}, { 'webhook-id': 'batch-2' }, /^webhook-signature does not match/],
    ['under no id', {}, { 'webhook-id': '' }, /^the header webhook-id is missing$/],
    [
      'at another time',
      {},
      { 'webhook-timestamp': String(Math.floor(Date.now() / 1000) - 7) },
      /^webhook-signature does not match/,
    ],
    [
      'at no time',
      {},
      { 'webhook-timestamp': 'now' },
      /^webhook-timestamp is not a number of seconds/,
    ],
    [
      'with no signature',
      {},
      { 'webhook-signature': '' },
      /^the header webhook-signature is missing$/,
    ],
    [
      'with half a signature',
      {},
      { 'webhook-signature': 'v1,AAAA' },
      /^webhook-signature has no signature of the form v1,/,
    ],
    [
      'with a signature of another version',
      {},
      { 'webhook-signature': 'v2,AAAA' },
      /^webhook-signature has no signature of the form v1,/,
    ],
  ])('%s is refused, and told which part is wrong', async (_what, signing, headers, detail) => {
    const { send, calls } = post();
    const { status, json } = await send(JSON.stringify(BATCH), signing, headers);
    expect([status, json.code]).toEqual([401, 'unauthorized']);
    expect(json.detail).toMatch(detail);
    expect(calls.batches).toEqual([]);
  });

  test('tells the time of its sender only if a secret has signed it', async () => {
    const { ask, send } = post();
    const offset = async () =>
      (await ask('GET', '/debug/webhooks', { key: ADMIN })).json.refused.clockOffset;
    const at = Date.now() - 400_000;
    expect((await send('[]', { at, secret: OTHER })).status).toBe(401);
    expect(await offset()).toBeNull();
    expect((await send('[]', { at })).status).toBe(401);
    expect(await offset()).toBeLessThan(-390);
  });

  test('is refused when no secret is configured', async () => {
    const { send } = post({ webhookSecrets: [] });
    const { status, json } = await send('[]');
    expect([status, json.detail]).toEqual([401, 'this service has no secret for webhooks']);
  });

  test.each(['{}', 'null', '"events"', '[', ''])('that is %j is refused', async (text) => {
    const { send, calls } = post();
    expect((await send(text)).status).toBe(400);
    expect(calls.batches).toEqual([]);
  });

  test('may have one event of any size that a stanza can have, and 8 MiB at most', async () => {
    const { send, calls } = post();
    const batch = (characters: number) => JSON.stringify([{ text: '\u0001'.repeat(characters) }]);
    expect((await send(batch(1024 * 1024))).status).toBe(204); // 6 MiB as JSON
    expect((await send(batch(1.4 * 1024 * 1024))).status).toBe(413);
    expect(calls.batches).toHaveLength(1);
  });

  test('with bytes that are not UTF-8 is taken: they must not hold up what comes behind it', async () => {
    const { ask, calls } = fakeApp({ now: Date.now });
    const raw = Buffer.from('["a\xff\xfeb"]', 'latin1');
    const at = new Date();
    const hmac = createHmac('sha256', Buffer.from(WEBHOOK_SECRET.slice('whsec_'.length), 'base64'));
    const timestamp = String(Math.floor(at.getTime() / 1000));
    const headers = {
      'webhook-id': 'b',
      'webhook-timestamp': timestamp,
      'webhook-signature': `v1,${hmac.update(`b.${timestamp}.`).update(raw).digest('base64')}`,
    };
    const { status } = await ask('POST', '/ejabberd/events', { raw, key: null, headers });
    expect(status).toBe(204);
    expect(calls.batches).toEqual([['a\ufffd\ufffdb']]);
  });

  test('that could not be stored is 503 with Retry-After', async () => {
    const { send } = post({
      inbox: {
        take: async () => {
          throw new AppError('unavailable', 'disk full at /data', { part: 'the event store' });
        },
      },
    });
    const { status, json, headers } = await send('[]');
    expect([status, json.code, headers.get('retry-after')]).toEqual([503, 'unavailable', '1']);
    expect(json.detail).toBe('the event store is away; send the same again in a moment');
  });
});
