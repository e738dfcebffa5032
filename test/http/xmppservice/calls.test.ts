/** The paths of the old Node server's API with what a real LHC has sent, and with what nobody should send. */
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { serve } from '../../../src/http/serve.ts';
import { ANSWER_WITHIN_MS, CALLS_AT_ONCE } from '../../../src/http/xmppservice/app.ts';
import { createPace, TURN_WAIT_MS } from '../../../src/http/xmppservice/pace.ts';
import { NO_MESSAGE } from '../../../src/http/xmppservice/visitors.ts';
import { traceOfLine } from '../../../src/runtime/cause.ts';
import type { JournalEntry } from '../../../src/runtime/journal/entries.ts';
import { apiCalls, day, hosting } from '../../lhc-wire/recordings.ts';
import { acme, HOST, OK, openWire, SECRET, type WireRig } from './rig.ts';

const rigs: WireRig[] = [];
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close();
});
async function open(options: Parameters<typeof openWire>[0] = {}): Promise<WireRig> {
  const rig = await openWire(options);
  rigs.push(rig);
  return rig;
}

const password = '58fb5e0aeac7a4935ca4';
const view = (user: string, more: object = {}) => ({
  user,
  host: HOST,
  password,
  hostlogin: 'localhost',
  group: 'visitors',
  nick: 'Online visitor',
  status: '/shoes\n| Visits - 1',
  ...more,
});
const page = (user: string, more: object = {}) => ({
  jid: `${user}@${HOST}`,
  pass: password,
  host: 'localhost',
  nick: 'Online visitor',
  status: '/shoes\n| Visits - 1',
  ...more,
});
const CHAT = 'Sales\n| /shoes\n| Active chat';
const message = (user: string, text: string, more: object = {}) =>
  page(user, {
    operator_username: `olga@${HOST}`,
    message: text,
    nick: 'Anna #41',
    status: CHAT,
    ...more,
  });
const leave = (user: string) => ({ user, host: HOST, grouphost: HOST, group: 'visitors' });

describe('the recorded day', () => {
  it('is answered word by word as it was, and means what it meant', async () => {
    const { raw, typesOf, factsOf, ejabberd, vault } = await open();
    for (const { path, body, answer, type } of apiCalls(day)) {
      const got = await raw(path, body);
      expect([path, body, got]).toEqual([path, body, { status: 200, type, text: answer }]);
    }
    // Anna's chats: the first is over with a page view, the second goes with her account the next day.
    const anna = await factsOf('visitor-acme.7');
    const chats = anna.filter(({ type }) => type === 'ChatStarted' || type === 'ChatClosed');
    expect(chats.map(({ type, data }) => [type, data.chatId])).toEqual([
      ['ChatStarted', '41'],
      ['ChatClosed', '41'],
      ['ChatStarted', '42'],
      ['ChatClosed', '42'],
    ]);
    // A caller's reason is sealed, and one of the service itself is not.
    const [, first, , second] = chats;
    expect(first && (await vault.open(first))).toMatchObject({ reason: 'over in LHC' });
    expect(second?.data.reason).toBe('visitor cleaned up');
    const said = anna.filter(({ type }) => type === 'VisitorMessageSent');
    expect(said).toHaveLength(5);
    // LHC's own words are nobody's message.
    expect(anna.filter(({ type }) => type === 'LhcAnswered')).toMatchObject([
      { data: { operator: 'olga' } },
    ]);
    // A chat without a message, and the delete pair.
    const cleo = await typesOf('visitor-acme.44.chat');
    expect(cleo).not.toContain('VisitorMessageSent');
    expect(cleo.slice(-2)).toEqual(['ChatClosed', 'CleanedUp']);
    // Operators: passwords as they were given last, and removals by facts alone.
    expect(ejabberd.accounts.get(`oskar@${HOST}`)).toBe('oskar-new-2');
    expect(ejabberd.accounts.get(`piap1@${HOST}`)).toBe('pia-pass1');
    expect(
      (await typesOf('operator-acme.piap1')).filter((type) => type === 'OperatorRemoved'),
    ).toHaveLength(1);
    expect(await typesOf('operator-acme.otto')).toContain('OperatorRemoved');
    const registered = (await factsOf('operator-acme.olga')).find(
      ({ type }) => type === 'OperatorRegistered',
    );
    expect(registered?.data).toMatchObject({ lhcUserId: null });
  });

  it('of a hosting company makes and removes the instances, and keeps them apart', async () => {
    const { raw, made, typesOf, index } = await open({ hosting: true });
    for (const { path, body, answer, type, step } of apiCalls(hosting)) {
      const got = await raw(path, body);
      // The stub has said so of groups that are there.
      const wasAbsent = answer.includes('does not exist');
      const text = wasAbsent ? OK : answer;
      expect([step, body, got]).toEqual([step, body, { status: 200, type, text }]);
    }
    expect(made).toEqual(['zeta', 'acme-shop']);
    expect(index.get('zeta')?.removing).toBe(true);
    expect(index.get('acme-shop')?.removing).toBe(false);
    for (const instance of made) {
      const chat = await typesOf(`visitor-${instance}.4.chat`);
      expect(chat.filter((type) => type === 'VisitorMessageSent')).toHaveLength(2);
    }
    expect(await typesOf('operator-zeta.zoe')).toContain('OperatorRemoved');
  });
});

describe('a key', () => {
  const own = acme({ legacySecret: 'the secret of acme alone' });
  const beta = acme({ id: 'beta', host: 'beta.example', apiKey: 'key-of-beta-0123456789' });

  it.each([
    ['missing', undefined],
    ['wrong', 'legacy-secret-2'],
    ['no text', 7],
    ['null', null],
    ['empty', ''],
    ['endless', 'x'.repeat(100_000)],
  ])('that is %s gets the answer of the old server, and nothing happens', async (_how, key) => {
    const { call, typesOf } = await open();
    const forbidden = { status: 403, type: 'text/plain', text: 'Forbidden' };
    expect(await call('/xmpp', { ...page('visitor.7'), secret_key: key })).toEqual(forbidden);
    const foreign = { ...page('visitor.7'), jid: 'visitor.7@nobody.example', secret_key: key };
    expect(await call('/xmpp', foreign)).toEqual(forbidden);
    expect(await call('/xmpp', { secret_key: key })).toEqual(forbidden);
    expect(await typesOf('visitor-acme.7')).toEqual([]);
  });

  it('that is wrong is in the log, as every refusal is, with the field', async () => {
    const lines: string[] = [];
    const logger = pino({ base: null }, { write: (line) => void lines.push(line) });
    const { call } = await open({ deps: { logger } });
    await call('/xmpp', { ...page('visitor.7'), secret_key: 'legacy-secret-2' });
    await call('/xmpp', { ...page('visitor.7'), jid: 'a b@' });
    expect(lines).toMatchObject([
      expect.stringMatching(/secret_key is missing or wrong/),
      expect.stringMatching(/"field":"jid"/),
    ]);
    expect(lines.join()).not.toContain('legacy-secret');
  });

  it('is a part of the caller’s trace: its facts, the journal, the log', async () => {
    const lines: string[] = [];
    const entries: JournalEntry[] = [];
    const logger = pino(
      { base: null, level: 'debug', mixin: traceOfLine },
      { write: (line) => void lines.push(line) },
    );
    const journal = { record: (entry: JournalEntry) => void entries.push(entry) };
    const { app, factsOf } = await open({ deps: { logger, journal } });
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const headers = { 'Content-Type': 'application/json', traceparent };
    const post = (body: object) =>
      app.request('/xmpp', { method: 'POST', headers, body: JSON.stringify(body) });
    await post({ ...page('visitor.7'), secret_key: SECRET });
    await post({ ...page('visitor.7'), secret_key: 'legacy-secret-2' });
    const facts = await factsOf('visitor-acme.7');
    expect(facts.map(({ metadata }) => metadata.traceparent)).toEqual(facts.map(() => traceparent));
    expect(entries).toMatchObject([
      { kind: 'request', name: 'xmppservice /xmpp', id: facts[0]?.metadata.correlationId },
    ]);
    const refusals = lines.filter((line) => line.includes('was refused'));
    expect(refusals).toEqual([expect.stringContaining(`"traceId":"${traceparent.slice(3, 35)}"`)]);
  });

  it('of one tenant serves that tenant alone; the common one serves all', async () => {
    const { call, reasonOf } = await open({ tenants: [own, beta] });
    const secret_key = 'the secret of acme alone';
    expect((await call('/xmpp', { ...page('visitor.7'), secret_key })).text).toBe('ok');
    const other = { ...page('visitor.7'), jid: 'visitor.7@beta.example' };
    expect((await call('/xmpp', { ...other, secret_key })).status).toBe(403);
    expect((await call('/xmpp', other)).text).toBe('ok');
    expect((await call('/xmpp', page('visitor.7'))).text).toBe('ok');
    // It also opens the reasons about its own host.
    expect(await reasonOf('/xmpp-register', { user: 'a b', host: HOST, secret_key })).toMatch(
      /^user/,
    );
    expect(
      (await call('/xmpp-register', { user: 'a b', host: 'beta.example', secret_key })).status,
    ).toBe(403);
  });

  it('of nobody gets the same answer, whatever names the host; that of one host tells nothing of others', async () => {
    const { call } = await open({ tenants: [own, beta] });
    const forbidden = { status: 403, type: 'text/plain', text: 'Forbidden' };
    const deep = JSON.parse(`${'['.repeat(50_000)}${']'.repeat(50_000)}`);
    for (const host of [{ toString: 1 }, [HOST], deep, null, 7]) {
      for (const path of ['/xmpp', '/xmpp-register', '/xmpp-setup-instance-roasters']) {
        const names = { user: 'olga', group: 'visitors', jid: host, host };
        expect(await call(path, { ...names, secret_key: 'the key of nobody' })).toEqual(forbidden);
      }
    }
    const secret_key = 'the secret of acme alone';
    const wrong = { user: 'olga', host: 'nobody.example', jid: `olga@${HOST}`, secret_key };
    expect(await call('/xmpp-register', wrong)).toEqual(forbidden);
  });

  it('is none without a setting', async () => {
    const { call } = await open({ deps: { secretKey: undefined } });
    expect((await call('/xmpp', { ...page('visitor.7'), secret_key: '' })).status).toBe(403);
    expect((await call('/xmpp', page('visitor.7'))).status).toBe(403);
  });
});

describe('what nobody should send', () => {
  // One for all of them: nothing changes.
  let rig: WireRig;
  beforeAll(async () => {
    rig = await openWire();
  });
  afterAll(() => rig.close());

  const hostile = [
    "visitor.7'; rm -rf /",
    'visitor.7$(reboot)',
    'visitor.7`id`',
    'visitor.7\n',
    'visitor.<7/>',
    'visitor.7@evil.example',
    'visitor.7/x',
    'visitor.\u0455even', // letters that look like others
    'vi\u017fitor.7', // whose lower case is no other letter, but whose upper case is
    '\u212aate', // KELVIN SIGN, whose lower case is a letter of ASCII
    `visitor.${'7'.repeat(4_096)}`,
    '',
    7,
    null,
    ['visitor.7'],
  ];

  it.each(hostile)('the name %j is refused with the field, and changes nothing', async (user) => {
    const { reasonOf, ejabberd, store } = rig;
    const before = await store.head();
    expect(await reasonOf('/xmpp-register-online-visitor', view('', { user }))).toMatch(/^user: /);
    expect(await reasonOf('/xmpp-register', { user, host: HOST, password: 'pw' })).toMatch(
      /^user: /,
    );
    expect(await reasonOf('/xmpp-unregister', { user, host: HOST })).toMatch(/^user: /);
    const jid = typeof user === 'string' ? `${user}@${HOST}` : user;
    expect(await reasonOf('/xmpp', page('', { jid }))).toMatch(/^jid: /);
    expect(
      await reasonOf('/xmpp-send-message', message('visitor.7', 'x', { operator_username: jid })),
    ).toMatch(/^operator_username: /);
    expect(ejabberd.calls).toEqual([]);
    expect(await store.head()).toEqual(before);
  });

  it.each<[string, object, RegExp]>([
    [
      '/xmpp-register-online-visitor',
      view('visitor.7', { host: 'evil.example' }),
      /^host: is no host/,
    ],
    ['/xmpp-register-online-visitor', view('visitor.7', { password: null }), /^password: /],
    [
      '/xmpp-register-online-visitor',
      view('visitor.7', { password: 'not hex' }),
      /^password: has to be 20/,
    ],
    [
      '/xmpp-register-online-visitor',
      view('visitor.7', { group: 'visitors.other' }),
      /^group: has to be visitors$/,
    ],
    ['/xmpp-register-online-visitor', view('olga'), /^user: is no visitor/],
    ['/xmpp-register-online-visitor', view('visitor.7', { status: 7 }), /^status: /],
    ['/xmpp', page('visitor.7', { pass: 'x' }), /^pass: /],
    ['/xmpp', page('visitor.7', { jid: HOST }), /^jid: has to be user@host/],
    [
      '/xmpp-send-message',
      message('visitor.7', 'x', { operator_username: `olga@evil.example` }),
      /^operator_username: /,
    ],
    [
      '/xmpp-send-message',
      message('visitor.7', 'x', { operator_username: `visitor.8@${HOST}` }),
      /^operator_username: /,
    ],
    [
      '/xmpp-send-message',
      message('visitor.7', 'x', { operator_username: `api@${HOST}` }),
      /reserved/,
    ],
    ['/xmpp-send-message', message('visitor.7', 'x', { nick: 'Anna' }), /^nick: has no chat/],
    ['/xmpp-send-message', message('visitor.7', 'x'.repeat(70_000)), /^message: is longer/],
    ['/xmpp-send-message', message('visitor.7', 'x', { message: null }), /^message: /],
    [
      '/xmpp-register',
      { user: 'olga', host: HOST, password: null },
      /^password: a new account needs/,
    ],
    ['/xmpp-register', { user: 'olga', host: HOST }, /^password: a new account needs/],
    ['/xmpp-register', { user: 'olga', host: HOST, password: '' }, /^password: is empty/],
    [
      '/xmpp-register',
      { user: 'olga', host: HOST, password: 'a\u0000b' },
      /^password: holds a control/,
    ],
    [
      '/xmpp-register',
      { user: 'admin', host: HOST, password: 'pw' },
      /^user: this username is reserved/,
    ],
    [
      '/xmpp-register',
      { user: 'api', host: HOST, password: 'pw' },
      /^username: this username is reserved/,
    ],
    [
      '/xmpp-register',
      { user: 'visitor7', host: HOST, password: 'pw' },
      /^user: this username is reserved/,
    ],
    [
      '/xmpp-register',
      { user: 'visitor.7', host: HOST, password: 'pw' },
      /^user: is a name for visitors/,
    ],
    ['/xmpp-change-password', { user: 'visitor.7', host: HOST, password: 'pw' }, /^user: /],
    [
      '/xmpp-assign-user-to-roaster',
      { ...leave('olga'), group: 'visitors' },
      /^group: has to be operators/,
    ],
    ['/xmpp-assign-user-to-roaster', { ...leave('visitor.7') }, /^user: this visitor is not known/],
    [
      '/xmpp-delete-user-from-roaster',
      { ...leave('visitor.7'), grouphost: 'evil.example' },
      /^grouphost: /,
    ],
    ['/xmpp-setup-instance-roasters', { group: 'others', host: HOST }, /^group: /],
    [
      '/xmpp-setup-instance-roasters',
      { group: 'visitors', host: HOST, display_array: ['operators.other'] },
      /^display_array\.0: /,
    ],
    ['/xmpp-does-shared-roaster-exists', { group: 'visitors.zeta', host: HOST }, /^group: /],
  ])('%s with %j', async (path, body, reason) => {
    const { reasonOf, ejabberd } = rig;
    expect(await reasonOf(path, body)).toMatch(reason);
    expect([...ejabberd.accounts.keys()]).toEqual([]);
    expect([...ejabberd.members('visitors'), ...ejabberd.members('operators')]).toEqual([]);
  });

  it.each(['', 'null', '[]', '7', '{"user":', '"text"'])('the body %j', async (body) => {
    const { status, text } = await rig.raw('/xmpp', body);
    expect([403, 200]).toContain(status);
    expect(text).not.toBe('ok');
  });

  it('another path or method is answered too', async () => {
    const { app, call } = rig;
    expect(await (await app.request('/')).text()).toBe('ok');
    expect((await call('/xmpp-testing-json', {})).status).toBe(404);
    expect((await app.request('/xmpp')).status).toBe(404);
  });
});

describe('a visitor', () => {
  it('appears by a page view, known or not, and views the same page while times pass', async () => {
    const { call, typesOf } = await open();
    const timed = (time: string, ago: string) => ({
      status: `/a\n| Time zone: Europe/Paris (${time})\n| Last activity ago: ${ago} s.\n| Visits - 1`,
    });
    await call('/xmpp', page('visitor.7', timed('22:09:14', '0')));
    await call('/xmpp', page('VISITOR.7', timed('22:09:20', '6')));
    expect(await typesOf('visitor-acme.7')).toEqual(['VisitorArrived']);
    await call('/xmpp', page('visitor.7', { status: '/b\n| Visits - 1' }));
    expect(await typesOf('visitor-acme.7')).toEqual(['VisitorArrived', 'PageViewed']);
  });

  it('who writes is made if nobody knows them, and so is the operator', async () => {
    const { call, factsOf, typesOf, ejabberd } = await open();
    ejabberd.state.down = true;
    expect((await call('/xmpp-send-message', message('visitor.41.chat', 'Hello'))).text).toBe('ok');
    expect(await typesOf('visitor-acme.41.chat')).toEqual([
      'VisitorArrived',
      'ChatStarted',
      'VisitorMessageSent',
      'ChatOffered',
    ]);
    const [, started] = await factsOf('visitor-acme.41.chat');
    expect(started?.data).toMatchObject({ chatId: '41', department: 'Sales', byLhc: true });
    expect(await typesOf('operator-acme.olga')).toContain('OperatorRegistered');
  });

  it('whose chat begins without a message has said nothing', async () => {
    const { call, typesOf } = await open();
    await call('/xmpp-send-message', message('visitor.7', NO_MESSAGE));
    expect(await typesOf('visitor-acme.7')).toEqual([
      'VisitorArrived',
      'ChatStarted',
      'ChatOffered',
    ]);
  });

  it('has one message that several operators get, and LHC’s own words address nobody', async () => {
    const { call, factsOf, visitor } = await open();
    await call('/xmpp-send-message', message('visitor.7', 'Hello'));
    const oskar = { operator_username: `oskar@${HOST}` };
    await call('/xmpp-send-message', message('visitor.7', 'Hello', oskar));
    const words = '[[System Assistant]] Chat was already accepted';
    await call(
      '/xmpp-send-message',
      message('visitor.7', words, { operator_username: `eve@${HOST}` }),
    );
    const facts = await factsOf('visitor-acme.7');
    expect(facts.filter(({ type }) => type === 'VisitorMessageSent')).toHaveLength(1);
    const picked = (await visitor('7').state())?.context.picked?.operators;
    expect(picked).toEqual(['olga', 'oskar']);
    expect(facts.at(-1)).toMatchObject({ type: 'LhcAnswered', data: { operator: 'eve' } });
  });

  it('whose chat is over in LHC has none here, but only that one', async () => {
    const { call, visitor } = await open();
    const chatId = async () => (await visitor('7').state())?.context.chat?.id ?? null;
    await call('/xmpp-send-message', message('visitor.7', 'Hello'));
    await call('/xmpp', page('visitor.7', { nick: 'Anna #41', status: CHAT }));
    await call('/xmpp', page('visitor.7', { nick: 'Anna #40', status: 'Sales\n| /b' }));
    expect(await chatId()).toBe('41');
    await call('/xmpp', page('visitor.7', { nick: 'Anna #41', status: 'Sales\n| /b' }));
    expect(await chatId()).toBe(null);
    await call('/xmpp', page('visitor.7', { nick: 'Anna #41', status: 'Sales\n| /c' }));
    expect(await chatId()).toBe(null);
  });

  it('who was known by their chat alone does not come back when LHC says that it has closed it', async () => {
    const { call, typesOf, visitor } = await open();
    const user = 'visitor.41.chat';
    const over = { nick: 'Anna #41', status: 'Sales\n| /shoes' };
    await call('/xmpp-send-message', message(user, 'Hello'));
    await call('/xmpp-delete-user-from-roaster', leave(user));
    await call('/xmpp-unregister', { user, host: HOST });
    const { length } = await typesOf('visitor-acme.41.chat');
    // As recorded from a real LHC after `!close`: it registers the account once more for this line.
    const answers = [
      await call('/xmpp-register-online-visitor', view(user, over)),
      await call(
        '/xmpp-send-message',
        message(user, '[[System Assistant]] Chat was closed!', over),
      ),
    ];
    expect(answers.map(({ text }) => text)).toEqual([OK, 'ok']);
    expect((await typesOf('visitor-acme.41.chat')).slice(length)).toEqual(['LhcAnswered']);
    // They write again: LHC has opened the chat again.
    await call('/xmpp-register-online-visitor', view(user, { nick: 'Anna #41', status: CHAT }));
    await call('/xmpp-send-message', message(user, 'One more thing'));
    expect((await visitor('41.chat').state())?.context.chat?.id).toBe('41');
  });

  it('goes at once, again, and without having been here, whatever ejabberd does', async () => {
    const { call, typesOf, ejabberd } = await open();
    await call('/xmpp-register-online-visitor', view('visitor.7'));
    ejabberd.state.before = () => new Promise(() => {}); // it hangs
    for (const user of ['visitor.7', 'visitor.7', 'visitor.999', 'olga', 'olga']) {
      const group = user === 'olga' ? 'operators' : 'visitors';
      const pair = [
        await call('/xmpp-delete-user-from-roaster', { ...leave(user), group }),
        await call('/xmpp-unregister', { user, host: HOST }),
      ];
      expect(pair.map(({ text }) => text)).toEqual([OK, OK]);
    }
    expect(await typesOf('visitor-acme.7')).toEqual(['VisitorArrived', 'CleanedUp']);
    expect(await typesOf('visitor-acme.999')).toEqual([]);
    expect(await typesOf('operator-acme.olga')).toEqual([
      'OperatorAccountClaimed',
      'OperatorRegistered',
      'OperatorRemoved',
    ]);
  });
});

describe('an operator', () => {
  const olga = { user: 'olga', host: HOST };

  it('is registered again and again, and gets the last password; null changes nothing', async () => {
    const { call, ejabberd } = await open();
    ejabberd.accounts.set(`olga@${HOST}`, 'of the old server');
    for (const given of ['one', 'two', null, undefined]) {
      expect((await call('/xmpp-register', { ...olga, password: given })).text).toBe(OK);
    }
    expect(ejabberd.accounts.get(`olga@${HOST}`)).toBe('two');
    expect((await call('/xmpp-change-password', { ...olga, password: 'three' })).text).toBe(OK);
    expect(ejabberd.accounts.get(`olga@${HOST}`)).toBe('three');
    expect([...ejabberd.members('operators')]).toEqual([`olga@${HOST}`]);
  });

  it('of the old server is one of ours without a password, if the account is there', async () => {
    const { call, ejabberd, typesOf } = await open();
    ejabberd.accounts.set(`olga@${HOST}`, 'of the old server');
    const assigned = await call('/xmpp-assign-user-to-roaster', {
      ...leave('olga'),
      group: 'operators',
    });
    expect(assigned.text).toBe(OK);
    expect(ejabberd.accounts.get(`olga@${HOST}`)).toBe('of the old server');
    expect(await typesOf('operator-acme.olga')).toContain('OperatorRegistered');
  });

  it('has the reason when ejabberd is away or hangs, within the time', async () => {
    const { reasonOf, ejabberd } = await open({ deps: { answerWithinMs: 100 } });
    const register = () => reasonOf('/xmpp-register', { ...olga, password: 'pw' });
    ejabberd.state.down = true;
    expect(await register()).toMatch(/ejabberd|away/);
    ejabberd.state.down = false;
    ejabberd.state.before = () => new Promise(() => {});
    expect(await register()).toMatch(/does not know yet/);
    expect(ANSWER_WITHIN_MS).toBeLessThan(2_000);
  });
});

describe('an instance', () => {
  const zeta = { group: 'visitors.zeta', host: HOST };

  it('that is not known is made by whatever needs it, and by nothing else', async () => {
    const { call, made, reasonOf } = await open({ hosting: true });
    expect(await reasonOf('/xmpp-does-shared-roaster-exists', zeta)).toBe('does not exist');
    for (const user of ['visitor.5.zeta', 'zoe.zeta']) {
      expect((await call('/xmpp-unregister', { user, host: HOST })).text).toBe(OK);
    }
    expect((await call('/xmpp-delete-instance-roasters', zeta)).text).toBe(OK);
    expect(made).toEqual([]);
    const unknown = ['visitor.5', 'visitor.5.chat', 'olga', 'visitor.5.Chat', 'visitor.5.9lives'];
    for (const user of unknown) {
      expect(await reasonOf('/xmpp', page(user))).toMatch(/^jid: ends with no instance/);
    }
    expect(made).toEqual([]);
    expect((await call('/xmpp', page('visitor.5.zeta'))).text).toBe('ok');
    expect(await reasonOf('/xmpp-does-shared-roaster-exists', zeta)).toBe(null);
    expect(made).toEqual(['zeta']);
  });

  it('that is being removed takes deletes alone', async () => {
    const { call, reasonOf } = await open({ hosting: true });
    await call('/xmpp-setup-instance-roasters', zeta);
    await call('/xmpp', page('visitor.5.zeta'));
    expect((await call('/xmpp-delete-instance-roasters', zeta)).text).toBe(OK);
    expect((await call('/xmpp-delete-instance-roasters', zeta)).text).toBe(OK);
    expect(await reasonOf('/xmpp', page('visitor.5.zeta'))).toBe('this tenant is being removed');
    expect(await reasonOf('/xmpp-setup-instance-roasters', zeta)).toMatch(/being removed/);
    expect(await reasonOf('/xmpp-does-shared-roaster-exists', zeta)).toBe('does not exist');
    expect((await call('/xmpp-unregister', { user: 'visitor.5.zeta', host: HOST })).text).toBe(OK);
  });

  it('that was removed is made again by its groups alone', async () => {
    const { call, reasonOf, removed, made } = await open({ hosting: true });
    removed.add('zeta');
    expect(await reasonOf('/xmpp', page('visitor.5.zeta'))).toMatch(/^this instance was removed/);
    const zoe = { user: 'zoe.zeta', host: HOST, password: 'pw' };
    expect(await reasonOf('/xmpp-register', zoe)).toMatch(/^this instance was removed/);
    expect(made).toEqual([]);
    expect((await call('/xmpp-setup-instance-roasters', zeta)).text).toBe(OK);
    expect((await call('/xmpp-register', zoe)).text).toBe(OK);
  });

  it('that somebody else has declared keeps its groups', async () => {
    const { call, index } = await open();
    for (const group of ['visitors', 'operators']) {
      expect((await call('/xmpp-delete-instance-roasters', { group, host: HOST })).text).toBe(OK);
    }
    expect(index.get('acme')?.removing).toBe(false);
  });
});

describe('bounds', () => {
  it('200 calls at once are all answered', async () => {
    const { call } = await open();
    expect(CALLS_AT_ONCE).toBeGreaterThan(200);
    const calls = Array.from({ length: 200 }, (_, n) => call('/xmpp', page(`visitor.${n % 50}`)));
    expect(new Set((await Promise.all(calls)).map(({ text }) => text))).toEqual(new Set(['ok']));
  });

  it('more calls than may run are refused at once', async () => {
    const { call, ejabberd } = await open({ deps: { answerWithinMs: 300 } });
    ejabberd.state.before = () => new Promise(() => {});
    const wish = (n: number) => ({ user: `op${n}`, host: HOST, password: 'pw' });
    const many = Array.from({ length: CALLS_AT_ONCE + 5 }, (_, n) =>
      call('/xmpp-register', wish(n)),
    );
    const answers = await Promise.all(many);
    const refused = answers.filter(({ text }) => text.includes('too many calls at once'));
    expect(refused).toHaveLength(5);
    expect(answers.every(({ text }) => JSON.parse(text).error)).toBe(true);
  });

  it('a body that is too large or too slow gets an answer in the old form', async () => {
    const { app } = await open({ deps: { bodyDeadlineMs: 50 } });
    const server = await serve(app, { host: '127.0.0.1', port: 0, variable: 'LEGACY_LISTEN' });
    const post = (body: string | ReadableStream) =>
      fetch(`${server.url}/xmpp`, {
        method: 'POST',
        body,
        ...(body instanceof ReadableStream && { duplex: 'half' as const }),
      });
    const large = await post(JSON.stringify(page('visitor.7', { status: 'x'.repeat(300_000) })));
    expect([large.status, await large.text()]).toEqual([
      413,
      expect.stringMatching(/^\{"error":true/),
    ]);
    const half = new ReadableStream({ start: (it) => it.enqueue(Buffer.from('{')) });
    const slow = await post(half);
    expect([slow.status, await slow.text()]).toEqual([
      408,
      expect.stringMatching(/^\{"error":true/),
    ]);
    const fine = await post(JSON.stringify({ secret_key: SECRET, ...page('visitor.7') }));
    expect(await fine.text()).toBe('ok');
    await server.close(0);
  });

  it('a call that comes too fast waits for its turn, if that is soon', async () => {
    const callee = (requestsPerSecond: number) =>
      ({ tenant: acme({ requestsPerSecond }), template: null }) as Parameters<
        ReturnType<typeof createPace>
      >[0];
    const pace = createPace(() => performance.now());
    const burst = Array.from({ length: 41 }, () => pace(callee(20), true, 2_000));
    expect(await Promise.all(burst)).not.toContain(false);
    const slow = createPace(() => 0);
    for (let n = 0; n < 2; n++) expect(await slow(callee(1), true, 2_000)).toBe(true);
    expect(await slow(callee(1), true, TURN_WAIT_MS - 1)).toBe(false);
    // A part is kept for chats and messages.
    const kept = createPace(() => 0);
    expect(await kept(callee(2), false, 0)).toBe(true);
    for (let n = 0; n < 2; n++) await kept(callee(2), false, 0);
    expect(await kept(callee(2), false, 0)).toBe(false);
    expect(await kept(callee(2), true, 0)).toBe(true);
  });
});
