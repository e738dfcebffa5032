import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { Webhook } from 'standardwebhooks';
import { afterEach, describe, expect, test } from 'vitest';
import { MAX_COMMAND_BYTES } from '../../src/http/frame/body.ts';
import { PROBLEM_KINDS } from '../../src/http/frame/problem.ts';
import { type Listening, serve } from '../../src/http/serve.ts';
import {
  UNVERIFIED_AT_ONCE,
  UNVERIFIED_RETRY_AFTER_S,
  UNVERIFIED_SHARE,
  UNVERIFIED_WAITING,
} from '../../src/http/webhook/unverified.ts';
import { waitFor } from '../support/wait.ts';
import { fakeApp, KEYS, WEBHOOK_SECRET } from './fakes.ts';

const listening: Listening[] = [];
afterEach(async () => {
  for (const one of listening.splice(0)) await one.close(0);
});

const start = async (more: Parameters<typeof fakeApp>[0] = {}, port = 0) => {
  const fake = fakeApp(more);
  const server = await serve(fake.app, { host: '127.0.0.1', port, variable: 'LISTEN' });
  listening.push(server);
  return { ...fake, server };
};
const VIEW = '/v1/acme/visitors/7/page-views';
const post = (url: string, body: string | ReadableStream, key = KEYS.acme) =>
  fetch(`${url}${VIEW}`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
    body,
    ...(body instanceof ReadableStream && { duplex: 'half' as const }),
  });
/** Everything that the server sends until the connection ends, however it does. */
async function allOf(socket: Socket): Promise<string> {
  let all = '';
  socket.on('data', (bytes) => {
    all += bytes;
  });
  socket.on('error', () => undefined); // `once` would reject on it
  await new Promise((resolve) => socket.on('close', resolve));
  return all;
}
const chunked = (parts: string[]) => ReadableStream.from(parts.map((part) => Buffer.from(part)));

test('a command over a socket gets the same answer as one without', async () => {
  const { server, calls } = await start();
  const response = await post(server.url, '{"page":"/"}');
  expect(response.status).toBe(202);
  expect(await response.json()).toMatchObject({ actor: 'visitor-acme.7' });
  expect(response.headers.get('content-type')).toBe('application/json');
  expect(calls.commands).toHaveLength(1);
});

test('a chunked body is read up to the limit', async () => {
  const { server } = await start();
  expect((await post(server.url, chunked(['{"page"', ':"/"}']))).status).toBe(202);
  const large = chunked(Array(40).fill('x'.repeat(10_000)));
  expect((await post(server.url, large)).status).toBe(413);
});

test('a body whose Content-Length is too large is dropped, and the connection still works', async () => {
  const { server } = await start();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const send = async (length: number) => {
    const sent = request(`${server.url}${VIEW}`, {
      method: 'POST',
      agent,
      headers: { Authorization: `Bearer ${KEYS.acme}`, 'Content-Type': 'application/json' },
    });
    sent.end(Buffer.alloc(length, 'x'));
    const [response] = await once(sent, 'response');
    await text(response);
    return response.statusCode;
  };
  expect(await send(300_000)).toBe(413);
  expect(await send(10)).toBe(400);
  agent.destroy();
});

test.each([
  ['a wrong key', 'POST', VIEW, 'wrong', 401],
  ['an unknown path', 'POST', '/nothing/here', KEYS.acme, 404],
  ['another method', 'PATCH', VIEW, KEYS.acme, 405],
  ['an endpoint that reads no body', 'POST', '/v1/acme/visitors/7/timeout', KEYS.acme, 202],
])(
  '%s: a body that nobody reads ends the connection only if it does not come',
  async (_what, method, path, key, status) => {
    const { server } = await start();
    const head = (length: number) =>
      [`${method} ${path} HTTP/1.1`, 'Host: x', `Authorization: Bearer ${key}`].join('\r\n') +
      `\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`;
    const slow = connect(server.port, '127.0.0.1');
    slow.write(`${head(100)}{`);
    const answer = await allOf(slow);
    expect(answer.toLowerCase()).toMatch(
      new RegExp(`^http/1.1 ${status} [^]*\r\nconnection: close\r\n`),
    );
    // More than the server reads without being asked, in two pieces. The connection is used again.
    const whole = connect(server.port, '127.0.0.1');
    whole.write(head(200_000) + 'x'.repeat(100_000));
    setImmediate(() => whole.write(`${'x'.repeat(100_000)}GET /healthz HTTP/1.0\r\n\r\n`));
    const both = await allOf(whole);
    expect(both).toMatch(new RegExp(`^HTTP/1.1 ${status} [^]*HTTP/1.1 200 OK`));
  },
);

test('a wrong key is refused before the body is read', async () => {
  const { server } = await start();
  const response = await post(server.url, '{', 'wrong');
  expect(response.status).toBe(401);
  expect(response.headers.get('www-authenticate')).toBe('Bearer');
});

test('a caller who hangs up in the middle of a body gets 400 in the log, not 500', async () => {
  const logged: string[] = [];
  const done = Promise.withResolvers<void>();
  const write = (entry: string) => {
    logged.push(entry);
    done.resolve();
  };
  const { server, calls } = await start({ logger: pino({ level: 'debug' }, { write }) });
  const socket = connect(server.port, '127.0.0.1');
  socket.write(
    [
      `POST ${VIEW} HTTP/1.1`,
      'Host: x',
      `Authorization: Bearer ${KEYS.acme}`,
      'Content-Type: application/json',
      'Content-Length: 100',
      '',
      '{"page":',
    ].join('\r\n'),
  );
  await once(socket, 'connect');
  socket.end();
  await done.promise;
  expect(JSON.parse(logged[0] ?? '')).toMatchObject({ status: 400 });
  expect(calls.commands).toEqual([]);
});

test('a body that comes too slowly gets 408, and the connection ends', async () => {
  const { server, calls } = await start({ bodyDeadlineMs: 50 });
  for (const length of ['Content-Length: 100', 'Transfer-Encoding: chunked']) {
    const socket = connect(server.port, '127.0.0.1');
    const head = [`POST ${VIEW} HTTP/1.1`, 'Host: x', `Authorization: Bearer ${KEYS.acme}`];
    socket.write([...head, 'Content-Type: application/json', length, '', ''].join('\r\n'));
    // A byte now and then does not help.
    const bytes = length.startsWith('T') ? '1\r\nx\r\n' : 'x';
    const dribble = setInterval(() => socket.write(bytes), 10);
    const answer = await allOf(socket);
    expect(answer).toContain('408 Request Timeout');
    expect(answer).toContain('\r\nConnection: close\r\n');
    expect(answer).not.toContain('keep-alive');
    expect(answer).toContain('the body was not complete within 0.05 s; send the same again');
    clearInterval(dribble);
  }
  expect(calls.commands).toEqual([]);
  // An answer may take longer than a body may.
  const other = await start({ bodyDeadlineMs: 50, checks: { slow: () => delay(200) } });
  expect((await fetch(`${other.server.url}/readyz`)).status).toBe(200);
});

test('a body that is too large and does not come to its end gets 413, and the connection ends', async () => {
  const { server, calls } = await start();
  const socket = connect(server.port, '127.0.0.1');
  const head = [`POST ${VIEW} HTTP/1.1`, 'Host: x', `Authorization: Bearer ${KEYS.acme}`];
  const length = `Content-Length: ${10 * MAX_COMMAND_BYTES}`;
  socket.write([...head, 'Content-Type: application/json', length, '', 'x'].join('\r\n'));
  const answer = await text(socket);
  expect(answer).toContain('413 Payload Too Large');
  expect(answer).toContain('\r\nConnection: close\r\n');
  expect(answer).not.toContain('keep-alive');
  expect(calls.commands).toEqual([]);
});

describe('the server itself', () => {
  /** Everything that the server sends until it ends the connection. */
  async function answerTo(server: Listening, bytes: string | Buffer): Promise<string> {
    const socket = connect(server.port, '127.0.0.1');
    socket.write(bytes);
    return allOf(socket);
  }
  /** Checks that the answer is a whole problem. @returns its parts */
  function problemIn(answer: string) {
    const [head = '', body = ''] = answer.split('\r\n\r\n');
    const lines = head.split('\r\n');
    expect(lines).toEqual(
      expect.arrayContaining([
        'Content-Type: application/problem+json',
        'Connection: close',
        `Content-Length: ${Buffer.byteLength(body)}`,
      ]),
    );
    const problem = JSON.parse(body);
    expect(lines[0]).toMatch(new RegExp(`^HTTP/1.1 ${problem.status} `));
    expect(PROBLEM_KINDS).toHaveProperty(problem.code);
    return problem;
  }

  test.each([
    ['GET /healthz HTTP/1.0\r\n\r\n'],
    ['GET /healthz HTTP/1.0\r\nHost:\r\n\r\n'],
    ['GET /healthz HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n'],
    ['GET http://any.test/healthz HTTP/1.1\r\nHost: any.test\r\nConnection: close\r\n\r\n'],
  ])('answers a probe by %j', async (request) => {
    const { server } = await start();
    const answer = await answerTo(server, request);
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(answer).toMatch(/\r\n\r\n.+/);
  });

  const get = (...lines: string[]) => ['GET / HTTP/1.1', 'Host: x', ...lines, '', ''].join('\r\n');
  test.each<[string, string | Buffer, number, RegExp]>([
    ['no HTTP', 'GARBAGE\r\n\r\n', 400, /not HTTP/],
    ['TLS', Buffer.from('16030100c5010000c1030395', 'hex'), 400, /without TLS: use http:/],
    ['the PROXY protocol', 'PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n', 400, /PROXY protocol/],
    ['its second version', '\r\n\r\n\0\r\nQUIT\n\x21\x11', 400, /PROXY protocol/],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505, /HTTP\/1\.1/],
    ['HTTP/3.0', 'GET / HTTP/3.0\r\nHost: x\r\n\r\n', 505, /HTTP\/1\.1/],
    ['an unknown method', 'BREW / HTTP/1.1\r\nHost: x\r\n\r\n', 501, /method/],
    ['a method in lower case', 'get / HTTP/1.1\r\nHost: x\r\n\r\n', 501, /upper case/],
    ['CONNECT', 'CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n', 501, /no proxy/],
    ['no Host', 'GET /healthz HTTP/1.1\r\n\r\n', 400, /Host: is required/],
    ['a Host that is none', 'GET / HTTP/1.1\r\nHost: a b/c\r\n\r\n', 400, /Host/],
    ['no path', 'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n', 400, /target/],
    ['a path in UTF-8', 'GET /ä HTTP/1.1\r\nHost: x\r\n\r\n', 400, /url/],
    ['a bare line feed', 'GET / HTTP/1.1\nHost: x\n\n', 400, /carriage return/],
    ['a wrong header', get('X y: 1'), 400, /header/],
    ['a long header', get(`x: ${'x'.repeat(20_000)}`), 431, /16 KiB/],
    ['a long path', `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431, /16 KiB/],
    ['two lengths', get('Content-Length: 1', 'Transfer-Encoding: chunked'), 400, /Content-Length/],
    ['no chunk', `${get('Transfer-Encoding: chunked')}zz\r\n`.replace('GET', 'POST'), 400, /chunk/],
    ['an expectation', get('Expect: a-miracle'), 417, /Expect/],
  ])('refuses %s with a reason', async (_what, bytes, status, reason) => {
    const { server } = await start();
    const problem = problemIn(await answerTo(server, bytes));
    expect(problem).toMatchObject({ status, detail: expect.stringMatching(reason) });
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  });

  test('says to whom headers come too slowly that they did', async () => {
    const { app } = fakeApp();
    const options = { host: '127.0.0.1', port: 0, variable: 'LISTEN', headersDeadlineMs: 100 };
    const server = await serve(app, options);
    listening.push(server);
    const problem = problemIn(await answerTo(server, 'GET /healthz HTTP/1.1\r\nHost: x\r\nx:'));
    expect(problem).toMatchObject({ status: 408, detail: expect.stringContaining('0.1 s') });
  });

  test('gives the reason also to a sender who goes on sending', async () => {
    const { server } = await start();
    const socket = connect(server.port, '127.0.0.1');
    for (let n = 0; n < 50; n++) socket.write('x'.repeat(10_000));
    expect(problemIn(await allOf(socket)).status).toBe(400);
  });

  test('writes nothing into an answer that has begun', async () => {
    const release = Promise.withResolvers<void>();
    const stream = new ReadableStream({
      async start(controller) {
        controller.enqueue(Buffer.from('first'));
        await release.promise;
        controller.close();
      },
    });
    const server = await serve(
      { fetch: () => new Response(stream) },
      { host: '127.0.0.1', port: 0, variable: 'LISTEN' },
    );
    listening.push(server);
    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => undefined);
    let answer = '';
    socket.on('data', (bytes) => {
      if (answer === '') socket.write('GARBAGE\r\n\r\n');
      answer += bytes;
    });
    socket.write(get());
    await once(socket, 'close');
    release.resolve();
    expect(answer).toContain('first');
    expect(answer).not.toContain('problem');
  });
});

test('a connection past the bound is closed; a free place is used again', async () => {
  const { app } = fakeApp();
  const server = await serve(app, {
    host: '127.0.0.1',
    port: 0,
    variable: 'LISTEN',
    maxConnections: 2,
  });
  listening.push(server);
  const idle = [connect(server.port, '127.0.0.1'), connect(server.port, '127.0.0.1')];
  await Promise.all(idle.map((socket) => once(socket, 'connect')));
  const refused = connect(server.port, '127.0.0.1');
  refused.on('error', () => undefined);
  await once(refused, 'close');
  idle[0]?.destroy();
  await waitFor(async () => (await fetch(`${server.url}/healthz`)).ok);
  idle[1]?.destroy();
});

/** `request_timeout` of mod_lhc, by default. */
const MOD_LHC_TIMEOUT_MS = 15_000;

describe('unverified bodies of the webhook', () => {
  /** Headers as they should be. Nobody can know from them whether the signature is right. */
  const head = (server: Listening, length: number) =>
    [
      'POST /ejabberd/events HTTP/1.1',
      `Host: 127.0.0.1:${server.port}`,
      'webhook-id: b',
      `webhook-timestamp: ${Math.floor(Date.now() / 1000)}`,
      `webhook-signature: v1,${Buffer.alloc(32).toString('base64')}`,
      `Content-Length: ${length}`,
      '',
      '',
    ].join('\r\n');
  const open = (server: Listening, length = 4_000_000) => {
    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(head(server, length));
    return socket;
  };
  const batch = (server: Listening, body = '[]') => {
    const at = new Date();
    return fetch(`${server.url}/ejabberd/events`, {
      method: 'POST',
      body,
      signal: AbortSignal.timeout(MOD_LHC_TIMEOUT_MS),
      headers: {
        'webhook-id': 'real',
        'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
        'webhook-signature': new Webhook(WEBHOOK_SECRET).sign('real', at, body),
      },
    });
  };

  test('the headers are looked at before a byte of the body', async () => {
    const { server } = await start({ now: Date.now });
    for (const line of ['webhook-timestamp', 'webhook-signature']) {
      const socket = connect(server.port, '127.0.0.1');
      const lines = head(server, 4_000_000).split('\r\n');
      socket.write(lines.map((each) => (each.startsWith(line) ? `${line}: 1` : each)).join('\r\n'));
      expect(await text(socket)).toContain('401 Unauthorized');
    }
  });

  test('that come slowly do not keep a real sender out', async () => {
    const { server, calls } = await start({ now: Date.now });
    const slow = Array.from({ length: UNVERIFIED_AT_ONCE + 20 }, () => open(server));
    await Promise.all(slow.map((socket) => once(socket, 'connect')));
    await delay(50); // let them take their places; nothing depends on it
    expect((await batch(server)).status).toBe(204);
    expect(calls.batches).toHaveLength(1);
    for (const socket of slow) socket.destroy();
  });

  test('wait in a bounded line', async () => {
    const { server } = await start({ now: Date.now });
    const most = UNVERIFIED_SHARE * (UNVERIFIED_AT_ONCE + UNVERIFIED_WAITING);
    const slow = Array.from({ length: most + 40 }, () => open(server));
    const refusal = async (socket: (typeof slow)[number]): Promise<string> => {
      const all = await text(socket);
      if (!all.includes('503 Service Unavailable')) throw new Error(all);
      return all;
    };
    const answer = await Promise.any(slow.map(refusal));
    expect(answer).toContain(`Retry-After: ${UNVERIFIED_RETRY_AFTER_S}`);
    for (const socket of slow) socket.destroy();
  });

  test.each([
    ['127.0.0.2', 'of another address', '[]'],
    ['127.0.0.1', 'behind the same proxy', '[]'],
    ['127.0.0.1', 'of 60 kB behind the same proxy', `[${' '.repeat(60_000)}]`],
  ])(
    'of the address %s, reopened again and again, refuse no batch %s',
    async (localAddress, _which, body) => {
      const { server, calls } = await start({ now: Date.now });
      let attacking = true;
      const attack = () => {
        const socket = connect({ port: server.port, host: '127.0.0.1', localAddress });
        socket.on('error', () => undefined);
        socket.write(`${head(server, 4_000_000)}[`);
        socket.resume();
        socket.on('close', () => attacking && setTimeout(attack, 100));
        sockets.add(socket);
        socket.on('close', () => sockets.delete(socket));
        return socket;
      };
      const sockets = new Set<ReturnType<typeof connect>>();
      await Promise.all(Array.from({ length: 100 }, () => once(attack(), 'connect')));
      for (let i = 0; i < 20; i++) expect((await batch(server, body)).status).toBe(204);
      expect(calls.batches).toHaveLength(20);
      attacking = false;
      for (const socket of sockets) socket.destroy();
    },
  );
});

test('the error for a port in use names the port and the variable that changes it', async () => {
  const { server } = await start();
  await expect(start({}, server.port)).rejects.toMatchObject({
    code: 'conflict',
    message: `another program uses 127.0.0.1:${server.port}: set LISTEN to another address`,
  });
});

test('the error for an address of another machine names the variable', async () => {
  const { app } = fakeApp();
  const nowhere = serve(app, { host: '192.0.2.1', port: 0, variable: 'LISTEN' });
  await expect(nowhere).rejects.toMatchObject({
    code: 'invalid',
    message: expect.stringContaining('LISTEN'),
  });
});

test('close lets running requests finish, accepts no more, and does not wait for idle connections', async () => {
  const entered = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const { server } = await start({
    typing: async () => {},
    eraseVisitor: () => Promise.reject(new Error('nobody is erased here')),
    inbox: { take: async () => {} },
    deadLetters: {
      list: async () => {
        entered.resolve();
        await release.promise;
        return { items: [], next: null };
      },
      show: async () => null,
      sendAgain: async () => {},
      discard: async () => {},
    },
  });
  await (await fetch(`${server.url}/healthz`)).text(); // leaves an idle connection
  const slow = fetch(`${server.url}/debug/dead-letters`, {
    headers: { Authorization: 'Bearer admin-token-of-the-tests' },
  });
  await entered.promise;
  const closed = server.close(10_000);
  await expect(fetch(`${server.url}/healthz`)).rejects.toThrow();
  release.resolve();
  const last = await slow;
  expect([last.status, last.headers.get('connection')]).toEqual([200, 'close']);
  await closed;
});

test('close ends requests that are not done by the deadline', async () => {
  const entered = Promise.withResolvers<void>();
  const never = Promise.withResolvers<never>();
  const { server } = await start({
    checks: {
      stuck: () => {
        entered.resolve();
        return never.promise;
      },
    },
  });
  const stuck = fetch(`${server.url}/readyz`);
  await entered.promise;
  await Promise.all([server.close(20), expect(stuck).rejects.toThrow()]);
});
