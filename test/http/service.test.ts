import { hash } from 'node:crypto';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { METRICS_EVERY_MS } from '../../src/http/metrics.ts';
import { traceOfLine } from '../../src/runtime/cause.ts';
import { ADMIN, fakeApp, KEYS } from './fakes.ts';

test('/healthz answers 200', async () => {
  const { ask } = fakeApp();
  const { status, json } = await ask('GET', '/healthz', { key: null });
  expect([status, json]).toEqual([200, { status: 'ok', version: '0.0.0-test' }]);
});

test('/readyz says which part is away; only the admin sees the reasons and the unfit actors', async () => {
  const { ask } = fakeApp({
    checks: {
      eventstore: async () => {},
      ejabberd: async () => {
        throw new Error('connect ECONNREFUSED 127.0.0.1:5443');
      },
    },
    unfitActors: () => ['visitor-acme.7'],
  });
  const anybody = await ask('GET', '/readyz', { key: null });
  expect([anybody.status, anybody.json]).toEqual([
    503,
    {
      status: 'not-ready',
      version: '0.0.0-test',
      checks: { eventstore: { ok: true }, ejabberd: { ok: false }, webhooks: { ok: true } },
      unfit: { count: 1 },
    },
  ]);
  const admin = await ask('GET', '/readyz', { key: ADMIN });
  expect(admin.json).toMatchObject({
    checks: { ejabberd: { ok: false, reason: 'connect ECONNREFUSED 127.0.0.1:5443' } },
    unfit: { count: 1, actors: ['visitor-acme.7'] },
  });
});

test('/readyz is 200 when every part answers, and concurrent callers share one check', async () => {
  let asked = 0;
  let now = 0;
  const { ask } = fakeApp({
    now: () => now,
    checks: {
      eventstore: async () => {
        asked += 1;
      },
    },
  });
  const all = await Promise.all([1, 2, 3].map(() => ask('GET', '/readyz', { key: null })));
  expect(all.map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(asked).toBe(1);
  now += 2000;
  await ask('GET', '/readyz', { key: null });
  expect(asked).toBe(2);
});

test('/metrics has requests, commands, the lag and the gauges of the service', async () => {
  const { ask } = fakeApp();
  await ask('POST', '/v1/acme/visitors/7/page-views', { body: { page: '/' } });
  await ask('POST', '/v1/acme/visitors/7/page-views', { body: {} });
  const { text, headers } = await ask('GET', '/metrics', { key: null });
  expect(headers.get('content-type')).toContain('text/plain');
  const route = 'method="post",route="/v1/{tenant}/visitors/{key}/page-views"';
  expect(text).toContain(`xmpp_chat_http_request_duration_seconds_count{${route},status="202"} 1`);
  expect(text).toContain(`xmpp_chat_http_request_duration_seconds_count{${route},status="400"} 1`);
  expect(text).toContain('xmpp_chat_commands_total{command="ViewPage",outcome="accepted"} 1');
  expect(text).toContain('xmpp_chat_projection_lag_seconds 1.5');
  expect(text).toContain('xmpp_chat_mailbox_depth 3');
  expect(text).toContain('nodejs_eventloop_lag');
  expect(text).not.toContain('acme');
});

test('/metrics has numbers of tenants only with the admin token, and only those that are there now', async () => {
  const away = new Map([['acme', 1_767_225_600]]);
  const tenantNumbers = { xmpp_chat_lhc_away_since: { help: 'Since when', values: () => away } };
  const { ask } = fakeApp({ tenantNumbers });
  const admin = await ask('GET', '/metrics', { key: ADMIN });
  expect(admin.text).toContain('xmpp_chat_lhc_away_since{tenant="acme"} 1767225600');
  expect((await ask('GET', '/metrics', { key: null })).text).not.toContain('away_since{');
  away.clear();
  const later = await ask('GET', '/metrics', { key: ADMIN });
  expect(later.text).not.toContain('away_since{');
});

test('/metrics names hosts of customers only with the admin token', async () => {
  const { ask } = fakeApp({ now: Date.now });
  const name = 'xmpp_chat_webhook_accepted_timestamp_seconds';
  const admin = await ask('GET', '/metrics', { key: ADMIN });
  expect(admin.text).toMatch(new RegExp(`^${name}{host="xmpp.test"} \\d`, 'm'));
  const { status, text } = await ask('GET', '/metrics', { key: null });
  expect(status).toBe(200);
  expect(text).toMatch(new RegExp(`^${name} \\d`, 'm'));
  expect(text).not.toMatch(/host=|xmpp\.test/);
});

test('/metrics answers 401 to a wrong token, so that a mistyped one is noticed', async () => {
  const { ask } = fakeApp();
  for (const authorization of [
    `Bearer ${ADMIN}x`,
    `Bearer ${KEYS.acme}`,
    'Bearer ',
    `Basic ${ADMIN}`,
  ]) {
    const { status, json } = await ask('GET', '/metrics', {
      key: null,
      headers: { authorization },
    });
    expect([status, json.code]).toEqual([401, 'unauthorized']);
  }
  const { ask: askWithout } = fakeApp({ adminToken: undefined });
  expect((await askWithout('GET', '/metrics', { key: ADMIN })).status).toBe(401);
  expect((await askWithout('GET', '/metrics', { key: null })).status).toBe(200);
  const { json } = await ask('GET', '/openapi.json', { key: null });
  const { security, responses } = json.paths['/metrics'].get;
  expect(security).toEqual([{ adminToken: [] }, {}]);
  expect(Object.keys(responses)).toContain('401');
});

test('/metrics collects the numbers at most once a second for callers without a token', async () => {
  let collected = 0;
  const value = () => {
    collected += 1;
    return collected;
  };
  const { ask } = fakeApp({ numbers: { xmpp_chat_collected: { help: 'Collections', value } } });
  const from = performance.now();
  for (let n = 0; n < 20; n += 1) await ask('GET', '/metrics', { key: null });
  const most = 1 + Math.ceil((performance.now() - from) / METRICS_EVERY_MS);
  expect(collected).toBeLessThanOrEqual(most);
  const { text } = await ask('GET', '/metrics', { key: ADMIN });
  expect(text).toMatch(new RegExp(`^xmpp_chat_collected ${collected}$`, 'm'));
});

test('/metrics has counters that end with _total, and no other number does', async () => {
  let dropped = 3;
  const { ask } = fakeApp({
    numbers: { xmpp_chat_dropped_total: { help: 'Dropped', value: () => dropped } },
  });
  const { text } = await ask('GET', '/metrics', { key: ADMIN });
  const types = [...text.matchAll(/^# TYPE (xmpp_chat_\S+) (\S+)$/gm)];
  expect(types.length).toBeGreaterThan(8);
  for (const [, name = '', type] of types) expect(name.endsWith('_total')).toBe(type === 'counter');
  expect(text).toMatch(/^xmpp_chat_dropped_total 3$/m);
  dropped = 5;
  const later = await ask('GET', '/metrics', { key: ADMIN });
  expect(later.text).toMatch(/^xmpp_chat_dropped_total 5$/m);
});

test('/openapi.json is OpenAPI 3.1 with the schemas that the parsers use', async () => {
  const { ask } = fakeApp();
  const { json } = await ask('GET', '/openapi.json', { key: null });
  expect(json.openapi).toBe('3.1.0');
  const view = json.components.schemas.PageView;
  expect(view).toMatchObject({ required: ['page'], additionalProperties: false });
  expect(view.properties.page).toMatchObject({ type: 'string' });
  expect(json.components.schemas.SendMessage.properties.body).toMatchObject({ minLength: 1 });
  const operation = json.paths['/v1/{tenant}/visitors/{key}/page-views'].post;
  expect(operation.security).toEqual([{ apiKey: [] }]);
  expect(Object.keys(operation.responses)).toEqual([
    '202',
    '400',
    '401',
    '404',
    '408',
    '409',
    '413',
    '415',
    '422',
    '429',
    '503',
  ]);
  expect(operation.parameters.map(({ name }: { name: string }) => name)).toEqual([
    'tenant',
    'key',
    'Idempotency-Key',
  ]);
});

test('every $ref of the document has a target, and every operation has its own id', async () => {
  const { ask } = fakeApp();
  const { json, text } = await ask('GET', '/openapi.json', { key: null });
  for (const [, ref] of text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)) {
    expect(json.components.schemas).toHaveProperty(String(ref));
  }
  const ids = [...text.matchAll(/"operationId":"(\w+)"/g)].map(([, id]) => id);
  expect(new Set(ids).size).toBe(ids.length);
});

test('/docs loads nothing from other hosts, and its policy allows only its own style sheet', async () => {
  const { ask } = fakeApp();
  const { status, text, headers } = await ask('GET', '/docs', { key: null });
  expect(status).toBe(200);
  expect(headers.get('content-type')).toContain('text/html');
  const style = /<style>([\s\S]*)<\/style>/.exec(text)?.[1] ?? '';
  const policy = headers.get('content-security-policy') ?? '';
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain(`'sha256-${hash('sha256', style, 'base64')}'`);
  expect(text).not.toMatch(/<script|src=|https?:\/\//);
  expect(text).toContain('POST /v1/{tenant}/visitors/{key}/page-views');
  // Every link of the contents has its target, and backticks became <code>.
  const listed = [...text.matchAll(/<td><a href="#(\w+)"><code>(?:GET|POST|PUT|DELETE) /g)];
  expect(listed.length).toBeGreaterThan(20);
  for (const [, id] of listed) expect(text).toContain(`<h3 id="${id}">`);
  expect(text.replaceAll(/<pre>[\s\S]*?<\/pre>|<code>.*?<\/code>/g, '')).not.toContain('`');
  // The `type` of a problem links to its explanation on this page.
  for (const code of ['refused', 'timeout', 'unsupported-media-type']) {
    expect(text).toContain(`id="${code}"`);
  }
});

test('the lines about a request have its trace', async () => {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line));
  const logger = pino({ base: null, level: 'debug', mixin: traceOfLine }, { write });
  const { ask } = fakeApp({ logger });
  const headers = {
    'x-request-id': 'req-1',
    traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  };
  await ask('GET', '/v1/acme/visitors', { headers });
  const about = lines.filter(({ requestId }) => requestId === 'req-1');
  expect(about.length).toBeGreaterThan(0);
  for (const { traceId } of about) expect(traceId).toBe('4bf92f3577b34da6a3ce929d0e0e4736');
});
