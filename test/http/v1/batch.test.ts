/** Several commands in one request: each is let in, bounded and answered as if it had come alone. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createTenantDirectory } from '../../../src/actors/tenant/directory.ts';
import type { VisitorCommand } from '../../../src/actors/visitor/decisions.ts';
import { AppError } from '../../../src/errors.ts';
import { COMMAND_DEADLINE_MS } from '../../../src/http/frame/commands.ts';
import { BURST_SECONDS, KEPT_SHARE } from '../../../src/http/frame/limits.ts';
import { BATCH_AT_ONCE, MAX_BATCH_REQUESTS } from '../../../src/http/v1/batch.ts';
import { currentTrace } from '../../../src/runtime/cause.ts';
import { tenantWith } from '../../support/tenant.ts';
import { ADMIN, fakeApp, KEYS, visitorsThat } from '../fakes.ts';

afterEach(() => {
  vi.useRealTimers();
});

interface Request {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
}
type App = Pick<ReturnType<typeof fakeApp>, 'ask'>;

const view = (visitor: string, n = 0): Request => ({
  id: `view-${visitor}-${n}`,
  method: 'POST',
  path: `visitors/${visitor}/page-views`,
  body: { page: `/${n}` },
});
const send = async ({ ask }: App, requests: readonly unknown[], key: string = KEYS.acme) =>
  ask('POST', '/v1/acme/batch', { body: { requests }, key });
const statuses = async (app: App, requests: readonly Request[], key?: string) => {
  const { json } = await send(app, requests, key);
  return json.results.map(({ status }: { status: number }) => status);
};

/** Visitors that answer when the test says so. */
function slowVisitors() {
  const running: { command: VisitorCommand; end: () => void }[] = [];
  const { deps, calls } = fakeApp();
  const first = deps.actors.visitor;
  const actors = visitorsThat((visitor, command, origin) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    running.push({ command, end: resolve });
    if (visitor.kind !== 'visitor') throw new Error('a visitor');
    return promise.then(() => first(visitor.tenant, visitor.name).send(command, origin));
  });
  return { ask: fakeApp({ actors }).ask, calls, running };
}

const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
const OTHER = TRACEPARENT.replace('4bf9', '5bf9');

test('each request of a batch has its own id, and its own trace or that of the batch', async () => {
  const causes: unknown[] = [];
  const actors = visitorsThat((actor) => {
    const { correlationId, traceparent, tracestate } = currentTrace() ?? {};
    causes.push({ correlationId, traceparent, tracestate });
    return Promise.resolve({ actor, state: {}, revision: 0, position: null, facts: 1 });
  });
  const requests = [
    view('1'),
    { ...view('1', 1), traceparent: OTHER, tracestate: 'b=2' },
    { ...view('1', 2), traceparent: 'nonsense', tracestate: 'b=2' },
  ];
  const headers = { 'x-request-id': 'req-1', traceparent: TRACEPARENT, tracestate: 'a=1' };
  const { status } = await fakeApp({ actors }).ask('POST', '/v1/acme/batch', {
    body: { requests },
    key: KEYS.acme,
    headers,
  });
  expect(status).toBe(200);
  expect(causes).toEqual([
    { correlationId: 'req-1.0', traceparent: TRACEPARENT, tracestate: 'a=1' },
    { correlationId: 'req-1.1', traceparent: OTHER, tracestate: 'b=2' },
    { correlationId: 'req-1.2', traceparent: undefined, tracestate: undefined },
  ]);
});

describe('a batch', () => {
  test('answers each request as if it had come alone, in the same order', async () => {
    const requests: readonly Request[] = [
      view('7'),
      { id: 'p', method: 'POST', path: 'visitors/7/typing', body: { state: 'composing' } },
      { id: 'o', method: 'PUT', path: 'operators/olga', body: { lhcUserId: 1, password: 'x' } },
      { id: 'r', method: 'DELETE', path: 'operators/olga' },
      { id: 't', method: 'POST', path: 'visitors/7/chats/c1/transfer', body: { operator: 'op' } },
      { id: 'd', method: 'DELETE', path: 'visitors/8' },
      { id: 'w', method: 'POST', path: 'visitors/9/page-views', body: { page: 3, nick: 'Ann' } },
      { id: 'n', method: 'POST', path: 'visitors/9/page-views', body: {} },
      { id: 'i', method: 'POST', path: 'visitors/No one/page-views', body: { page: '/' } },
      {
        id: 'c',
        method: 'POST',
        path: 'visitors/9/page-views',
        body: { page: '/', nick: '\u0001x' },
      },
    ];
    const { status, json } = await send(fakeApp(), requests);
    expect(status).toBe(200);
    const alone = fakeApp();
    for (const [i, { id, method, path, body }] of requests.entries()) {
      const answer = await alone.ask(method, `/v1/acme/${path.replace(' ', '%20')}`, {
        ...(method !== 'DELETE' && { body }),
        headers: { 'Idempotency-Key': id },
      });
      const { status, json: own } = answer;
      expect(json.results[i], id).toEqual({ id, status, body: own });
    }
  });

  test('has the id as the Idempotency-Key, with the fingerprint of the request alone', async () => {
    const batched = fakeApp();
    await send(batched, [view('7')]);
    const alone = fakeApp();
    const { id, path, body } = view('7');
    const headers = { 'Idempotency-Key': id };
    await alone.ask('POST', `/v1/acme/${path}`, { body, headers });
    const originOf = ({ calls }: typeof alone) => {
      const { correlationId, ...origin } = calls.commands[0]?.origin ?? {};
      return origin;
    };
    expect(originOf(batched)).toEqual(originOf(alone));
    expect(originOf(batched).commandId).toBe(`key:${id}`);
  });

  test.each([
    ['another tenant', '../beta/visitors/7/page-views'],
    ['another tenant, from the root', '/v1/beta/visitors/7/page-views'],
    ['a slash in front', '/visitors/7/page-views'],
    ['a query', 'visitors/7/page-views?x=1'],
    ['a batch', 'batch'],
    ['a connection test', 'callback-test'],
    ['all tenants', '../tenants/acme'],
    ['nothing', ''],
    ['a segment too many', 'visitors/7/page-views/'],
    ['an inherited name', '__proto__'],
  ])('has no path to %s', async (_, path) => {
    const app = fakeApp();
    const { json } = await send(app, [
      { id: 'x', method: 'POST', path, body: { page: '/' } },
      view('8'),
    ]);
    expect(json.results.map(({ status }: { status: number }) => status)).toEqual([404, 202]);
    expect(app.calls.commands.map(({ visitor }) => visitor)).toMatchObject([
      { tenant: 'acme', name: '8' },
    ]);
  });

  test.each([
    ['visitors/../page-views', 'key'],
    ['visitors/%37/page-views', 'key'],
    ['operators/..', 'username'],
  ])('an id like any other: %s', async (path, field) => {
    const app = fakeApp();
    const method = path.startsWith('op') ? 'PUT' : 'POST';
    const { json } = await send(app, [{ id: 'x', method, path, body: { page: '/' } }]);
    expect(json.results).toMatchObject([{ status: 400, body: { errors: [{ field }] } }]);
    expect(app.calls.commands).toEqual([]);
  });

  test('needs a body where the command needs one', async () => {
    const { json } = await send(fakeApp(), [{ ...view('7'), body: undefined }]);
    expect(json.results).toMatchObject([
      { status: 400, body: { errors: [{ field: '', reason: 'is required' }] } },
    ]);
  });

  test('takes no queries', async () => {
    const requests = [
      { id: 'a', method: 'GET', path: 'visitors/7' },
      { id: 'b', method: 'get', path: 'operators/olga' },
      { id: 'c', method: 'HEAD', path: 'visitors' },
    ];
    expect(await statuses(fakeApp(), requests)).toEqual([405, 405, 404]);
  });

  test.each([
    [{}, 'requests'],
    [{ requests: [] }, 'requests'],
    [{ requests: [view('7')], more: 1 }, 'more'],
    [
      { requests: Array.from({ length: MAX_BATCH_REQUESTS + 1 }, (_, n) => view('7', n)) },
      'requests',
    ],
    [{ requests: [view('7'), view('8'), view('7')] }, 'requests.2.id'],
    [{ requests: [{ ...view('7'), id: 'a b' }] }, 'requests.0.id'],
    [{ requests: [{ ...view('7'), headers: {} }] }, 'requests.0.headers'],
  ])('of another form is refused whole, and nothing happens', async (body, field) => {
    const { ask, calls } = fakeApp();
    const { status, json } = await ask('POST', '/v1/acme/batch', { body });
    expect([status, json.errors[0].field]).toEqual([400, field]);
    expect(calls.commands).toEqual([]);
  });

  test('is let in by one look at the key', async () => {
    let looks = 0;
    const { tenants } = fakeApp().deps;
    const counting = {
      ...tenants,
      get: (id: Parameters<typeof tenants.get>[0]) => {
        looks += 1;
        return tenants.get(id);
      },
    };
    await send(fakeApp({ tenants: counting }), [view('7'), view('8'), view('9')]);
    expect(looks).toBe(1);
  });

  test('takes every command of visitors and operators that the document has', async () => {
    const app = fakeApp();
    const { paths } = (await app.ask('GET', '/openapi.json')).json;
    const commands = Object.entries<object>(paths).flatMap(([path, item]) =>
      Object.keys(item)
        .filter(
          (method) => method !== 'get' && /^\/v1\/\{tenant\}\/(visitors|operators)/.test(path),
        )
        .map((method, n) => ({
          id: `c${n}${path.replaceAll(/\W/g, '.')}`,
          method: method.toUpperCase(),
          path: path.replace('/v1/{tenant}/', '').replaceAll(/\{\w+\}/g, '7'),
        })),
    );
    expect(commands.length).toBeGreaterThan(9);
    const found = await statuses(app, commands);
    expect(found.filter((status: number) => status === 404 || status === 405)).toEqual([]);
  });
});

describe('requests of a batch', () => {
  test('about one visitor run in their order, those about others side by side', async () => {
    const { running, ...app } = slowVisitors();
    const requests = [view('7', 0), view('8', 0), view('7', 1), view('8', 1)];
    const answer = statuses(app, requests);
    await vi.waitFor(() => expect(running).toHaveLength(2));
    running[1]?.end();
    await vi.waitFor(() => expect(running).toHaveLength(3));
    running[2]?.end();
    running[0]?.end();
    await vi.waitFor(() => expect(running).toHaveLength(4));
    running[3]?.end();
    expect(await answer).toEqual([202, 202, 202, 202]);
    const order = app.calls.commands.map(({ visitor, origin }) => [
      visitor.kind === 'visitor' && visitor.name,
      origin.commandId,
    ]);
    expect(order).toEqual([
      ['8', 'key:view-8-0'],
      ['8', 'key:view-8-1'],
      ['7', 'key:view-7-0'],
      ['7', 'key:view-7-1'],
    ]);
  });

  test('run side by side up to a bound', async () => {
    const { running, ...app } = slowVisitors();
    const answer = statuses(
      app,
      Array.from({ length: BATCH_AT_ONCE + 1 }, (_, n) => view(`v${n}`)),
    );
    await vi.waitFor(() => expect(running).toHaveLength(BATCH_AT_ONCE));
    running[0]?.end();
    await vi.waitFor(() => expect(running).toHaveLength(BATCH_AT_ONCE + 1));
    for (const { end } of running) end();
    expect(new Set(await answer)).toEqual(new Set([202]));
  });

  test.each([
    [new AppError('unavailable', 'away', { retryAfter: 7 }), 503, 7],
    [new AppError('unfit', 'x'), 500, 1],
    [new Error('a defect'), 500, 1],
  ])('behind a failed one about the same visitor wait: %s', async (error, status, retryAfter) => {
    const tried: string[] = [];
    const actors = visitorsThat(async (visitor) => {
      if (visitor.kind === 'visitor') tried.push(visitor.name);
      throw error;
    });
    const { json } = await send(fakeApp({ actors }), [view('7', 0), view('8', 0), view('7', 1)]);
    expect(json.results).toMatchObject([
      { status },
      { status },
      { status: 503, body: { code: 'waits', retryAfter } },
    ]);
    expect(tried).toEqual(['7', '8']);
  });

  test('behind a refused one go on', async () => {
    const actors = visitorsThat(async () => {
      throw new AppError('refused', 'no');
    });
    expect(await statuses(fakeApp({ actors }), [view('7', 0), view('7', 1)])).toEqual([409, 409]);
  });

  test('are answered by the deadline of the batch, whatever still runs', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const { running, ...app } = slowVisitors();
    const requests = Array.from({ length: BATCH_AT_ONCE + 1 }, (_, n) => view(`v${n}`));
    const answer = send(app, [...requests, view('v0', 1)]);
    await vi.waitFor(() => expect(running).toHaveLength(BATCH_AT_ONCE));
    await vi.advanceTimersByTimeAsync(COMMAND_DEADLINE_MS);
    const { results } = (await answer).json;
    const detail = (i: number) => [results[i].status, results[i].body.code, results[i].body.detail];
    expect(detail(0)).toEqual([503, 'timeout', expect.stringContaining('does not know yet')]);
    expect(detail(BATCH_AT_ONCE)).toEqual([503, 'timeout', expect.stringContaining('nothing')]);
    expect(detail(BATCH_AT_ONCE + 1).slice(0, 2)).toEqual([503, 'waits']);
    expect(running).toHaveLength(BATCH_AT_ONCE);
  });
});

describe("a tenant's bounds", () => {
  const RATE = 8;
  const BURST = RATE * BURST_SECONDS;
  const KEPT = BURST * KEPT_SHARE;
  const tenants = createTenantDirectory([
    tenantWith({ id: 'acme', host: 'a.test', apiKey: KEYS.acme, requestsPerSecond: RATE }),
    tenantWith({ id: 'beta', host: 'b.test', apiKey: KEYS.beta, requestsPerSecond: RATE }),
  ]);
  const views = Array.from({ length: 2 * BURST }, (_, n) => view(`v${n}`));
  const messages = views.map(({ id }, n) => ({
    id: `m${id}`,
    method: 'POST',
    path: `visitors/m${n}/messages`,
    body: { id: `m${n}`, body: 'Hello' },
  }));
  const admitted = (all: readonly number[]) => all.filter((status) => status === 202).length;

  test('count each request: what is above is 429, and messages go first', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const app = fakeApp({ tenants });
    const all = await statuses(app, [...views, ...messages]);
    // One of the requests is the batch itself.
    expect(admitted(all.slice(0, views.length))).toBe(BURST - KEPT - 1);
    expect(admitted(all.slice(views.length))).toBe(KEPT);
    expect(all.filter((status: number) => status === 429)).toHaveLength(4 * BURST - BURST + 1);
    const { text } = await app.ask('GET', '/metrics', { key: ADMIN });
    expect(text).toContain('bound="requestsPerSecond"} 49');
    const foreign = { ...view('7'), path: 'visitors/7/page-views' };
    const { json } = await app.ask('POST', '/v1/beta/batch', {
      body: { requests: [foreign] },
      key: KEYS.beta,
    });
    expect(json.results).toMatchObject([{ status: 202 }]);
  });

  test('refuse a batch whole only if not one message may come', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const app = fakeApp({ tenants });
    await send(app, messages);
    const { status, headers } = await send(app, [view('7')]);
    expect([status, headers.get('retry-after')]).toEqual([429, '1']);
    vi.advanceTimersByTime(1_000);
    expect(admitted(await statuses(app, messages))).toBe(RATE - 1);
  });

  test('do not bind the administrator', async () => {
    const all = await statuses(fakeApp({ tenants }), [...views, ...messages], ADMIN);
    expect(admitted(all)).toBe(views.length + messages.length);
  });

  test('of visitors turn away those who are new, and their later requests wait', async () => {
    const crowd = { full: () => ({ setting: 'maxOnlineVisitors', retryAfterS: 9 }) as const };
    const { deps } = fakeApp();
    const actors = {
      visitor: (...of: Parameters<typeof deps.actors.visitor>) => ({
        ...deps.actors.visitor(...of),
        state: async () => null,
      }),
    };
    const { json } = await send(fakeApp({ crowd, actors }), [
      view('7', 0),
      view('7', 1),
      view('8'),
    ]);
    expect(json.results).toMatchObject([
      { status: 429, body: { code: 'too-many-requests', retryAfter: 9 } },
      { status: 503, body: { code: 'waits', retryAfter: 9 } },
      { status: 429 },
    ]);
  });
});

test('each request is counted under its own path, and the batch under its own', async () => {
  const app = fakeApp();
  await send(app, [view('7'), view('8')]);
  const { text } = await app.ask('GET', '/metrics', { key: ADMIN });
  const count = (route: string, status: number) =>
    `xmpp_chat_http_request_duration_seconds_count{method="post",route="/v1/{tenant}/${route}",status="${status}"}`;
  expect(text).toContain(`${count('visitors/{key}/page-views', 202)} 2`);
  expect(text).toContain(`${count('batch', 200)} 1`);
});
