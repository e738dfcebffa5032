/** LHC answers with errors. The service repeats a callback until LHC accepts it, in order, and sends nothing after a 410. */
import { expect, it } from 'vitest';
import type { Behaviour } from '../support/lhc.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

const world = await testWorld({ tenants: [{ id: 'acme', host: 'xmpp.test' }] });
const { service } = world;
const acme = world.tenant('acme');
const { lhc } = acme;
const OK: Behaviour = { kind: 'status', status: 200 };

const viewAndTimeOut = async (visitor: string): Promise<void> => {
  await acme.view(visitor, { page: 'https://a.test/' });
  await acme.ask('POST', `/visitors/${visitor}/timeout`);
};
const about = (visitor: string) =>
  lhc.requests.filter(({ callback }) => {
    const data = callback?.data;
    return data !== undefined && 'visitor' in data && data.visitor === visitor;
  });

it('a callback is tried again after errors, redirects and closed connections, with the same id and in order', async () => {
  const answers = [
    { kind: 'status', status: 503 },
    { kind: 'close' },
    { kind: 'status', status: 302, headers: { location: 'http://127.0.0.1:2/' } },
    { kind: 'status', status: 404 },
  ] as const;
  let request = 0;
  lhc.behave(() => answers[request++] ?? OK);
  await acme.ask('POST', '/visitors/1/chats', {
    chatId: 'c1',
    message: { id: 'm1', body: 'Hello?' },
  });
  await acme.ask('POST', '/visitors/1/chats/c1/close', { by: 'visitor' });
  await acme.callback('message.failed', ({ messageId }) => messageId === 'm1');
  const types = about('1').map(({ callback }) => callback?.type);
  expect(types).toEqual([...Array(5).fill('chat.closed'), 'message.failed']);
  const ids = about('1').map(({ headers }) => headers['webhook-id']);
  expect(new Set(ids.slice(0, 5)).size).toBe(1);
  expect(new Set(ids).size).toBe(2);
});

it('Retry-After is obeyed, and a busy lane holds up no other', async () => {
  lhc.behave(({ callback }) =>
    callback &&
    'visitor' in callback.data &&
    callback.data.visitor === '2' &&
    about('2').length === 0
      ? { kind: 'status', status: 429, headers: { 'retry-after': '3' } }
      : OK,
  );
  await viewAndTimeOut('2');
  await waitFor(() => about('2').length === 1, { what: 'the first attempt' });
  await viewAndTimeOut('3');
  await acme.callback('visitor.timed_out', ({ visitor }) => visitor === '3');
  expect(about('2')).toHaveLength(1);
  await acme.callback('visitor.timed_out', ({ visitor }) => visitor === '2');
  const [first, second] = about('2');
  expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(2_900);
});

it('after a 410 no callback is sent, over restarts too, until the settings change', async () => {
  lhc.behave({ kind: 'status', status: 410 });
  await viewAndTimeOut('4');
  await waitFor(() => about('4').length === 1, { what: 'the request that is answered 410' });
  lhc.behave(OK);
  const isPaused = async () => (await acme.ask('GET', '')).callbacks.state === 'paused';
  await waitFor(isPaused, { what: 'the tenant to see that its callbacks are paused' });
  expect(await acme.ask('POST', '/callback-test')).toMatchObject({ status: 'ok', httpStatus: 200 });
  const requestsBefore = lhc.requests.length;
  await viewAndTimeOut('5');
  await service.stop();
  await service.start();
  await viewAndTimeOut('6');
  await waitFor(async () => {
    const { items } = await acme.ask('GET', '/visitors');
    return items.find(({ key }: { key: string }) => key === '6')?.presence === 'timedOut';
  });
  expect(lhc.requests).toHaveLength(requestsBefore);

  await world.configure('acme', { callbackUrl: `${lhc.url}/moved` });
  await service.stop();
  await service.start();
  for (const each of ['4', '5', '6']) {
    await acme.callback('visitor.timed_out', ({ visitor }) => visitor === each);
  }
  expect(about('4').map(({ headers }) => headers['webhook-id'])).toHaveLength(2);
  expect(new Set(about('4').map(({ callback }) => callback?.id)).size).toBe(1);
});
