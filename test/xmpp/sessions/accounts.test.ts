/** The accounts transport against a real ejabberd, observed by an operator's client. */
import { readFile } from 'node:fs/promises';
import xml from '@xmpp/xml';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createEjabberdAdmin } from '../../../src/xmpp/admin/admin.ts';
import type { VisitorTransport } from '../../../src/xmpp/port.ts';
import {
  type AccountsOptions,
  createAccountsTransport,
} from '../../../src/xmpp/sessions/accounts.ts';
import { openStream } from '../../../src/xmpp/sessions/login-stream.ts';
import { testEjabberd } from '../../support/ejabberd.ts';
import { connectOperator, type Operator } from '../../support/operator.ts';
import { waitFor } from '../../support/wait.ts';

/** ejabberd ends a session that leaves more stanzas than this unacknowledged. */
const MAX_ACK_QUEUE = 50;
const MAX_OFFLINE_MESSAGES = 3;
const ejabberd = await testEjabberd({
  streamManagement: { maxAckQueue: MAX_ACK_QUEUE },
  extraModules: { mod_blocking: {} },
  extraConfig: {
    shaper_rules: { max_user_sessions: 10, max_user_offline_messages: MAX_OFFLINE_MESSAGES },
  },
});
const admin = createEjabberdAdmin({ url: ejabberd.apiUrl, ...ejabberd.api });
const operatorJid = `op1@${ejabberd.host}`;
const STANZA_ERRORS = 'urn:ietf:params:xml:ns:xmpp-stanzas';
const logger = pino({ level: process.env.LOG_LEVEL ?? 'silent' });
const transports: VisitorTransport[] = [];
let operator: Operator;
let visitors = 0;

/** A new visitor in the operators' rosters, so tests do not share one. */
async function newVisitor(password = 'secret'): Promise<string> {
  visitors += 1;
  const jid = `visitor.${visitors}@${ejabberd.host}`;
  await admin.register(jid, password);
  await admin.joinGroup(jid, 'visitors');
  return jid;
}

function transport(options: Partial<AccountsOptions> = {}) {
  const accounts = createAccountsTransport({
    service: ejabberd.xmpp,
    passwordOf: () => 'secret',
    logger,
    retry: { firstMs: 50, mostMs: 500 },
    ...options,
  });
  const events: string[] = [];
  accounts.listen({
    sessionStarted: (jid) => events.push(`started ${jid}`),
    sessionLost: (jid, _reason, final) => events.push(`${final ? 'stopped' : 'lost'} ${jid}`),
    messageReturned: (jid, { id, to }, { code, message }) =>
      events.push(`returned ${jid} ${id} ${to} ${code} ${message}`),
  });
  transports.push(accounts);
  return Object.assign(accounts, { events });
}

async function newOperator(username = 'op1'): Promise<Operator> {
  return connectOperator({
    service: ejabberd.xmpp,
    domain: ejabberd.host,
    username,
    password: 'secret',
  });
}

/** Everything with which an account could pretend that ejabberd, or the receiver of these messages, answers. */
function forgeries(to: string, ids: readonly string[]) {
  const words = xml('text', { xmlns: STANZA_ERRORS }, 'words of a stranger');
  const error = (type: string) =>
    xml('error', { type }, xml('item-not-found', { xmlns: STANZA_ERRORS }), words);
  const pings = Array.from({ length: 20 }, (_, n) => `ping-${n + 1}`);
  return [
    ...ids.flatMap((id) => [
      xml('message', { type: 'error', id, to }, error('cancel')),
      xml('message', { type: 'error', id, to }, error('wait')),
      xml('message', { type: 'chat', to }, xml('received', { xmlns: 'urn:xmpp:receipts', id })),
    ]),
    ...pings.flatMap((id) => [
      xml('iq', { type: 'result', id, to }),
      xml('iq', { type: 'error', id, to }, error('cancel')),
    ]),
    xml('presence', { type: 'subscribe', to }),
    xml('presence', { type: 'unavailable', to }),
    xml(
      'iq',
      { type: 'set', id: 'push', to },
      xml('query', 'jabber:iq:roster', xml('item', { jid: 'stranger@xmpp.test' })),
    ),
    xml('message', { type: 'chat', id: 'hi', to }, xml('body', {}, 'words of a stranger')),
  ];
}

const presencesOf = (jid: string) =>
  operator.presenceStanzas.filter(({ attrs }) => attrs.from?.startsWith(`${jid}/`));

/** Stops ejabberd as if its machine hung. @returns its pid, for SIGCONT */
async function freeze(): Promise<number> {
  const pid = ejabberd.pid ?? 0;
  process.kill(pid, 'SIGSTOP');
  await waitFor(async () => / T /.test(await readFile(`/proc/${pid}/stat`, 'utf8')));
  return pid;
}

beforeAll(async () => {
  await admin.ensureGroups(ejabberd.host, { visitors: 'visitors', operators: 'operators' });
  await admin.register(operatorJid, 'secret');
  await admin.joinGroup(operatorJid, 'operators');
});

beforeEach(async () => {
  operator = await newOperator();
  return async () => {
    await Promise.all(transports.splice(0).map((each) => each.close(2_000)));
    await operator.disconnect();
  };
});

describe('presence', () => {
  test('an operator sees a visitor with nick and status, then a change, then the end', async () => {
    const jid = await newVisitor();
    const accounts = transport();
    await accounts.online(jid, { status: '/pricing | LV', nick: 'Zoë' });
    expect(accounts.isOnline(jid)).toBe(true);
    expect(accounts.sessions()).toEqual([jid]);
    await operator.waitFor(() => operator.presences.get(jid)?.available);
    expect(operator.presences.get(jid)).toEqual({
      available: true,
      show: 'available',
      status: '/pricing | LV',
      nick: 'Zoë',
    });

    await accounts.online(jid, { show: 'away', status: '/cart', nick: 'Zoë' });
    await operator.waitFor(() => operator.presences.get(jid)?.show === 'away');

    await accounts.offline(jid);
    expect(accounts.isOnline(jid)).toBe(false);
    expect(accounts.sessions()).toEqual([]);
    await operator.waitFor(() => operator.presences.get(jid)?.available === false);
    await waitFor(async () => (await admin.sessions(jid)).length === 0);
    await accounts.offline(jid);
    expect(accounts.events).toEqual([`started ${jid}`]);
  });

  test('is sent only if it differs, and only the latest of several', async () => {
    const jid = await newVisitor();
    const accounts = transport();
    const page = (status: string) => accounts.online(jid, { status, nick: 'N' });
    await Promise.all(['/1', '/2', '/3'].map(page));
    await Promise.all(['/3', '/4', '/3', '/5'].map(page));
    await page('/5');
    await operator.waitFor(() => operator.presences.get(jid)?.status === '/5');
    await operator.acknowledged();
    expect(presencesOf(jid).map((stanza) => stanza.getChildText('status'))).toEqual(['/3', '/5']);
  });

  test('is available in the end if a visitor leaves and returns at once', async () => {
    const jid = await newVisitor();
    const accounts = transport();
    await accounts.online(jid, { status: 'first', nick: 'N' });
    const gone = accounts.offline(jid);
    await accounts.online(jid, { status: 'second', nick: 'N' });
    await gone;
    await operator.waitFor(() => operator.presences.get(jid)?.status === 'second');
    await operator.acknowledged();
    expect(presencesOf(jid).map(({ attrs }) => attrs.type ?? 'available')).toEqual([
      'available',
      'unavailable',
      'available',
    ]);
  });
});

describe('messages', () => {
  test('are taken in order, with their whole text', async () => {
    const jid = await newVisitor();
    const accounts = transport();
    await accounts.online(jid, { status: '', nick: '' });
    const ids = Array.from({ length: 100 }, (_, index) => `m-${index}`);
    await Promise.all(
      ids.map((id) => accounts.send({ id, from: jid, to: operatorJid, body: `text ${id}` })),
    );
    // Taken means that ejabberd has routed them. So they come before the answer to a later request.
    await operator.acknowledged();
    expect(operator.messages.map(({ id, body }) => [id, body])).toEqual(
      ids.map((id) => [id, `text ${id}`]),
    );
    const [first] = operator.messages;
    expect(first?.from).toBe(`${jid}/xmpp-chat`);
    expect(first?.stanza.getChild('origin-id', 'urn:xmpp:sid:0')?.attrs.id).toBe('m-0');
    expect(first?.stanza.getChild('request', 'urn:xmpp:receipts')).toBeDefined();
  });

  test('of any text do not break the stream', async () => {
    const jid = await newVisitor();
    const accounts = transport();
    await accounts.online(jid, { status: 'a\u0000b <&>', nick: '\ud800' });
    const bodies = [
      '\u0000\u0008\u001b\ufffe\ud83d <b>&amp;]]></body></message>',
      '👋🏽'.repeat(15_000), // 120 kB of UTF-8
      'ü&'.repeat(20_000), // 60 kB of UTF-8, more when escaped
      'x'.repeat(60_000),
      ' \n\t',
    ];
    const sent = await Promise.allSettled(
      bodies.map((body, index) =>
        accounts.send({ id: `t-${index}`, from: jid, to: operatorJid, body }),
      ),
    );
    expect(sent.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'fulfilled',
      'fulfilled',
      'fulfilled',
    ]);
    await operator.waitFor(() => operator.messages.length === bodies.length);
    expect(operator.messages.map(({ body }) => body)).toEqual([
      '\ufffd\ufffd\ufffd\ufffd\ufffd <b>&amp;]]></body></message>',
      ...bodies.slice(1),
    ]);
    expect(accounts.events).toEqual([`started ${jid}`]);
    await expect(
      accounts.send({ id: 'long', from: jid, to: operatorJid, body: 'x'.repeat(200_001) }),
    ).rejects.toMatchObject({ code: 'refused', message: expect.stringMatching(/200001 bytes/) });
  });

  test('to an unknown operator are refused, and the others are taken', async () => {
    const jid = await newVisitor();
    const accounts = transport();
    await accounts.online(jid, { status: '', nick: '' });
    const send = (id: string, to: string) => accounts.send({ id, from: jid, to, body: 'hello' });
    const [lost, taken] = await Promise.allSettled([
      send('lost', `nobody@${ejabberd.host}`),
      send('taken', operatorJid),
    ]);
    expect(lost).toMatchObject({ reason: { code: 'refused', message: 'service-unavailable' } });
    expect(taken).toMatchObject({ status: 'fulfilled' });
  });

  test('that ejabberd cannot keep come back from the address that they were sent to', async () => {
    const jid = await newVisitor();
    const accounts = transport();
    await accounts.online(jid, { status: '', nick: '' });
    const send = (id: string, to: string) => accounts.send({ id, from: jid, to, body: 'hello' });
    await admin.register(`full@${ejabberd.host}`, 'secret');
    for (let n = 0; n < MAX_OFFLINE_MESSAGES; n++) await send(`kept ${n}`, `full@${ejabberd.host}`);
    // Its text says that the storage is full; the reason is the condition alone.
    await expect(send('too many', `full@${ejabberd.host}`)).rejects.toMatchObject({
      code: 'unavailable',
      message: 'resource-constraint',
    });
    await expect(send('full JID', `full@${ejabberd.host}/gone`)).rejects.toMatchObject({
      code: 'unavailable',
      message: 'resource-constraint',
    });
    await admin.register(`blocker@${ejabberd.host}`, 'secret');
    const blocker = await newOperator('blocker');
    await blocker.request(
      xml('iq', { type: 'set' }, xml('block', 'urn:xmpp:blocking', xml('item', { jid }))),
    );
    // The receiver's session refuses it, which may be later than the answer to our ping.
    const blocked = `blocked blocker@${ejabberd.host} refused service-unavailable`;
    await send('blocked', `blocker@${ejabberd.host}`).then(
      () => waitFor(() => accounts.events.includes(`returned ${jid} ${blocked}`)),
      (error) => expect(error).toMatchObject({ code: 'refused', message: 'service-unavailable' }),
    );
    await blocker.disconnect();
  });

  test('that a dead session still has come back after they were taken', async () => {
    const jid = await newVisitor();
    const accounts = transport();
    await accounts.online(jid, { status: '', nick: '' });
    await admin.register(`fragile@${ejabberd.host}`, 'secret');
    let isLost = false;
    const fragile = await openStream(
      {
        service: ejabberd.xmpp,
        domain: ejabberd.host,
        username: 'fragile',
        password: 'secret',
        resource: 'phone',
        allowPlaintext: false,
      },
      {
        stanza: () => undefined,
        lost() {
          isLost = true;
        },
      },
    );
    fragile.send(xml('enable', 'urn:xmpp:sm:3'), xml('presence'));
    await waitFor(async () => (await admin.sessions(fragile.jid))[0]?.show === 'available');
    const to = `fragile@${ejabberd.host}`;
    await accounts.send({ id: 'f-0', from: jid, to, body: 'hello' });
    for (let n = 1; n <= MAX_ACK_QUEUE; n++) {
      accounts.send({ id: `f-${n}`, from: jid, to, body: 'hello' }).catch(() => undefined);
    }
    // ejabberd ends a session with too many stanzas that it did not acknowledge, and returns those.
    await waitFor(() => isLost);
    await waitFor(() => accounts.events.some((event) => event.startsWith(`returned ${jid} f-0 `)));
    expect(accounts.events).toContain(`returned ${jid} f-0 ${to} refused service-unavailable`);
  });

  test('of which a stranger says that they came back, or were processed, are not touched', async () => {
    const jid = await newVisitor();
    const accounts = transport();
    await accounts.online(jid, { status: 'here', nick: '' });
    await admin.register(`mallory@${ejabberd.host}`, 'secret');
    const mallory = await newOperator('mallory');
    const send = (id: string) => accounts.send({ id, from: jid, to: operatorJid, body: id });
    await send('before');
    for (const target of [jid, `${jid}/xmpp-chat`]) {
      for (const stanza of forgeries(target, ['before', 'during', 'after'])) {
        mallory.sendStanza(stanza);
      }
    }
    await send('during');
    await mallory.acknowledged();
    // The session's answer comes behind everything that mallory sent.
    await mallory.request(
      xml('iq', { type: 'get', to: `${jid}/xmpp-chat` }, xml('ping', 'urn:xmpp:ping')),
    );
    await send('after');
    await operator.waitFor(() => operator.messages.length === 3);
    expect(accounts.events).toEqual([`started ${jid}`]);
    expect(operator.presences.get(jid)).toMatchObject({ available: true, status: 'here' });
    expect(presencesOf(jid)).toHaveLength(1);
    await mallory.disconnect();
  });

  test('without a session are unavailable, and chat states are dropped', async () => {
    const jid = await newVisitor();
    const accounts = transport();
    accounts.chatState(jid, operatorJid, 'composing');
    await expect(
      accounts.send({ id: 'm', from: jid, to: operatorJid, body: 'x' }),
    ).rejects.toMatchObject({ code: 'unavailable', details: { isOnItsWay: true } });

    await accounts.online(jid, { status: '', nick: '' });
    accounts.chatState(jid, operatorJid, 'composing');
    await operator.waitFor(() =>
      operator.stanzas.some((each) =>
        each.getChild('composing', 'http://jabber.org/protocol/chatstates'),
      ),
    );
  });

  test('from operators are ignored, and their queries are answered', async () => {
    const jid = await newVisitor();
    const accounts = transport();
    await accounts.online(jid, { status: '', nick: '' });
    await operator.sendAndAck(jid, 'may I help?');
    const ask = (id: string, name: string, xmlns: string) =>
      operator.sendStanza(
        xml('iq', { type: 'get', id, to: `${jid}/xmpp-chat` }, xml(name, { xmlns })),
      );
    ask('q1', 'ping', 'urn:xmpp:ping');
    ask('q2', 'query', 'http://jabber.org/protocol/disco#info');
    ask('q3', 'query', 'jabber:iq:version');
    await operator.waitFor(() =>
      ['q1:result', 'q2:result', 'q3:error'].every((wanted) =>
        operator.stanzas.some(({ attrs }) => `${attrs.id}:${attrs.type}` === wanted),
      ),
    );
    expect(accounts.isOnline(jid)).toBe(true);
  });
});

describe('logins', () => {
  const quiet = { stanza: () => undefined, lost: () => undefined };

  test('another login with the same resource wins, and the session does not come back', async () => {
    const jid = await newVisitor();
    const accounts = transport();
    await accounts.online(jid, { status: 'mine', nick: '' });
    const [username = ''] = jid.split('@');
    const other = await openStream(
      {
        service: ejabberd.xmpp,
        domain: ejabberd.host,
        username,
        password: 'secret',
        resource: 'xmpp-chat',
        loginDeadlineMs: 5_000,
        allowPlaintext: false,
      },
      quiet,
    );
    await waitFor(() => accounts.events.includes(`stopped ${jid}`));
    expect(accounts.isOnline(jid)).toBe(false);
    expect(accounts.sessions()).toEqual([]);
    expect(await admin.sessions(jid)).toHaveLength(1);

    await accounts.online(jid, { status: 'mine again', nick: '' });
    await operator.waitFor(() => operator.presences.get(jid)?.status === 'mine again');
    await other.close(1_000);
  });

  test('a visitor who moves between two processes is available in the end', async () => {
    const jid = await newVisitor();
    const owners = [transport(), transport()];
    const gone = () => presencesOf(jid).filter(({ attrs }) => attrs.type === 'unavailable').length;
    for (let round = 0; round < 40; round += 1) {
      await owners[round % 2]?.online(jid, { status: `owner ${round}`, nick: '' });
      await waitFor(() => !owners[(round + 1) % 2]?.isOnline(jid));
      // The old session's unavailable presence can come after the new session's available one.
      await operator.waitFor(() => gone() === round);
      await operator.waitFor(() => operator.presences.get(jid)?.status === `owner ${round}`);
    }
  });

  test('resets a password that ejabberd does not accept, once', async () => {
    const jid = await newVisitor('an older secret');
    const resets: string[] = [];
    const accounts = transport({
      async resetPassword(wanted) {
        resets.push(wanted);
        await admin.changePassword(wanted, 'secret');
      },
    });
    await accounts.online(jid, { status: '', nick: '' });
    expect(resets).toEqual([jid]);
  });

  test('stops and names the password if the reset does not help', async () => {
    const jid = await newVisitor('an older secret');
    let resets = 0;
    const accounts = transport({
      async resetPassword() {
        resets += 1;
      },
    });
    await expect(accounts.online(jid, { status: '', nick: '' })).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringMatching(/password/),
    });
    expect(resets).toBe(1);
    expect(accounts.sessions()).toEqual([]);
  });

  test('stops if the account does not exist', async () => {
    const accounts = transport({
      resetPassword: (jid) => admin.changePassword(jid, 'secret'),
    });
    const error = await accounts
      .online(`visitor.none@${ejabberd.host}`, { status: '', nick: '' })
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'not-found' });
    expect(String(error)).not.toContain('secret');
    expect(accounts.sessions()).toEqual([]);
  });

  test('sends no password to another machine without TLS, unless that is allowed', async () => {
    const jid = await newVisitor();
    // Another spelling of 127.0.0.1. Name resolvers understand it; our list of loopback names does not.
    const service = `xmpp://127.1:${ejabberd.c2sPort}`;
    await expect(
      transport({ service }).online(jid, { status: '', nick: '' }),
    ).rejects.toMatchObject({ code: 'refused', message: expect.stringMatching(/TLS/) });
    await transport({ service, allowPlaintext: true }).online(jid, { status: '', nick: '' });
  });

  test('of a share with many visitors delay another share by a few logins', async () => {
    const crowd = await Promise.all(Array.from({ length: 60 }, () => newVisitor()));
    const other = await newVisitor();
    const accounts = transport({
      concurrency: 2,
      shareOf: (jid) => (jid === other ? 'small' : 'big'),
    });
    const shown = (jid: string) => accounts.online(jid, { status: '', nick: '' });
    const all = Promise.all(crowd.map(shown));
    await waitFor(() => accounts.events.length > 5, { every: 1 });
    const before = accounts.events.length;
    await shown(other);
    const started = accounts.events.indexOf(`started ${other}`);
    expect(started - before).toBeLessThan(10);
    await all;
  });

  test('work over WebSocket', async () => {
    const jid = await newVisitor();
    const accounts = transport({ service: `ws://127.0.0.1:${ejabberd.httpPort}/ws` });
    await accounts.online(jid, { status: 'by ws', nick: '' });
    await accounts.send({ id: 'ws-1', from: jid, to: operatorJid, body: 'über WebSocket' });
    await operator.acknowledged();
    expect(operator.messages.at(-1)?.body).toBe('über WebSocket');
    await accounts.offline(jid);
    await operator.waitFor(() => operator.presences.get(jid)?.available === false);
  });
});

describe('failures', () => {
  test('notices a connection that hangs, and stanzas in flight can be sent again', async () => {
    const jid = await newVisitor();
    const accounts = transport({ pingIntervalMs: 200, pingDeadlineMs: 400 });
    await accounts.online(jid, { status: 'here', nick: '' });
    const pid = await freeze();
    try {
      await expect(
        accounts.send({ id: 'h-1', from: jid, to: operatorJid, body: 'hello?' }),
      ).rejects.toMatchObject({ code: 'unavailable' });
      expect(accounts.isOnline(jid)).toBe(false);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await waitFor(() => accounts.isOnline(jid), { deadlineMs: 10_000 });
    await accounts.send({ id: 'h-1', from: jid, to: operatorJid, body: 'hello?' });
    expect(accounts.events).toEqual([`started ${jid}`, `lost ${jid}`, `started ${jid}`]);
    await operator.waitFor(() => operator.presences.get(jid)?.available);
  });

  test('after a kill of ejabberd every session comes back with its latest presence', async () => {
    const jids = await Promise.all(Array.from({ length: 50 }, () => newVisitor()));
    const [first = ''] = jids;
    const accounts = transport({
      retry: { firstMs: 500, mostMs: 30_000 },
      // Mnesia forgets the last seconds before the kill, and with them the accounts of this test.
      async resetPassword(jid) {
        const outcome = await admin.register(jid, 'secret');
        if (outcome === 'exists') await admin.changePassword(jid, 'secret');
        await admin.joinGroup(jid, 'visitors');
      },
    });
    await Promise.all(jids.map((jid) => accounts.online(jid, { status: 'before', nick: '' })));
    const flights = jids.map((jid) =>
      accounts.send({ id: `k-${jid}`, from: jid, to: operatorJid, body: 'in flight' }),
    );
    const settled = Promise.allSettled(flights);
    await ejabberd.kill();
    for (const flight of await settled) {
      if (flight.status === 'rejected')
        expect(flight.reason).toMatchObject({ code: 'unavailable' });
    }
    await waitFor(() => jids.every((jid) => !accounts.isOnline(jid)));
    await expect(
      accounts.send({ id: 'later', from: first, to: operatorJid, body: 'x' }),
    ).rejects.toMatchObject({
      code: 'unavailable',
      // Why, and not only that it has none: whoever looks at a trace wants to know.
      message: expect.stringMatching(/ has no session: .+: send again later$/),
      details: { isOnItsWay: true },
    });
    await expect(
      accounts.online(first, { status: 'set meanwhile', nick: '' }),
    ).rejects.toMatchObject({ code: 'unavailable' });
    expect(accounts.sessions()).toHaveLength(50);

    await ejabberd.start();
    operator = await newOperator();
    const began = performance.now();
    await waitFor(() => jids.every((jid) => accounts.isOnline(jid)), { deadlineMs: 15_000 });
    // The first login that succeeds ends the others' waits, so none lasts many seconds.
    expect(performance.now() - began).toBeLessThan(15_000);
    // Mnesia forgets group members too. The service compares them when mod_lhc reports its start.
    await Promise.all(jids.map((jid) => admin.joinGroup(jid, 'visitors')));
    await operator.waitFor(() => jids.every((jid) => operator.presences.get(jid)?.available));
    expect(operator.presences.get(first)?.status).toBe('set meanwhile');
  });

  test('close ends every session with an unavailable presence, within its deadline', async () => {
    const jids = await Promise.all(Array.from({ length: 20 }, () => newVisitor()));
    const accounts = transport();
    await Promise.all(jids.map((jid) => accounts.online(jid, { status: '', nick: '' })));
    await accounts.close(3_000);
    await operator.waitFor(() =>
      jids.every((jid) => operator.presences.get(jid)?.available === false),
    );
    await expect(accounts.online(jids[0] ?? '', { status: '', nick: '' })).rejects.toMatchObject({
      code: 'unavailable',
    });

    const hanging = transport();
    await Promise.all(jids.map((jid) => hanging.online(jid, { status: '', nick: '' })));
    const pid = await freeze();
    try {
      const began = performance.now();
      await hanging.close(300);
      expect(performance.now() - began).toBeLessThan(1_000);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  });
});

afterAll(async () => {
  await Promise.all(transports.map((each) => each.close(500)));
});
