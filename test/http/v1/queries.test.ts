import { describe, expect, test } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { fakeApp, MESSAGE, NEWEST, OPERATOR, VISITOR } from '../fakes.ts';

const ACME = '/v1/acme';

describe('queries', () => {
  test('a list of visitors has JIDs and a position, and passes on its filters', async () => {
    const { ask, calls } = fakeApp();
    const path = `${ACME}/visitors?state=online&department=sales&operator=op&q=ann&limit=7&cursor=c`;
    const { status, json } = await ask('GET', path);
    expect(status).toBe(200);
    expect(json).toEqual({
      items: [{ ...VISITOR, jid: 'visitor.7@xmpp.test' }],
      next: null,
      position: NEWEST,
    });
    expect(calls.filters).toEqual([
      {
        tenant: 'acme',
        state: 'online',
        department: 'sales',
        operator: 'op',
        q: 'ann',
        sort: '-arrivedAt',
        limit: 7,
        cursor: 'c',
      },
    ]);
  });

  test('one visitor, and the messages of a visitor', async () => {
    const { ask, calls } = fakeApp();
    const one = await ask('GET', `${ACME}/visitors/7`);
    expect([one.status, one.json]).toEqual([200, { ...VISITOR, jid: 'visitor.7@xmpp.test' }]);
    const messages = await ask('GET', `${ACME}/visitors/7/messages?chatId=c1`);
    expect(messages.json).toEqual({ items: [MESSAGE], next: 'next-cursor', position: NEWEST });
    expect(calls.filters).toEqual([{ tenant: 'acme', visitor: '7', chatId: 'c1', limit: 50 }]);
  });

  test('a list of operators, and one operator', async () => {
    const { ask } = fakeApp();
    const jid = 'op@xmpp.test';
    const list = await ask('GET', `${ACME}/operators?state=available`);
    expect(list.json).toEqual({ items: [{ ...OPERATOR, jid }], next: null, position: NEWEST });
    const one = await ask('GET', `${ACME}/operators/op`);
    expect(one.json).toEqual({ ...OPERATOR, jid });
  });

  test.each(['visitors/8', 'visitors/8/messages', 'operators/nobody'])(
    '%s is not found',
    async (path) => {
      const { ask } = fakeApp();
      const { status, json } = await ask('GET', `${ACME}/${path}`);
      expect([status, json.code]).toEqual([404, 'not-found']);
    },
  );

  test.each(['visitors', 'visitors/7', 'visitors/7/messages', 'operators', 'operators/op'])(
    '%s waits for a position, and is 503 if it comes too late',
    async (path) => {
      const { ask } = fakeApp();
      expect((await ask('GET', `${ACME}/${path}?minPosition=fake:10`)).status).toBe(200);
      const late = await ask('GET', `${ACME}/${path}?minPosition=fake:11`);
      expect([late.status, late.json.code]).toEqual([503, 'timeout']);
      expect(late.headers.get('retry-after')).toBe('1');
      expect(late.text).not.toContain('fold x');
    },
  );
});

describe('operators', () => {
  const wish = { lhcUserId: 1, name: 'Olga', departments: ['sales'], password: 'pass word' };

  test('are registered by the tenant or by the admin', async () => {
    const { ask, calls } = fakeApp();
    const put = await ask('PUT', `${ACME}/operators/op`, { body: wish });
    expect(put.status).toBe(202);
    expect(put.json.actor).toBe('operator-acme.op');
    expect(put.text).not.toContain('pass word');
    await ask('PUT', `${ACME}/operators/op`, {
      body: { ...wish, adopt: true },
      key: 'admin-token-of-the-tests',
      headers: { 'Idempotency-Key': 'k' },
    });
    expect(calls.puts).toEqual([
      {
        tenant: 'acme',
        username: 'op',
        wish,
        origin: expect.objectContaining({ admin: false }),
      },
      {
        tenant: 'acme',
        username: 'op',
        wish: { ...wish, adopt: true },
        origin: expect.objectContaining({ admin: true, commandId: 'key:k' }),
      },
    ]);
  });

  test('change only in the fields of the body; departments are trimmed and unique', async () => {
    const { ask, calls } = fakeApp();
    const bodies = [{}, { password: 'pw' }, { departments: [' help ', 'sales', 'help'] }];
    for (const body of bodies) {
      expect((await ask('PUT', `${ACME}/operators/op`, { body })).status).toBe(202);
    }
    expect(calls.puts.map((put) => put.wish)).toEqual([
      {},
      { password: 'pw' },
      { departments: ['help', 'sales'] },
    ]);
  });

  test('can be found by their LHC user', async () => {
    const { ask, calls } = fakeApp();
    expect((await ask('GET', `${ACME}/operators?lhcUserId=7`)).status).toBe(200);
    expect(calls.filters).toMatchObject([{ tenant: 'acme', lhcUserId: 7 }]);
  });

  test('that name the LHC user of another operator are refused with the name of that operator', async () => {
    const { ask } = fakeApp({
      operatorAccounts: {
        put: async () => {
          throw new AppError('conflict', 'LHC user 1 belongs to operator ada', {
            field: 'lhcUserId',
            operator: 'ada',
          });
        },
        remove: async () => expect.fail('nobody is removed'),
      },
    });
    const { status, json, text } = await ask('PUT', `${ACME}/operators/op`, { body: wish });
    expect(status).toBe(409);
    const reason = 'LHC user 1 belongs to operator ada';
    expect(json).toMatchObject({ code: 'conflict', errors: [{ field: 'lhcUserId', reason }] });
    expect(text).not.toContain('pass word');
  });

  test('are removed', async () => {
    const { ask, calls } = fakeApp();
    expect((await ask('DELETE', `${ACME}/operators/op`)).status).toBe(202);
    expect(calls.removed).toEqual([{ tenant: 'acme', username: 'op' }]);
  });
});
