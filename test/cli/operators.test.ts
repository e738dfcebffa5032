/** Imports operators into a service that is busy, refuses rows, or goes away. */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text as readAll } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { importOperators } from '../../src/cli/operators-import.ts';
import { operatorsService } from '../../src/cli/operators-service.ts';

interface Put {
  readonly username: string;
  readonly key: string;
  readonly body: Record<string, unknown>;
}
interface Reply {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

let close: () => Promise<void> = async () => {};
afterEach(() => close());

const OPERATOR = {
  username: 'kate',
  lhcUserId: 1,
  name: 'Kate',
  departments: ['sales'],
  capacity: 5,
  free: 5,
  availability: 'offline',
  onlineSince: null,
  unresponsive: false,
  chats: [],
  more: 'later',
};

/** A service that lists one operator per page and records its requests. */
async function serviceWith(
  answer: (put: Put, times: number) => Reply | Promise<Reply>,
  listed: readonly unknown[] = [],
) {
  const puts: Put[] = [];
  const seen = { now: 0, most: 0 };
  const respond = async (request: IncomingMessage): Promise<Reply> => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://service');
    if (request.headers.authorization !== 'Bearer the-token') {
      return { status: 401, body: { detail: 'Send a key that is valid here.' } };
    }
    if (request.method === 'GET') {
      const at = Number(searchParams.get('cursor') ?? 0);
      const next = at + 1 < listed.length ? String(at + 1) : null;
      return { status: 200, body: { items: listed.slice(at, at + 1), next } };
    }
    const put = {
      username: pathname.split('/').at(-1) ?? '',
      key: String(request.headers['idempotency-key']),
      body: JSON.parse(await readAll(request)),
    };
    puts.push(put);
    const reply = await answer(put, puts.filter((each) => each.username === put.username).length);
    return { body: { position: 'p8' }, ...reply };
  };
  const server = createServer(async (request, response) => {
    seen.now += 1;
    seen.most = Math.max(seen.most, seen.now);
    const { status, body, headers } = await respond(request);
    seen.now -= 1;
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(body));
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  close = async () => {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  };
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // it listens on a port
  const pauses: number[] = [];
  const run = async (text: string, { dryRun = false, token = 'the-token' } = {}) => {
    const said: string[] = [];
    const warned: string[] = [];
    const service = operatorsService({ url, token }, 'acme', async (ms) => {
      pauses.push(ms);
    });
    const output = {
      say: (line: string) => said.push(line),
      warn: (line: string) => warned.push(line),
    };
    const done = await importOperators(text, service, output, { dryRun });
    return { done, said, warned };
  };
  return { run, puts, seen, pauses };
}

const fileOf = (count: number): string =>
  [
    'username,lhcUserId,password',
    ...Array.from({ length: count }, (_, i) => `o${i},${i + 10},pw`),
  ].join('\n');

describe('an import', () => {
  it('repeats a request to a busy service, or beyond a bound, with the same key, and waits as long as the service asks', async () => {
    const { run, puts, pauses } = await serviceWith((_put, times) =>
      times < 4
        ? { status: times === 2 ? 429 : 503, headers: { 'retry-after': times === 1 ? '3' : '0' } }
        : { status: 202 },
    );
    const { done, said } = await run(fileOf(1));
    expect(done).toBe(true);
    expect(said).toEqual(['created o0 (line 2)', 'created 1, changed 0, unchanged 0, failed 0']);
    expect(puts).toHaveLength(4);
    expect(new Set(puts.map(({ key }) => key)).size).toBe(1);
    expect(puts[0]?.key).toMatch(/^[\w-]{36}$/);
    expect(pauses).toHaveLength(3);
    expect(pauses[0]).toBe(3000);
    expect(pauses[2]).toBeGreaterThanOrEqual(1000);
    expect(pauses[2]).toBeLessThanOrEqual(2000);
  });

  it('sends at most four at once, each row once', async () => {
    const four = Promise.withResolvers<void>();
    const service = await serviceWith(async () => {
      if (service.seen.now === 4) four.resolve();
      await four.promise; // a fifth request would have come by then
      return { status: 202 };
    });
    const { run, puts, seen } = service;
    expect((await run(fileOf(40))).done).toBe(true);
    expect(puts.map(({ username }) => username).toSorted()).toEqual(
      Array.from({ length: 40 }, (_, i) => `o${i}`).toSorted(),
    );
    expect(seen.most).toBe(4);
  });

  it('compares with every page of the list, and sends the settings of a row', async () => {
    const listed = [OPERATOR, { ...OPERATOR, username: 'lena', lhcUserId: 2 }];
    const { run, puts } = await serviceWith(() => ({ status: 202 }), listed);
    const text = 'username,departments,capacity\nlena,help;sales,\nkate,sales,5\n';
    const dry = await run(text, { dryRun: true });
    expect(dry).toEqual({
      done: true,
      warned: [],
      said: [
        'would change lena (line 2): departments',
        'would create 0, would change 1, unchanged 1',
      ],
    });
    expect(puts).toEqual([]);
    expect((await run(text)).said.at(-1)).toBe('created 0, changed 1, unchanged 1, failed 0');
    expect(puts.map(({ username, body }) => ({ username, body }))).toEqual([
      { username: 'lena', body: { departments: ['help', 'sales'] } },
    ]);
  });

  it('says which row was refused, and goes on', async () => {
    const reason = 'LHC user 11 belongs to operator zoe';
    const { run } = await serviceWith(({ username }) =>
      username === 'o1'
        ? { status: 409, body: { detail: reason, errors: [{ field: 'lhcUserId', reason }] } }
        : { status: 202 },
    );
    const { done, said, warned } = await run(fileOf(3));
    expect(done).toBe(false);
    expect(said.at(-1)).toBe('created 2, changed 0, unchanged 0, failed 1');
    expect(warned).toEqual([`line 3: o1: 409 lhcUserId: ${reason}`]);
  });

  it('ends when the service stays away, and says which rows were not sent', async () => {
    const { run, puts } = await serviceWith(({ username }) =>
      username === 'o0' ? { status: 202 } : { status: 503 },
    );
    const { done, said, warned } = await run(fileOf(30));
    expect(done).toBe(false);
    expect(said.at(-1)).toBe('created 1, changed 0, unchanged 0, failed 29');
    expect(warned.filter((line) => line.includes('was not sent')).length).toBeGreaterThanOrEqual(
      25,
    );
    expect(puts.length).toBeLessThanOrEqual(1 + 4 * 10);
  });

  it('sends nothing if the file has a fault', async () => {
    const { run, puts } = await serviceWith(() => ({ status: 202 }), [OPERATOR]);
    await expect(run(`${fileOf(3)}\nbad,x,pw\no9,12,pw`)).rejects.toThrow(
      /^nothing was sent; 2 faults:\nline 5: lhcUserId: is not .*\nline 6: lhcUserId: 12 is on line 4 too$/,
    );
    await expect(run('username,lhcUserId,capacity\nnew,,x')).rejects.toThrow(
      /^nothing was sent; 3 faults:\nline 2: capacity: .*\nline 2: lhcUserId: is req.*\nline 2: password: /,
    );
    await expect(run('username\nA', { token: 'another' })).rejects.toThrow(/^nothing was sent; 1/);
    await expect(run('username,lhcUserId,password\nnew,1,pw')).rejects.toThrow(
      /line 2: lhcUserId: belongs to operator kate/,
    );
    expect(puts).toEqual([]);
  });

  it('says which token it needs', async () => {
    const { run } = await serviceWith(() => ({ status: 202 }));
    await expect(run(fileOf(1), { token: 'another' })).rejects.toThrow(
      /^401 .*--token is neither a key of tenant acme nor the admin token$/,
    );
  });

  it('says that another program answers', async () => {
    const { run } = await serviceWith(() => ({ status: 202 }), [{ strange: true }]);
    await expect(run(fileOf(1))).rejects.toThrow(/is not this service/);
  });
});
