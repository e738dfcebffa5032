/**
 * What every visitor transport promises (src/xmpp/port.ts), on a real ejabberd, observed by an operator's client. Both
 * adapters pass it.
 */
import { readFile } from 'node:fs/promises';
import xml from '@xmpp/xml';
import { beforeEach, describe, expect, test } from 'vitest';
import { createEjabberdRooms } from '../../src/xmpp/admin/rooms.ts';
import type { EjabberdAdmin, VisitorTransport } from '../../src/xmpp/port.ts';
import { openStream } from '../../src/xmpp/sessions/login-stream.ts';
import type { Ejabberd } from '../support/ejabberd.ts';
import type { Operator } from '../support/operator.ts';
import { waitFor } from '../support/wait.ts';
import type { Recorded } from './recorded.ts';

/** ejabberd ends a session that leaves more stanzas than this unacknowledged. */
const MAX_ACK_QUEUE = 50;
const MAX_OFFLINE_MESSAGES = 3;
/** How ejabberd has to be configured for this suite. */
export const SUITE_EJABBERD = {
  streamManagement: { maxAckQueue: MAX_ACK_QUEUE },
  extraModules: { mod_blocking: {} },
  extraConfig: {
    shaper_rules: { max_user_sessions: 10, max_user_offline_messages: MAX_OFFLINE_MESSAGES },
  },
} as const;

export interface SuiteWorld {
  readonly ejabberd: Ejabberd;
  readonly admin: EjabberdAdmin;
  /** The operator `op1`. They are online from the beginning of each test to its end. */
  readonly operator: () => Operator;
  /** A new visitor, whom operators would see. @returns the bare JID */
  newVisitor(): Promise<string>;
  /** A transport that is closed after the test. */
  transport(options?: {
    readonly pingIntervalMs?: number;
    readonly pingDeadlineMs?: number;
  }): Recorded<VisitorTransport>;
  /** True if ejabberd has no session of this visitor. */
  hasLeft(jid: string): Promise<boolean>;
  /** Makes an account that visitors may write to. */
  register(username: string): Promise<void>;
  /** Logs in. */
  connect(username: string): Promise<Operator>;
}

const STANZA_ERRORS = 'urn:ietf:params:xml:ns:xmpp-stanzas';

/** Of one visitor. */
const eventsOf = ({ events }: Recorded<VisitorTransport>, jid: string): string[] =>
  events.filter((event) => event.split(' ')[1] === jid);

/** Stops ejabberd as if its machine hung. @returns its pid, for SIGCONT */
export async function freeze(ejabberd: Ejabberd): Promise<number> {
  const pid = ejabberd.pid ?? 0;
  process.kill(pid, 'SIGSTOP');
  await waitFor(async () => / T /.test(await readFile(`/proc/${pid}/stat`, 'utf8')));
  return pid;
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

export function testTransport(world: SuiteWorld): void {
  const { ejabberd, admin, newVisitor, transport, connect, register } = world;
  const operatorJid = `op1@${ejabberd.host}`;
  let operator: Operator;
  const presencesOf = (jid: string) =>
    operator.presenceStanzas.filter(({ attrs }) => attrs.from?.startsWith(`${jid}/`));

  beforeEach(() => {
    operator = world.operator();
  });

  describe('presence', () => {
    test('an operator sees a visitor with nick and status, then a change, then the end', async () => {
      const jid = await newVisitor();
      const visitors = transport();
      await visitors.online(jid, { status: '/pricing | LV', nick: 'Zoë' });
      expect(visitors.isOnline(jid)).toBe(true);
      expect(visitors.sessions()).toEqual([jid]);
      await operator.waitFor(() => operator.presences.get(jid)?.available);
      expect(operator.presences.get(jid)).toMatchObject({
        available: true,
        show: 'available',
        status: '/pricing | LV',
        nick: 'Zoë',
      });

      await visitors.online(jid, { show: 'away', status: '/cart', nick: 'Zoë' });
      await operator.waitFor(() => operator.presences.get(jid)?.show === 'away');

      await visitors.offline(jid);
      expect(visitors.isOnline(jid)).toBe(false);
      expect(visitors.sessions()).toEqual([]);
      await operator.waitFor(() => operator.presences.get(jid)?.available === false);
      await waitFor(() => world.hasLeft(jid));
      await visitors.offline(jid);
      expect(eventsOf(visitors, jid)).toEqual([`started ${jid}`]);
    });

    test('is sent only if it differs, and only the latest of several', async () => {
      const jid = await newVisitor();
      const visitors = transport();
      const page = (status: string) => visitors.online(jid, { status, nick: 'N' });
      await Promise.all(['/1', '/2', '/3'].map(page));
      await Promise.all(['/3', '/4', '/3', '/5'].map(page));
      await page('/5');
      await operator.waitFor(() => operator.presences.get(jid)?.status === '/5');
      await operator.acknowledged();
      expect(presencesOf(jid).map((stanza) => stanza.getChildText('status'))).toEqual(['/3', '/5']);
    });

    test('shows one operator another status, until the next presence or on request', async () => {
      const jid = await newVisitor();
      const visitors = transport();
      const statusOf = (client: Operator) => client.presences.get(jid)?.status;
      visitors.preview(jid, operatorJid, 'Writes: nobody is there'); // dropped
      await visitors.online(jid, { status: '/cart', nick: 'Zoë' });
      await operator.waitFor(() => statusOf(operator) === '/cart');
      await register('op2');
      const other = await connect('op2');
      visitors.preview(jid, operatorJid, 'Writes: Hel');
      await operator.waitFor(() => statusOf(operator) === 'Writes: Hel');
      expect(operator.presences.get(jid)).toMatchObject({ available: true, nick: 'Zoë' });
      visitors.preview(jid, operatorJid, null);
      await operator.waitFor(() => statusOf(operator) === '/cart');
      visitors.preview(jid, operatorJid, 'Writes: Hello');
      await operator.waitFor(() => statusOf(operator) === 'Writes: Hello');
      await visitors.online(jid, { status: '/pay', nick: 'Zoë' });
      await operator.waitFor(() => statusOf(operator) === '/pay');
      const seen = other.presenceStanzas.map((stanza) => stanza.getChildText('status') ?? '');
      expect(seen.join('\n')).not.toMatch(/Writes/);
      await other.disconnect();
    });

    test('is available in the end if a visitor leaves and returns at once', async () => {
      const jid = await newVisitor();
      const visitors = transport();
      await visitors.online(jid, { status: 'first', nick: 'N' });
      const gone = visitors.offline(jid);
      await visitors.online(jid, { status: 'second', nick: 'N' });
      await gone;
      await operator.waitFor(() => operator.presences.get(jid)?.status === 'second');
      await operator.acknowledged();
      expect(operator.presences.get(jid)?.available).toBe(true);
      expect(presencesOf(jid).at(-1)?.attrs.type).toBeUndefined();
      expect(visitors.isOnline(jid)).toBe(true);
    });
  });

  describe('messages', () => {
    test('are taken in order, with their whole text', async () => {
      const jid = await newVisitor();
      const visitors = transport();
      await visitors.online(jid, { status: '', nick: '' });
      const ids = Array.from({ length: 100 }, (_, index) => `m-${index}`);
      await Promise.all(
        ids.map((id) => visitors.send({ id, from: jid, to: operatorJid, body: `text ${id}` })),
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
      const visitors = transport();
      await visitors.online(jid, { status: 'a\u0000b <&>', nick: '\ud800' });
      const bodies = [
        '\u0000\u0008\u001b\ufffe\ud83d <b>&amp;]]></body></message>',
        '👋🏽'.repeat(15_000), // 120 kB of UTF-8
        'ü&'.repeat(20_000), // 60 kB of UTF-8, more when escaped
        'x'.repeat(60_000),
        ' \n\t',
      ];
      const sent = await Promise.allSettled(
        bodies.map((body, index) =>
          visitors.send({ id: `t-${index}`, from: jid, to: operatorJid, body }),
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
      expect(eventsOf(visitors, jid)).toEqual([`started ${jid}`]);
      await expect(
        visitors.send({ id: 'long', from: jid, to: operatorJid, body: 'x'.repeat(200_001) }),
      ).rejects.toMatchObject({ code: 'refused', message: expect.stringMatching(/200001 bytes/) });
    });

    test('to an unknown operator are refused, and the others are taken', async () => {
      const jid = await newVisitor();
      const visitors = transport();
      await visitors.online(jid, { status: '', nick: '' });
      const send = (id: string, to: string) => visitors.send({ id, from: jid, to, body: 'hello' });
      const [lost, taken] = await Promise.allSettled([
        send('lost', `nobody@${ejabberd.host}`),
        send('taken', operatorJid),
      ]);
      // ejabberd's own answer, or that of mod_lhc for who is no operator.
      const message = expect.stringMatching(/^(service-unavailable|item-not-found)$/);
      expect(lost).toMatchObject({ reason: { code: 'refused', message } });
      expect(taken).toMatchObject({ status: 'fulfilled' });
    });

    test('that ejabberd cannot keep come back from the address that they were sent to', async () => {
      const jid = await newVisitor();
      const visitors = transport();
      await visitors.online(jid, { status: '', nick: '' });
      const send = (id: string, to: string) => visitors.send({ id, from: jid, to, body: 'hello' });
      await register('full');
      for (let n = 0; n < MAX_OFFLINE_MESSAGES; n++)
        await send(`kept ${n}`, `full@${ejabberd.host}`);
      // Its text says that the storage is full; the reason is the condition alone.
      await expect(send('too many', `full@${ejabberd.host}`)).rejects.toMatchObject({
        code: 'unavailable',
        message: 'resource-constraint',
      });
      await expect(send('full JID', `full@${ejabberd.host}/gone`)).rejects.toMatchObject({
        code: 'unavailable',
        message: 'resource-constraint',
      });
      await register('blocker');
      const blocker = await connect('blocker');
      await blocker.request(
        xml('iq', { type: 'set' }, xml('block', 'urn:xmpp:blocking', xml('item', { jid }))),
      );
      // The receiver's session refuses it, which may be later than the answer to our ping.
      const blocked = `blocked blocker@${ejabberd.host} refused service-unavailable`;
      await send('blocked', `blocker@${ejabberd.host}`).then(
        () => waitFor(() => visitors.events.includes(`returned ${jid} ${blocked}`)),
        (error) => expect(error).toMatchObject({ code: 'refused', message: 'service-unavailable' }),
      );
      await blocker.disconnect();
    });

    test('that a dead session still has come back after they were taken', async () => {
      const jid = await newVisitor();
      const visitors = transport();
      await visitors.online(jid, { status: '', nick: '' });
      await register('fragile');
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
      await visitors.send({ id: 'f-0', from: jid, to, body: 'hello' });
      for (let n = 1; n <= MAX_ACK_QUEUE; n++) {
        visitors.send({ id: `f-${n}`, from: jid, to, body: 'hello' }).catch(() => undefined);
      }
      // ejabberd ends a session with too many stanzas that it did not acknowledge, and returns those.
      await waitFor(() => isLost);
      await waitFor(() =>
        visitors.events.some((event) => event.startsWith(`returned ${jid} f-0 `)),
      );
      expect(visitors.events).toContain(`returned ${jid} f-0 ${to} refused service-unavailable`);
    });

    test('of which a stranger says that they came back, or were processed, are not touched', async () => {
      const jid = await newVisitor();
      const visitors = transport();
      await visitors.online(jid, { status: 'here', nick: '' });
      await register('mallory');
      const mallory = await connect('mallory');
      const send = (id: string) => visitors.send({ id, from: jid, to: operatorJid, body: id });
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
      expect(eventsOf(visitors, jid)).toEqual([`started ${jid}`]);
      expect(operator.presences.get(jid)).toMatchObject({ available: true, status: 'here' });
      expect(presencesOf(jid)).toHaveLength(1);
      await mallory.disconnect();
    });

    test('without a session are unavailable, and chat states are dropped', async () => {
      const jid = await newVisitor();
      const visitors = transport();
      visitors.chatState(jid, operatorJid, 'composing');
      await expect(
        visitors.send({ id: 'm', from: jid, to: operatorJid, body: 'x' }),
      ).rejects.toMatchObject({ code: 'unavailable', details: { isOnItsWay: true } });

      await visitors.online(jid, { status: '', nick: '' });
      visitors.chatState(jid, operatorJid, 'composing');
      await operator.waitFor(() =>
        operator.stanzas.some((each) =>
          each.getChild('composing', 'http://jabber.org/protocol/chatstates'),
        ),
      );
    });

    test('from operators are ignored, and their queries are answered', async () => {
      const jid = await newVisitor();
      const visitors = transport();
      await visitors.online(jid, { status: '', nick: '' });
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
      expect(visitors.isOnline(jid)).toBe(true);
    });
  });

  describe('messages to a room', () => {
    const rooms = createEjabberdRooms({ url: ejabberd.apiUrl, ...ejabberd.api });
    const roomOf = (jid: string) => ({
      name: jid.slice(0, jid.indexOf('@')),
      service: `conference.${ejabberd.host}`,
    });

    /** A room with the visitor and the operator. @returns its JID */
    async function newRoom(jid: string): Promise<string> {
      const room = roomOf(jid);
      await rooms.create(room);
      for (const option of ['members_only', 'allow_subscription', 'persistent']) {
        await rooms.setOption(room, option, 'true');
      }
      for (const member of [jid, operatorJid]) await rooms.addMember(room, member);
      await rooms.subscribe(room, jid, 'Anna', 'urn:xmpp-chat:room:1');
      return `${room.name}@${room.service}`;
    }

    const send = (visitors: VisitorTransport, from: string, to: string, id: string) =>
      visitors.send({ id, from, to, body: `text ${id}`, room: true });

    test('are taken in order, when the room has sent them to everybody in it', async () => {
      const jid = await newVisitor();
      const visitors = transport();
      await visitors.online(jid, { status: '', nick: '' });
      const room = await newRoom(jid);
      operator.sendStanza(
        xml('presence', { to: `${room}/Olga` }, xml('x', 'http://jabber.org/protocol/muc')),
      );
      const entered = ({ stanzas }: Operator) =>
        stanzas.some(({ attrs, name }) => name === 'presence' && attrs.from === `${room}/Olga`);
      await operator.waitFor(entered);
      const ids = Array.from({ length: 20 }, (_, n) => `r-${n}`);
      const before = operator.stanzas.length;
      await Promise.all(
        ids.map(async (id) => {
          await send(visitors, jid, room, id);
          await visitors.send({ id: `p-${id}`, from: jid, to: operatorJid, body: id });
        }),
      );
      await operator.acknowledged();
      const heard = operator.stanzas
        .slice(before)
        .filter((stanza) => stanza.name === 'message' && stanza.getChild('body'))
        .map(({ attrs }) => [attrs.type, attrs.from, attrs.id]);
      const inRoom = heard.filter(([type]) => type === 'groupchat');
      expect(inRoom.map(([, from, id]) => [from, id])).toEqual(
        ids.map((id) => [`${room}/Anna`, id]),
      );
      const order = heard.map(([, , id]) => id);
      for (const id of ids) expect(order.indexOf(id)).toBeLessThan(order.indexOf(`p-${id}`));
      // They ask for no receipt, and the visitor hears nothing of the room.
      const said = operator.stanzas.find(({ attrs }) => attrs.id === 'r-0');
      expect(said?.getChild('request', 'urn:xmpp:receipts')).toBeUndefined();
      expect(eventsOf(visitors, jid)).toEqual([`started ${jid}`]);
    });

    test('are refused by a room that does not know the visitor, or is not there', async () => {
      const jid = await newVisitor();
      const visitors = transport();
      await visitors.online(jid, { status: '', nick: '' });
      const room = `${roomOf(jid).name}@${roomOf(jid).service}`;
      const refusal = (condition: string) => ({
        code: 'refused',
        message: condition,
        details: { returned: true },
      });
      await expect(send(visitors, jid, room, 'lost-1')).rejects.toMatchObject(
        refusal('item-not-found'),
      );
      await newRoom(jid);
      await send(visitors, jid, room, 'found');
      await rooms.unsubscribe(roomOf(jid), jid);
      await expect(send(visitors, jid, room, 'lost-2')).rejects.toMatchObject(
        refusal('not-acceptable'),
      );
      await rooms.destroy(roomOf(jid));
      // ejabberd answers before the room has ended, and what comes in between is lost with it.
      await waitFor(async () => {
        const names: string[] = [];
        await rooms.list(roomOf(jid).service, (some) => names.push(...some));
        return !names.includes(roomOf(jid).name);
      });
      await expect(send(visitors, jid, room, 'lost-3')).rejects.toMatchObject(
        refusal('item-not-found'),
      );
      await visitors.send({ id: 'private', from: jid, to: operatorJid, body: 'hello' });
      expect(eventsOf(visitors, jid)).toEqual([`started ${jid}`]);
    });
  });

  describe('failures', () => {
    test('notices a connection that hangs, and stanzas in flight can be sent again', async () => {
      const jid = await newVisitor();
      const visitors = transport({ pingIntervalMs: 200, pingDeadlineMs: 400 });
      await visitors.online(jid, { status: 'here', nick: '' });
      const pid = await freeze(ejabberd);
      try {
        await expect(
          visitors.send({ id: 'h-1', from: jid, to: operatorJid, body: 'hello?' }),
        ).rejects.toMatchObject({ code: 'unavailable' });
        expect(visitors.isOnline(jid)).toBe(false);
      } finally {
        process.kill(pid, 'SIGCONT');
      }
      await waitFor(() => visitors.isOnline(jid), { deadlineMs: 10_000 });
      await visitors.send({ id: 'h-1', from: jid, to: operatorJid, body: 'hello?' });
      const starts = eventsOf(visitors, jid).filter((event) => event.startsWith('started'));
      expect(starts).toHaveLength(2);
      await operator.waitFor(() => operator.presences.get(jid)?.available);
    });
  });
}
