import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
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
    ['page-views', { page: '' }, ['page']],
    ['page-views', { page: 7 }, ['page']],
    ['page-views', { page: 'x'.repeat(4097) }, ['page']],
    ['page-views', { page: '/', nick: 'A\u0000' }, ['nick']],
    ['page-views', { page: '/', nick: '\u001b[31m' }, ['nick']],
    ['page-views', { page: '/\ud800', title: '\ufffe' }, ['page', 'title']],
    ['page-views', { page: '/', visits: -1, vid: 'x y' }, ['visits', 'vid']],
    ['page-views', { page: '/', visits: 1.5 }, ['visits']],
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
    ['messages', { body: 'a\u0007' }, ['body']],
    ['messages', { body: 'half a pair \udc00' }, ['body']],
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

describe('the reasons', () => {
  const view = (body: unknown) =>
    ask('POST', `${VISITOR}/page-views`, { raw: JSON.stringify(body) });
  test.each([
    [{ page: 1 }, 'page: has to be a text in quotes'],
    [{}, 'page: is required'],
    [[], 'the body: has to be an object in { }'],
    [{ page: 'x', visits: '3' }, 'visits: has to be a number, without quotes'],
    [{ page: 'x', visits: -1 }, 'visits: has to be at least 0'],
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
