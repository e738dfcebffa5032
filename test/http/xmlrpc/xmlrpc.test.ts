/** LHC's recorded calls of XML-RPC, and calls that are wrong. The rooms are fakes here; test/ejabberd/private-chats.test.ts has real ones. */
import fc from 'fast-check';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { createTenantDirectory } from '../../../src/actors/tenant/directory.ts';
import { AppError } from '../../../src/errors.ts';
import { createXmlRpc, MAX_CALL_BYTES, type XmlRpcOptions } from '../../../src/http/xmlrpc/app.ts';
import { parseCall, type RpcValue, responseXml } from '../../../src/http/xmlrpc/codec.ts';
import { currentScope, traceOfLine } from '../../../src/runtime/cause.ts';
import type { JournalEntry } from '../../../src/runtime/journal/entries.ts';
import type { OperatorRooms } from '../../../src/runtime/operator-ports.ts';
import { day, failures, rpcCalls } from '../../lhc-wire/recordings.ts';
import { tenantWith } from '../../support/tenant.ts';

const HOST = 'xmpp.acme.example';
const tenantOf = (more: object) => tenantWith({ apiKey: 'key-of-a-tenant-1', ...more });
const ALONE = createTenantDirectory([tenantOf({ id: 'acme', host: HOST })]);

/** The listener with everything behind it that it asks. It records what is asked. */
function listener(more: Partial<XmlRpcOptions> = {}) {
  const calls: unknown[][] = [];
  const note =
    (name: string) =>
    async (...args: unknown[]): Promise<void> =>
      void calls.push([name, ...args]);
  const rooms: OperatorRooms = {
    list: async () => ['oo,aa'],
    create: note('create'),
    allowSubscription: note('allowSubscription'),
    subscribe: note('subscribe'),
    invite: note('invite'),
    say: note('say'),
    destroy: note('destroy'),
  };
  const app = createXmlRpc({
    tenants: ALONE,
    rooms,
    visitors: { isOnline: async (_tenant, key) => key === '7', show: note('show') },
    password: 'rpc-pass',
    isTemplateHost: () => false,
    logger: pino({ level: 'silent' }),
    ...more,
  });
  const post = async (body: string, path = '/') => {
    const response = await app.request(path, { method: 'POST', body });
    return { status: response.status, text: await response.text() };
  };
  return { calls, post, app };
}

const RECORDED = rpcCalls(day);
const recorded = (rpc: string): string => RECORDED.find((one) => one.rpc === rpc)?.body ?? '';
const isFault = (text: string): boolean => text.includes('<fault>');
const faultIn = (text: string): string =>
  /<string>(Error [\s\S]*?)<\/string>/.exec(text)?.[1] ?? '';

/** A call as LHC writes it. */
function callOf(method: string, args: RpcValue, credentials: object = {}): string {
  const caller = { user: 'admin', server: HOST, password: 'rpc-pass', ...credentials };
  const paramOf = (value: RpcValue) => /<param>.*<\/param>/s.exec(responseXml(value))?.[0];
  const params = `${paramOf(caller as RpcValue)}${paramOf(args)}`;
  return `<?xml version="1.0"?><methodCall><methodName>${method}</methodName><params>${params}</params></methodCall>`;
}
const SESSIONS = { user: 'visitor.7', host: HOST };

describe('the recorded calls', () => {
  test.each([
    ['day', day],
    ['failures', failures],
  ])('none of %s gets a fault', async (_file, recording) => {
    const { post } = listener();
    const requests = rpcCalls(recording);
    expect(requests.length).toBeGreaterThan(15);
    for (const { body, rpc, n } of requests) {
      const { status, text } = await post(body);
      expect([n, rpc, status, faultIn(text)]).toEqual([n, rpc, 200, '']);
    }
  });

  test('a private chat asks for what is in it', async () => {
    const { calls, post } = listener();
    for (const { body, rpc } of RECORDED) {
      if (rpc !== 'user_sessions_info' && rpc !== 'send_stanza_c2s') await post(body);
    }
    const jid = 'ada.admin.operator';
    expect(calls).toEqual([
      ['create', 'acme', 'oo,aa'],
      ['allowSubscription', 'acme', 'oo,aa', true],
      ['subscribe', 'acme', 'oo,aa', { jid: `${jid}@${HOST}`, nick: jid, nodes: '' }],
      ['invite', 'acme', 'oo,aa', [`oskar@${HOST}`], 'invite for private chat'],
      [
        'subscribe',
        'acme',
        'oo,aa',
        { jid: `oskar@${HOST}`, nick: 'oskar.operator.operator', nodes: '' },
      ],
      ['say', 'acme', 'oo,aa', `Ada.Admin.operator@${HOST}`, 'psst'],
    ]);
    const { text } = await post(recorded('muc_online_rooms'));
    expect(text).toContain(
      `<array><data><value><struct><member><name>room</name><value><string>oo,aa@conference.${HOST}</string>`,
    );
  });

  test('a nick is shown as its visitor wrote it', async () => {
    const { calls, post } = listener();
    await post(recorded('send_stanza_c2s'));
    expect(calls).toEqual([
      [
        'show',
        'acme',
        '7',
        { nick: 'Änna B. 👍 <&> #41', status: 'Sales\n| //shop.test/shoes\n| Active chat' },
      ],
    ]);
  });

  test('a nick is shown for its call, which may be a part of a trace', async () => {
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const entries: JournalEntry[] = [];
    const place = { stream: 'visitor-acme.7', revision: 3 };
    const seen: unknown[] = [];
    const told: { traceId?: string }[] = [];
    const { app } = listener({
      journal: { record: (entry) => void entries.push(entry) },
      logger: pino(
        { level: 'debug', mixin: traceOfLine },
        { write: (line) => void told.push(JSON.parse(line)) },
      ),
      visitors: {
        isOnline: async () => true,
        async show() {
          const request = currentScope()?.request;
          seen.push(request?.traceparent);
          request?.onFact?.(place);
        },
      },
    });
    const body = recorded('send_stanza_c2s');
    await app.request('/', { method: 'POST', body, headers: { traceparent } });
    expect(seen).toEqual([traceparent]);
    expect(entries).toMatchObject([{ kind: 'request', name: 'XML-RPC send_stanza_c2s', ...place }]);
    await app.request('/', { method: 'POST', body: 'no call', headers: { traceparent } });
    expect(told).toMatchObject([{ traceId: traceparent.slice(3, 35) }]);
  });

  test('a visitor who is online has one session, and nobody else has one', async () => {
    const { post } = listener();
    const { text } = await post(recorded('user_sessions_info'));
    // The field names and types are those that LHC was answered with when it then sent the nick.
    const names = [...text.matchAll(/<name>(\w+)<\/name><value><(string|int)>/g)].map(
      ([, name, type]) => `${name}:${type}`,
    );
    expect(names).toEqual([
      'connection:string',
      'ip:string',
      'port:int',
      'priority:int',
      'node:string',
      'uptime:int',
      'status:string',
      'resource:string',
      'statustext:string',
    ]);
    const nobody =
      '<?xml version="1.0"?><methodResponse><params><param><value><struct><member><name>sessions_info</name><value><array><data></data></array></value></member></struct></value></param></params></methodResponse>';
    for (const user of ['visitor.8', 'visitor.43.chat', 'olga', 'visitor.x.y.z', '']) {
      expect((await post(callOf('user_sessions_info', { ...SESSIONS, user }))).text).toBe(nobody);
    }
  });
});

describe('who may call', () => {
  test.each([
    ['a wrong password', { password: 'wrong' }, 'Invalid authentication data'],
    ['no password', { password: null }, 'Invalid authentication data'],
    ['the host of no tenant', { server: 'other.example' }, 'is the host of no tenant'],
    ['a list for a password', { password: [] }, "'password' has to be a string"],
  ])('%s', async (_what, credentials, reason) => {
    const { calls, post } = listener();
    const { status, text } = await post(callOf('destroy_room', {}, credentials));
    expect([status, faultIn(text)]).toEqual([200, expect.stringContaining(reason)]);
    expect(calls).toEqual([]);
  });

  test('without XMLRPC_PASSWORD every call gets a fault that says so', async () => {
    const { post } = listener({ password: undefined });
    const { text } = await post(recorded('user_sessions_info'));
    expect(faultIn(text)).toContain('XMLRPC_PASSWORD is not set');
  });

  test('the host of a template is known, and nobody is online there', async () => {
    const { post } = listener({ isTemplateHost: (host) => host === 'new.example' });
    const args = { user: 'visitor.7.acme', host: 'new.example' };
    const { text } = await post(callOf('user_sessions_info', args, { server: 'new.example' }));
    expect(text).toContain('<array><data></data></array>');
  });
});

describe('what is refused', () => {
  const service = `conference.${HOST}`;
  const room = { name: 'oo,aa', service };
  test.each([
    ['user_sessions_info', { user: 'visitor.7', host: 'other.example' }, `has to be ${HOST}`],
    ['user_sessions_info', { user: 'visitor.7' }, "'host' not found"],
    ['muc_online_rooms', { host: 'global' }, `has to be ${service}`],
    ['muc_online_rooms', { host: HOST }, `has to be ${service}`],
    ['create_room', { ...room, host: 'other.example' }, `has to be ${HOST}`],
    ['create_room', { ...room, service: 'conference.other', host: HOST }, `has to be ${service}`],
    ['destroy_room', { name: 'x', service: 'muc.example' }, `has to be ${service}`],
    ['change_room_option', { ...room, option: 'password', value: 'x' }, 'Only allow_subscription'],
    [
      'subscribe_room',
      { user: 'o@other.example', nick: 'o', room: `x@${service}`, nodes: '' },
      `has to be at ${HOST}`,
    ],
    [
      'subscribe_room',
      { user: `o@${HOST}`, nick: 'o', room: 'x@conference.other.example', nodes: '' },
      `of ${service}`,
    ],
    [
      'send_direct_invitation',
      { ...room, password: '', reason: '', users: `o@${HOST}:spy@other.example` },
      `has to be at ${HOST}`,
    ],
    [
      'send_message',
      { type: 'chat', from: `o@${HOST}`, to: `x@${service}`, subject: '', body: 'x' },
      'Only messages of the type groupchat',
    ],
    [
      'send_message',
      { type: 'groupchat', from: `o@${HOST}`, to: `olga@${HOST}`, subject: '', body: 'x' },
      `of ${service}`,
    ],
    ['send_stanza_c2s', { ...SESSIONS, resource: 'r', stanza: '<message/>' }, 'Only a presence'],
    ['send_stanza_c2s', { ...SESSIONS, resource: 'r', stanza: '<presence>' }, 'not well-formed'],
    ['register', { user: 'x', host: HOST, password: 'x' }, 'Unknown call'],
    ['constructor', {}, 'Unknown call'],
  ])('%s %o', async (method, args, reason) => {
    const { calls, post } = listener();
    const { status, text } = await post(callOf(method, args as RpcValue));
    expect([status, faultIn(text)]).toEqual([200, expect.stringContaining(reason)]);
    expect(calls).toEqual([]);
  });

  const LOL = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;">]>';
  test.each([
    ['a DOCTYPE', recorded('create_room').replace('<methodCall>', `${LOL}<methodCall>`), 'DOCTYPE'],
    ['an entity', recorded('create_room').replace('oo,aa', '&c;'), 'not well-formed'],
    ['an open element', '<methodCall><methodName>x</methodName>', 'not well-formed'],
    ['no XML', 'user=admin', 'not well-formed'],
    ['nothing', '', 'not well-formed'],
    ['another document', '<methodResponse/>', 'no methodCall'],
    ['many levels', `${'<value>'.repeat(1_000)}`, 'levels'],
    ['many elements', `<methodCall>${'<a/>'.repeat(5_000)}</methodCall>`, 'elements'],
    ['too much', 'x'.repeat(MAX_CALL_BYTES + 1), 'larger than'],
  ])('%s', async (_what, body, reason) => {
    const { calls, post } = listener();
    const { status, text } = await post(body);
    expect([status, faultIn(text)]).toEqual([200, expect.stringContaining(reason)]);
    expect(calls).toEqual([]);
  });

  test('a method other than POST', async () => {
    expect((await listener().app.request('/')).status).toBe(405);
  });
});

describe('what cannot be done now keeps LHC from nothing', () => {
  const away = async () => {
    throw new AppError('unavailable', 'away');
  };
  const hangs = () => new Promise<never>(() => {});
  test.each([
    ['is away', away],
    ['hangs', hangs],
    ['has a defect', () => Promise.reject(new Error('x'))],
  ])('the event store %s', async (_what, isOnline) => {
    const { post } = listener({ visitors: { isOnline, show: isOnline }, deadlineMs: 20 });
    const { text } = await post(recorded('user_sessions_info'));
    expect(text).toContain('<name>sessions_info</name><value><array><data></data></array>');
    expect((await post(recorded('send_stanza_c2s'))).text).toContain('<int>0</int>');
  });

  test('a nick with control characters is shown without them', async () => {
    const { calls, post } = listener();
    for (const bad of ['\u0001', '&#1;', '&#x0;', '&#38;#8;', '&#99999999;']) {
      await post(recorded('send_stanza_c2s').replace('Änna', `${bad}A`));
    }
    expect(calls).toHaveLength(5);
    for (const call of calls) expect(JSON.stringify(call)).toContain('\ufffdA B.');
  });
});

describe('a host of instances', () => {
  const tenants = createTenantDirectory(
    ['acme-shop', 'zeta'].map((instance) => tenantOf({ id: instance, host: HOST, instance })),
  );

  test('the path says whose rooms are meant', async () => {
    const { calls, post } = listener({ tenants });
    await post(recorded('create_room'), '/acme-shop');
    await post(recorded('create_room'), '/xmlrpc/zeta/');
    expect(calls).toEqual([
      ['create', 'acme-shop', 'oo,aa'],
      ['create', 'zeta', 'oo,aa'],
    ]);
  });

  test.each(['/', '/nobody'])('with the path %s nobody is', async (path) => {
    const { calls, post } = listener({ tenants });
    for (const { body, rpc } of RECORDED) {
      const { text } = await post(body, path);
      expect([rpc, isFault(text), text.includes('oo,aa')]).toEqual([rpc, false, false]);
    }
    expect(calls).toEqual([]);
  });
});

test('a value that was written is read as it was', () => {
  const text = fc
    .string({ unit: 'grapheme' })
    .filter((each) => !/[\r\p{Cc}\ufffe\uffff]/u.test(each));
  const leaf = fc.oneof(text, fc.integer(), fc.boolean(), fc.constant(null));
  const { value } = fc.letrec<{ value: RpcValue }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 2 },
      leaf,
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(text, tie('value'), { maxKeys: 4, noNullPrototype: true }),
    ),
  }));
  fc.assert(
    fc.property(value, (given) => {
      const { params } = parseCall(callOf('x', given));
      expect(params[1]).toEqual(given);
    }),
  );
});
