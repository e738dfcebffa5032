/** Operators: LHC registers them, the service follows their sessions, and LHC gets callbacks about them. */
import { expect, it } from 'vitest';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

const world = await testWorld({
  tenants: [{ id: 'acme', host: 'xmpp.test' }],
  modLhc: { ping_interval: 2, ping_timeout: 5, ping_grace: 1 },
});
const acme = world.tenant('acme');
const online = (username: string) => acme.callbacks('operator.online').filter(of(username));
const offline = (username: string) => acme.callbacks('operator.offline').filter(of(username));
const of =
  (username: string) =>
  ({ data }: { data: { operator: { username: string } } }) =>
    data.operator.username === username;

it('PUT creates the account and joins the group; an existing account is not taken over', async () => {
  await acme.register('olga', { name: 'Olga', lhcUserId: 70 });
  expect(await world.accounts('xmpp.test')).toContain('olga');
  expect(await acme.ask('GET', '/operators/olga')).toMatchObject({
    jid: 'olga@xmpp.test',
    lhcUserId: 70,
    name: 'Olga',
    departments: ['sales'],
    availability: 'offline',
    capacity: 5,
    chats: [],
  });
  const olga = await acme.connect('olga');
  await olga.disconnect();

  await world.ejabberd.register('foreign', 'pw');
  const put = { lhcUserId: 80, departments: [], password: 'stolen' };
  const refused = await acme.call('PUT', '/operators/foreign', put);
  expect(refused).toMatchObject({ status: 409, body: { errors: [{ field: 'username' }] } });
  await acme.connect('foreign').then((operator) => operator.disconnect());
  const asTenant = await acme.call('PUT', '/operators/foreign', { ...put, adopt: true });
  expect(asTenant.status).toBe(409);
  const asAdmin = await world.service.call('PUT', '/v1/acme/operators/foreign', {
    ...put,
    password: 'adopted',
    adopt: true,
  });
  expect(asAdmin.status).toBe(202);
  await acme.connect('foreign', { password: 'adopted' }).then((each) => each.disconnect());
});

it('an operator connects, changes presence, answers pings, disconnects', async () => {
  await acme.register('pia');
  const pia = await acme.connect('pia', { resource: 'desk' });
  await acme.operatorIs('pia', 'available');
  const { data } = await waitFor(() => online('pia')[0]);
  expect(data.operator).toEqual({ username: 'pia', lhcUserId: 2 });
  expect(Math.abs(Date.parse(data.at) - Date.now())).toBeLessThan(10_000);

  pia.setPresence('away', 'at lunch');
  await acme.operatorIs('pia', 'away');
  const { sessions } = await acme.ask('GET', '/operators/pia');
  expect(sessions).toMatchObject([{ resource: 'desk', show: 'away', status: 'at lunch' }]);
  pia.setPresence('dnd');
  await acme.operatorIs('pia', 'busy');
  pia.setPresence();
  await acme.operatorIs('pia', 'available');
  await acme.callback('operator.alive', ({ operator }) => operator.username === 'pia');

  // With a second client the operator stays online while either of the two does.
  const phone = await acme.connect('pia', { resource: 'phone' });
  await waitFor(async () => (await acme.ask('GET', '/operators/pia')).sessions.length === 2);
  await pia.disconnect();
  await waitFor(async () => (await acme.ask('GET', '/operators/pia')).sessions.length === 1);
  await acme.operatorIs('pia', 'available');
  expect(offline('pia')).toEqual([]);
  await phone.disconnect();
  await acme.operatorIs('pia', 'offline');
  await waitFor(() => offline('pia').length === 1, { what: 'operator.offline' });
  expect(online('pia')).toHaveLength(1);
});

it('a cut connection ends after the time in which it could be resumed', async () => {
  await acme.register('sara');
  const sara = await acme.connect('sara', { streamManagement: 'resume' });
  await acme.operatorIs('sara', 'available');
  sara.drop();
  await acme.operatorIs('sara', 'offline');
  await waitFor(() => offline('sara').length === 1, { what: 'operator.offline' });
});

it('the service learns after its start what changed while it was down', async () => {
  await acme.register('tina');
  await acme.register('ulla');
  const tina = await acme.connect('tina');
  await acme.operatorIs('tina', 'available');
  await world.service.kill();
  await tina.disconnect();
  const ulla = await acme.connect('ulla');
  await world.service.start();
  await acme.operatorIs('tina', 'offline');
  await acme.operatorIs('ulla', 'available');
  await waitFor(() => offline('tina').length === 1 && online('ulla').length === 1, {
    what: 'both callbacks',
  });
  await ulla.disconnect();
});

it('who writes to nobody gets an error, and so does who is no operator; both leave no trace', async () => {
  const facts = async () => {
    const { body } = await world.service.call('GET', '/debug/events?limit=500');
    return body.items.map(({ stream }: { stream: string }) => stream);
  };
  await acme.register('wilma', { lhcUserId: 98 });
  await acme.view('known', { page: 'https://a.test/' });
  const wilma = await acme.connect('wilma');
  await acme.operatorIs('wilma', 'available');
  for (const text of ['Hello?', '!info']) {
    const id = wilma.send(acme.visitorJid('nobody'), text);
    const error = await wilma.waitFor(
      ({ errors }) => errors.find(({ attrs }) => attrs.id === id),
      `the error for ${text}`,
    );
    expect(error.attrs.from).toBe(acme.visitorJid('nobody'));
    expect(error.getChild('error')?.getChild('item-not-found')).toBeDefined();
  }
  await world.ejabberd.register('stranger', 'pw');
  const stranger = await acme.connect('stranger', { password: 'pw' });
  const id = stranger.send(acme.visitorJid('known'), 'Buy now');
  await stranger.waitFor(({ errors }) => errors.some(({ attrs }) => attrs.id === id));
  const streams: string[] = await facts();
  expect(streams.filter((name) => /nobody|stranger|^inbox-/.test(name))).toEqual([]);

  // Who was online before the registration counts right after it.
  const put = { lhcUserId: 99, departments: [], adopt: true };
  const registered = await world.service.call('PUT', '/v1/acme/operators/stranger', put);
  expect(registered.status).toBe(202);
  await acme.operatorIs('stranger', 'available');
  await stranger.disconnect();
  await acme.operatorIs('stranger', 'offline');
  await wilma.disconnect();
});

it('DELETE removes the account', async () => {
  await acme.register('vera');
  expect((await acme.call('DELETE', '/operators/vera')).status).toBe(202);
  await waitFor(async () => !(await world.accounts('xmpp.test')).includes('vera'));
  expect((await acme.call('GET', '/operators/vera')).status).toBe(404);
});

it('a storm of presences causes few facts, and the last presence counts in the end, after a kill too', async () => {
  await acme.register('wilma', { lhcUserId: 90 });
  const wilma = await acme.connect('wilma');
  await acme.operatorIs('wilma', 'available');
  const storm = async () => {
    for (let n = 0; n < 400; n++) wilma.setPresence(n % 2 ? 'away' : undefined);
    await wilma.sendAndAck('nobody@xmpp.test', 'everything before is processed');
  };
  const facts = async () => {
    const stream = '/debug/streams/operator-acme.wilma?limit=500';
    const { body } = await world.service.call('GET', stream);
    return body.items.map(({ type }: { type: string }) => type);
  };
  await storm();
  wilma.setPresence('dnd');
  await acme.operatorIs('wilma', 'busy');
  expect((await facts()).length).toBeLessThan(60);

  await storm();
  await world.service.kill();
  wilma.setPresence();
  await world.service.start();
  await acme.operatorIs('wilma', 'available');
  await wilma.disconnect();
  await acme.operatorIs('wilma', 'offline');
  expect((await facts()).length).toBeLessThan(120);
});
