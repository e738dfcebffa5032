/** What callers read of the errors of parts behind the service, and what the log keeps. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { problemOf } from '../../../src/http/frame/problem.ts';
import { createEjabberdAdmin } from '../../../src/xmpp/admin/admin.ts';
import { fakeApp, KEYS } from '../fakes.ts';

/** What ejabberd says about itself when a command fails. */
const TERM =
  '{badmatch,{error,{no_exists,sr_group}}} in mod_shared_roster at ejabberd@db-7.internal';
const ANSWERS: readonly (readonly [number, unknown])[] = [
  [400, { status: 'error', code: 10_001, message: TERM }],
  [403, { status: 'error', code: 32, message: 'AccessRules: Account does not have the right' }],
  [404, { status: 'error', code: 40, message: 'Command register not found' }],
  [404, '<html>404 of nginx on db-7.internal</html>'],
  [409, { status: 'error', code: 10_090, message: TERM }],
  [500, { status: 'error', code: 10_001, message: TERM }],
  [500, TERM],
  [503, TERM],
];
const INTERNAL =
  /badmatch|mod_|internal|ejabberd\.yml|api_permissions|EJABBERD_|AccessRules|127\.0\.0\.1|\b(register|change_password|srg_|send_stanza|set_vcard|kick_session|registered_|unregister|check_account)|100\d\d|\b[45]\d\d\b|"?what"? of/;

let answer: readonly [number, unknown] = [500, ''];
const server = createServer((request, response) => {
  if (request.url?.includes('status')) {
    response.end(JSON.stringify('The node ejabberd@h is startedejabberd 23.01 is running'));
    return;
  }
  const [status, body] = answer;
  response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body));
});
beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
afterAll(() => void server.close());

function admin() {
  const { port } = server.address() as AddressInfo; // of a TCP server
  const url = `http://127.0.0.1:${port}/api`;
  return createEjabberdAdmin({ url, user: 'api@xmpp.test', password: 'a password' });
}

const jid = 'olga@xmpp.test';
const CALLS: Readonly<Record<string, () => Promise<unknown>>> = {
  register: () => admin().register(jid, 'pw'),
  unregister: () => admin().unregister(jid),
  changePassword: () => admin().changePassword(jid, 'pw'),
  setNickname: () => admin().setNickname(jid, 'Olga'),
  accountExists: () => admin().accountExists(jid),
  ensureGroups: () => admin().ensureGroups('xmpp.test', { visitors: 'v', operators: 'o' }),
  joinGroup: () => admin().joinGroup(jid, 'operators'),
  sessions: () => admin().sessions(jid),
  kick: () => admin().kick(jid, 'phone', 'gone'),
  accounts: () => admin().accounts('xmpp.test', () => undefined),
};

async function errorOf(call: () => Promise<unknown>): Promise<unknown> {
  try {
    await call();
    return null;
  } catch (error) {
    return error;
  }
}

it.each(Object.keys(CALLS))(
  "callers read nothing of ejabberd's inside when %s fails",
  async (name) => {
    let failures = 0;
    for (const each of ANSWERS) {
      answer = each;
      const error = await errorOf(CALLS[name] ?? admin().version);
      if (error === null) continue;
      failures += 1;
      expect(error).toBeInstanceOf(AppError);
      const { detail, errors = [], status } = problemOf(error);
      expect(status).toBeLessThan(504);
      expect(status).not.toBe(500);
      for (const text of [detail, ...errors.map(({ reason }) => reason)]) {
        expect(text, String(error)).not.toMatch(INTERNAL);
      }
    }
    expect(failures).toBeGreaterThan(3);
  },
);

it('an API that cannot be reached is away, and its address is not named', async () => {
  const gone = createEjabberdAdmin({ url: 'http://127.0.0.1:2/api', user: 'a@b', password: 'p' });
  const { status, detail } = problemOf(await errorOf(() => gone.register(jid, 'pw')));
  expect([status, detail]).toEqual([503, 'ejabberd is away; send the same again in a moment']);
});

it('the log keeps the reason that the caller does not read, without a stack', async () => {
  const lines: string[] = [];
  const logger = pino({ level: 'info' }, { write: (line) => void lines.push(line) });
  answer = [400, { status: 'error', code: 10_001, message: TERM }];
  const operatorAccounts = {
    put: () => admin().joinGroup(jid, 'operators') as Promise<never>,
    remove: () => admin().unregister(jid) as Promise<never>,
  };
  const { ask } = fakeApp({ logger, operatorAccounts });
  const { status, json } = await ask('PUT', '/v1/acme/operators/olga', {
    key: KEYS.acme,
    body: { lhcUserId: 1, password: 'pw' },
    headers: { 'X-Request-Id': 'the-request' },
  });
  expect(status).toBe(409);
  expect(json.detail).toBe('ejabberd refused it');
  const logged = lines.map((line) => JSON.parse(line)).find((line) => line.requestId);
  expect(logged).toMatchObject({
    requestId: 'the-request',
    reason: expect.stringContaining('badmatch'),
  });
  expect(JSON.stringify(logged)).not.toMatch(/\\n {4}at /);
});

it('the detail names the field, as errors do', async () => {
  const { ask } = fakeApp({
    operatorAccounts: {
      put: async () => {
        throw new AppError('invalid', 'is required: this operator is not registered yet', {
          field: 'lhcUserId',
        });
      },
      remove: async () => {
        throw new AppError('not-found', 'there is no such operator');
      },
    },
  });
  const put = await ask('PUT', '/v1/acme/operators/olga', { key: KEYS.acme, body: { name: 'O' } });
  const reason = 'is required: this operator is not registered yet';
  expect([put.status, put.json.detail]).toEqual([400, `lhcUserId: ${reason}`]);
  expect(put.json.errors).toEqual([{ field: 'lhcUserId', reason }]);
  const views = '/v1/acme/visitors/7/page-views';
  const key = await ask('POST', views, {
    key: KEYS.acme,
    body: { page: '/' },
    headers: { 'Idempotency-Key': 'ä' },
  });
  expect(key.json.detail).toBe('Idempotency-Key: has to be 1 to 200 visible ASCII characters');
  const list = await ask('POST', views, { key: KEYS.acme, body: [] });
  expect(list.json.detail).toMatch(/^the body: /);
  const removed = await ask('DELETE', '/v1/acme/operators/olga', { key: KEYS.acme });
  expect(removed.json.detail).toBe('there is no such operator');
});
