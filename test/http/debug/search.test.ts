/** What engineers look for: streams, and what a text names. Over a real log. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TenantId } from '../../../src/actors/ids.ts';
import { type ChatScene, openChatScene, says, starts } from '../../projections/chat-scene.ts';
import { ADMIN, fakeApp, KEYS } from '../fakes.ts';

let scene: ChatScene;
let ask: ReturnType<typeof fakeApp>['ask'];
beforeAll(async () => {
  scene = await openChatScene();
  const { log, live, happens } = scene;
  await happens('7', starts('c1', 'sales', 'Zoë'), says('m1'));
  await happens('8', starts('c2', 'sales', 'Quentin'));
  await log.visitor('7', starts('c1', 'sales', 'Ann'), TenantId.parse('beta'));
  await log.operator('olga', { type: 'ClaimAccount', adopted: false });
  await log.store.deleteStream('visitor-acme.8');
  await live.projections.waitFor(await log.head(), 5000);
  const { readModels } = live;
  ({ ask } = fakeApp({ readModels, store: log.store, vault: log.vault, now: log.now }));
});
afterAll(() => scene.log.close());

const get = async (path: string) => (await ask('GET', `/debug/${path}`, { key: ADMIN })).json;
const streams = async (query: string) =>
  (await get(`streams?${query}`)).items.map(({ stream }: { stream: string }) => stream);
const found = async (q: string) =>
  (await get(`search?q=${encodeURIComponent(q)}`)).items.map(
    ({ kind, stream, revision }: { kind: string; stream: string; revision: number | null }) =>
      [kind, stream, revision].join(' '),
  );

test('only the administrator may look', async () => {
  for (const key of [KEYS.acme, null]) {
    for (const path of ['streams', 'search?q=7']) {
      expect((await ask('GET', `/debug/${path}`, { key })).status).toBe(401);
    }
  }
});

test('streams are found by category, tenant, address, chat, a part of their name, and words', async () => {
  expect(await streams('category=operator')).toEqual(['operator-acme.olga']);
  expect(await streams('tenant=beta&category=visitor')).toEqual(['visitor-beta.7']);
  expect(await streams('jid=visitor.7@xmpp.test/web')).toEqual(['visitor-acme.7', 'key-acme.7']);
  expect(await streams('jid=visitor.7@beta.test&category=visitor')).toEqual(['visitor-beta.7']);
  expect(await streams('jid=visitor.7@nobody.test')).toEqual([]);
  expect((await streams('chat=c1&category=visitor')).toSorted()).toEqual([
    'visitor-acme.7',
    'visitor-beta.7',
  ]);
  expect(await streams('chat=c1&tenant=beta&category=visitor')).toEqual(['visitor-beta.7']);
  expect(await streams('chat=c1&jid=visitor.7@beta.test&category=key')).toEqual(['key-beta.7']);
  expect(await streams('text=acme.ol')).toEqual(['operator-acme.olga']);
  expect(await streams('text=WORDS&category=visitor')).toEqual(['visitor-acme.7']);
  expect(await streams('text=zoe&category=key')).toEqual(['key-acme.7']);
});

test('a stream has its address and its times, and one that was deleted is not shown', async () => {
  const { items } = await get('streams?tenant=acme&category=visitor');
  expect(items).toEqual([
    {
      stream: 'visitor-acme.7',
      category: 'visitor',
      tenant: 'acme',
      name: '7',
      jid: 'visitor.7@xmpp.test',
      firstAt: expect.any(Number),
      lastAt: expect.any(Number),
      lastRevision: expect.any(Number),
      lastType: 'VisitorMessageSent',
      erased: false,
    },
  ]);
  expect(items[0].lastAt).toBeGreaterThan(items[0].firstAt);
});

test('one box finds visitors, operators, chats, facts and words', async () => {
  const both = ['visitor visitor-beta.7 ', 'visitor visitor-acme.7 '];
  expect((await found('7')).slice(0, 2)).toEqual(both);
  expect(await found('visitor.7@xmpp.test')).toContain('visitor visitor-acme.7 ');
  expect(await found('visitor-acme.7')).toContain('visitor visitor-acme.7 ');
  expect(await found('OLGA')).toEqual(['operator operator-acme.olga ']);
  expect((await found('#c1')).slice(0, 2).toSorted()).toEqual([
    'chat visitor-acme.7 1',
    'chat visitor-beta.7 1',
  ]);
  expect(await found('zoe')).toEqual(['visitor visitor-acme.7 ']);
  expect(await found('words')).toEqual(['message visitor-acme.7 2']);
  expect(await found('"nothing has this')).toEqual([]);
});

test('the id of a fact, of its request or of its command leads to it', async () => {
  const [fact] = await scene.log.store.readStream('visitor-acme.7', { from: 2 });
  for (const id of [fact?.id, fact?.metadata.correlationId, fact?.metadata.commandId]) {
    expect(await found(id ?? '')).toEqual(['trace visitor-acme.7 2']);
  }
  const gone = await scene.live.readModels.streams.named(['visitor-acme.8']);
  expect(gone).toHaveLength(1); // the index does not know of the deletion
});
