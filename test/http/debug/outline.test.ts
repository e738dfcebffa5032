/** The outline of a stream: every fact's time and type, in pages, also of a stream that was cut. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { OutlinePage } from '../../../console/src/stream/outline.ts';
import { type ChatScene, openChatScene, says, starts } from '../../projections/chat-scene.ts';
import { ADMIN, fakeApp } from '../fakes.ts';

const STREAM = 'visitor-acme.7';

let scene: ChatScene;
let ask: ReturnType<typeof fakeApp>['ask'];
beforeAll(async () => {
  scene = await openChatScene();
  const { log, happens } = scene;
  await happens('7', starts('c1'), says('m1'), says('m2'), says('m3'));
  ({ ask } = fakeApp({ store: log.store, vault: log.vault, now: log.now }));
});
afterAll(() => scene.log.close());

const outline = (query = '', stream = STREAM) =>
  ask('GET', `/debug/streams/${stream}/outline${query}`, { key: ADMIN });

/** What the outline says, fact by fact. */
const factsIn = ({ from, types, at, type }: OutlinePage) =>
  at.map((time, index) => [from + index, time, types[type[index] ?? -1]]);

const recorded = async () =>
  (await scene.log.store.readStream(STREAM)).map(({ revision, metadata, type }) => [
    revision,
    metadata.at,
    type,
  ]);

test('it has the time and the type of each fact', async () => {
  const { status, json } = await outline();
  const facts = await recorded();
  expect([status, factsIn(json)]).toEqual([200, facts]);
  expect(json).toMatchObject({ stream: STREAM, first: 0, last: facts.length - 1, next: null });
});

test('pages follow each other without a gap', async () => {
  const facts: unknown[] = [];
  for (let from: number | null = 0; from !== null; ) {
    const { json } = await outline(`?from=${from}&limit=2`);
    expect(json.at.length).toBeLessThanOrEqual(2);
    facts.push(...factsIn(json));
    from = json.next;
  }
  expect(facts).toEqual(await recorded());
});

test('behind the last fact there is nothing yet, and that is no error', async () => {
  const { json: whole } = await outline();
  const { status, json } = await outline(`?from=${whole.last + 1}`);
  expect([status, json.at, json.next, json.last]).toEqual([200, [], null, whole.last]);
});

test('a stream that was cut begins with its first fact', async () => {
  const cut = 'visitor-acme.8';
  await scene.happens('8', starts('c8', null), says('n1'), says('n2'));
  await scene.log.store.truncateBefore(cut, 2);
  const { json } = await outline('?from=0', cut);
  expect([json.first, json.from, json.at.length]).toEqual([2, 2, json.last - 1]);
});

test('the stream is missing, and the limit is bounded', async () => {
  expect((await outline('', 'visitor-acme.nobody')).status).toBe(404);
  expect((await outline('?limit=10001')).status).toBe(400);
  const foreign = await ask('GET', `/debug/streams/${STREAM}/outline`, { key: null });
  expect(foreign.status).toBe(401);
});
