/** POST /debug/streams/{stream}/what-if over a real log. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Log, openTestLog } from '../../projections/log.ts';
import { ADMIN, fakeApp, KEYS } from '../fakes.ts';

let log: Log;
let ask: ReturnType<typeof fakeApp>['ask'];
beforeAll(async () => {
  log = await openTestLog();
  ({ ask } = fakeApp({
    actors: log.actors,
    store: log.store,
    vault: log.vault,
    now: log.now,
  }));
  await ask('POST', '/v1/acme/visitors/7/page-views', { body: { page: '/', nick: 'Ann' } });
});
afterAll(() => log.close());

const branch = (body: unknown, stream = 'visitor-acme.7', key: string = ADMIN) =>
  ask('POST', `/debug/streams/${stream}/what-if`, { body, key });
const at = { revision: 0 };

test('a branch leads to facts, states and effects, and leaves nothing in the log', async () => {
  const head = await log.store.head();
  const actions = [{ wait: 24 * 3_600_000 }, { command: { type: 'CleanUp' } }];
  const { status, json } = await branch({ at, actions });
  expect(status).toBe(200);
  expect(json.items[0].steps[0]).toMatchObject({
    revision: 1,
    event: { type: 'TimedOut', stream: 'visitor-acme.7', position: '' },
    state: { value: { presence: 'timedOut' } },
  });
  expect(json.items[0].effects).toContainEqual(
    expect.objectContaining({ destination: 'lhc', name: 'visitor.timed_out' }),
  );
  expect(json.test).toContain('given("visitor", 0, [');
  expect(await log.store.head()).toBe(head);
});

test('bad input names the field', async () => {
  const wrong = async (body: unknown) => {
    const { status, json } = await branch(body);
    return [status, json.errors.map(({ field }: { field: string }) => field)];
  };
  expect(await wrong({ at, actions: [{ command: { type: 'CloseChat' } }] })).toEqual([
    400,
    ['actions.0.command.chatId', 'actions.0.command.by', 'actions.0.command.reason'],
  ]);
  expect(await wrong({ at, actions: [{ command: { type: 'Wake' } }] })).toEqual([
    400,
    ['actions.0.command.type'],
  ]);
  expect(await wrong({ at: {}, actions: [] })).toEqual([400, ['at']]);
  const detail = async (body: unknown) => (await branch(body)).json.detail;
  expect(await detail({ actions: [] })).toBe(
    'at: send {"revision": a number} or {"time": ms since 1970}',
  );
  expect(await detail({ at: { time: '2026-01-01' }, actions: [] })).toBe(
    'at.time: has to be in ms since 1970',
  );
  expect(await detail({ at, actions: [{ wait: '5' }, { sleep: 5 }, { command: {} }] })).toBe(
    'actions.0.wait: has to be a number, without quotes; actions.1: send one of {"command": {…}}, {"fact": {…}} and {"wait": ms}; actions.2.command.type: is required',
  );
  expect(await detail({ at, actions: [{ command: { type: 'CloseChat', by: 'me' } }] })).toBe(
    'actions.0.command.chatId: is required; actions.0.command.by: has to be one of visitor, operator, system; actions.0.command.reason: is required',
  );
  const many = Array.from({ length: 65 }, () => ({ wait: 1 }));
  expect(await wrong({ at, actions: many })).toEqual([400, ['actions']]);
  expect((await branch({ at, actions: [] }, 'visitor-acme.nobody')).status).toBe(404);
  expect((await branch({ at, actions: [] }, 'lane-visitor-acme.7.lhc')).status).toBe(404);
  for (const key of ['wrong', KEYS.acme]) {
    const { status, json } = await branch({ at, actions: [] }, 'visitor-acme.7', key);
    expect([status, json.detail]).toEqual([
      401,
      'this key is not valid here: it takes the admin token (ADMIN_TOKEN of the service)',
    ]);
  }
});
