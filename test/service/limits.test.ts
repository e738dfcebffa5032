/** Bounds of a tenant on the real server: what is refused, what goes on, and that other tenants do not notice. */
import { expect, it } from 'vitest';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

const world = await testWorld({
  tenants: [
    { id: 'busy', host: 'busy.test', settings: { requestsPerSecond: 20 } },
    { id: 'crowded', host: 'crowded.test', settings: { maxOnlineVisitors: 4 } },
    { id: 'hurried', host: 'hurried.test', settings: { newVisitorsPerMinute: 8 } },
    { id: 'other', host: 'other.test' },
  ],
});
const busy = world.tenant('busy');
const crowded = world.tenant('crowded');
const hurried = world.tenant('hurried');
const other = world.tenant('other');
const page = (n: number) => ({ page: `https://shop.test/${n}` });
const view = (tenant: typeof busy, visitor: string, n = 0) =>
  tenant.call('POST', `/visitors/${visitor}/page-views`, page(n));

it('a tenant with too many requests gets 429 with Retry-After, and its messages go first', async () => {
  await busy.register('olga');
  const olga = await busy.connect('olga');
  await busy.operatorIs('olga', 'available');
  const message = { id: 'm0', body: 'Hello' };
  await busy.ask('POST', '/visitors/1/chats', { chatId: 'c1', department: 'sales', message });
  // More than the burst, from many connections. Other tenants are served meanwhile.
  const flood = Promise.all(Array.from({ length: 200 }, (_, n) => view(busy, '1', n)));
  expect((await view(other, '1')).status).toBe(202);
  const answers = await flood;
  const refused = answers.filter(({ status }) => status === 429);
  expect(answers.filter(({ status }) => status === 202).length).toBeGreaterThan(0);
  expect(refused.length).toBeGreaterThan(50);
  for (const { headers, body } of refused) {
    expect(headers.get('content-type')).toBe('application/problem+json');
    expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(body).toMatchObject({ code: 'too-many-requests', retryAfter: expect.any(Number) });
  }
  expect(
    (await busy.call('POST', '/visitors/1/messages', { id: 'm1', body: 'Urgent' })).status,
  ).toBe(202);
  // What was refused can be sent again with the same id, and arrives once.
  const texts = Array.from({ length: 60 }, (_, n) => ({ id: `t${n}`, body: `text ${n}` }));
  for (const text of texts) {
    await waitFor(
      async () => (await busy.call('POST', '/visitors/1/messages', text)).status === 202,
      { what: `${text.id} to be accepted`, every: 100 },
    );
  }
  await olga.waitFor(
    ({ messages }) => messages.some(({ body }) => body === 'text 59'),
    'all texts',
  );
  const received = olga.messages.map(({ body }) => body);
  expect(received.filter((body) => /^(text|Urgent)/.test(body))).toEqual([
    'Urgent',
    ...texts.map(({ body }) => body),
  ]);
  await olga.disconnect();
});

it('a tenant with too many visitors online gets no more of them; those who are there, and chats, go on', async () => {
  for (let n = 1; n <= 4; n++) expect((await view(crowded, `${n}`)).status).toBe(202);
  // The count is a second old at most, so a few more may come.
  let late = 0;
  await waitFor(async () => (await view(crowded, `late${++late}`)).status === 429, {
    what: 'the bound',
    every: 100,
  });
  expect((await view(crowded, 'later')).body).toMatchObject({
    code: 'too-many-requests',
    detail: expect.stringContaining('maxOnlineVisitors: 4'),
  });
  expect((await view(crowded, '1', 2)).status).toBe(202);
  expect((await view(other, 'late')).status).toBe(202);
  for (let n = 1; n < late; n++) await crowded.ask('DELETE', `/visitors/late${n}`);
  await crowded.ask('DELETE', '/visitors/2');
  await waitFor(async () => (await view(crowded, 'later')).status === 202, {
    what: 'a free place',
    every: 100,
  });
});

it('a tenant with too many new visitors gets no more of them; a chat may still bring one', async () => {
  const answers: number[] = [];
  for (let n = 1; n <= 30; n++) answers.push((await view(hurried, `${n}`)).status);
  expect(answers[0]).toBe(202);
  await waitFor(async () => (await view(hurried, 'late')).status === 429, { what: 'the bound' });
  expect((await view(hurried, '1', 2)).status).toBe(202);
  const chat = { chatId: 'c1', department: 'sales', message: { id: 'm1', body: 'Hello' } };
  expect((await hurried.call('POST', '/visitors/new/chats', chat)).status).toBe(202);
  expect((await view(other, 'new')).status).toBe(202);
});

it('a stop loses no error for messages that nobody got', async () => {
  await other.register('rosa');
  const rosa = await other.connect('rosa');
  await other.operatorIs('rosa', 'available');
  const message = { id: 'm0', body: 'Hello' };
  await other.ask('POST', '/visitors/rosas/chats', { chatId: 'r1', department: 'sales', message });
  await other.callback('chat.assigned', ({ chatId }) => chatId === 'r1');
  const most = 300;
  for (let n = 0; n < most; n++) rosa.send(other.visitorJid(`nobody${n % 5}`), `${n}`, `n${n}`);
  rosa.send(other.visitorJid('rosas'), 'the last one');
  // Her messages are taken in their order.
  await other.callback('chat.message', ({ message: { body } }) => body === 'the last one');
  const told = (): number =>
    rosa.errors
      .flatMap((error) => [...error.toString().matchAll(/Not delivered either: (\d+)/g)])
      .reduce((sum, [, count]) => sum + Number(count), rosa.errors.length);
  expect(told()).toBeLessThan(most); // otherwise this test shows nothing
  await world.service.stop();
  await waitFor(() => told() === most, { what: () => `${most} errors; there are ${told()}` });
  await rosa.disconnect();
});
