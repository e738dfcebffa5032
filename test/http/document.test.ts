/** Answers match the OpenAPI document: every GET, over a real log that has some of everything. */
import { z } from '@hono/zod-openapi';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { AppError } from '../../src/errors.ts';
import {
  answers,
  assigns,
  type ChatScene,
  closes,
  delays,
  openChatScene,
  says,
  starts,
} from '../projections/chat-scene.ts';
import { ADMIN, fakeApp } from './fakes.ts';

type Json = Readonly<Record<string, unknown>>;

interface Operation {
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: Json }>> }>
  >;
}

let scene: ChatScene;
let ask: ReturnType<typeof fakeApp>['ask'];
let document: {
  readonly paths: Readonly<Record<string, { readonly get?: Operation; readonly post?: Operation }>>;
  readonly components: { readonly schemas: Readonly<Record<string, Json>> };
};

beforeAll(async () => {
  scene = await openChatScene();
  const { log, live, happens } = scene;
  await log.operator('op', { type: 'ClaimAccount', adopted: false });
  await log.operator('op', {
    type: 'Register',
    lhcUserId: 1,
    departments: ['sales'],
    capacity: 3,
    name: 'Olga',
    nameChanged: true,
  });
  const session = { session: 's', resource: 'r' };
  await log.operator('op', { type: 'OpenSession', ...session });
  await log.operator('op', { type: 'ChangePresence', ...session, show: 'dnd', status: 'busy' });
  await happens('7', {
    type: 'ViewPage',
    digest: 'd',
    department: 'sales',
    delays,
    profile: {
      page: '/',
      title: 'T',
      referrer: 'R',
      nick: 'Ann',
      country: 'C',
      city: 'Y',
      timezone: 'Europe/Riga',
      visits: 3,
    },
  });
  await happens(
    '7',
    starts('c1'),
    says('m1'),
    assigns('c1', 'op'),
    answers('op', 'o1'),
    closes('c1'),
  );
  await happens('8', starts('c2', null), says('m2'));
  const olga = { chatId: 'c3', lhcUserId: 7, name: 'Olga', operator: null, isOnline: false };
  await happens(
    '9',
    starts('c3'),
    { type: 'SetOwner', accepted: true, ...olga },
    { type: 'WriteInLhc', messageId: 'l1', body: 'Hi', ...olga },
  );
  ({ ask } = fakeApp({
    readModels: live.readModels,
    store: log.store,
    vault: log.vault,
    now: log.now,
  }));
  document = (await ask('GET', '/openapi.json')).json;
});
afterAll(() => scene.log.close());

/** The schema without references. Objects allow no other properties than those that it names. */
function strict(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(strict);
  if (typeof schema !== 'object' || schema === null) return schema;
  const { $ref, ...rest } = schema as { readonly $ref?: string };
  if ($ref !== undefined) return strict(document.components.schemas[$ref.split('/').at(-1) ?? '']);
  const own = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, strict(value)]));
  return 'properties' in own && !('additionalProperties' in own)
    ? { ...own, additionalProperties: false }
    : own;
}

/** The document's schema of an answer. Fails if the document has none for this status and type. */
function documented(path: string, status: number, type: string) {
  const response = document.paths[path]?.get?.responses[status];
  expect(response, `${path} has ${status}`).toBeDefined();
  const schema = response?.content?.[type]?.schema;
  expect(schema, `${path} ${status} has ${type}`).toBeDefined();
  return z.fromJSONSchema(strict(schema) as Parameters<typeof z.fromJSONSchema>[0]);
}

const askAndCheck = async (path: string, url: string, key?: string | null) => {
  const { status, json, headers } = await ask('GET', url, key === undefined ? {} : { key });
  const parsed = documented(path, status, headers.get('content-type') ?? '').safeParse(json);
  expect(parsed.error?.issues ?? [], url).toEqual([]);
  return { status, json };
};

const VALUES: Readonly<Record<string, string>> = {
  tenant: 'acme',
  key: '7',
  username: 'op',
  name: 'greeting',
  chatId: 'c1',
};
/** Parameters that an endpoint must have. */
const REQUIRED: Readonly<Record<string, string>> = { '/v1/{tenant}/search': '?q=words' };
const urlOf = (path: string, values = VALUES) =>
  path.replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name] ?? name) + (REQUIRED[path] ?? '');
const READS = [
  'visitors',
  'visitors/{key}',
  'visitors/{key}/messages',
  'chats',
  'chats/{chatId}',
  'operators',
  'operators/{username}',
  'canned-texts',
  'canned-texts/{name}',
  'departments',
  'queue',
  'stats',
  'search',
].map((path) => `/v1/{tenant}/${path}`);
READS.push('/v1/{tenant}');

test('this file covers every GET of a tenant', () => {
  const paths = Object.entries(document.paths).filter(
    ([path, { get }]) => get && path.startsWith('/v1/{tenant}'),
  );
  expect(paths.map(([path]) => path).toSorted()).toEqual(
    [...READS, '/v1/{tenant}/stream', '/v1/{tenant}/visitors/{key}/data'].toSorted(),
  );
});

test.each(READS)('%s answers as documented', async (path) => {
  const { status, json } = await askAndCheck(path, urlOf(path));
  expect(status).toBe(200);
  if ('items' in json) expect(json.items.length).toBeGreaterThan(0);
  if (path.endsWith('stats'))
    expect([json.operators.length, json.departments.length]).toEqual([1, 2]);
  expect(
    (await askAndCheck(path, `${urlOf(path)}${path in REQUIRED ? '&' : '?'}colour=red`)).status,
  ).toBe(400);
  expect((await askAndCheck(path, urlOf(path), null)).status).toBe(401);
  expect((await askAndCheck(path, urlOf(path, { ...VALUES, tenant: 'gone' }), ADMIN)).status).toBe(
    404,
  );
});

test.each([
  // Bounded as a tenant's key is; no admin token is let in, which alone is told that there is no such tenant.
  ['/lhc/webhooks/{tenant}', ['429'], ['404', '409']],
  // Of a tenant that is being removed.
  ['/v1/{tenant}/batch', ['404', '409', '429'], []],
  ['/v1/{tenant}/callback-test', ['404', '409', '429'], []],
])('%s: the document has its problems', (path, has, hasNot) => {
  const statuses = Object.keys(document.paths[path]?.post?.responses ?? {});
  expect(statuses).toEqual(expect.arrayContaining(has));
  expect(statuses.filter((status) => hasNot.includes(status))).toEqual([]);
});

test('a problem with retryAfter matches the document', async () => {
  const path = '/v1/{tenant}/queue';
  const readModels = {
    ...fakeApp().deps.readModels,
    reach: async () => {
      throw new AppError('unavailable', 'is being built', { retryAfter: 5 });
    },
  };
  const { json } = await fakeApp({ readModels }).ask('GET', urlOf(path));
  expect(json).toMatchObject({ status: 503, retryAfter: 5 });
  expect(documented(path, 503, 'application/problem+json').parse(json)).toEqual(json);
});

test('the check finds answers that differ from the document', async () => {
  const path = '/v1/{tenant}/visitors';
  const { json } = await ask('GET', urlOf(path));
  const schema = documented(path, 200, 'application/json');
  const [first, ...others] = json.items;
  for (const wrong of [
    { ...first, more: 1 },
    { ...first, presence: 'x' },
    { ...first, visits: '3' },
  ]) {
    expect(schema.safeParse({ ...json, items: [wrong, ...others] }).success).toBe(false);
  }
  expect(schema.safeParse({ items: [], next: null }).success).toBe(false);
});

test.each([
  '/healthz',
  '/readyz',
  '/debug/projections',
  '/debug/webhooks',
  '/debug/events',
  '/debug/dead-letters',
  '/debug/machines/visitor',
  '/debug/machines/operator',
  '/debug/machines/tenant',
  '/debug/streams/visitor-acme.7/steps',
  '/debug/streams/operator-acme.op/steps',
  '/debug/streams/visitor-acme.7/diff?a=1&b=4',
  '/debug/streams/visitor-acme.7/state?revision=3',
  '/debug/streams',
  '/debug/search?q=c1',
])('%s answers as documented', async (url) => {
  const path = url
    .replace(/\?.*/, '')
    .replace(/(?<=streams\/)[^/]+/, '{stream}')
    .replace(/(?<=machines\/)\w+/, '{kind}');
  expect((await askAndCheck(path, url, ADMIN)).status).toBe(200);
});
