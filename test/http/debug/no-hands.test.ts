/** Replay, steps and what-ifs of everything reach nothing that could act: every port of the service is watched. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ACTOR_KINDS } from '../../../src/replay/machines.ts';
import {
  answers,
  assigns,
  type ChatScene,
  closes,
  openChatScene,
  says,
  starts,
} from '../../projections/chat-scene.ts';
import { ADMIN, fakeApp } from '../fakes.ts';

let scene: ChatScene;
let ask: ReturnType<typeof fakeApp>['ask'];
let app: ReturnType<typeof fakeApp>['app'];
const called: string[] = [];

/** A port that tells each call. @param may what may be called */
function watched<T extends object>(name: string, port: T, may: readonly string[] = []): T {
  return new Proxy(port, {
    get(target, key, receiver) {
      const value: unknown = Reflect.get(target, key, receiver);
      if (typeof value !== 'function' || may.includes(String(key))) return value;
      return (...args: unknown[]) => {
        called.push(`${name}.${String(key)}`);
        return value.apply(target, args);
      };
    },
  });
}

beforeAll(async () => {
  scene = await openChatScene();
  const { log, happens } = scene;
  await happens('7', starts('c1'), says('m1'), assigns('c1', 'op'), answers('op', 'o1'));
  await happens('7', closes('c1'));
  await log.operator('op', { type: 'ClaimAccount', adopted: false });
  const { deps } = fakeApp({ actors: log.actors });
  ({ ask, app } = fakeApp({
    actors: watched('actors', deps.actors),
    crowd: watched('crowd', deps.crowd),
    inbox: watched('inbox', deps.inbox),
    lhcChats: watched('lhcChats', deps.lhcChats),
    lhcPeople: watched('lhcPeople', deps.lhcPeople),
    olderModules: watched('olderModules', deps.olderModules),
    operatorAccounts: watched('operatorAccounts', deps.operatorAccounts),
    tenancy: watched('tenancy', deps.tenancy, ['find']),
    tenantEffects: watched('tenantEffects', deps.tenantEffects),
    deadLetters: watched('deadLetters', deps.deadLetters),
    store: watched('store', log.store, ['readStream', 'readAll', 'parsePosition']),
    vault: watched('vault', log.vault, ['open']),
  }));
});
afterAll(() => scene.log.close());

const debug = async (path: string, body?: unknown) => {
  const { status, json, text } = await ask(body === undefined ? 'GET' : 'POST', `/debug/${path}`, {
    key: ADMIN,
    ...(body !== undefined && { body }),
  });
  expect(status, path).toBe(200);
  return { json, text };
};

test('replay, steps and what-ifs of everything call nothing that could act', async () => {
  const { log } = scene;
  const head = await log.store.head();
  const events = await log.store.readAll();
  const streams = [...new Set(events.map(({ stream }) => stream))].filter((stream) =>
    ACTOR_KINDS.some((kind) => stream.startsWith(`${kind}-`)),
  );
  expect(streams.length).toBeGreaterThan(1);
  const lines = (await debug('replay')).text.trim().split('\n');
  expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({
    done: { streams: streams.length, unfit: 0 },
  });
  for (const stream of streams) {
    const { json } = await debug(`streams/${stream}/steps`);
    for (const { revision } of json.items) {
      await debug(`streams/${stream}/diff?a=0&b=${revision}`);
      const visitor = [
        { command: { type: 'CleanUp' } },
        { command: { type: 'ErasePersonalData' } },
        { command: { type: 'ReportLoggedIn' } },
      ];
      const own = stream.startsWith('visitor-') ? visitor : [{ command: { type: 'Remove' } }];
      const actions = [{ wait: 3_600_000 }, ...own, { wait: 1e10 }];
      await debug(`streams/${stream}/what-if`, { at: { revision }, actions });
    }
  }
  expect(called).toEqual([]);
  expect(await log.store.head()).toBe(head);
  // The watch would have seen it.
  await ask('POST', '/v1/acme/visitors/7/page-views', { body: { page: '/' } });
  expect(called).toContain('actors.visitor');
});

test('one replay runs at a time, and it ends with its caller', async () => {
  const headers = { Authorization: `Bearer ${ADMIN}` };
  const first = await app.request('/debug/replay', { headers });
  expect(first.headers.get('content-type')).toBe('application/x-ndjson');
  expect((await app.request('/debug/replay', { headers })).status).toBe(429);
  await first.body?.cancel();
  expect((await debug('replay?tenant=acme')).text).toContain('"done"');
  expect((await ask('GET', '/debug/replay?from=nowhere', { key: ADMIN })).status).toBe(400);
});
