import { afterEach, describe, expect, test, vi } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { fakeApp, KEYS, visitorsThat } from '../fakes.ts';

const VISITOR = '/v1/acme/visitors/7';
afterEach(() => {
  vi.useRealTimers();
});

describe('a command', () => {
  test('is answered with 202, the actor, its state, revision and position', async () => {
    const { ask } = fakeApp();
    const { status, json, headers } = await ask('POST', `${VISITOR}/page-views`, {
      body: { page: '/' },
    });
    expect(status).toBe(202);
    expect(json).toEqual({
      actor: 'visitor-acme.7',
      state: { presence: 'online', conversation: 'none' },
      revision: 4,
      position: 'fake:9',
    });
    expect(headers.get('content-type')).toBe('application/json');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
  });

  test('has the id of its message, of its Idempotency-Key, or a fresh one', async () => {
    const { ask, calls } = fakeApp();
    const page = { page: '/' };
    await ask('POST', `${VISITOR}/page-views`, { body: page });
    await ask('POST', `${VISITOR}/page-views`, {
      body: page,
      headers: { 'Idempotency-Key': 'again', 'X-Request-Id': 'request-1' },
    });
    await ask('POST', `${VISITOR}/messages`, { body: { id: 'm1', body: 'Hello' } });
    await ask('POST', `${VISITOR}/messages`, {
      body: { id: 'm1', body: 'Hello' },
      headers: { 'Idempotency-Key': 'other' },
    });
    await ask('POST', `${VISITOR}/chats`, {
      body: { chatId: 'c1', message: { id: 'm2', body: 'Hello' } },
    });
    const origins = calls.commands.map(({ origin }) => origin);
    expect(origins[0]?.commandId).toMatch(/^auto:[0-9a-f-]{36}$/);
    expect(origins[1]).toEqual({
      commandId: 'key:again',
      correlationId: 'request-1',
      request: expect.stringMatching(/^[\w-]{10}$/),
    });
    expect(origins.slice(2).map(({ commandId }) => commandId)).toEqual([
      'msg:m1',
      'msg:m1',
      'msg:m2',
    ]);
  });

  test('is answered by the deadline even if its outcome is not known yet', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const late = Promise.withResolvers<never>();
    const { ask } = fakeApp({ actors: visitorsThat(() => late.promise) });
    const asking = ask('POST', `${VISITOR}/page-views`, { body: { page: '/' } });
    await vi.advanceTimersByTimeAsync(4_500);
    const { status, json } = await asking;
    expect({ status, code: json.code }).toEqual({ status: 503, code: 'timeout' });
    expect(json.detail).toContain('Idempotency-Key');
    late.reject(new AppError('unavailable', 'the log is away')); // nobody listens any more, and nothing breaks
  });

  test.each(['', ' ', 'with space', 'x'.repeat(201), 'ä'])(
    'refuses the Idempotency-Key %j',
    async (key) => {
      const { ask, calls } = fakeApp();
      const { status, json } = await ask('POST', `${VISITOR}/timeout`, {
        headers: { 'Idempotency-Key': key },
      });
      expect(status).toBe(400);
      expect(json.errors).toEqual([expect.objectContaining({ field: 'Idempotency-Key' })]);
      expect(calls.commands).toEqual([]);
    },
  );

  test.each([
    ['refused', 'chat c1 is open; close it first', 409],
    ['conflict', 'somebody has it', 409],
    ['reused', 'belongs to another request', 422],
    ['not-found', 'this visitor is not known', 404],
    ['overloaded', 'come again', 503],
    ['unavailable', 'disk /var/lib/x is full', 503],
    ['unfit', 'PageViewed does not fit', 500],
  ] as const)('that is %s says so', async (code, message, expected) => {
    const { ask } = fakeApp({
      actors: visitorsThat(async () => {
        throw new AppError(code, message);
      }),
    });
    const { status, json, headers } = await ask('POST', `${VISITOR}/timeout`);
    expect(status).toBe(expected);
    expect(json).toMatchObject({ code, status: expected, type: `/docs#${code}` });
    expect(headers.get('content-type')).toBe('application/problem+json');
    expect(headers.get('retry-after')).toBe(expected === 503 ? '1' : null);
    // Messages that may name places inside are not passed on.
    expect(json.detail === message).toBe(!['unavailable', 'unfit'].includes(code));
  });

  test('that fails by a defect tells the caller nothing about it', async () => {
    const { ask } = fakeApp({
      actors: visitorsThat(() => Promise.reject(new TypeError('secretName is not a function'))),
    });
    const { status, text } = await ask('POST', `${VISITOR}/timeout`);
    expect(status).toBe(500);
    expect(text).not.toContain('secretName');
    expect(text).not.toContain('.ts');
  });
});

describe('a page view', () => {
  const view = async (...bodies: unknown[]) => {
    const { ask, calls } = fakeApp();
    for (const body of bodies) await ask('POST', `${VISITOR}/page-views`, { body });
    return calls.commands.map(({ command }) => command);
  };

  test('becomes ViewPage with the delays of the tenant and the profile', async () => {
    const [command] = await view({
      page: 'https://shop.test/a?b=c',
      title: ' Two\r\n\tlines ',
      referrer: '',
      nick: 'Ann',
      visits: 3,
      department: 'sales',
      vid: '0123456789abcdef0123456789abcdef',
    });
    expect(command).toEqual({
      type: 'ViewPage',
      digest: expect.stringMatching(/^[A-Za-z0-9_-]{22}$/),
      department: 'sales',
      language: null,
      delays: {
        hardTimeout: 60_000,
        cleanupAfter: 86_400_000,
        invitationTimeout: 120_000,
        offerTimeout: 60_000,
        chatIdle: 86_400_000,
      },
      profile: {
        page: 'https://shop.test/a?b=c',
        title: 'Two lines',
        nick: 'Ann',
        visits: 3,
        vid: '0123456789abcdef0123456789abcdef',
      },
    });
  });

  test('keeps a known time zone, and is the same with an unknown one as without', async () => {
    const page = { page: '/' };
    const zones = ['Europe/Riga', 'Europe/Nowhere', 'GMT+25', '<script>', '', undefined];
    const [known, ...others] = await view(...zones.map((timezone) => ({ ...page, timezone })));
    expect(known).toMatchObject({ profile: { page: '/', timezone: 'Europe/Riga' } });
    expect(others).toHaveLength(5);
    const [without] = await view(page);
    for (const other of others) expect(other).toEqual(without);
  });

  test('has the same digest for the same fields in any order, and another for other fields', async () => {
    const commands = await view(
      { page: '/', nick: 'Ann' },
      { nick: 'Ann', page: '/' },
      { page: '/', nick: 'Bob' },
      { page: '/', nick: 'Ann', department: 'sales' },
    );
    const digests = commands.map((command) => ('digest' in command ? command.digest : ''));
    expect(digests[0]).toBe(digests[1]);
    expect(new Set(digests).size).toBe(3);
  });

  test('of another visitor has another digest: the log does not tell who saw the same page', async () => {
    const { ask, calls } = fakeApp();
    for (const key of ['7', '8']) {
      await ask('POST', `/v1/acme/visitors/${key}/page-views`, { body: { page: '/' } });
    }
    const [one, other] = calls.commands.map(({ command }) => command);
    expect(one).not.toEqual(other);
  });
});

describe('commands of a visitor', () => {
  test.each([
    [
      'POST',
      'chats',
      { chatId: 'c1', department: 'sales', nick: 'Ann', message: { id: 'm1', body: 'a\r\nb' } },
      {
        type: 'StartChat',
        chatId: 'c1',
        department: 'sales',
        nick: 'Ann',
        message: { id: 'm1', body: 'a\nb', digest: expect.stringMatching(/^[\w-]{10}$/) },
      },
    ],
    ['POST', 'chats', { chatId: 'c1' }, { type: 'StartChat', chatId: 'c1', department: null }],
    [
      'POST',
      'messages',
      { id: 'm1', chatId: 'c1', body: 'Hi 👋\n\tthere' },
      { type: 'SendMessage', messageId: 'm1', chatId: 'c1', body: 'Hi 👋\n\tthere' },
    ],
    [
      'POST',
      'chats/c1/close',
      { by: 'visitor' },
      { type: 'CloseChat', chatId: 'c1', by: 'visitor', reason: null },
    ],
    [
      'POST',
      'displayed',
      { messageId: 'a b/ü' },
      { type: 'ReportOperatorMessageDisplayed', messageId: 'a b/ü' },
    ],
    ['POST', 'timeout', undefined, { type: 'TimeOut' }],
    ['DELETE', '', undefined, { type: 'CleanUp' }],
    ['DELETE', '?erase=true', undefined, { type: 'ErasePersonalData' }],
  ])('%s /%s %j', async (method, path, body, command) => {
    const { ask, calls } = fakeApp();
    const { status } = await ask(method, /^\w/.test(path) ? `${VISITOR}/${path}` : VISITOR + path, {
      body,
    });
    expect(status).toBe(202);
    expect(calls.commands).toEqual([
      expect.objectContaining({
        visitor: { kind: 'visitor', tenant: 'acme', name: '7' },
        command: expect.objectContaining(command),
      }),
    ]);
  });

  test('a message without an id gets one', async () => {
    const { ask, calls } = fakeApp();
    await ask('POST', `${VISITOR}/messages`, { body: { body: 'Hello' } });
    expect(calls.commands[0]?.command).toMatchObject({
      messageId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
  });

  test('a message may have 65,536 bytes of UTF-8, and more while it is escaped', async () => {
    const { ask, calls } = fakeApp();
    const body = 'ä'.repeat(32_768);
    const raw = `{"body":"${'\\u00e4'.repeat(32_768)}"}`;
    expect((await ask('POST', `${VISITOR}/messages`, { body: { body } })).status).toBe(202);
    expect((await ask('POST', `${VISITOR}/messages`, { raw })).status).toBe(202);
    expect(calls.commands.map(({ command }) => command)).toEqual([
      expect.objectContaining({ body }),
      expect.objectContaining({ body }),
    ]);
  });

  test('the admin token serves every tenant, and an unknown tenant is 404', async () => {
    const { ask } = fakeApp();
    const key = 'admin-token-of-the-tests';
    expect((await ask('POST', '/v1/beta/visitors/1/timeout', { key })).status).toBe(202);
    expect((await ask('POST', '/v1/gamma/visitors/1/timeout', { key })).status).toBe(404);
    expect((await ask('POST', '/v1/beta/visitors/1/timeout', { key: KEYS.acme })).status).toBe(401);
  });
});

describe('people in LHC', () => {
  const chat = `${VISITOR}/chats/c1`;

  test('who has a chat is passed on, with the Idempotency-Key; the name is one line', async () => {
    const { ask, calls } = fakeApp();
    const headers = { 'Idempotency-Key': 'k1' };
    const body = { lhcUserId: 7, name: 'Olga\n:: K.' };
    expect((await ask('POST', `${chat}/owner`, { body, headers })).status).toBe(202);
    await ask('POST', `${chat}/owner`, { body: { lhcUserId: 8, accepted: false, name: ' ' } });
    expect(calls.ofLhc.map(({ what, visitor, wish }) => [what, visitor, wish])).toEqual([
      ['owner', '7', { chatId: 'c1', lhcUserId: 7, accepted: true, name: 'Olga :: K.' }],
      ['owner', '7', { chatId: 'c1', lhcUserId: 8, accepted: false, name: undefined }],
    ]);
    expect(calls.ofLhc[0]?.origin).toMatchObject({ commandId: 'key:k1' });
  });

  test('what they write is passed on, and known by its id and its text', async () => {
    const { ask, calls } = fakeApp();
    const body = { id: 'lhc-9', lhcUserId: -2, name: 'Robo', body: 'Hi\r\nthere' };
    const headers = { 'Idempotency-Key': 'msg-9' };
    expect((await ask('POST', `${chat}/operator-messages`, { body, headers })).status).toBe(202);
    expect(calls.ofLhc).toEqual([
      {
        what: 'message',
        visitor: '7',
        wish: { chatId: 'c1', id: 'lhc-9', lhcUserId: -2, name: 'Robo', body: 'Hi\nthere' },
        origin: expect.objectContaining({
          commandId: 'msg:lhc-9',
          request: expect.stringMatching(/./),
        }),
      },
    ]);
  });

  test.each([
    ['owner', { name: 'Olga' }, 'lhcUserId'],
    ['owner', { lhcUserId: 0 }, 'lhcUserId'],
    ['owner', { lhcUserId: '7' }, 'lhcUserId'],
    ['owner', { lhcUserId: 7, accepted: 1 }, 'accepted'],
    ['owner', { lhcUserId: 7, operator: 'bob' }, 'operator'],
    ['operator-messages', { lhcUserId: 7, body: 'Hi' }, 'id'],
    ['operator-messages', { id: 'l 1', lhcUserId: 7, body: 'Hi' }, 'id'],
    ['operator-messages', { id: 'l1', lhcUserId: -3, body: 'Hi' }, 'lhcUserId'],
    ['operator-messages', { id: 'l1', lhcUserId: 7, body: '' }, 'body'],
    ['operator-messages', { id: 'l1', lhcUserId: 7, body: 'x'.repeat(65_537) }, 'body'],
  ])('%s with %j is refused, and the problem names the field', async (path, body, field) => {
    const { ask, calls } = fakeApp();
    const { status, json } = await ask('POST', `${chat}/${path}`, { body });
    expect(status).toBe(400);
    expect(json.errors).toEqual([expect.objectContaining({ field })]);
    expect(calls.ofLhc).toEqual([]);
  });
});

describe('a transfer', () => {
  const path = `${VISITOR}/chats/c1/transfer`;
  const fails = (error: AppError) => fakeApp({ transfer: () => Promise.reject(error) });

  test.each([
    [{ operator: 'bob' }, { operator: 'bob' }],
    [{ department: ' second\tlevel ' }, { department: 'second level' }],
  ])('to %j is passed on as from LHC, with the Idempotency-Key', async (body, to) => {
    const { ask, calls } = fakeApp();
    const headers = { 'Idempotency-Key': 'k1' };
    const { status, json } = await ask('POST', path, { body, headers });
    expect(status).toBe(202);
    expect(json).toMatchObject({ actor: 'visitor-acme.7', revision: 4 });
    expect(calls.transfers).toEqual([
      {
        tenant: 'acme',
        visitor: '7',
        wish: { chatId: 'c1', from: null, to },
        origin: expect.objectContaining({ commandId: 'key:k1' }),
      },
    ]);
  });

  test.each([
    [{}, 'operator'],
    [{ operator: 'bob', department: 'sales' }, 'operator'],
    [{ operator: 'Bob Smith' }, 'operator'],
    [{ operator: 'admin' }, 'operator'],
    [{ department: '' }, 'department'],
    [{ department: 'x'.repeat(129) }, 'department'],
    [{ department: 7 }, 'department'],
    [{ operator: 'bob', force: true }, 'force'],
  ])('to %j is refused, and the problem names the field', async (body, field) => {
    const { ask, calls } = fakeApp();
    const { status, json } = await ask('POST', path, { body });
    expect(status).toBe(400);
    expect(json.errors).toEqual([expect.objectContaining({ field })]);
    expect(calls.transfers).toEqual([]);
  });

  test('to a receiver that does not exist is 400 with the field; a refusal of the state is 409', async () => {
    const nobody = new AppError('refused', 'there is no operator bob', { field: 'operator' });
    const unknown = await fails(nobody).ask('POST', path, { body: { operator: 'bob' } });
    expect(unknown.status).toBe(400);
    expect(unknown.json).toMatchObject({
      code: 'invalid',
      errors: [{ field: 'operator', reason: 'there is no operator bob' }],
    });
    const has = new AppError('refused', 'bob already has this chat', { owner: 'bob' });
    const refused = await fails(has).ask('POST', path, { body: { operator: 'bob' } });
    expect(refused.status).toBe(409);
    expect(refused.json).toMatchObject({ code: 'refused', detail: 'bob already has this chat' });
    const away = new AppError('not-found', 'this visitor is not known');
    const gone = await fails(away).ask('POST', path, { body: { operator: 'bob' } });
    expect(gone.status).toBe(404);
  });
});

describe('a message that the visitor has seen', () => {
  test.each([
    [{}, 'messageId'],
    [{ messageId: '' }, 'messageId'],
    [{ messageId: 'x'.repeat(1025) }, 'messageId'],
    [{ messageId: 'm1', at: 1 }, 'at'],
  ])('%j is refused, and the problem names the field', async (body, field) => {
    const { ask, calls } = fakeApp();
    const { status, json } = await ask('POST', `${VISITOR}/displayed`, { body });
    expect(status).toBe(400);
    expect(json.errors).toEqual([expect.objectContaining({ field })]);
    expect(calls.commands).toEqual([]);
  });
});

describe('files', () => {
  const url = 'https://lhc.test/xmppchat/file/1/a.png';
  const file = { url, name: 'a.png', type: 'image/png', size: 70 };
  const { url: _, ...stored } = file;
  const said = (calls: ReturnType<typeof fakeApp>['calls']) =>
    calls.commands.map(({ command, origin }) => ({ command, id: origin.commandId }));

  test('become messages of their own, behind the text and with ids of their own', async () => {
    const { ask, calls } = fakeApp();
    const body = { id: 'm1', chatId: 'c1', body: 'Look', files: [file, { url, name: 'b.png' }] };
    expect((await ask('POST', `${VISITOR}/messages`, { body })).status).toBe(202);
    const send = { type: 'SendMessage', chatId: 'c1' };
    expect(said(calls)).toMatchObject([
      { id: 'msg:m1', command: { ...send, messageId: 'm1', body: 'Look' } },
      { id: 'msg:m1.1', command: { ...send, messageId: 'm1.1', body: url, file: stored } },
      { id: 'msg:m1.2', command: { messageId: 'm1.2', body: url, file: { name: 'b.png' } } },
    ]);
    expect(said(calls)[0]?.command).not.toHaveProperty('file');
  });

  test('without a text and with an Idempotency-Key are as many commands', async () => {
    const { ask, calls } = fakeApp();
    const body = { files: [file, file] };
    const headers = { 'idempotency-key': 'k' };
    await ask('POST', `${VISITOR}/messages`, { body, headers });
    const [first, second] = said(calls);
    expect(first).toMatchObject({ command: { body: url, file: stored } });
    expect(second?.id).not.toBe(first?.id);
    expect(second?.id).toBe(`${first?.id}.2`);
  });

  test('of a first message begin a chat', async () => {
    const { ask, calls } = fakeApp();
    const body = { chatId: 'c1', message: { id: 'm1', body: '', files: [file, file] } };
    expect((await ask('POST', `${VISITOR}/chats`, { body })).status).toBe(202);
    expect(said(calls)).toMatchObject([
      { command: { type: 'StartChat', message: { id: 'm1', body: url, file: stored } } },
      { command: { type: 'SendMessage', messageId: 'm1.1', chatId: 'c1', file: stored } },
    ]);
  });

  test('behind one that fails are not tried', async () => {
    const tried: string[] = [];
    const { ask } = fakeApp({
      actors: visitorsThat(async (_visitor, command) => {
        tried.push('messageId' in command ? command.messageId : command.type);
        throw new AppError('unavailable', 'away');
      }),
    });
    const body = { id: 'm1', files: [file, file] };
    expect((await ask('POST', `${VISITOR}/messages`, { body })).status).toBe(503);
    expect(tried).toEqual(['m1']);
  });

  test.each([
    [{ files: [] }, 'body'],
    [{}, 'body'],
    [{ body: 'a', files: Array.from({ length: 11 }, () => file) }, 'files'],
    [{ files: [{ ...file, url: 'ftp://lhc.test/a' }] }, 'files.0.url'],
    [{ files: [{ ...file, name: '' }] }, 'files.0.name'],
    [{ files: [{ ...file, size: -1 }] }, 'files.0.size'],
    [{ files: [{ ...file, x: 1 }] }, 'files.0.x'],
  ])('%j is refused', async (body, field) => {
    const { ask, calls } = fakeApp();
    const { status, json } = await ask('POST', `${VISITOR}/messages`, { body });
    expect(status).toBe(400);
    expect(json.errors).toEqual([expect.objectContaining({ field })]);
    expect(calls.commands).toEqual([]);
  });
});

describe('typing', () => {
  test('is passed on and answered with 204', async () => {
    const { ask, calls } = fakeApp();
    const body = { state: 'composing', preview: 'Hel' };
    const { status, text } = await ask('POST', `${VISITOR}/typing`, { body });
    expect([status, text]).toEqual([204, '']);
    expect(calls.typing).toEqual([
      { tenant: 'acme', visitor: '7', state: 'composing', preview: 'Hel' },
    ]);
    expect(calls.commands).toEqual([]);
  });

  test('that cannot be passed on is dropped, and answered with 204 too', async () => {
    const { ask } = fakeApp({ typing: () => Promise.reject(new Error('ejabberd is away')) });
    const { status } = await ask('POST', `${VISITOR}/typing`, { body: { state: 'paused' } });
    expect(status).toBe(204);
  });
});
