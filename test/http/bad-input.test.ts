import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isXmlText } from '../../src/kit/xml-text.ts';
import { fakeApp } from './fakes.ts';

const VISITOR = '/v1/acme/visitors/7';
const { ask, calls } = fakeApp();

/** Checks that the answer is a problem. @returns the fields that the problem names */
async function fieldsOf(
  method: string,
  path: string,
  options: Parameters<typeof ask>[2],
  expected = 400,
): Promise<string[]> {
  const { status, json, headers } = await ask(method, path, options);
  expect(status).toBe(expected);
  expect(headers.get('content-type')).toBe('application/problem+json');
  expect(json).toMatchObject({
    type: expect.stringMatching(/^\/docs#/),
    title: expect.any(String),
    status: expected,
    detail: expect.any(String),
    code: expect.any(String),
  });
  return (json.errors ?? []).map(({ field }: { field: string }) => field);
}

describe('a problem names each wrong field', () => {
  test.each([
    ['page-views', {}, ['page']],
    ['page-views', { page: 7 }, ['page']],
    ['page-views', { page: '/', other: 1, more: 2 }, ['other', 'more']],
    ['page-views', [], ['']],
    ['page-views', null, ['']],
    ['page-views', 'page', ['']],
    ['chats', {}, ['chatId']],
    ['chats', { chatId: 'C1' }, ['chatId']],
    ['chats', { chatId: 'c1', message: {} }, ['message.body']],
    ['chats', { chatId: 'c1', message: { body: 'a', id: 'with space' } }, ['message.id']],
    ['chats', { chatId: 'c1', message: { body: 'a', x: 1 } }, ['message.x']],
    ['messages', { body: '' }, ['body']],
    ['messages', { body: '\u0007' }, ['body']],
    ['messages', { body: null }, ['body']],
    ['page-views', { page: null }, ['page']],
    ['page-views', { page: '/', title: ['a'], nick: 7 }, ['title', 'nick']],
    ['messages', { body: 'ä'.repeat(32_769) }, ['body']],
    ['messages', { body: 'a', id: '' }, ['id']],
    ['messages', { body: 'a', chatId: '../x' }, ['chatId']],
    ['typing', { state: 'dancing' }, ['state']],
    ['chats/c1/close', {}, ['by']],
    ['chats/C1/close', { by: 'visitor' }, ['chatId']],
  ])('POST %s %j', async (path, body, fields) => {
    expect(await fieldsOf('POST', `${VISITOR}/${path}`, { body })).toEqual(fields);
    expect(calls.commands).toEqual([]);
  });

  test.each([
    ['Upper', 'key'],
    ['a.b', 'key'],
    ['%00', 'key'],
    ['%E0%A4%A', 'key'],
    ['x'.repeat(65), 'key'],
    ['..%2f..%2fetc', 'key'],
  ])('key %s', async (key, field) => {
    expect(await fieldsOf('POST', `/v1/acme/visitors/${key}/timeout`, {})).toEqual([field]);
  });

  test.each([
    ['admin', {}, ['username']],
    ['visitor.1', {}, ['username']],
    ['.op', {}, ['username']],
    ['op', { lhcUserId: 0, departments: [''] }, ['lhcUserId', 'departments.0']],
    ['op', { lhcUserId: 1, departments: [], password: 'a\u0000b' }, ['password']],
    ['op', { lhcUserId: 1, departments: [], capacity: 0 }, ['capacity']],
    ['op', { capacity: 1001 }, ['capacity']],
    ['op', { departments: 'sales' }, ['departments']],
    ['op', { departments: Array.from({ length: 101 }, (_, i) => `d${i}`) }, ['departments']],
    ['op', { name: ' ' }, ['name']],
    ['op', { department: 'sales' }, ['department']],
    ['op', { lhcUserId: 1, departments: [], adopt: 'yes' }, ['adopt']],
  ])('PUT operators/%s %j', async (username, body, fields) => {
    const path = `/v1/acme/operators/${username}`;
    expect(await fieldsOf('PUT', path, { body })).toEqual(fields);
    expect(calls.puts).toEqual([]);
  });

  test.each([
    ['visitors?limit=0', ['limit']],
    ['visitors?limit=201', ['limit']],
    ['visitors?limit=many', ['limit']],
    ['visitors?state=asleep', ['state']],
    ['visitors?operator=Bad', ['operator']],
    ['visitors?order=up', ['order']],
    ['visitors?minPosition=7', ['minPosition']],
    ['visitors/7?minPosition=', ['minPosition']],
    ['visitors/7/messages?chatId=A', ['chatId']],
    ['operators?state=online', ['state']],
    ['operators?lhcUserId=0', ['lhcUserId']],
    ['operators?lhcUserId=seven', ['lhcUserId']],
  ])('GET %s', async (path, fields) => {
    expect(await fieldsOf('GET', `/v1/acme/${path}`, {})).toEqual(fields);
  });
});

describe('a detail that cannot be carried costs itself alone, and the answer says so', () => {
  const cut = (most: number) => `was cut to ${most} characters`;
  const leftOut = 'was left out: nothing of it can be used';
  const lost = 'has lost characters that XML cannot carry';
  /** The command that a body became, and what the answer says about it. */
  async function taken(path: string, body: unknown) {
    const fake = fakeApp();
    const { status, json } = await fake.ask('POST', `${VISITOR}/${path}`, { body });
    expect(status).toBe(202);
    return { command: fake.calls.commands[0]?.command, changed: json.changed };
  }

  test.each([
    [{ page: '' }, {}, undefined],
    [{ page: '\u0000' }, {}, { page: leftOut }],
    [{ page: `/${'x'.repeat(5_000)}` }, { page: `/${'x'.repeat(4_095)}` }, { page: cut(4_096) }],
    [{ page: '/', title: 'Shoes\u001a' }, { page: '/', title: 'Shoes' }, { title: lost }],
    [{ page: '/', title: 'a\u000bb' }, { page: '/', title: 'a b' }, { title: lost }],
    [{ page: '/', nick: 'a\u2028 b\u0085c' }, { page: '/', nick: 'a b c' }, undefined],
    [{ page: '/', nick: 'A\u0000' }, { page: '/', nick: 'A' }, { nick: lost }],
    [
      { page: '/', nick: '\u200b\u202e', title: '\u3164 \u2800' },
      { page: '/' },
      { nick: leftOut, title: leftOut },
    ],
    [{ page: '/', nick: '👩\u200d💻' }, { page: '/', nick: '👩\u200d💻' }, undefined],
    [{ page: '/', nick: '\u001b[31m' }, { page: '/', nick: '[31m' }, { nick: lost }],
    [{ page: '/\ud800', title: '\ufffe' }, { page: '/\ufffd' }, { page: lost, title: leftOut }],
    // Half of the last pair would not fit.
    [
      { page: '/', city: `${'x'.repeat(127)}👋` },
      { page: '/', city: 'x'.repeat(127) },
      { city: cut(127) },
    ],
    [
      { page: '/', visits: -1, vid: 'x y' },
      { page: '/', visits: 0 },
      { visits: 'counts as 0', vid: leftOut },
    ],
    [{ page: '/', visits: 1.5 }, { page: '/', visits: 1 }, { visits: 'counts as 1' }],
    [{ page: '/', visits: 1e12 }, { page: '/', visits: 1e9 }, { visits: 'counts as 1000000000' }],
    [{ page: '/', timezone: 'Europe/Nowhere' }, { page: '/' }, { timezone: leftOut }],
    [{ page: '/', title: null, nick: null, visits: null, vid: null }, { page: '/' }, undefined],
    [{ page: ' /\r\na ', title: ' ' }, { page: '/ a' }, undefined],
  ])('page-views %j', async (body, profile, reasons) => {
    const { command, changed } = await taken('page-views', body);
    expect(command).toMatchObject({ type: 'ViewPage' });
    expect(command).toHaveProperty('profile', profile);
    const fields = reasons && Object.entries(reasons).map(([field, reason]) => ({ field, reason }));
    expect(changed).toEqual(fields);
  });

  test.each([
    [
      'messages',
      { body: 'one\u000btwo\u0007\r\nthree' },
      { body: 'one\ntwo\nthree' },
      'body',
      lost,
    ],
    ['messages', { body: 'half a pair \udc00' }, { body: 'half a pair \ufffd' }, 'body', lost],
    [
      'chats',
      { chatId: 'c1', message: { body: '\u0000' } },
      { message: undefined },
      'message',
      leftOut,
    ],
    [
      'chats',
      { chatId: 'c1', message: { body: 'a\u0000' } },
      { message: { id: expect.any(String), body: 'a' } },
      'message.body',
      lost,
    ],
    [
      'chats',
      { chatId: 'c1', department: `sales${' x'.repeat(99)}` },
      { department: `sales${' x'.repeat(61)}` },
      'department',
      cut(127),
    ],
    ['chats', { chatId: 'c1', nick: 'A\uffff' }, { nick: 'A' }, 'nick', lost],
    [
      'chats/c1/close',
      { by: 'visitor', reason: 'x'.repeat(201) },
      { reason: 'x'.repeat(200) },
      'reason',
      cut(200),
    ],
  ])('%s %j', async (path, body, command, field, reason) => {
    const result = await taken(path, body);
    expect(result.command).toMatchObject(command);
    expect(result.changed).toEqual([{ field, reason }]);
  });

  test('an operator has the name and the departments that are left', async () => {
    const fake = fakeApp();
    const departments = ['sales\u000b', 'x'.repeat(129), 'sales'];
    const { status, json } = await fake.ask('PUT', '/v1/acme/operators/op', {
      body: { name: 'Olga\u0000', departments },
    });
    expect(status).toBe(202);
    expect(json.changed).toEqual([{ field: 'name', reason: lost }]);
    expect(fake.calls.puts).toEqual([
      expect.objectContaining({
        wish: { name: 'Olga', departments: ['sales', 'x'.repeat(128)] },
      }),
    ]);
  });

  test('no text costs a page view or a chat, and what is taken is fit for XML', async () => {
    const long = fc.string({ unit: 'binary', minLength: 4_000, maxLength: 4_200 });
    const text = fc.oneof(fc.string({ unit: 'binary' }), long);
    const names = ['title', 'referrer', 'nick', 'country', 'city', 'timezone', 'department', 'vid'];
    const rest = fc.dictionary(fc.constantFrom(...names), text);
    await fc.assert(
      fc.asyncProperty(text, rest, fc.float({ noNaN: true }), async (page, others, visits) => {
        calls.commands.length = 0;
        const view = { page, visits: Number.isFinite(visits) ? visits : null, ...others };
        const chat = { chatId: 'c', nick: page, message: { body: page } };
        expect((await ask('POST', `${VISITOR}/page-views`, { body: view })).status).toBe(202);
        expect((await ask('POST', `${VISITOR}/chats`, { body: chat })).status).toBe(202);
        const texts: string[] = [];
        JSON.parse(JSON.stringify(calls.commands), (_, value) => {
          if (typeof value === 'string') texts.push(value);
        });
        expect(texts.filter((one) => !isXmlText(one))).toEqual([]);
      }),
      { numRuns: 100 },
    );
    calls.commands.length = 0;
  });
});

describe('the reasons', () => {
  const view = (body: unknown) =>
    ask('POST', `${VISITOR}/page-views`, { raw: JSON.stringify(body) });
  test.each([
    [{ page: 1 }, 'page: has to be a text in quotes'],
    [{}, 'page: is required'],
    [[], 'the body: has to be an object in { }'],
    [{ page: 'x', visits: '3' }, 'visits: has to be a number, without quotes'],
    [{ page: 'x', colour: 'red' }, 'colour: is not known here'],
  ])('of %j are words of this project', async (body, detail) => {
    expect((await view(body)).json).toMatchObject({ detail });
  });

  test.each([
    ['limit=0', 'limit: has to be at least 1'],
    ['limit=many', 'limit: has to be a number'],
    ['sort=up', 'sort: has to be one of -arrivedAt, arrivedAt, -lastSeen, lastSeen'],
  ])('of ?%s too', async (query, detail) => {
    expect((await ask('GET', `/v1/acme/visitors?${query}`)).json).toMatchObject({ detail });
  });
});

describe('a body', () => {
  const path = `${VISITOR}/messages`;

  test.each(['{', '', '{"body":"a"} trailing', "{'body':'a'}", '\ufeff{"body":"a"}x'])(
    'that is not JSON is refused: %j',
    async (raw) => {
      expect(await fieldsOf('POST', path, { raw })).toEqual(['']);
    },
  );

  test('that is not UTF-8 is refused', async () => {
    const raw = Buffer.concat([Buffer.from('{"body":"'), Buffer.from([0xff]), Buffer.from('"}')]);
    expect(await fieldsOf('POST', path, { raw })).toEqual(['']);
  });

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp', ''])(
    'of type %j is refused',
    async (type) => {
      const options = { raw: '{"body":"a"}', headers: { 'Content-Type': type } };
      expect(await fieldsOf('POST', path, options, 415)).toEqual(['Content-Type']);
    },
  );

  test.each(['application/json; charset=utf-8', 'application/vnd.lhc+json', 'Application/JSON'])(
    'of type %j is taken',
    async (type) => {
      const { status } = await ask('POST', path, {
        raw: '{"body":"a"}',
        headers: { 'Content-Type': type },
      });
      expect(status).toBe(202);
      calls.commands.length = 0;
    },
  );

  test('of more than 256 KiB is refused, with a Content-Length and without', async () => {
    const raw = JSON.stringify({ body: 'x'.repeat(256 * 1024) });
    await fieldsOf('POST', path, { raw }, 413);
    await fieldsOf('POST', path, { raw, headers: { 'Content-Length': String(raw.length) } }, 413);
    expect(calls.commands).toEqual([]);
  });

  test('with names such as __proto__ changes no prototype', async () => {
    const raw = '{"__proto__":{"body":"a"},"constructor":1,"body":"b"}';
    expect(await fieldsOf('POST', path, { raw })).toContain('constructor');
    expect(Object.hasOwn(Object.prototype, 'body')).toBe(false);
  });
});

describe('a path', () => {
  test('that does not exist is 404', async () => {
    await fieldsOf('GET', '/v1/acme/nothing', {}, 404);
    await fieldsOf('GET', '/', {}, 404);
  });

  test('with another method is 405, with the allowed methods', async () => {
    const { status, headers, json } = await ask('PATCH', VISITOR);
    expect([status, json.code]).toEqual([405, 'method-not-allowed']);
    expect(headers.get('allow')?.split(', ').sort()).toEqual(['DELETE', 'GET']);
  });
});

describe('X-Request-Id', () => {
  test.each([
    ['is returned', 'order-7:abc_D.e', true],
    ['with other characters is replaced', 'a b', false],
    ['that is too long is replaced', 'x'.repeat(129), false],
  ])('%s', async (_what, id, kept) => {
    for (const path of [`${VISITOR}/timeout`, '/v1/acme/nothing', '/docs']) {
      const { headers } = await ask('GET', path, { headers: { 'X-Request-Id': id } });
      expect(headers.get('x-request-id') === id).toBe(kept);
      expect(headers.get('x-request-id')).toMatch(/^[A-Za-z0-9._:-]{1,128}$/);
    }
  });
});

test('no input causes a 5xx or shows a stack trace', async () => {
  const paths = ['page-views', 'chats', 'messages', 'typing', 'chats/c1/close', 'timeout'];
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.json(), fc.constantFrom('{', '[]', '0'));
  const known = fc.constantFrom('page', 'body', 'id', 'chatId', 'state', 'by', 'message', 'visits');
  const almost = fc.dictionary(known, fc.anything()).map((value) => {
    try {
      return JSON.stringify(value) ?? 'null';
    } catch {
      return '{}'; // a BigInt has no JSON
    }
  });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...paths),
      fc.string({ unit: 'binary', maxLength: 12 }),
      fc.oneof(text, almost),
      async (path, key, raw) => {
        const name = encodeURIComponent(key.isWellFormed() ? key : 'bad') || '7';
        for (const visitor of ['7', name]) {
          const { status, text: answer } = await ask(
            'POST',
            `/v1/acme/visitors/${visitor}/${path}`,
            { raw },
          );
          expect(status).toBeLessThan(500);
          expect(answer).not.toMatch(/\bat .*\.ts:/);
        }
      },
    ),
    { numRuns: 150 },
  );
});
