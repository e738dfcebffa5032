/** Streams to a server that fails, at each step of a session and in each way. The failure is reported once. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import xml from '@xmpp/xml';
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from 'vitest';
import { openStream, type Stream, StreamFailure } from '../../../src/xmpp/sessions/login-stream.ts';
import { waitFor } from '../../support/wait.ts';

interface Step {
  readonly name: string;
  /** What the client sends first. Without it, the server begins. */
  readonly expects?: RegExp;
  readonly answer: (match: RegExpExecArray) => string | Buffer;
}

type Ending = (socket: Socket) => void;

const HEADER = `<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' id='1' from='xmpp.test' version='1.0'>`;
const SASL = 'urn:ietf:params:xml:ns:xmpp-sasl';
const BIND = 'urn:ietf:params:xml:ns:xmpp-bind';
const TLS = 'urn:ietf:params:xml:ns:xmpp-tls';
const FRAMING = 'urn:ietf:params:xml:ns:xmpp-framing';

const header: Step = { name: 'header', expects: /<stream:stream[^>]*>/, answer: () => HEADER };
const features = (list: string): Step => ({
  name: 'features',
  answer: () => `<stream:features>${list}</stream:features>`,
});

const connection: Step = { name: 'connection', answer: () => '' };
const login: readonly Step[] = [
  connection,
  header,
  features(`<mechanisms xmlns='${SASL}'><mechanism>PLAIN</mechanism></mechanisms>`),
  { name: 'password', expects: /<auth .*<\/auth>/, answer: () => `<success xmlns='${SASL}'/>` },
  { ...header, name: 'second header' },
  { ...features(`<bind xmlns='${BIND}'/>`), name: 'second features' },
  {
    name: 'bind',
    expects: /<iq .*id="([^"]+)".*<\/iq>/,
    answer: ([, id]) =>
      `<iq type='result' id='${id}'><bind xmlns='${BIND}'><jid>v@xmpp.test/r</jid></bind></iq>`,
  },
];
const message: Step = { name: 'message', expects: /<message.*>/, answer: () => '<message/>' };
const end: Step = { name: 'end', expects: /<\/stream:stream>/, answer: () => '</stream:stream>' };

const tlsHello: Step = { name: 'TLS hello', expects: /.+/s, answer: () => '' };
const startTls: readonly Step[] = [
  header,
  features(`<starttls xmlns='${TLS}'/>`),
  { name: 'STARTTLS', expects: /<starttls.*>/, answer: () => `<proceed xmlns='${TLS}'/>` },
  tlsHello,
];

/** A short text in one frame, as a server sends it. */
const frame = (text: string): Buffer =>
  Buffer.concat([Buffer.from([0x81, text.length]), Buffer.from(text)]);
const webSocket: readonly Step[] = [
  {
    name: 'upgrade',
    expects: /sec-websocket-key: (\S+).*\r\n\r\n/is,
    answer: ([, key]) => {
      const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
      return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: xmpp\r\nSec-WebSocket-Accept: ${accept.digest('base64')}\r\n\r\n`;
    },
  },
  { name: 'open', expects: /.+/s, answer: () => frame(`<open xmlns='${FRAMING}' version='1.0'/>`) },
];

const conversations = [
  { over: 'TCP', scheme: 'xmpp', conversation: login },
  { over: 'STARTTLS', scheme: 'xmpp', conversation: startTls },
  { over: 'WebSocket', scheme: 'ws', conversation: [connection, ...webSocket] },
  // Without a certificate no handshake can succeed.
  { over: 'TLS', scheme: 'xmpps', conversation: [connection, tlsHello] },
];

const endings: Readonly<Record<string, Ending>> = {
  'resets the connection': (socket) => socket.resetAndDestroy(),
  'closes the connection': (socket) => socket.destroy(),
  'sends a text that is not XML': (socket) => socket.end('500 Internal Server Error\r\n\r\n'),
  'sends XML that is not well-formed': (socket) => socket.end('</nothing>'),
};

const unhandled: unknown[] = [];
const keep = (error: unknown): void => void unhandled.push(error);
beforeAll(() => void process.on('unhandledRejection', keep));
afterAll(() => void process.off('unhandledRejection', keep));
afterEach(async () => {
  await turn();
  expect(unhandled.splice(0)).toEqual([]);
});

/** Goes through these steps. The ending comes after the last answer, or instead of it. @returns its port */
async function serverThat(
  steps: readonly Step[],
  ending: Ending,
  answersLast: boolean,
): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    const left = [...steps];
    let unread = '';
    const go = (): void => {
      for (;;) {
        const [step] = left;
        const match = step && (step.expects ?? /^/).exec(unread);
        if (!match) return;
        unread = unread.slice(match.index + match[0].length);
        left.shift();
        if (left.length > 0 || answersLast) socket.write(step.answer(match));
        if (left.length === 0) ending(socket);
      }
    };
    socket.on('error', () => undefined); // the other side may go first
    socket.on('data', (chunk: Buffer) => {
      unread += chunk.toString('latin1');
      go();
    });
    go();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port; // it listens on a TCP port
}

/** Opens a stream there. @returns the opening, and every reason for which the stream was lost */
function open(port: number, scheme = 'xmpp', signal?: AbortSignal) {
  const lost: StreamFailure[] = [];
  const opening = openStream(
    {
      service: `${scheme}://127.0.0.1:${port}`,
      domain: 'xmpp.test',
      username: 'v',
      password: 'secret',
      resource: 'r',
      allowPlaintext: true,
      loginDeadlineMs: 10_000,
      ...(signal && { signal }),
    },
    { stanza: () => undefined, lost: (reason) => void lost.push(reason) },
  );
  return { opening, lost };
}

async function failsToOpen(port: number, scheme?: string): Promise<void> {
  const { opening, lost } = open(port, scheme);
  const failure = await opening.catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(StreamFailure);
  expect(failure).toMatchObject({ during: expect.stringMatching(/^(connect|login)$/) });
  expect(failure).toHaveProperty('message', expect.stringMatching(/./));
  expect(lost).toEqual([]);
}

async function session(port: number): Promise<{ stream: Stream; lost: StreamFailure[] }> {
  const { opening, lost } = open(port);
  return { stream: await opening, lost };
}

for (const [what, ending] of Object.entries(endings)) {
  for (const { over, scheme, conversation } of conversations) {
    conversation.forEach(({ name }, index) => {
      const steps = conversation.slice(0, index + 1);
      test(`${over}: a server that ${what} instead of answering the ${name}`, async () => {
        await failsToOpen(await serverThat(steps, ending, false), scheme);
      });
      if (name === 'bind') return; // after it the session begins
      test(`${over}: a server that ${what} after answering the ${name}`, async () => {
        await failsToOpen(await serverThat(steps, ending, true), scheme);
      });
    });
  }

  test.each([false, true])(
    `a server that ${what} in a session (after its answer: %s)`,
    async (answered) => {
      const { stream, lost } = await session(
        await serverThat([...login, message], ending, answered),
      );
      expect(stream.jid).toBe('v@xmpp.test/r');
      stream.send(xml('message', {}));
      await waitFor(() => lost.length > 0);
      stream.send(xml('message', {}));
      await stream.close(1_000);
      stream.destroy('once more');
      expect(lost).toEqual([expect.any(StreamFailure)]);
      expect(lost[0]).toMatchObject({
        during: 'session',
        message: expect.not.stringMatching(/login/),
      });
    },
  );

  test.each([false, true])(
    `a server that ${what} while the stream closes (after its end tag: %s)`,
    async (answered) => {
      const { stream, lost } = await session(await serverThat([...login, end], ending, answered));
      await stream.close(1_000);
      expect(lost).toEqual([]);
    },
  );
}

test('a login can be aborted before it begins and while the server is silent', async () => {
  const port = await serverThat(login.slice(0, 2), () => undefined, false);
  await expect(open(port, 'xmpp', AbortSignal.abort()).opening).rejects.toThrow(
    'the login was aborted',
  );
  const abort = new AbortController();
  const { opening, lost } = open(port, 'xmpp', abort.signal);
  await turn();
  abort.abort();
  await expect(opening).rejects.toThrow('the login was aborted');
  expect(lost).toEqual([]);
});

test('see-other-host is an error, and no connection to that host is made', async () => {
  let visits = 0;
  const elsewhere = createServer((socket) => {
    visits += 1;
    socket.destroy();
  });
  elsewhere.listen(0, '127.0.0.1');
  await once(elsewhere, 'listening');
  onTestFinished(() => void elsewhere.close());
  const { port } = elsewhere.address() as AddressInfo; // it listens on an address
  const errors = 'urn:ietf:params:xml:ns:xmpp-streams';
  const moved = `<stream:error><see-other-host xmlns='${errors}'>127.0.0.1:${port}</see-other-host></stream:error></stream:stream>`;
  const { opening } = open(
    await serverThat(
      [header, { name: 'see-other-host', answer: () => moved }],
      (socket) => socket.end(),
      true,
    ),
  );
  await expect(opening).rejects.toMatchObject({ condition: 'see-other-host' });
  await turn();
  expect(visits).toBe(0);
});
