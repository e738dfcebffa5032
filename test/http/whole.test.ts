/** The API over a real log, real actors and real read models, without ejabberd and LHC. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TenantId } from '../../src/actors/ids.ts';
import { TenantSettings } from '../../src/actors/tenant/settings.ts';
import { AppError } from '../../src/errors.ts';
import { digestOf } from '../../src/kit/key-digest.ts';
import { type Following, type Log, openTestLog } from '../projections/log.ts';
import { ADMIN, fakeApp, KEYS } from './fakes.ts';

let log: Log;
let live: Following;
let ask: ReturnType<typeof fakeApp>['ask'];
beforeAll(async () => {
  log = await openTestLog();
  live = log.follow('live.db');
  ({ ask } = fakeApp({
    actors: log.actors,
    readModels: live.readModels,
    store: log.store,
    vault: log.vault,
    now: log.now,
    positionWaitMs: 2000,
  }));
});
afterAll(() => log.close());

const VISITOR = '/v1/acme/visitors/7';
const debug = (path: string) => ask('GET', `/debug/${path}`, { key: ADMIN });

describe('a command', () => {
  test('is in the answer of a query with its position', async () => {
    const view = await ask('POST', `${VISITOR}/page-views`, { body: { page: '/', nick: 'Ann' } });
    expect(view.json).toMatchObject({
      actor: 'visitor-acme.7',
      state: { presence: 'online', conversation: 'none' },
      revision: 0,
    });
    const position = encodeURIComponent(view.json.position);
    const { json } = await ask('GET', `${VISITOR}?minPosition=${position}`);
    expect(json).toMatchObject({ key: '7', nick: 'Ann', page: '/', revision: 0 });
  });

  test('that is sent twice is carried out once', async () => {
    log.passes(1000);
    const chat = { chatId: 'c1', message: { id: 'm1', body: 'Hello' } };
    const first = await ask('POST', `${VISITOR}/chats`, { body: chat });
    const again = await ask('POST', `${VISITOR}/chats`, { body: chat });
    expect(again.json).toEqual(first.json);
    const position = encodeURIComponent(again.json.position);
    const { json } = await ask('GET', `${VISITOR}/messages?minPosition=${position}`);
    expect(json.items).toEqual([expect.objectContaining({ id: 'm1', body: 'Hello' })]);
  });

  test('that is refused leaves nothing in the log', async () => {
    const head = await log.store.head();
    const other = await ask('POST', `${VISITOR}/chats`, { body: { chatId: 'c2' } });
    expect([other.status, other.json.detail]).toEqual([409, 'chat c1 is open; close it first']);
    const unknown = await ask('POST', '/v1/acme/visitors/8/messages', { body: { body: 'Hello' } });
    expect(unknown.status).toBe(404);
    expect((await ask('POST', `${VISITOR}/messages`, { body: { body: '\u0000' } })).status).toBe(
      400,
    );
    expect(await log.store.head()).toBe(head);
  });
});

describe('/debug', () => {
  test('shows a stream with personal data opened', async () => {
    const { json } = await debug('streams/visitor-acme.7');
    expect(json.items.map(({ type }: { type: string }) => type)).toEqual([
      'VisitorArrived',
      'ChatStarted',
      'VisitorMessageSent',
    ]);
    expect(json.items[0]).toMatchObject({
      revision: 0,
      personal: { nick: 'Ann', page: '/' },
      erased: false,
      data: { digest: expect.any(String) },
      metadata: { tenant: 'acme', machine: expect.stringMatching(/^visitor\//) },
    });
    expect(json.next).toBeNull();
  });

  test('pages through a stream in both directions', async () => {
    const first = await debug('streams/visitor-acme.7?limit=2');
    expect(first.json.next).toBe('2');
    const second = await debug(`streams/visitor-acme.7?limit=2&from=${first.json.next}`);
    expect(second.json.items).toHaveLength(1);
    const back = await debug('streams/visitor-acme.7?limit=2&direction=backwards');
    expect(back.json).toMatchObject({ items: [{ revision: 2 }, { revision: 1 }], next: '0' });
  });

  test('folds an actor up to a revision or a time', async () => {
    const now = await debug('streams/visitor-acme.7/state');
    expect(now.json).toMatchObject({
      stream: 'visitor-acme.7',
      revision: 2,
      value: { presence: 'online', conversation: 'waiting' },
      context: { chat: { id: 'c1' } },
    });
    const early = await debug('streams/visitor-acme.7/state?revision=0');
    expect(early.json).toMatchObject({ revision: 0, value: { conversation: 'none' } });
    const before = new Date(log.now() - 1000).toISOString();
    for (const at of [before, String(log.now() - 1000)]) {
      const then = await debug(`streams/visitor-acme.7/state?at=${encodeURIComponent(at)}`);
      expect(then.json).toMatchObject({ revision: 0, at: log.now() - 1000 });
    }
    expect((await debug('streams/visitor-acme.7/state?at=2020-01-01')).status).toBe(404);
    const both = await debug('streams/visitor-acme.7/state?at=0&revision=1');
    expect([both.status, both.json.errors[0].field]).toEqual([400, 'at']);
    expect((await debug('streams/visitor-acme.7/state?at=soon')).status).toBe(400);
  });

  test('shows the log by prefix and after a position, without data keys', async () => {
    const all = await debug('events');
    expect(all.json.items[0]).toMatchObject({ stream: 'key-acme.7', data: { hidden: true } });
    const some = await debug('events?prefix=visitor-acme.&limit=1');
    expect(some.json.items).toHaveLength(1);
    const after = encodeURIComponent(some.json.next);
    const rest = await debug(`events?prefix=visitor-acme.&after=${after}`);
    expect(rest.json.items.map(({ revision }: { revision: number }) => revision)).toEqual([1, 2]);
    expect((await debug('events?after=nowhere')).json.errors[0].field).toBe('after');
  });

  test("shows no secret of a tenant's configuration", async () => {
    const shop = TenantId.parse('shop');
    const {
      id: _,
      host: __,
      apiKey: ___,
      ...settings
    } = TenantSettings.parse({
      id: shop,
      host: 'shop.test',
      apiKey: 'key-of-shop-0123456789',
    });
    await log.actors.tenant(shop).send({
      type: 'ConfigureTenant',
      source: 'http',
      host: 'shop.test',
      instance: null,
      settings: JSON.parse(JSON.stringify(settings)),
      sealed: 'fingerprint',
      key: digestOf('key-of-shop-0123456789'),
      firstKey: null,
      secrets: {
        callbackUrl: 'https://lhc:the-password@shop.test/',
        callbackSecret: 'whsec_the-secret',
        legacySecret: digestOf('short'),
      },
      anew: false,
    });
    for (const path of [
      'streams/tenant-shop',
      'streams/tenant-shop/state',
      'events?prefix=tenant-',
    ]) {
      const { status, json } = await debug(path);
      expect(status).toBe(200);
      const text = JSON.stringify(json);
      for (const secret of ['the-password', 'the-secret', digestOf('short')]) {
        expect(text).not.toContain(secret);
      }
    }
    const [configured] = (await debug('streams/tenant-shop')).json.items;
    expect(configured).toMatchObject({ personal: { hidden: true }, erased: false });
  });

  test('answers 404 for streams and dead letters that do not exist', async () => {
    for (const path of ['streams/nothing', 'streams/visitor-acme.8/state', 'dead-letters/none']) {
      expect((await debug(path)).status).toBe(404);
    }
  });

  test('lists dead letters and shows one with its content', async () => {
    expect((await debug('dead-letters')).json.items).toHaveLength(1);
    expect((await debug('dead-letters?tenant=beta')).json.items).toEqual([]);
    expect((await debug('dead-letters/dead-1')).json.content).toEqual({ body: 'Hello' });
  });

  test('sends a dead letter again, and discards one', async () => {
    const done: string[] = [];
    const noting = (what: string) => async (id: string) => {
      if (id !== 'dead-1') throw new AppError('not-found', 'there is no such dead letter');
      done.push(`${what} ${id}`);
    };
    const { ask: asking } = fakeApp({
      deadLetters: {
        list: async () => ({ items: [], next: null }),
        show: async () => null,
        sendAgain: noting('sent'),
        discard: noting('discarded'),
      },
    });
    const send = (id: string) => asking('POST', `/debug/dead-letters/${id}/send`, { key: ADMIN });
    const discard = (id: string, key?: string) =>
      asking('DELETE', `/debug/dead-letters/${id}`, { ...(key !== undefined && { key }) });
    for (const act of [send, (id: string) => discard(id, ADMIN)]) {
      expect((await act('dead-1')).status).toBe(204);
      expect((await act('dead-2')).status).toBe(404);
    }
    expect((await discard('dead-1')).status).toBe(401);
    expect((await discard('dead-1', KEYS.acme)).status).toBe(401);
    expect(done).toEqual(['sent dead-1', 'discarded dead-1']);
  });

  test('lists dead letters page by page, and refuses a bad limit', async () => {
    const asked: unknown[] = [];
    const { ask: asking } = fakeApp({
      deadLetters: {
        list: async (request) => {
          asked.push(request);
          return { items: [], next: '7' };
        },
        show: async () => null,
        sendAgain: async () => {},
        discard: async () => {},
      },
    });
    const list = (query: string) => asking('GET', `/debug/dead-letters${query}`, { key: ADMIN });
    expect((await list('?tenant=acme&limit=2&cursor=9')).json).toEqual({ items: [], next: '7' });
    await list('');
    expect(asked).toEqual([{ tenant: 'acme', limit: 2, cursor: '9' }, { limit: 50 }]);
    for (const query of ['?limit=0', '?limit=201', '?minPosition=x', '?limit=x']) {
      expect((await list(query)).status, query).toBe(400);
    }
  });

  test("marks an erased visitor's personal data as gone", async () => {
    await log.vault.erase('acme.7');
    const { json } = await debug('streams/visitor-acme.7');
    expect(json.items[0]).toMatchObject({ personal: null, erased: true });
  });
});

test('the state of an actor names the fact that does not fit its machine', async () => {
  const [first] = await log.store.readStream('visitor-acme.7', { limit: 1 });
  if (!first) throw new Error('the stream has facts');
  const { id: _id, ...event } = first;
  await log.store.append(
    'visitor-acme.broken',
    [
      { ...event, id: crypto.randomUUID() },
      {
        ...event,
        id: crypto.randomUUID(),
        type: 'ChatAccepted',
        data: { chatId: 'c', operator: 'o' },
      },
    ],
    'no-stream',
  );
  const { status, json } = await debug('streams/visitor-acme.broken/state');
  expect(status).toBe(200);
  expect(json).toMatchObject({ revision: 0, unfit: { revision: 1, type: 'ChatAccepted' } });
});
