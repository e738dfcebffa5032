/** Two tenants whose visitors and chats have the same names: neither can read the other's, whatever ids they know. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TenantId } from '../../src/actors/ids.ts';
import {
  type ChatScene,
  delays,
  openChatScene,
  SECOND,
  starts,
} from '../projections/chat-scene.ts';
import { fakeApp, KEYS } from './fakes.ts';
import { startStreamRig } from './stream/rig.ts';

let scene: ChatScene;
let ask: ReturnType<typeof fakeApp>['ask'];
beforeAll(async () => {
  scene = await openChatScene();
  const { log, live } = scene;
  for (let n = 0; n < 4; n += 1) {
    for (const name of ['acme', 'beta']) {
      const [tenant, mark] = [TenantId.parse(name), name.toUpperCase()];
      const profile = { page: `/${mark}`, nick: mark, country: mark };
      const department = n === 0 ? 'both' : mark; // tenants may have departments with the same name too
      const view = { type: 'ViewPage', digest: 'd', department, delays, profile } as const;
      await log.visitor(`v${n}`, view, tenant);
      await log.visitor(`v${n}`, starts(`c${n}`, department), tenant);
      for (const messageId of ['m1', 'm2']) {
        const message = {
          type: 'SendMessage',
          messageId,
          chatId: null,
          body: `words of ${mark}`,
        } as const;
        await log.visitor(`v${n}`, message, tenant);
      }
    }
    log.passes(SECOND);
  }
  await live.projections.waitFor(await log.head(), 5000);
  const { readModels } = live;
  ({ ask } = fakeApp({ readModels, store: log.store, vault: log.vault, now: log.now }));
});
afterAll(() => scene.log.close());

test.each([
  'visitors?limit=2',
  'visitors?sort=lastSeen&limit=2',
  'visitors?q=v&limit=2',
  'visitors?state=waiting&limit=2',
  'chats?limit=2',
  'chats?sort=waitingSince&limit=2',
  'chats?state=waiting&limit=2',
  'queue?limit=2',
  'visitors/v1/messages?limit=1',
  'search?q=words&limit=2',
  'search?q=v&in=visitors&limit=2',
])("a cursor of another tenant shows only the caller's rows: %s", async (path) => {
  const { json } = await ask('GET', `/v1/acme/${path}`);
  expect(json.next).not.toBeNull();
  const { status, text } = await ask('GET', `/v1/beta/${path}&cursor=${json.next}`, {
    key: KEYS.beta,
  });
  expect([status, text.includes('BETA'), text.includes('ACME')]).toEqual([200, true, false]);
});

test.each(['visitors', 'visitors/v1', 'chats/c1', 'queue', 'departments', 'visitors/v1/messages'])(
  "an ETag of another tenant does not match the caller's answer: %s",
  async (path) => {
    const { headers } = await ask('GET', `/v1/acme/${path}`);
    const answer = await ask('GET', `/v1/beta/${path}`, {
      key: KEYS.beta,
      headers: { 'If-None-Match': headers.get('etag') ?? '' },
    });
    expect(answer.status).toBe(200);
    expect([answer.text.includes('BETA'), answer.text.includes('ACME')]).toEqual([true, false]);
  },
);

test.each([
  ['acme', 'ACME', 'BETA'],
  ['beta', 'BETA', 'ACME'],
] as const)('every list has only the rows of its own tenant: %s', async (name, own, other) => {
  const read = async (path: string) => {
    const { json, text } = await ask('GET', `/v1/${name}/${path}`, { key: KEYS[name] });
    expect([path, text.includes(own), text.includes(other)]).toEqual([path, true, false]);
    return json;
  };
  for (const path of ['visitors', 'chats', 'queue', 'chats?department=both']) {
    expect((await read(path)).items).toHaveLength(path.endsWith('both') ? 1 : 4);
  }
  const { items: departments } = await read('departments');
  expect(
    departments.map(({ department, waiting, chatsToday }: Record<string, unknown>) => [
      department,
      waiting,
      chatsToday,
    ]),
  ).toEqual([
    [own, 3, 3],
    ['both', 1, 1],
  ]);
  const { total, departments: measured } = await read('stats');
  expect([total.chats, total.open, measured.length]).toEqual([4, 4, 2]);
});

test("a last event id of another tenant shows only the caller's events", async () => {
  const { log, live } = scene;
  const rig = await startStreamRig(log, live.readModels);
  const [first] = await log.store.readAll({ prefixes: ['visitor-acme.'], limit: 1 });
  const reader = await rig.open({ tenant: 'beta', ...(first && { id: first.position }) });
  await reader.until(() => reader.of('message').length === 8);
  expect(reader.events[0]?.data).toMatchObject({ resumed: true });
  expect(JSON.stringify(reader.events)).not.toContain('ACME');
  await rig.close();
});
