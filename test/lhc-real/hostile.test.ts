/** Callbacks that are not the service's, through nginx and PHP-FPM: refused with the right status, and no row changes. */
import { randomBytes, randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { Webhook } from 'standardwebhooks';
import { beforeAll, expect, it } from 'vitest';
import { testInstallation } from './installation.ts';

const { lhc, callbackUrl, callbackSecret, visitor } = await testInstallation();
let chatId = 0;

beforeAll(async () => {
  const anna = visitor();
  await anna.view('https://shop.example/shoes', 'Shoes');
  ({ id: chatId } = await anna.start('Do you have these in 43?'));
});

/** All that a callback could change. */
async function everything(): Promise<unknown> {
  const tables = [
    'lh_chat',
    'lh_msg',
    'lh_chat_online_user',
    'lh_userdep',
    'lh_users',
    'lhc_xmppchat_webhook',
    'lhc_xmppchat_message',
  ];
  const sums = await lhc.sql(`CHECKSUM TABLE ${tables.join(', ')}`);
  return sums.map((row) => Object.values(row).join(' '));
}

interface Wish {
  readonly id?: string;
  readonly type?: string;
  readonly tenant?: string;
  readonly data?: unknown;
  readonly secret?: string;
  /** Seconds from now. */
  readonly offset?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Replaces the body after it was signed. */
  readonly tamper?: (body: string) => string | Buffer;
  readonly url?: string;
  readonly method?: string;
}

const olga = () => ({ username: 'olga', lhcUserId: lhc.operator('olga').id });
const close = () => ({
  visitor: '1',
  chatId: String(chatId),
  operator: olga(),
  reason: 'operator',
});

function post(wish: Wish): Promise<Response> {
  const id = wish.id ?? randomUUID();
  const at = new Date(Date.now() + (wish.offset ?? 0) * 1_000);
  const body = JSON.stringify({
    id,
    type: wish.type ?? 'chat.closed',
    tenant: wish.tenant ?? 'shop',
    at: at.toISOString(),
    data: wish.data ?? close(),
  });
  const signature = new Webhook(wish.secret ?? callbackSecret).sign(id, at, body);
  return fetch(wish.url ?? callbackUrl, {
    method: wish.method ?? 'POST',
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
      'webhook-signature': signature,
      ...wish.headers,
    },
    ...(wish.method !== 'GET' && {
      body: new Uint8Array(Buffer.from(wish.tamper?.(body) ?? body)),
    }),
  });
}

const otherSecret = `whsec_${randomBytes(32).toString('base64')}`;
const message = (data: Readonly<Record<string, unknown>>) => ({
  type: 'chat.message',
  data: {
    visitor: '1',
    chatId: String(chatId),
    operator: olga(),
    message: { id: randomUUID(), body: 'x' },
    ...data,
  },
});

const cases: readonly (readonly [string, number | readonly number[], () => Wish])[] = [
  ['the signature of another secret', 401, () => ({ secret: otherSecret })],
  [
    'a body that was changed',
    401,
    () => ({ tamper: (body) => body.replace('operator', 'Operator') }),
  ],
  ['no signature', 401, () => ({ headers: { 'webhook-signature': '' } })],
  [
    'a signature that is none',
    401,
    () => ({ headers: { 'webhook-signature': 'v1,AAAA v2,x \u00e4' } }),
  ],
  ['a timestamp of six minutes ago', 401, () => ({ offset: -360 })],
  ['a timestamp of six minutes later', 401, () => ({ offset: 360 })],
  ['a timestamp that is no number', 401, () => ({ headers: { 'webhook-timestamp': '1e9' } })],
  ['another id than was signed', 401, () => ({ headers: { 'webhook-id': randomUUID() } })],
  ['the tenant of another LHC', 400, () => ({ tenant: 'other' })],
  ['no JSON', 401, () => ({ tamper: () => '{' })],
  ['a packed body', 401, () => ({ tamper: (body) => gzipSync(body) })],
  ['1 MB', 413, () => message({ message: { id: 'a', body: 'x'.repeat(1024 * 1024) } })],
  [
    '9 MB, more than PHP takes',
    413,
    () => message({ message: { id: 'a', body: 'x'.repeat(9_000_000) } }),
  ],
  ['GET', 405, () => ({ method: 'GET' })],
  ['a chat id that is a list', 400, () => message({ chatId: ['1'] })],
  ['no data', 400, () => ({ type: 'chat.message', data: [] })],
  ['a message that is no object', 400, () => message({ message: 'x' })],
];

it.each(cases)('%s', async (_name, expected, wish) => {
  const before = await everything();
  const answer = await post(wish());
  expect([answer.status, (await answer.text()).slice(0, 200)]).toEqual([
    expected,
    expect.any(String),
  ]);
  expect(answer.headers.get('set-cookie')).toBe(null);
  expect(await everything()).toEqual(before);
});

it('an unknown type is taken, and changes nothing of LHC', async () => {
  const before = await lhc.sql('CHECKSUM TABLE lh_chat, lh_msg, lh_chat_online_user, lh_userdep');
  expect((await post({ type: 'visitor.danced', data: { any: 'thing' } })).status).toBeLessThan(300);
  expect(await lhc.sql('CHECKSUM TABLE lh_chat, lh_msg, lh_chat_online_user, lh_userdep')).toEqual(
    before,
  );
});

it.each([
  ['an unknown chat', 'chat-unknown', () => message({ chatId: '999999' })],
  ['a chat id with SQL', 'chat-unknown', () => message({ chatId: "1' OR '1'='1" })],
  ['a chat of another visitor', 'chat-unknown', () => message({ visitor: '999999' })],
  [
    'an unknown operator',
    'operator-unknown',
    () => message({ operator: { username: 'eve', lhcUserId: 999_999 } }),
  ],
])('%s is refused as %s', async (_name, code, wish) => {
  const before = await lhc.sql('CHECKSUM TABLE lh_chat, lh_msg');
  const answer = await post(wish());
  expect([answer.status, await answer.json()]).toMatchObject([200, { outcome: 'refused', code }]);
  expect(await lhc.sql('CHECKSUM TABLE lh_chat, lh_msg')).toEqual(before);
});

it('a replay is answered as the first one, and does nothing', async () => {
  const once = { id: randomUUID(), ...message({ message: { id: 'replayed', body: 'Hello!' } }) };
  const rows = () => lhc.sql("SELECT id FROM lh_msg WHERE msg = 'Hello!'");
  const first = await post(once);
  expect(first.status).toBeLessThan(300);
  const text = await first.text();
  expect(await rows()).toHaveLength(1);
  const before = await lhc.sql('CHECKSUM TABLE lh_chat, lh_msg');
  // Also ten at once.
  const again = await Promise.all(Array.from({ length: 10 }, () => post(once)));
  expect(await Promise.all(again.map(async (each) => [each.status, await each.text()]))).toEqual(
    again.map(() => [first.status, text]),
  );
  expect(await lhc.sql('CHECKSUM TABLE lh_chat, lh_msg')).toEqual(before);
});

it('ten repeats at once of a new callback do it once', async () => {
  const once = { id: randomUUID(), ...message({ message: { id: 'crowd', body: 'Only once' } }) };
  const answers = await Promise.all(Array.from({ length: 10 }, () => post(once)));
  // 503: busy, the service sends it again.
  expect(answers.filter(({ status }) => status >= 300 && status !== 503)).toEqual([]);
  expect(answers.some(({ status }) => status < 300)).toBe(true);
  expect(await lhc.sql("SELECT id FROM lh_msg WHERE msg = 'Only once'")).toHaveLength(1);
});

it('logs no text and no secret, and PHP has nothing to complain about', async () => {
  const log = await lhc.phpLog();
  expect(log).not.toContain(callbackSecret);
  expect(log).not.toContain('Only once');
  expect(
    log
      .split('\n')
      .filter((line) =>
        /xmppchat.*(Warning|Notice|Fatal|Deprecated)|(Warning|Notice|Fatal|Deprecated).*xmppchat/.test(
          line,
        ),
      ),
  ).toEqual([]);
});
