/** Tenants never see each other. Two tenants are instances on one host, and the third has a host of its own. */
import { expect, it } from 'vitest';
import { testWorld } from '../support/test-world.ts';

const world = await testWorld({
  tenants: [
    { id: 'north', host: 'hosting.test', instance: 'north-shop' },
    { id: 'south', host: 'hosting.test', instance: 'south-shop' },
    { id: 'alone', host: 'alone.test' },
  ],
});
const { service } = world;
const all = ['north', 'south', 'alone'].map((id) => world.tenant(id));
const [north, south] = [world.tenant('north'), world.tenant('south')];
const operators = new Map<string, Awaited<ReturnType<typeof north.connect>>>();
for (const tenant of all) {
  await tenant.register('olga');
  operators.set(tenant.id, await tenant.connect('olga'));
  await tenant.operatorIs('olga', 'available');
}
const olga = (id: string) => {
  const operator = operators.get(id);
  if (!operator) throw new Error(`no operator of ${id}`);
  return operator;
};

it('the same names are different people, on separate rosters', async () => {
  for (const tenant of all) {
    await tenant.view('1', { page: `https://${tenant.id}.test/`, nick: `${tenant.id} one` });
    await tenant.ask('POST', '/visitors/1/chats', {
      chatId: 'c1',
      department: 'sales',
      message: { id: 'm1', body: `for ${tenant.id}` },
    });
  }
  for (const tenant of all) {
    const jid = tenant.visitorJid('1');
    await olga(tenant.id).waitFor(() => olga(tenant.id).messages.length === 1, 'a message');
    await olga(tenant.id).waitFor(() => olga(tenant.id).presences.get(jid)?.available);
    const [message] = olga(tenant.id).messages;
    expect(message?.body).toBe(`for ${tenant.id}`);
    expect(message?.lines).toContain(`${tenant.id} one`);
    const roster = await olga(tenant.id).roster();
    const desk = jid.replace('visitor.1', 'visitors');
    expect(roster.map((item) => item.jid).sort()).toEqual([jid, desk].sort());
    const visitors = [...olga(tenant.id).presences.keys()].filter((each) =>
      /^visitor\./.test(each),
    );
    expect(visitors).toEqual([jid]);
    expect((await tenant.ask('GET', '/visitors')).items).toMatchObject([
      { nick: `${tenant.id} one` },
    ]);
    await tenant.callback('chat.assigned');
    await tenant.callback('message.delivered');
  }
  for (const { id, lhc } of all) {
    expect(new Set(lhc.requests.map(({ callback }) => callback?.tenant))).toEqual(new Set([id]));
  }
});

it('each stream belongs to one tenant', async () => {
  const { body } = await service.call('GET', '/debug/events?limit=500');
  const items: { stream: string; metadata: { tenant: string } }[] = body.items;
  for (const { stream, metadata } of items.filter((each) => each.stream !== 'service-log')) {
    const [, owner] = /^(?:lane-)?(?:visitor|operator|tenant|key)-([a-z0-9-]+)/.exec(stream) ?? [];
    expect([stream, metadata.tenant]).toEqual([stream, owner]);
  }
  const chats = items.filter(({ stream }) => /^visitor-[a-z]+\.1$/.test(stream));
  expect(new Set(chats.map(({ stream }) => stream)).size).toBe(3);
});

it('an operator cannot reach a visitor of another tenant, and is told so', async () => {
  const before = south.lhc.requests.length;
  const id = olga('north').send(south.visitorJid('1'), 'Come over to us!');
  await olga('north').acknowledged();
  const [refusal] = olga('north').errors;
  expect(refusal?.attrs).toMatchObject({ id, from: south.visitorJid('1') });
  expect(refusal?.getChild('error')?.getChild('item-not-found')).toBeDefined();
  // Later events of the same queue have been carried out, so nothing else is on its way.
  olga('north').setPresence('away');
  await north.operatorIs('olga', 'away');
  const letters = await service.call('GET', '/debug/dead-letters');
  expect(letters.body.items).toEqual([]);
  const { items } = await south.ask('GET', '/visitors/1/messages');
  expect(items).toHaveLength(1);
  expect(south.callbacks('chat.message')).toEqual([]);
  expect(south.lhc.requests.length - before).toBeLessThanOrEqual(1); // at most the delivery of the first message
});

it('the key of another tenant gets the answer of an unknown key, on every path of the document', async () => {
  const { body: document } = await service.call('GET', '/openapi.json');
  // The OpenAPI document is JSON from outside.
  const paths = document.paths as Record<string, Record<string, unknown>>;
  const ofTenants = Object.keys(paths).filter((path) => path.startsWith('/v1/{tenant}'));
  expect(ofTenants.length).toBeGreaterThanOrEqual(9);
  const facts = async () => {
    const { body } = await service.call('GET', '/debug/events?limit=500');
    return body.items.filter(({ stream }: { stream: string }) =>
      /^(visitor|operator)-south/.test(stream),
    ).length;
  };
  await world.idle();
  const before = await facts();
  let requests = 0;
  for (const template of ofTenants) {
    for (const method of Object.keys(paths[template] ?? {})) {
      if (!['get', 'put', 'post', 'delete'].includes(method)) continue;
      const path = template
        .replace('{tenant}', 'south')
        .replace('{key}', '1')
        .replace('{username}', 'olga')
        .replace('{chatId}', 'c1');
      const body = method === 'post' || method === 'put' ? {} : undefined;
      const ask = async (key: string) => {
        const answer = await service.call(method.toUpperCase(), path, body, { key });
        return { status: answer.status, body: answer.body };
      };
      const foreign = await ask(north.apiKey);
      expect({ path, ...foreign }).toEqual({ path, ...(await ask('nobody-has-this-key')) });
      expect(foreign.status).toBe(401);
      requests += 1;
    }
  }
  expect(requests).toBeGreaterThanOrEqual(12);
  expect(await facts()).toBe(before);
});
