/** Tenants that come and go at run time, on a real ejabberd, while another one on the same host chats. */
import { expect, it } from 'vitest';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

const HOST = 'hosting.test';
const world = await testWorld({
  tenants: [{ id: 'stays', host: HOST, instance: 'stays' }],
  environment: { CALLBACK_ALLOW: '127.0.0.1' },
});
const { service } = world;
const stays = world.tenant('stays');
await stays.register('olga');
const olga = await stays.connect('olga');
await stays.operatorIs('olga', 'available');
await stays.view('1', { page: 'https://stays.test/' });

const displays = async (group: string): Promise<string> =>
  JSON.stringify(await world.admin('srg_get_info', { group, host: HOST }));
const comes = { id: 'comes', host: HOST, instance: 'comes' };
const get = (id = 'comes') => service.call('GET', `/v1/tenants/${id}`);
async function isGone(id = 'comes'): Promise<void> {
  let last: unknown;
  await waitFor(
    async () => {
      const { status, body } = await get(id);
      last = body;
      return status === 404;
    },
    { what: () => `the end of ${id}: ${JSON.stringify(last)}` },
  );
}
const accountsOf = async (instance: string) =>
  (await world.accounts(HOST)).filter((name) => name.endsWith(`.${instance}`));

/** The other tenant goes on: a message each way. */
let said = 0;
async function othersChat(): Promise<void> {
  said += 1;
  const id = `m${said}`;
  if (said === 1) {
    await stays.ask('POST', '/visitors/1/chats', { chatId: 'c1', message: { id, body: 'Hello' } });
  } else await stays.ask('POST', '/visitors/1/messages', { chatId: 'c1', id, body: id });
  await olga.waitFor(() => olga.messages.length >= said, `message ${said}`);
  olga.send(stays.visitorJid('1'), `answer ${said}`);
  await stays.callback('chat.message', ({ message }) => message.body === `answer ${said}`);
}

/** A tenant with a visitor in a chat with an operator, who is logged in. */
async function madeAndUsed(message: string) {
  const tenant = await world.make(comes);
  expect(tenant.made).toMatchObject({ status: 202, body: { groups: { state: 'ready' } } });
  await tenant.register('rosa');
  const rosa = await tenant.connect('rosa');
  await tenant.operatorIs('rosa', 'available');
  await tenant.view('1', { page: 'https://comes.test/', nick: 'Ann' });
  await tenant.ask('POST', '/visitors/1/chats', {
    chatId: 'c1',
    message: { id: message, body: 'Hi' },
  });
  await rosa.waitFor(() => rosa.presences.get(tenant.visitorJid('1'))?.available, 'the visitor');
  await rosa.waitFor(() => rosa.messages.length === 1, 'the message');
  rosa.send(tenant.visitorJid('1'), 'How can I help?');
  await tenant.callback('chat.message');
  return { tenant, rosa };
}

it('a tenant works at once, with both groups, and the same request again changes nothing', async () => {
  const { tenant } = await madeAndUsed('m1');
  expect(await displays('visitors.comes')).toContain('operators.comes');
  expect(await displays('operators.comes')).toContain('visitors.comes');
  expect((await get()).body).toMatchObject({ groups: { state: 'ready' }, removal: null });
  const listed = await service.cli('tenants', 'list');
  expect(listed.output).toMatch(/comes +hosting.test +comes +http +active/);
  const { body } = await service.call('POST', '/v1/tenants/comes/callback-test');
  expect(body).toMatchObject({ status: 'ok', httpStatus: 200 });
  expect(tenant.lhc.requests.at(-1)?.callback).toMatchObject({ type: 'doctor.ping' });
  const doctor = await service.cli('doctor', '--json');
  const results: { check: string; status: string }[] = JSON.parse(doctor.output).results;
  for (const check of ['groups comes', 'operators comes', 'callback comes']) {
    const found = results.filter((each) => each.check === check).map(({ status }) => status);
    expect([check, found.length > 0, found.includes('problem')]).toEqual([check, true, false]);
  }
  const inside = { host: 'x.test', callbackUrl: 'http://192.168.0.1/' };
  expect(await service.call('PUT', '/v1/tenants/inside', inside)).toMatchObject({
    status: 400,
    body: { errors: [{ field: 'callbackUrl', reason: expect.stringMatching(/CALLBACK_ALLOW/) }] },
  });
  await othersChat();
});

it('its removal goes on after a kill at each of its steps, and others chat on', async () => {
  const before = await service.cli('tenants', 'remove', 'comes');
  expect(before).toMatchObject({ code: 1, output: expect.stringMatching(/say --yes/) });
  // The first step of each run kills the next one at a later step.
  await service.kill();
  await service.start({ XMPP_CHAT_FAILPOINTS: 'removal-step=2' });
  expect((await service.cli('tenants', 'remove', 'comes', '--yes')).code).toBe(0);
  await service.ended(30_000);
  for (const step of [4, 6]) {
    await service.start({ XMPP_CHAT_FAILPOINTS: `removal-step=${step}` });
    await service.ended(60_000);
  }
  await service.start();
  await isGone();
  expect(await accountsOf('comes')).toEqual([]);
  expect(await displays('visitors.comes')).toBe('[]');
  expect(await displays('operators.comes')).toBe('[]');
  // By the component the operator alone has an account.
  const staying = stays.visitorJid('1').endsWith(`@${HOST}`) ? 3 : 1;
  await waitFor(async () => (await accountsOf('stays')).length === staying, {
    what: 'a visitor, an operator, the front desk',
  });
  await othersChat();
  const { body } = await service.call('GET', '/debug/streams/visitor-comes.1?limit=100');
  const types = body.items.map(({ type }: { type: string }) => type);
  expect(types).toContain('ChatClosed');
  expect(types).toContain('CleanedUp');
});

it('the same name can be made anew; a purge leaves nothing of it', async () => {
  const { tenant } = await madeAndUsed('m2');
  // What queries read of the first one went with it.
  expect((await tenant.ask('GET', '/chats')).items).toHaveLength(1);
  const removed = await service.cli('tenants', 'remove', 'comes', '--purge', '--yes', '--json');
  expect(removed.code).toBe(0);
  expect((await tenant.call('POST', '/visitors/1/page-views', { page: 'x' })).status).not.toBe(202);
  await isGone();
  await tenant.callback('chat.closed');
  await tenant.callback('visitor.cleaned_up');
  expect((await tenant.call('GET', '/visitors')).status).toBe(401);
  const { body } = await service.call('GET', '/debug/events?limit=500');
  const streams = new Set(body.items.map(({ stream }: { stream: string }) => stream));
  expect([...streams].filter((stream) => /comes/.test(String(stream)))).toEqual(['tenant-comes']);
  const again = await world.make(comes);
  expect(again.made.body.groups).toEqual({ state: 'ready' });
  for (const path of ['/visitors', '/chats', '/operators']) {
    expect((await again.ask('GET', path)).items).toEqual([]);
  }
  expect((await service.call('GET', '/debug/dead-letters')).body.items).toEqual([]);
  await othersChat();
});

it('an LHC that is away does not hold up the removal, and is not told for ever', async () => {
  const tenant = await world.make({ id: 'deaf', host: HOST, instance: 'deaf' });
  await tenant.lhc.stop();
  await tenant.view('1', { page: 'https://deaf.test/' });
  await service.call('DELETE', '/v1/tenants/deaf');
  await isGone('deaf');
  expect(await accountsOf('deaf')).toEqual([]);
  await world.idle();
  expect((await service.call('GET', '/readyz')).body.checks.lhc.ok).toBe(true);
});
