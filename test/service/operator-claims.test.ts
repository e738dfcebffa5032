/** Claims on one LHC user at two processes on one log, behind a balancer, with a real ejabberd. */
import { expect, it } from 'vitest';
import { balanced } from '../support/partitions.ts';
import { callTo } from '../support/service.ts';
import { newTenantId, sharedLog } from '../support/shared-log.ts';
import { testWorld } from '../support/test-world.ts';

const TENANT = newTenantId();
const world = await testWorld({
  tenants: [{ id: TENANT, host: 'xmpp.test' }],
  processes: 2,
  environment: await sharedLog(),
});
const tenant = world.tenant(TENANT);
await balanced(world.processes);
const pendingBefore = await world.metric('xmpp_chat_effects_pending');

/** Sends a request to this process, not through the balancer. */
const at = (index: number) => (method: string, username: string, body?: unknown) => {
  const process = world.processes[index];
  if (!process) throw new Error('the world has two processes');
  const path = `/v1/${TENANT}/operators/${username}`;
  return callTo(process.url)(method, path, body, { key: tenant.apiKey });
};
const [first, second] = [at(0), at(1)];

it('of two simultaneous requests at two processes exactly one gets the LHC user', async () => {
  for (let round = 0; round < 6; round++) {
    const wish = { lhcUserId: 10 + round, password: 'pw' };
    const answers = await Promise.all([
      first('PUT', `ada${round}`, wish),
      second('PUT', `grace${round}`, wish),
    ]);
    expect(answers.map(({ status }) => status).sort()).toEqual([202, 409]);
    const winner = answers[0]?.status === 202 ? `ada${round}` : `grace${round}`;
    const refused = answers.find(({ status }) => status === 409);
    expect(refused?.body.errors).toMatchObject([
      { field: 'lhcUserId', reason: expect.stringContaining(winner) },
    ]);
    const accounts = await world.accounts('xmpp.test');
    const created = [`ada${round}`, `grace${round}`].filter((name) => accounts.includes(name));
    expect(created).toEqual([winner]);
  }
});

it('after a removal at one process and a registration at the other, the new account stays', async () => {
  await first('PUT', 'olga', { lhcUserId: 50, password: 'pw' });
  for (let round = 0; round < 6; round++) {
    const [remove, put] = round % 2 ? [first, second] : [second, first];
    const removed = await remove('DELETE', 'olga');
    expect(removed.status).toBe(202);
    const again = await put('PUT', 'olga', { lhcUserId: 50, password: `pw${round}` });
    expect(again.status).toBe(202);
  }
  await world.idle({ effects: pendingBefore });
  await tenant.connect('olga', { password: 'pw5' }).then((each) => each.disconnect());
});

it('a process that dies during a claim does not block the LHC user', async () => {
  const dying = world.processes[0];
  if (!dying) throw new Error('the world has two processes');
  const wishes = Array.from({ length: 12 }, (_, i) => ({ lhcUserId: 100 + i, password: 'pw' }));
  const answers = wishes.map((wish, i) => first('PUT', `half${i}`, wish).catch(() => null));
  await Promise.race(answers);
  await dying.kill();
  const firstAnswers = await Promise.all(answers);
  // Each operator can complete the registration at the other process.
  for (const [i, wish] of wishes.entries()) {
    const answer = await second('PUT', `half${i}`, wish);
    expect({ i, status: answer.status }).toEqual({ i, status: 202 });
    expect(firstAnswers[i]?.status ?? 202).toBe(202);
  }
  await dying.start();
  const { items } = await tenant.ask('GET', '/operators?q=half&limit=100');
  const ids = items.map(({ lhcUserId }: { lhcUserId: number }) => lhcUserId);
  expect(ids.toSorted()).toEqual(wishes.map(({ lhcUserId }) => lhcUserId));
});
