import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { pino } from 'pino';
import { afterEach, expect, test } from 'vitest';
import { type Listening, serve } from '../../src/http/serve.ts';
import { fakeApp, KEYS } from './fakes.ts';

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

test('a body whose Content-Length is too large is not read, and the connection still works', async () => {
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

test('bytes that are not HTTP get 400, and the server goes on', async () => {
  const { server } = await start();
  const socket = connect(server.port, '127.0.0.1');
  socket.write('GARBAGE\r\n\r\n');
  expect(await text(socket)).toContain('400 Bad Request');
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
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
  expect((await slow).status).toBe(200);
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
