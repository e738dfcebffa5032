/** What the doctor says of the listener of components. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { componentCheck } from '../../src/doctor/component.ts';

const HEADER =
  "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:component:accept' id='1'>";
const refusal = (condition: string): string =>
  `<stream:error><${condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>`;
let server: Server | undefined;

afterEach(async () => {
  server?.close();
  await (server && once(server, 'close'));
  server = undefined;
});

/** A listener as ejabberd's. @param knows null: any domain. @returns the domains that logged in */
async function listener(secret: string, knows: readonly string[] | null) {
  const loggedIn: string[] = [];
  server = createServer((socket) => {
    let domain = '';
    socket.on('error', () => undefined).setEncoding('utf8');
    socket.on('data', (data) => {
      const text = String(data);
      domain = /to='([^']+)'/.exec(text)?.[1] ?? domain;
      if (text.includes('<stream:stream')) {
        socket.write(HEADER);
      }
      const digest = /<handshake>(\w+)/.exec(text)?.[1];
      if (!digest) return;
      const isKnown = knows?.includes(domain) ?? true;
      const isRight = isKnown && digest === createHash('sha1').update(`1${secret}`).digest('hex');
      if (isRight) loggedIn.push(domain);
      socket.write(isRight ? '<handshake/>' : refusal('not-authorized'));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return { port, loggedIn };
}

const examine = (
  port: number,
  { hosts = ['a.test'], isRunning = false, host = '127.0.0.1' } = {},
) =>
  componentCheck(
    { host, port, tls: false, secret: 's3cret' },
    hosts.map((each) => `visitors.${each}`),
    { allowPlaintext: false },
    { get: async () => (isRunning ? 'silent' : null) },
  ).run(AbortSignal.timeout(5_000));
const both = ['a.test', 'b.test'];

test('a listener for any domain: the secret is tried, by a name that is nobody', async () => {
  const { port, loggedIn } = await listener('s3cret', null);
  expect(await examine(port, { hosts: both, isRunning: true })).toMatchObject([
    { status: 'ok', message: expect.stringContaining('visitors.a.test') },
    { status: 'ok', message: expect.stringContaining('visitors.b.test') },
  ]);
  expect(loggedIn).toEqual(['doctor.visitors.a.test', 'doctor.visitors.b.test']);
});

test('a listener with hosts: a running service is left alone, or the domain is tried', async () => {
  const { port, loggedIn } = await listener('s3cret', ['visitors.a.test']);
  expect(await examine(port, { hosts: both, isRunning: true })).toMatchObject([
    { status: 'ok', message: expect.stringContaining('/readyz') },
    { status: 'ok', message: expect.stringContaining('/readyz') },
  ]);
  expect(loggedIn).toEqual([]);
  expect(await examine(port, { hosts: both })).toMatchObject([
    { status: 'ok' },
    { status: 'problem', message: expect.stringContaining('visitors.b.test') },
  ]);
  expect(loggedIn).toEqual(['visitors.a.test']);
});

test('another secret is named, and not shown', async () => {
  const { port } = await listener('another', null);
  const findings = await examine(port);
  expect(findings).toMatchObject([
    { status: 'problem', message: expect.stringContaining('EJABBERD_COMPONENT_SECRET') },
  ]);
  expect(JSON.stringify(findings)).not.toMatch(/s3cret|another/);
});

test('no listener, and one that is far away without TLS, are one problem', async () => {
  const { port } = await listener('s3cret', null);
  server?.close();
  expect(await examine(port, { hosts: both })).toMatchObject([
    { status: 'problem', message: expect.stringMatching(/ECONNREFUSED/) },
  ]);
  expect(await examine(port, { hosts: both, host: 'ejabberd.example' })).toMatchObject([
    { status: 'problem', message: expect.stringContaining('TLS') },
  ]);
  server = undefined;
});
