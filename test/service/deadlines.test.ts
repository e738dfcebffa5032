/** Deadlines that fall due while the service is down fire after the start, once visitors could show a sign of life. */
import { expect, it } from 'vitest';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

const HARD_TIMEOUT_MS = 3_000;
const world = await testWorld({
  tenants: [
    { id: 'acme', host: 'xmpp.test', settings: { hardTimeout: HARD_TIMEOUT_MS / 1000 } },
    { id: 'idle', host: 'idle.test', settings: { chatIdle: 2, hardTimeout: 2 } },
  ],
});
const { service } = world;
const acme = world.tenant('acme');

const view = async (visitor: string): Promise<number> => {
  await acme.view(visitor, { page: `https://a.test/${Date.now()}` });
  return Date.now();
};
const left = (visitor: string) =>
  acme.lhc.requests.filter(
    ({ callback }) => callback?.type === 'visitor.timed_out' && callback.data.visitor === visitor,
  );
const passed = (at: number) =>
  waitFor(() => Date.now() > at, { deadlineMs: 20_000, what: 'time to pass' });

it('a deadline that fell due during the downtime fires at once without a grace', async () => {
  const viewed = await view('1');
  await service.kill();
  await passed(viewed + HARD_TIMEOUT_MS);
  const started = Date.now();
  await service.start({ DEADLINE_GRACE: '0' });
  const { data } = await acme.callback('visitor.timed_out', ({ visitor }) => visitor === '1');
  expect(Date.now() - started).toBeLessThan(10_000); // the default grace is 30 s
  expect(Date.parse(data.lastSeen)).toBeLessThanOrEqual(viewed);
  expect(left('1')).toHaveLength(1);
});

it('within the grace a visitor who shows up stays; another one times out after it', async () => {
  const viewed = await view('2');
  await view('3');
  await service.kill();
  await passed(viewed + HARD_TIMEOUT_MS + 500);
  const started = Date.now();
  await service.start({ DEADLINE_GRACE: '3' });
  const shownUp = await view('2');
  await acme.callback('visitor.timed_out', ({ visitor }) => visitor === '3');
  expect(left('3')[0]?.at).toBeGreaterThan(started + 3_000);
  await acme.callback('visitor.timed_out', ({ visitor }) => visitor === '2');
  expect(left('2')[0]?.at).toBeGreaterThanOrEqual(shownUp + HARD_TIMEOUT_MS - 200);
});

it('a deadline after the start fires when it is due, not before', async () => {
  const viewed = await view('4');
  await service.kill();
  await service.start({ DEADLINE_GRACE: '0' });
  await acme.callback('visitor.timed_out', ({ visitor }) => visitor === '4');
  expect(left('4')[0]?.at).toBeGreaterThanOrEqual(viewed + HARD_TIMEOUT_MS - 200);
  expect(left('4')).toHaveLength(1);
});

it('a chat keeps its visitor online; an idle chat is closed, and then the visitor times out', async () => {
  const idle = world.tenant('idle');
  const begun = Date.now();
  await idle.ask('POST', '/visitors/5/chats', { chatId: 'c5', department: 'sales' });
  await idle.view('5', { page: 'https://idle.test/' });
  await idle.callback('chat.closed', ({ chatId }) => chatId === 'c5');
  expect(Date.now() - begun).toBeGreaterThan(1_900);
  expect(idle.told('visitor.timed_out')).toEqual([]);
  await idle.callback('visitor.timed_out', ({ visitor }) => visitor === '5');
});
