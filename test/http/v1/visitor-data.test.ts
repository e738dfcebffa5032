/** Everything that is kept about a visitor: for a request of access, and after they were erased. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { EndpointDeps } from '../../../src/http/frame/deps.ts';
import { DATA_AT_ONCE_OF_TENANT } from '../../../src/http/v1/visitor-data.ts';
import type { DeadLetter, DeadLetters, LetterRequest } from '../../../src/runtime/ports.ts';
import { createServiceFacts } from '../../../src/runtime/service-facts.ts';
import { type ChatScene, openChatScene, says, starts } from '../../projections/chat-scene.ts';
import { newId } from '../../support/rig.ts';
import { fakeApp, KEYS } from '../fakes.ts';

let scene: ChatScene;
let app: ReturnType<typeof fakeApp>['app'];
const asked: LetterRequest[] = [];
const letter: DeadLetter = {
  id: 'l1',
  tenant: 'acme',
  at: 5,
  kind: 'effect',
  type: 'VisitorMessageSent',
  operator: null,
  stream: 'visitor-acme.7',
  destination: 'xmpp',
  reason: 'no answer',
};
const deadLetters: DeadLetters = {
  list: async (request) => {
    asked.push(request);
    return { items: [letter], next: null };
  },
  show: async () => ({ ...letter, content: { personal: { body: 'text of m1' } } }),
  sendAgain: async () => {},
  discard: async () => {},
};
/** It has an attempt for each visitor's message. */
const journal: EndpointDeps['journal'] = {
  record: () => undefined,
  of: (facts) =>
    facts
      .filter(({ revision }) => revision === 1)
      .map(({ stream, revision }) => ({
        ...{ kind: 'attempt', stream, revision, at: 6, ms: 1 },
        ...{ destination: 'lhc', outcome: 'retry', reason: `LHC said of ${stream}` },
      })),
  requests: () => [],
};

beforeAll(async () => {
  scene = await openChatScene();
  const { log, live, happens } = scene;
  await happens('7', starts('c1'), says('m1'));
  await happens('77', starts('c2'), says('m2'));
  const stream = 'inbox-queue';
  const facts = createServiceFacts({ store: log.store, now: log.now, newId });
  for (const key of ['acme.7', 'acme.77']) {
    await facts.appendNext(stream, async (_head, id) => {
      const type = 'EventSetAside';
      const personal = await log.vault.seal(
        key,
        { content: `said to ${key}` },
        { stream, type, id },
      );
      return { type, data: { reason: 'unknown' }, personal, tenant: 'acme' };
    });
  }
  const { store, vault, now } = log;
  ({ app } = fakeApp({ readModels: live.readModels, store, vault, now, deadLetters, journal }));
});
afterAll(() => scene.log.close());

const get = (key: string, by = app) =>
  by.request(`/v1/acme/visitors/${key}/data`, {
    headers: { authorization: `Bearer ${KEYS.acme}` },
  });
const linesOf = async (key = '7') => {
  const response = await get(key);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('application/x-ndjson');
  return (await response.text())
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
};

test('has facts, rows, letters and what was set aside, of this visitor alone', async () => {
  const lines = await linesOf();
  const kinds = lines.map(({ kind }) => kind);
  expect(kinds.at(0)).toBe('about');
  expect(lines.at(-1)).toMatchObject({
    kind: 'end',
    counts: { fact: 3, journal: 1, message: 1, letter: 1, other: 1 },
  });
  const has = (kind: string, what: object) =>
    expect(lines.filter((line) => line.kind === kind)).toContainEqual(
      expect.objectContaining(what),
    );
  has('fact', {
    type: 'VisitorMessageSent',
    personal: { body: expect.any(String) },
    erased: false,
  });
  has('message', { id: 'm1', messageKind: 'chat' });
  has('chat', { chatId: 'c1' });
  has('visitor', { key: '7' });
  has('letter', { id: 'l1', letterKind: 'effect' });
  has('journal', { journalKind: 'attempt', revision: 1, reason: 'LHC said of visitor-acme.7' });
  has('other', { stream: 'inbox-queue', personal: { content: 'said to acme.7' } });
  expect(JSON.stringify(lines)).not.toMatch(/acme\.77|"m2"/);
  expect(asked.at(-1)).toMatchObject({ tenant: 'acme', person: 'acme.7' });
});

test('after an erasure it shows that there was something', async () => {
  const { log, live } = scene;
  await log.visitor('77', { type: 'ErasePersonalData' });
  await log.vault.destroy('acme.77');
  await live.projections.waitFor(await log.head(), 5000);
  const lines = await linesOf('77');
  const facts = lines.filter(({ kind }) => kind === 'fact');
  expect(facts.at(-1)).toMatchObject({ type: 'PersonalDataErased', erased: false });
  expect(facts.some(({ erased }) => erased)).toBe(true);
  expect(facts.every(({ personal }) => personal === null)).toBe(true);
  expect(lines.filter(({ kind }) => kind === 'visitor' || kind === 'message')).toEqual([]);
  expect(lines.at(-1)).toMatchObject({ kind: 'end', counts: { chat: 1 } });
});

test('an unknown visitor is 404', async () => {
  expect((await get('nobody')).status).toBe(404);
});

test('a tenant reads one at a time, and a reader who leaves makes place', async () => {
  expect(DATA_AT_ONCE_OF_TENANT).toBe(1);
  const open = await get('7');
  expect((await get('7')).status).toBe(429);
  await open.body?.cancel();
  const next = await get('7');
  expect(next.status).toBe(200);
  await next.body?.cancel();
});

test('the place is taken before anything is read, and given back if there is nothing', async () => {
  const { store, vault } = scene.log;
  const slow = Promise.withResolvers<void>();
  const by = fakeApp({
    store: {
      ...store,
      readStream: async (...args) => {
        await slow.promise;
        return store.readStream(...args);
      },
    },
    vault,
    readModels: scene.live.readModels,
    deadLetters,
  }).app;
  const both = [get('nobody', by), get('7', by)];
  slow.resolve();
  const answers = await Promise.all(both);
  expect(answers.map(({ status }) => status)).toEqual([404, 429]);
  const next = await get('7', by);
  expect(next.status).toBe(200);
  await next.body?.cancel();
});

test('an answer that broke off says so and has no end', async () => {
  const { store, vault } = scene.log;
  const broken = fakeApp({
    store: { ...store, readAll: () => Promise.reject(new Error('gone')) },
    vault,
    readModels: scene.live.readModels,
    deadLetters,
  });
  const text = await (await get('7', broken.app)).text();
  expect(text.trimEnd().split('\n').at(-1)).toMatch(/"kind":"error"/);
  expect(text).not.toContain('"kind":"end"');
});
