/** ejabberd or LHC is away, at the start or later. Commands are accepted, and their effects wait and happen in order. */
import { expect, it } from 'vitest';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

const world = await testWorld({ tenants: [{ id: 'acme', host: 'xmpp.test' }] });
const { service, ejabberd } = world;
const acme = world.tenant('acme');
await acme.register('olga');

const texts = (visitor: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${visitor}-says-${index}`);
const say = async (visitor: string, body: string): Promise<void> => {
  const answer = await acme.call('POST', `/visitors/${visitor}/messages`, { id: body, body });
  expect(answer.status).toBe(202);
};
const check = async (name: string) => {
  const { status, body } = await service.call('GET', '/readyz');
  return { status, ...body.checks[name] };
};
const expectDelivered = async (visitor: string, bodies: readonly string[]): Promise<void> => {
  const delivered = () =>
    acme
      .callbacks('message.delivered')
      .filter(({ data }) => data.visitor === visitor)
      .map(({ data }) => data.messageId);
  await waitFor(() => delivered().length === bodies.length, {
    what: () => `${bodies.length} messages of ${visitor}: ${delivered().join(', ')}`,
  });
  expect(delivered()).toEqual(bodies);
};

it('the service starts without ejabberd and LHC, and effects happen when they are back', async () => {
  // ejabberd is stopped in order, because a kill would lose the last seconds of its database.
  await service.stop();
  await ejabberd.stop();
  await acme.lhc.stop();
  await service.start();

  expect(await check('ejabberd')).toMatchObject({ status: 503, ok: false });
  expect((await check('ejabberd')).reason).toMatch(/EJABBERD_API_URL/);
  expect(await check('eventstore')).toMatchObject({ ok: true });
  const { body: anybody } = await service.call('GET', '/readyz', undefined, { key: 'none' });
  expect(anybody).toMatchObject({ status: 'not-ready', checks: { ejabberd: { ok: false } } });
  expect(anybody.checks.ejabberd).not.toHaveProperty('reason');

  expect(
    (await acme.call('POST', '/visitors/1/page-views', { page: 'https://a.test/' })).status,
  ).toBe(202);
  expect(
    (await acme.call('POST', '/visitors/1/chats', { chatId: 'c1', department: 'sales' })).status,
  ).toBe(202);
  for (const body of texts('1', 5)) await say('1', body);
  // A password reaches ejabberd at once or not at all (docs/architecture.md, promise 8).
  const put = await acme.call('PUT', '/operators/nora', {
    lhcUserId: 9,
    departments: [],
    password: 'pw',
  });
  expect(put.status).toBe(503);
  expect((await acme.call('GET', '/operators/nora')).status).toBe(404);

  await ejabberd.start();
  const olga = await acme.connect('olga');
  await olga.waitFor(() => olga.messages.length >= 5, 'the messages');
  expect(olga.messages.map(({ body }) => body)).toEqual(texts('1', 5));
  expect(olga.messages[0]?.lines).toMatch(/^New chat #c1 for sales/);
  expect(await check('ejabberd')).toMatchObject({ ok: true });
  const told = service.logs().match(/"part":"ejabberd".*"msg":"a part is (away|back)"/g);
  expect(told).toEqual([expect.stringContaining('is away'), expect.stringContaining('is back')]);
  await waitFor(async () => (await check('lhc')).ok === false, { what: 'readyz to report LHC' });
  // The service stays ready for other tenants when one tenant's LHC is away.
  expect(await check('lhc')).toMatchObject({
    status: 200,
    reason: expect.stringMatching(/acme: /),
  });
  // What nobody has tried says why.
  await waitFor(async () => {
    const { body } = await service.call('GET', '/debug/streams/visitor-acme.1/effects');
    return body.items.some(({ waits }: { waits: string | null }) => waits?.startsWith('away: '));
  });

  await acme.lhc.start();
  await expectDelivered('1', texts('1', 5));
  const about1 = acme.lhc
    .accepted()
    .filter(({ data }) => 'visitor' in data && data.visitor === '1');
  expect(about1[0]?.type).toBe('chat.assigned');
  await waitFor(async () => (await check('lhc')).ok, { what: 'readyz to accept LHC' });
  await acme.ask('POST', '/visitors/1/chats/c1/close', { by: 'visitor' });
  await olga.disconnect();
});

it('messages arrive once and in order although ejabberd and LHC were away meanwhile', async () => {
  const olga = await acme.connect('olga');
  await acme.operatorIs('olga', 'available');
  await acme.view('2', { page: 'https://a.test/' });
  await acme.ask('POST', '/visitors/2/chats', { chatId: 'c2', department: 'sales' });
  await acme.callback('chat.assigned', ({ chatId }) => chatId === 'c2');
  const [before, away, after] = [
    texts('2', 15).slice(0, 5),
    texts('2', 10).slice(5),
    texts('2', 15).slice(10),
  ];
  for (const body of before) await say('2', body);
  await expectDelivered('2', before);
  const answers = texts('olga', 3);
  await acme.lhc.stop();
  for (const body of answers) await olga.sendAndAck(acme.visitorJid('2'), body, body);
  await ejabberd.kill();
  for (const body of away) await say('2', body);
  await acme.view('2', { page: 'https://a.test/2' });
  await acme.lhc.start();
  await ejabberd.start();
  const back = await acme.connect('olga');
  for (const body of after) await say('2', body);
  await expectDelivered('2', [...before, ...away, ...after]);
  const bodies = acme.callbacks('chat.message').map(({ data }) => data.message.body);
  expect(bodies).toEqual(answers);
  expect(new Set(back.messages.map(({ id }) => id)).size).toBe(back.messages.length);
  await acme.ask('POST', '/visitors/2/chats/c2/close', { by: 'visitor' });
  await back.disconnect();
});

it('SIGTERM drains the service and logs visitors out; they come back with the next start', async () => {
  const olga = await acme.connect('olga');
  const visitors = Array.from({ length: 30 }, (_, index) => `s${index}`);
  await Promise.all(visitors.map((visitor) => acme.view(visitor, { page: 'https://a.test/' })));
  const online = () =>
    visitors.filter((visitor) => olga.presences.get(acme.visitorJid(visitor))?.available).length;
  await olga.waitFor(() => online() === 30, 'all visitors');
  expect(await service.stop()).toBeLessThan(10_000);
  await olga.waitFor(() => online() === 0, 'no visitor online');
  await service.start();
  await olga.waitFor(() => online() === 30, 'all visitors again');
  await olga.disconnect();
});

it('SIGTERM ends the service within 10 s though ejabberd hangs and LHC never answers', async () => {
  acme.lhc.behave({ kind: 'hang' });
  await acme.ask('POST', '/visitors/s1/timeout');
  const { pid } = ejabberd;
  if (pid === undefined) throw new Error('ejabberd is not running');
  process.kill(pid, 'SIGSTOP');
  try {
    await acme.view('s2', { page: 'https://a.test/hangs' });
    await service.stop();
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  acme.lhc.behave({ kind: 'status', status: 200 });
  await service.start();
  await acme.callback('visitor.timed_out', ({ visitor }) => visitor === 's1');
});
