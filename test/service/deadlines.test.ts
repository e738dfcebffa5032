/** Deadlines that fall due while the service is down fire after its start, once visitors had time to show a sign of life. */
import { expect, it } from 'vitest';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

const HARD_TIMEOUT_MS = 3_000;
/**
 * Longer than the grace, so a visitor who shows a sign of life within the grace always leaves after its end. Both leave a
 * busy machine enough time between the start of the service and the sign of life.
 */
const PATIENT_TIMEOUT_MS = 10_000;
const GRACE_MS = 8_000;
const world = await testWorld({
  tenants: [
    { id: 'acme', host: 'xmpp.test', settings: { hardTimeout: HARD_TIMEOUT_MS / 1000 } },
    {
      id: 'patient',
      host: 'patient.test',
      settings: { hardTimeout: PATIENT_TIMEOUT_MS / 1000 },
    },
    { id: 'idle', host: 'idle.test', settings: { chatIdle: 2, hardTimeout: 4 } },
  ],
});
const { service } = world;
const acme = world.tenant('acme');

const patient = world.tenant('patient');

/** @returns the time after the page view */
const view = async (visitor: string, tenant = acme): Promise<number> => {
  await tenant.view(visitor, { page: `https://a.test/${Date.now()}` });
  return Date.now();
};
const timeouts = (visitor: string, tenant = acme) =>
  tenant.lhc.requests.filter(
    ({ callback }) => callback?.type === 'visitor.timed_out' && callback.data.visitor === visitor,
  );
const untilTime = (at: number) => waitFor(() => Date.now() > at, { what: 'time to pass' });

it('a deadline that fell due during the downtime fires at once without a grace', async () => {
  const viewed = await view('1');
  await service.kill();
  await untilTime(viewed + HARD_TIMEOUT_MS);
  await service.start({ DEADLINE_GRACE: '0' });
  const started = Date.now();
  const { data } = await acme.callback('visitor.timed_out', ({ visitor }) => visitor === '1');
  expect(Date.now() - started).toBeLessThan(10_000); // the default grace is 30 s
  expect(Date.parse(data.lastSeen)).toBeLessThanOrEqual(viewed);
  expect(timeouts('1')).toHaveLength(1);
});

it('within the grace a visitor who shows up stays; another one times out after it', async () => {
  const viewed = await view('2', patient);
  const lastViewed = await view('3', patient);
  await service.kill();
  expect(Date.now()).toBeLessThan(viewed + PATIENT_TIMEOUT_MS);
  await untilTime(lastViewed + PATIENT_TIMEOUT_MS + 500);
  const started = Date.now();
  await service.start({ DEADLINE_GRACE: String(GRACE_MS / 1000) });
  const seenAgain = Date.now();
  await view('2', patient);
  await patient.callback('visitor.timed_out', ({ visitor }) => visitor === '3');
  expect(timeouts('3', patient)[0]?.at).toBeGreaterThan(started + GRACE_MS);
  await patient.callback('visitor.timed_out', ({ visitor }) => visitor === '2');
  expect(timeouts('2', patient)[0]?.at).toBeGreaterThanOrEqual(seenAgain + PATIENT_TIMEOUT_MS);
});

it('a deadline after the start fires when it is due, not before', async () => {
  const viewed = Date.now();
  await view('4');
  await service.kill();
  await service.start({ DEADLINE_GRACE: '0' });
  await acme.callback('visitor.timed_out', ({ visitor }) => visitor === '4');
  expect(timeouts('4')[0]?.at).toBeGreaterThanOrEqual(viewed + HARD_TIMEOUT_MS);
  expect(timeouts('4')).toHaveLength(1);
});

it('an idle chat is closed, and then the visitor times out', async () => {
  const idle = world.tenant('idle');
  const begin = Date.now();
  await idle.ask('POST', '/visitors/5/chats', { chatId: 'c5', department: 'sales' });
  await idle.view('5', { page: 'https://idle.test/' });
  await idle.callback('chat.closed', ({ chatId }) => chatId === 'c5');
  expect(Date.now() - begin).toBeGreaterThan(1_900);
  await idle.callback('visitor.timed_out', ({ visitor }) => visitor === '5');
  const types = idle.lhc.accepted().map(({ type }) => type);
  expect(types.indexOf('chat.closed')).toBeLessThan(types.indexOf('visitor.timed_out'));
});
