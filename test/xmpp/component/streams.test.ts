/** The component at a server that does what ejabberd does not: it lies, hangs, stops to read and sends garbage. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { pino } from 'pino';
import { afterEach, expect, test } from 'vitest';
import { createComponentTransport } from '../../../src/xmpp/component/component.ts';
import { MAX_BUFFERED_BYTES } from '../../../src/xmpp/component/outgoing.ts';
import type { ComponentTransport } from '../../../src/xmpp/port.ts';
import { waitFor } from '../../support/wait.ts';
import { type Recorded, recorded } from '../recorded.ts';

const HOST = 'xmpp.test';
const DOMAIN = `visitors.${HOST}`;
const ANNA = `visitor.1@${DOMAIN}`;
const OPERATOR = `op1@${HOST}`;
const SECRET = 'secret';
const HEADER =
  "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:component:accept' id='abc'>";
const NOT_AUTHORIZED =
  "<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>";
const ends: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

interface Behaviour {
  /** Called for each piece that comes in; true: it is dealt with. */
  readonly hears?: (text: string, socket: Socket) => boolean;
}

/** Takes contacts and answers pings, as ejabberd with mod_lhc does. */
async function start({ hears = () => false }: Behaviour = {}) {
  const sockets = new Set<Socket>();
  let text = '';
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    socket.setEncoding('utf8').on('data', (piece) => {
      const heard = String(piece);
      text += heard;
      if (hears(heard, socket)) return;
      if (heard.includes('<stream:stream')) socket.write(HEADER);
      const digest = /<handshake>(\w+)/.exec(heard)?.[1];
      const right = createHash('sha1').update(`abc${SECRET}`).digest('hex');
      if (digest) socket.write(digest === right ? '<handshake/>' : NOT_AUTHORIZED);
      for (const [, id] of heard.matchAll(/<iq type="[gs]et" id="([^"]+)"/g)) {
        socket.write(`<iq type='result' id='${id}' from='${HOST}' to='${DOMAIN}'/>`);
      }
      if (heard.includes('</stream:stream>')) socket.end('</stream:stream>');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.push(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    port,
    text: () => text,
    /** Writes to the connection of the component. */
    write: (data: string | Buffer) => void [...sockets][0]?.write(data),
    connections: () => sockets.size,
  };
}

function connect(
  port: number,
  options: Partial<Parameters<typeof createComponentTransport>[0]> = {},
): Recorded<ComponentTransport> {
  const component = recorded(
    createComponentTransport({
      listener: { host: '127.0.0.1', port, secret: SECRET },
      host: HOST,
      domain: DOMAIN,
      logger: pino({ level: 'silent' }),
      retry: { firstMs: 20, mostMs: 20 },
      ...options,
    }),
  );
  ends.push(() => component.close(100));
  return component;
}
const look = { status: '', nick: '' };
const message = (id: string, body = 'x') => ({ id, from: ANNA, to: OPERATOR, body });
const returned = (id: string, from: string, condition = 'forbidden'): string =>
  `<message type='error' id='${id}' from='${from}' to='${ANNA}/xmpp-chat'><error type='cancel'><${condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>`;
const isPing = (text: string): boolean => text.includes('urn:xmpp:ping');

test('only ejabberd can say that a message was taken, or that contacts were', async () => {
  let isHolding = false;
  const server = await start({ hears: (text) => isHolding && /<iq /.test(text) });
  const component = connect(server.port);
  await component.online(ANNA, look);
  isHolding = true;
  const sent = component.send(message('m1')).then(
    () => 'taken',
    (error) => error.message,
  );
  let isShown = false;
  const shown = component.online(ANNA, { ...look, status: 'new' }).then(() => {
    isShown = true;
  });
  await waitFor(() => isPing(server.text()) && server.text().includes('<status>new'));
  const ids = [...server.text().matchAll(/id="((?:ping|ask)-\d+)"/g)].map(([, id]) => id);
  for (const from of [OPERATOR, `${OPERATOR}/x`, 'evil.example', ANNA, DOMAIN]) {
    for (const id of ids) {
      server.write(`<iq type='result' id='${id}' from='${from}' to='${DOMAIN}'/>`);
    }
    server.write(returned('m1', from.startsWith(OPERATOR) ? `op2@${HOST}` : from));
  }
  // Behind them, so they were heard.
  server.write(returned('m1', OPERATOR, 'gone'));
  expect(await sent).toBe('gone');
  expect(isShown).toBe(false);
  for (const id of ids)
    server.write(`<iq type='result' id='${id}' from='${HOST}' to='${DOMAIN}'/>`);
  await shown;
});

test.each([
  ['closes it at once', (socket: Socket) => socket.destroy()],
  ['ends it in order', (socket: Socket) => socket.end('</stream:stream>')],
  ['sends what is no XML', (socket: Socket) => socket.write('<a></b>')],
  ['sends what is no XML at all', (socket: Socket) => socket.write('<<<\u0000>&;')],
  ['is not authorized any more', (socket: Socket) => socket.write(NOT_AUTHORIZED)],
])('a server that %s in the middle: the stream is lost, and comes back', async (_what, end) => {
  let isEnding = false;
  const server = await start({
    hears(text, socket) {
      if (!isEnding || !isPing(text)) return false;
      isEnding = false;
      end(socket);
      return true;
    },
  });
  // What the parser takes for the beginning of something has no answer.
  const component = connect(server.port, { pingDeadlineMs: 300 });
  await component.online(ANNA, look);
  isEnding = true;
  await expect(component.send(message('m1'))).rejects.toMatchObject({ code: 'unavailable' });
  await waitFor(() => component.isOnline(ANNA));
  await component.send(message('m1'));
  expect(component.events).toEqual([
    'stream up',
    `started ${ANNA}`,
    'stream lost',
    'stream up',
    `started ${ANNA}`,
  ]);
});

test('a server that says nothing is given up, and tried again', async () => {
  const server = await start({ hears: () => true });
  const component = connect(server.port, { handshakeDeadlineMs: 30 });
  for (let tries = 0; tries < 3; tries++) {
    await expect(component.online(ANNA, look)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('30 ms'),
    });
  }
});

test('a server that does not read: what waits is bounded, and then refused', async () => {
  const server = await start({
    hears(text, socket) {
      if (!text.includes('<message')) return false;
      socket.pause();
      return true;
    },
  });
  const component = connect(server.port);
  await component.online(ANNA, look);
  const body = 'x'.repeat(199_000);
  const most = MAX_BUFFERED_BYTES / body.length;
  const outcomes: string[] = [];
  for (let n = 0; n < most + 100; n++) {
    component.send(message(`m${n}`, body)).catch((error) => outcomes.push(String(error.message)));
    if (n % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await waitFor(() => outcomes.some((reason) => reason.includes('takes no more')));
  expect(outcomes.length).toBeLessThan(110);
});

test('stanzas in pieces, with white space between them, are understood', async () => {
  const server = await start();
  const asked: string[] = [];
  const component = connect(server.port, {
    async answerQuery(to, from) {
      asked.push(`${to} ${from}`);
      return null;
    },
  });
  await component.online(ANNA, look);
  const query = `<iq type='get' id='ü' from='${OPERATOR}/x' to='${ANNA}'><query xmlns='jabber:iq:version'/></iq>`;
  const bytes = Buffer.from(` \n${query}\n\n`);
  const middle = bytes.indexOf('ü') + 1;
  const ping = `<iq type='get' id='first' from='${HOST}' to='${ANNA}'><ping xmlns='urn:xmpp:ping'/></iq>`;
  server.write(Buffer.concat([Buffer.from(ping), bytes.subarray(0, middle)]));
  await waitFor(() => server.text().includes('id="first"'));
  server.write(bytes.subarray(middle));
  await waitFor(() => asked.length === 1);
  await waitFor(() => server.text().includes('id="ü"'));
});

test('a message to a room: the room says that it has it, to the domain of this process', async () => {
  const room = `visitor.1@conference.${HOST}`;
  const server = await start({ hears: (text) => text.includes(room) });
  const component = connect(server.port, { ownDomain: `0a1b2c3d.${DOMAIN}`, domain: DOMAIN });
  await component.online(ANNA, look);
  const outcomes: string[] = [];
  const send = (id: string) =>
    component.send({ ...message(id), to: room, room: true }).then(
      () => outcomes.push(`${id} taken`),
      (error) => outcomes.push(`${id} ${error.code} ${error.message}`),
    );
  const pings = () => [
    ...server.text().matchAll(/<iq type="get" id="(room-[^"]+)" to="([^"]+)" from="([^"]+)"/g),
  ];
  const settled = (id: string) => waitFor(() => outcomes.some((each) => each.startsWith(id)));
  const error = (id: string, from: string, condition: string) =>
    `<iq type='error' id='${id}' from='${from}' to='${DOMAIN}'><error type='cancel'><${condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`;
  void send('m1');
  await waitFor(() => pings().length === 1);
  const [, id = '', to, from] = pings()[0] ?? [];
  expect([to, from]).toEqual([room, `0a1b2c3d.${DOMAIN}`]);
  for (const stranger of [HOST, `${room}/olga`, DOMAIN]) {
    server.write(error(id, stranger, 'service-unavailable'));
    server.write(returned('m1', stranger));
  }
  void send('m2');
  server.write(returned('m1', room, 'not-acceptable'));
  await settled('m1');
  server.write(error(id, room, 'service-unavailable'));
  await waitFor(() => pings().length === 2);
  server.write(error(pings()[1]?.[1] ?? '', room, 'item-not-found'));
  await settled('m2');
  void send('m3');
  await waitFor(() => pings().length === 3);
  server.write(error(pings()[2]?.[1] ?? '', room, 'service-unavailable'));
  await settled('m3');
  expect(outcomes).toEqual(['m1 refused not-acceptable', 'm2 refused item-not-found', 'm3 taken']);
  expect(component.events.filter((event) => event.startsWith('returned'))).toEqual([]);
});

test('a message to a room fails with the stream', async () => {
  const room = `visitor.1@conference.${HOST}`;
  const server = await start({
    hears(text, socket) {
      if (!text.includes(room)) return false;
      socket.destroy();
      return true;
    },
  });
  const component = connect(server.port);
  await component.online(ANNA, look);
  await expect(component.send({ ...message('m1'), to: room, room: true })).rejects.toMatchObject({
    code: 'unavailable',
  });
});

test('a room that hangs fails alone', async () => {
  const room = `visitor.1@conference.${HOST}`;
  const server = await start({ hears: (text) => text.includes(room) });
  const component = connect(server.port, { pingDeadlineMs: 100 });
  await component.online(ANNA, look);
  await expect(component.send({ ...message('m1'), to: room, room: true })).rejects.toMatchObject({
    code: 'unavailable',
    message: 'the room does not answer',
  });
  await component.send(message('m2'));
  expect(component.events).toEqual(['stream up', `started ${ANNA}`]);
});
