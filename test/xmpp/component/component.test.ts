/** The component transport against a real ejabberd with mod_lhc, observed by an operator's client. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { promisify } from 'node:util';
import xml, { type Element } from '@xmpp/xml';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { createEjabberdAdmin } from '../../../src/xmpp/admin/admin.ts';
import { createEjabberdRooms } from '../../../src/xmpp/admin/rooms.ts';
import {
  type ComponentOptions,
  createComponentTransport,
} from '../../../src/xmpp/component/component.ts';
import { type ComponentTransport, type Contact, MOST_CONTACTS } from '../../../src/xmpp/port.ts';
import { startReceiver } from '../../ejabberd/receiver.ts';
import { testEjabberd } from '../../support/ejabberd.ts';
import { connectOperator, type Operator } from '../../support/operator.ts';
import { waitFor } from '../../support/wait.ts';
import { type Recorded, recorded } from '../recorded.ts';
import { SUITE_EJABBERD, testTransport } from '../transport-suite.ts';

const SECRET = 'component-secret';
const INFO = 'http://jabber.org/protocol/disco#info';
const MANY = 2_000;
const run = promisify(execFile);
const receiver = await startReceiver();
/** A certificate for localhost that no authority has signed. A release in a chroot cannot read it. */
const dir = await mkdtemp(join(tmpdir(), 'component-tls-'));
const pem = (name: string): string => join(dir, name);
const hasTls = !process.env.EJABBERD_ROOT && (await certificate().catch(() => false));
const tlsPort = await freePort();
const ejabberd = await testEjabberd({
  ...SUITE_EJABBERD,
  webhook: { url: receiver.url, secret: receiver.secret },
  modLhc: { max_contacts: MANY },
  component: { secret: SECRET, ownDomains: true },
  extraListeners: hasTls
    ? [
        {
          ip: '127.0.0.1',
          port: tlsPort,
          module: 'ejabberd_service',
          tls: true,
          certfile: pem('all'),
          password: SECRET,
        },
      ]
    : [],
});
const { host } = ejabberd;
const domain = `visitors.${host}`;
const admin = createEjabberdAdmin({ url: ejabberd.apiUrl, ...ejabberd.api });
const operatorJid = `op1@${host}`;
const listener = { host: '127.0.0.1', port: ejabberd.componentPort, secret: SECRET };
const logger = pino({ level: process.env.LOG_LEVEL ?? 'silent' });
const transports: ComponentTransport[] = [];
let operator: Operator;
let visitors = 0;

async function certificate(): Promise<boolean> {
  const request = 'req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost';
  const name = ['-addext', 'subjectAltName=DNS:localhost'];
  await run('openssl', [
    ...request.split(' '),
    ...name,
    '-keyout',
    pem('key'),
    '-out',
    pem('certificate'),
  ]);
  const both = await Promise.all(['key', 'certificate'].map((file) => readFile(pem(file), 'utf8')));
  await writeFile(pem('all'), both.join(''));
  return true;
}

/** The server's TLS listener is not one of the launcher's. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address ? address.port : 0;
}

const newJid = (): string => {
  visitors += 1;
  return `visitor.${visitors}@${domain}`;
};

function transport(options: Partial<ComponentOptions> = {}): Recorded<ComponentTransport> {
  const component = recorded(
    createComponentTransport({
      listener,
      host,
      domain,
      logger,
      retry: { firstMs: 50, mostMs: 500 },
      ...options,
    }),
  );
  transports.push(component);
  return component;
}

const connect = (username = 'op1'): Promise<Operator> =>
  connectOperator({ service: ejabberd.xmpp, domain: host, username, password: 'secret' });

async function listed(component: ComponentTransport): Promise<Contact[]> {
  const all: Contact[] = [];
  for await (const page of component.contacts('')) all.push(...page);
  return all;
}

/** As its owner does it after a start, and after each loss of the stream. */
async function compare(component: ComponentTransport): Promise<void> {
  const there = await listed(component);
  const jids = new Set(there.map(({ jid }) => jid));
  for (const { jid, hash } of there) component.found(jid, hash);
  for (const jid of component.sessions()) if (!jids.has(jid)) component.found(jid, null);
}

/** Removes all contacts. */
async function clear(): Promise<void> {
  await Promise.all(transports.splice(0).map((each) => each.close(2_000)));
  const component = transport();
  await waitFor(() => component.events.includes('stream up'));
  await compare(component);
  await Promise.all((await listed(component)).map(({ jid }) => component.offline(jid)));
  await component.close(2_000);
}

const ask = (to: string, type: string, ...children: Element[]): Promise<Element> =>
  operator.request(xml('iq', { type, to }, ...children));
const conditionOf = (answer: Element) => answer.getChild('error')?.getChildElements()[0]?.name;
const presencesOf = (jid: string) =>
  operator.presenceStanzas.filter(({ attrs }) => attrs.from?.startsWith(jid));

beforeAll(() => ejabberd.registerOperator('op1', 'secret'));
beforeEach(async () => {
  operator = await connect();
  return async () => {
    await Promise.all(transports.splice(0).map((each) => each.close(2_000)));
    await operator.disconnect();
  };
});
afterAll(async () => {
  await receiver.close();
  await rm(dir, { recursive: true, force: true });
});

testTransport({
  ejabberd,
  admin,
  operator: () => operator,
  newVisitor: async () => newJid(),
  transport,
  hasLeft: async () => true, // nobody has a session
  register: (username) => ejabberd.registerOperator(username, 'secret'),
  connect,
});

describe('contacts', () => {
  test('stay when the process ends, and the next one sends nothing but differences', async () => {
    const [same, other, gone] = [newJid(), newJid(), newJid()];
    const first = transport();
    const looks = { status: '/1', nick: 'Anna' };
    await Promise.all([same, other, gone].map((jid) => first.online(jid, looks)));
    await first.close(2_000);
    const late = await connect();
    await late.waitFor(() =>
      [same, other, gone].every((jid) => late.presences.get(jid)?.available),
    );
    expect((await late.roster()).find(({ jid }) => jid === same)).toMatchObject({ name: 'Anna' });
    await late.disconnect();

    const before = operator.stanzas.length;
    const next = transport();
    await waitFor(() => next.events.includes('stream up'));
    await compare(next);
    expect(await next.online(same, looks)).toBe(false);
    expect(await next.online(other, { ...looks, status: '/2' })).toBe(true);
    await next.offline(gone);
    await operator.waitFor(() => operator.presences.get(gone)?.available === false);
    await operator.acknowledged();
    const since = operator.stanzas.slice(before).filter(({ name }) => name === 'presence');
    expect(since.filter(({ attrs }) => attrs.from?.startsWith(same))).toEqual([]);
    expect(since.filter(({ attrs }) => attrs.from?.startsWith(other))).toHaveLength(1);
    expect(next.isOnline(same)).toBe(true);
    expect(next.events.filter((event) => event.startsWith('started')).toSorted()).toEqual(
      [same, other].map((jid) => `started ${jid}`).toSorted(),
    );
  });

  test('of which one is wrong: the others are taken', async () => {
    const component = transport();
    const good = Array.from({ length: 9 }, newJid);
    const bad = `nobody@${domain}`;
    const all = [...good.slice(0, 4), bad, ...good.slice(4)];
    const outcomes = await Promise.allSettled(
      all.map((jid) => component.online(jid, { status: '', nick: '' })),
    );
    expect(outcomes.flatMap(({ status }, n) => (status === 'rejected' ? [all[n]] : []))).toEqual([
      bad,
    ]);
    expect(outcomes[4]).toMatchObject({
      reason: { code: 'refused', message: expect.stringContaining('bad-request') },
    });
    expect(good.every((jid) => component.isOnline(jid))).toBe(true);
    expect(component.isOnline(bad)).toBe(false);
  });

  test('are released to another process, and come back from it', async () => {
    const jid = newJid();
    const of = (id: string) => transport({ ownDomain: `${id}.${domain}` });
    const [one, two] = [of('one'), of('two')];
    await one.online(jid, { status: 'one', nick: '' });
    one.release(jid, 60_000);
    expect([one.isOnline(jid), one.sessions()]).toEqual([false, []]);
    await two.online(jid, { status: 'two', nick: '' });
    await one.close(2_000);
    await operator.acknowledged();
    expect(operator.presences.get(jid)).toMatchObject({ available: true, status: 'two' });
    two.release(jid, 60_000);
    const back = of('back');
    await back.online(jid, { status: 'two', nick: '' });
    await operator.acknowledged();
    expect(presencesOf(jid).map((each) => each.getChildText('status'))).toEqual(['one', 'two']);
  });

  test(`of ${MANY} visitors come in seconds, and no more than mod_lhc allows`, async () => {
    await clear();
    const component = transport();
    onTestFinished(clear);
    const jids = Array.from({ length: MANY }, newJid);
    const began = performance.now();
    await Promise.all(jids.map((jid, n) => component.online(jid, { status: `/${n}`, nick: 'N' })));
    expect(performance.now() - began).toBeLessThan(15_000);
    const there = await listed(component);
    expect(there.map(({ jid }) => jid)).toEqual(jids.toSorted());
    await expect(component.online(newJid(), { status: '', nick: '' })).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('max_contacts'),
      details: { [MOST_CONTACTS]: MANY },
    });
    await operator.waitFor(() => jids.every((jid) => operator.presences.get(jid)?.available));
    // Each of them once: a presence that was taken is not sent again.
    const ours = new Set(jids.map((jid) => `${jid}/xmpp-chat`));
    const presences = operator.presenceStanzas.filter(({ attrs }) => ours.has(attrs.from ?? ''));
    expect(presences).toHaveLength(MANY);
    await Promise.all(jids.map((jid) => component.offline(jid)));
    expect(await listed(component)).toEqual([]);
  });
});

test('for a visitor who is not shown everything can be sent all the same', async () => {
  const jid = newJid();
  const component = transport();
  await waitFor(() => component.events.includes('stream up'));
  const { unshown } = component;
  await unshown.sendMessage({ id: 'u-1', from: jid, to: operatorJid, body: 'I have left' });
  await unshown.sendAcknowledgement(jid, operatorJid, 'displayed', 'their-1');
  await unshown.sendChatState(jid, operatorJid, 'gone');
  await unshown.returnMessage({
    from: jid,
    to: operator.jid,
    id: 'their-2',
    condition: 'item-not-found',
    reason: 'There is nobody.',
  });
  await operator.waitFor(() => operator.errors.some(({ attrs }) => attrs.id === 'their-2'));
  expect(operator.messages).toMatchObject([{ id: 'u-1', from: `${jid}/xmpp-chat` }]);
  expect(operator.acknowledgements).toMatchObject([{ what: 'displayed', id: 'their-1' }]);
  await expect(operator.roster()).resolves.not.toContainEqual(expect.objectContaining({ jid }));
  await expect(
    unshown.sendMessage({ id: 'u-2', from: jid, to: `nobody@${host}`, body: 'x' }),
  ).rejects.toMatchObject({ code: 'refused' });
});

describe('queries of operators', () => {
  test('are answered for the visitor, without or with a resource', async () => {
    const jid = newJid();
    const component = transport();
    await component.online(jid, { status: '', nick: 'Zoë <b>' });
    const presence = await operator.waitFor(() => presencesOf(jid)[0]);
    const photo = presence.getChild('x', 'vcard-temp:x:update')?.getChildText('photo');
    expect(await operator.vcard(jid)).toMatchObject({ name: 'Zoë <b>', photo: { sha1: photo } });
    const { node, ver } = presence.getChild('c', 'http://jabber.org/protocol/caps')?.attrs ?? {};
    for (const to of [jid, `${jid}/xmpp-chat`]) {
      const info = await ask(to, 'get', xml('query', { xmlns: INFO, node: `${node}#${ver}` }));
      expect(info.getChild('query', INFO)?.getChild('identity')?.attrs.type).toBe('web');
      expect(info.attrs.from).toBe(to);
    }
    const version = await ask(`${jid}/xmpp-chat`, 'get', xml('query', 'jabber:iq:version'));
    expect(conditionOf(version)).toBe('service-unavailable');
  });

  test('for nobody get item-not-found, and for those elsewhere their name', async () => {
    const [away, nobody] = [newJid(), newJid()];
    const component = transport({ nameOf: async (jid) => (jid === away ? 'Otto' : null) });
    await component.online(newJid(), { status: '', nick: '' });
    expect(await operator.vcard(away)).toMatchObject({ name: 'Otto' });
    for (const to of [nobody, `${nobody}/xmpp-chat`, `nobody@${domain}`]) {
      const answer = await ask(to, 'get', xml('ping', 'urn:xmpp:ping'));
      expect([to, conditionOf(answer)]).toEqual([to, 'item-not-found']);
    }
  });

  test('go to the handler first, and its failure does no harm', async () => {
    const jid = newJid();
    const asked: string[] = [];
    const component = transport({
      async answerQuery(to, from, iq) {
        const command = iq.getChild('command', 'http://jabber.org/protocol/commands');
        if (!command) return null;
        asked.push(`${to} ${from.split('/')[0]} ${command.attrs.node}`);
        if (command.attrs.node === 'broken') throw new Error('a bug');
        return xml('command', { xmlns: 'http://jabber.org/protocol/commands', node: 'who' });
      },
    });
    await component.online(jid, { status: '', nick: '' });
    const run = (node: string) =>
      ask(jid, 'set', xml('command', { xmlns: 'http://jabber.org/protocol/commands', node }));
    expect((await run('who')).attrs.type).toBe('result');
    expect(conditionOf(await run('broken'))).toBe('internal-server-error');
    expect(conditionOf(await ask(jid, 'set', xml('query', 'x')))).toBe('service-unavailable');
    expect(asked).toEqual([`${jid} ${operatorJid} who`, `${jid} ${operatorJid} broken`]);
  });

  test('in a flood are all answered, and the visitor still writes', async () => {
    const jid = newJid();
    const component = transport();
    await component.online(jid, { status: '', nick: '' });
    const flood = 1_000;
    for (let n = 0; n < flood; n++) {
      const id = `flood-${n}`;
      operator.sendStanza(xml('iq', { type: 'get', id, to: jid }, xml('ping', 'urn:xmpp:ping')));
    }
    await component.send({ id: 'still', from: jid, to: operatorJid, body: 'I am still here' });
    const answers = () => operator.stanzas.filter(({ attrs }) => attrs.id?.startsWith('flood-'));
    await operator.waitFor(() => operator.messages.some(({ id }) => id === 'still'));
    await operator.waitFor(() => answers().length === flood, 'the answers');
    expect(component.isOnline(jid)).toBe(true);
  });
});

describe('outages', () => {
  test('without a stream nobody waits for a contact to go, and it goes with the next one', async () => {
    const [jid, unknown] = [newJid(), newJid()];
    const before = transport();
    await before.online(jid, { status: 'before', nick: '' });
    await before.close(2_000);
    // A port where nobody is, until the first retry.
    const away = transport({
      listener: { ...listener, port: await freePort() },
      retry: { firstMs: 600_000, mostMs: 600_000 },
    });
    await waitFor(() =>
      away.offline(jid, true).then(null, ({ message }) => /REFUSED/.test(message)),
    );
    const began = performance.now();
    await expect(away.offline(jid, true)).rejects.toMatchObject({ code: 'unavailable' });
    await away.offline(unknown);
    expect(performance.now() - began).toBeLessThan(5_000);
    // A stream that is not there yet.
    const next = transport();
    await expect(next.offline(jid, true)).rejects.toMatchObject({ code: 'unavailable' });
    await waitFor(async () => !(await listed(next)).some((each) => each.jid === jid));
  });

  test('after a kill of ejabberd every contact comes back, and only writers are named', async () => {
    const jids = Array.from({ length: 300 }, newJid);
    const [writer = '', changed = '', left = ''] = jids;
    const component = transport();
    await Promise.all(jids.map((jid) => component.online(jid, { status: 'before', nick: '' })));
    await component.send({ id: 'k-1', from: writer, to: operatorJid, body: 'taken' });
    await ejabberd.kill();
    await waitFor(() => component.events.includes('stream lost'));
    await expect(
      component.send({ id: 'k-2', from: jids[3] ?? '', to: operatorJid, body: 'x' }),
    ).rejects.toMatchObject({ code: 'unavailable', details: { isOnItsWay: true } });
    await expect(
      component.online(changed, { status: 'meanwhile', nick: '' }),
    ).rejects.toMatchObject({ code: 'unavailable' });
    await expect(component.offline(left)).rejects.toMatchObject({ code: 'unavailable' });
    expect(component.isOnline(writer)).toBe(false);
    expect(component.sessions()).toHaveLength(299);

    component.events.splice(0);
    await ejabberd.start();
    await ejabberd.registerOperator('op1', 'secret');
    operator = await connect();
    await waitFor(() => component.events.includes('stream up'));
    await waitFor(() =>
      [writer, jids[3]].every((jid) => component.events.includes(`started ${jid}`)),
    );
    expect(component.events.filter((event) => event.startsWith('started'))).toHaveLength(2);
    await compare(component);
    const all = jids.filter((jid) => jid !== left);
    await operator.waitFor(() => all.every((jid) => operator.presences.get(jid)?.available));
    expect(operator.presences.get(changed)?.status).toBe('meanwhile');
    expect(operator.presences.has(left)).toBe(false);
    expect((await listed(component)).map(({ jid }) => jid)).toEqual(all.toSorted());
  });

  test('a secret that ejabberd does not accept is told once, and may be mended', async () => {
    const lines: { level: number; reason?: string; advice?: string }[] = [];
    const log = pino({ level: 'info' }, { write: (line) => void lines.push(JSON.parse(line)) });
    const wrong = { ...listener, secret: 'wrong' };
    const component = transport({ listener: wrong, logger: log, retry: { firstMs: 5, mostMs: 5 } });
    const jid = newJid();
    for (let tries = 0; tries < 5; tries++) {
      await expect(component.online(jid, { status: '', nick: '' })).rejects.toMatchObject({
        code: 'unavailable',
        message: expect.stringContaining('not-authorized'),
      });
    }
    expect(lines.filter(({ level }) => level >= 40)).toMatchObject([
      {
        reason: expect.stringContaining('not-authorized'),
        advice: expect.stringContaining('SECRET'),
      },
    ]);
    wrong.secret = SECRET;
    await waitFor(() => component.isOnline(jid));
    expect(JSON.stringify(lines)).not.toContain(SECRET);
  });

  test('nothing is sent to another machine without TLS, unless that is allowed', async () => {
    // Another spelling of 127.0.0.1.
    const elsewhere = { ...listener, host: '127.1' };
    const jid = newJid();
    await expect(
      transport({ listener: elsewhere }).online(jid, { status: '', nick: '' }),
    ).rejects.toMatchObject({ message: expect.stringContaining('TLS') });
    await transport({ listener: elsewhere, allowPlaintext: true }).online(jid, {
      status: '',
      nick: '',
    });
  });
});

test.skipIf(!hasTls)('TLS: only a certificate that can be trusted is taken', async () => {
  const tls = { listener: { host: 'localhost', port: tlsPort, secret: SECRET, tls: true } };
  const jid = newJid();
  const look = { status: '', nick: '' };
  const stranger = transport(tls);
  await expect(stranger.online(jid, look)).rejects.toMatchObject({
    message: expect.stringContaining('self-signed'),
  });
  await stranger.close(1_000);
  const authorities = getCACertificates('default');
  onTestFinished(() => setDefaultCACertificates(authorities));
  setDefaultCACertificates([...authorities, await readFile(pem('certificate'), 'utf8')]);
  const component = transport(tls);
  await component.online(jid, look);
  await operator.waitFor(() => operator.presences.get(jid)?.available);
});

describe('several processes', () => {
  const processes = () =>
    ['0a1b2c3d', '4e5f6071'].map((id) => transport({ ownDomain: `${id}.${domain}` }));

  test('send from their own domains, and each answers for all', async () => {
    const [one, two] = processes();
    const [first, second] = [newJid(), newJid()];
    if (!one || !two) throw new Error('there are two');
    await one.online(first, { status: 'one', nick: 'One' });
    await two.online(second, { status: 'two', nick: 'Two' });
    await Promise.all([
      one.send({ id: 'of-one', from: first, to: operatorJid, body: '1' }),
      two.send({ id: 'of-two', from: second, to: operatorJid, body: '2' }),
    ]);
    await operator.waitFor(() => operator.messages.length === 2);
    expect(operator.messages.map(({ from }) => from).toSorted()).toEqual(
      [first, second].map((jid) => `${jid}/xmpp-chat`).toSorted(),
    );
    // ejabberd gives each question to any of them: none stays without an answer.
    const questions = Array.from({ length: 20 }, () => ask(first, 'get', xml('query', INFO)));
    for (const answer of await Promise.all(questions)) {
      expect(['result', 'error']).toContain(answer.attrs.type);
    }
  });

  test('know what a room has taken, and that there is none, whichever of them hears of an error', async () => {
    const both = processes();
    const api = { url: ejabberd.apiUrl, ...ejabberd.api };
    const rooms = createEjabberdRooms(api);
    for (const each of both) {
      const jid = newJid();
      await each.online(jid, { status: '', nick: '' });
      const room = { name: jid.slice(0, jid.indexOf('@')), service: `conference.${host}` };
      const send = (id: string) =>
        each.send({ id, from: jid, to: `${room.name}@${room.service}`, body: 'x', room: true });
      for (const n of [1, 2, 3, 4]) {
        await expect(send(`lost-${n}`)).rejects.toMatchObject({ message: 'item-not-found' });
      }
      await rooms.create(room);
      await rooms.setOption(room, 'allow_subscription', 'true');
      await rooms.subscribe(room, jid, 'Anna', 'urn:xmpp-chat:room:1');
      await Promise.all(Array.from({ length: 10 }, (_, n) => send(`taken-${n}`)));
      await rooms.destroy(room);
    }
    expect(both.flatMap(({ events }) => events.filter((each) => /^returned/.test(each)))).toEqual(
      [],
    );
  });

  test('report a message that came back, whichever of them hears of it', async () => {
    const both = processes();
    const [sender] = both;
    const jid = newJid();
    await sender?.online(jid, { status: '', nick: '' });
    await ejabberd.registerOperator('blocks', 'secret');
    const blocker = await connect('blocks');
    await blocker.request(
      xml('iq', { type: 'set' }, xml('block', 'urn:xmpp:blocking', xml('item', { jid }))),
    );
    let rejected = 0;
    for (let n = 0; n < 8; n++) {
      await sender
        ?.send({ id: `b-${n}`, from: jid, to: `blocks@${host}`, body: 'x' })
        .catch(() => (rejected += 1));
    }
    const returned = () =>
      both.flatMap(({ events }) => events.filter((event) => event.startsWith('returned'))).length;
    await waitFor(() => rejected + returned() === 8);
    await blocker.disconnect();
  });
});
