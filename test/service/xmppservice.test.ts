/**
 * The API of LHC's old Node server against a real ejabberd, with the bodies that a real LHC has sent: effects are read back
 * by ejabberd's API, presence and messages are seen by the operators' clients. The old server has been at work before.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { apiCalls, day, hosting } from '../lhc-wire/recordings.ts';
import type { Operator } from '../support/operator.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

const HOST = 'xmpp.acme.example';
/** Of a hosting company, whose instances nobody has declared. */
const SHOPS = 'shops.example';
const OK = '{"error":false,"msg":""}';
const world = await testWorld({
  tenants: [{ id: 'acme', host: HOST, settings: { routing: { by: 'lhc' } } }],
  environment: { LEGACY_SECRET_KEY: 'legacy-secret-1', LEGACY_LISTEN: '127.0.0.1:0' },
  ejabberd: { hosts: [HOST, SHOPS] },
  running: false,
});
const acme = world.tenant('acme');
const { admin, ejabberd } = world;
const clients: Operator[] = [];
let url = '';

async function send(path: string, body: string): Promise<string> {
  const response = await fetch(url + path, {
    method: 'POST',
    body,
    signal: AbortSignal.timeout(5_000),
  });
  return response.text();
}
const call = (path: string, body: object) =>
  send(path, JSON.stringify({ secret_key: 'legacy-secret-1', ...body }));
/** Sends the recorded calls of this step, and expects the recorded answers. */
async function replay(step: string): Promise<void> {
  const calls = apiCalls(day).filter((each) => each.step === step);
  expect(calls.length).toBeGreaterThan(0);
  for (const { path, body, answer } of calls)
    expect([body, await send(path, body)]).toEqual([body, answer]);
}
async function connect(username: string, password: string): Promise<Operator> {
  const client = await acme.connect(username, { password });
  clients.push(client);
  return client;
}
const jidOf = (key: string) => `visitor.${key}@${HOST}`;
const members = async (group: string) =>
  (await admin('srg_get_members', { group, host: HOST })) as string[]; // its documented form
const presenceOf = (client: Operator, key: string) => client.presences.get(jidOf(key));
const linesFrom = ({ messages }: Operator, key: string) =>
  messages.filter(({ from }) => from.startsWith(jidOf(key)));

beforeAll(async () => {
  // As the old server leaves them: accounts with passwords that only it knows, in groups that do not show each other.
  const accounts = {
    olga: 'operators',
    otto: 'operators',
    'visitor.7': 'visitors',
    'visitor.99': 'visitors',
  };
  for (const [user, group] of Object.entries(accounts)) {
    await ejabberd.registerOperator(user, `old ${user}`, HOST, group);
  }
  await world.service.start();
  url = await waitFor(() => /"xmppserviceUrl":"([^"]+)"/.exec(world.service.logs())?.[1]);
});
afterAll(async () => {
  for (const client of clients) await client.disconnect();
});

it('takes over what the old server made: operators, visitors and their passwords', async () => {
  await waitFor(
    async () => {
      const { items } = await acme.ask('GET', '/operators');
      return (
        items.length === 2 && items.every((each: { lhcUserId: unknown }) => each.lhcUserId === null)
      );
    },
    { what: 'both operators' },
  );
  const olga = await connect('olga', 'old olga');
  await acme.operatorIs('olga', 'available');
  await replay('second page');
  const seen = await olga.waitFor(() => presenceOf(olga, '7'), 'visitor 7');
  expect(seen).toMatchObject({ available: true, nick: 'Online visitor' });
  expect(seen.status).toMatch(/^\/shoes\/43\n\| Time zone: Europe\/Paris \(22:09:14\)\n/);
  // The password is ours now.
  await expect(connect('visitor.7', 'old visitor.7')).rejects.toThrow(/not-authorized/);
  await waitFor(async () => !(await world.accounts(HOST)).includes('visitor.99'), {
    what: 'no visitor 99',
  });
});

it('shows a visitor, brings messages, and follows the end of a chat that LHC does not tell', async () => {
  const [olga] = clients;
  if (!olga) throw new Error('olga is connected');
  for (const step of apiCalls(day).map((each) => each.step)) {
    if (step.startsWith('new XMPP account for operator oskar')) await replay(step);
  }
  const oskar = await connect('oskar', '\u00d6skar pw "2" & <3>');
  await acme.operatorIs('oskar', 'available');
  await replay('starts a chat in Sales: two operators of the department are online');
  await replay('writes while the chat is pending');
  for (const client of [olga, oskar]) {
    await client.waitFor(
      () =>
        linesFrom(client, '7').some(({ body }) =>
          body.startsWith('Anyone there? [b]bold[/b] & <i> "q" \u{1f44d}'),
        ),
      'both messages',
    );
    const bodies = linesFrom(client, '7').map(({ body }) => body);
    expect(bodies.filter((body) => body.startsWith('Do you have these in 43?'))).toHaveLength(1);
    expect(bodies.filter((body) => body.startsWith('Anyone there?'))).toHaveLength(1);
  }
  await olga.waitFor(() => presenceOf(olga, '7')?.nick === 'Anna Bell #41', 'the nick of the chat');
  expect(presenceOf(olga, '7')?.status).toBe(
    'Waiting \u00b7 Sales\n| //shop.test/shoes\n| Pending chat',
  );
  olga.send(jidOf('7'), 'Yes, in black');
  await acme.callback('chat.message', ({ message }) => message.body === 'Yes, in black');
  await replay('writes in the accepted chat');
  await olga.waitFor(
    () => linesFrom(olga, '7').some(({ body }) => body.startsWith('Great.\nAnd in brown?')),
    'the answer',
  );
  await replay('olga gives a command');
  await olga.waitFor(
    () => linesFrom(olga, '7').some(({ lines }) => lines.includes('LHC: Nick changed!')),
    "LHC's answer",
  );
  await replay('writes: goes to oskar now');
  await oskar.waitFor(
    () => linesFrom(oskar, '7').some(({ body }) => body.endsWith('Hello again')),
    'the message for oskar',
  );
  await replay(
    'looks at a page after the chat was closed (the status line of the chat is gone, the nick stays)',
  );
  await acme.callback(
    'chat.closed',
    ({ chatId, reason }) => chatId === '41' && reason === 'over in LHC',
  );
  await olga.waitFor(
    () => presenceOf(olga, '7')?.status === 'Sales\n| /shoes/belts',
    'the status without a chat',
  );
});

it('removes visitors and operators, and says so before ejabberd has done it', async () => {
  const [olga] = clients;
  if (!olga) throw new Error('olga is connected');
  await replay('starts a chat without being tracked');
  await olga.waitFor(() => presenceOf(olga, '43.chat')?.available, 'visitor 43');
  expect(await members('visitors')).toContain(jidOf('43.chat'));
  await replay("closes Ben's chat: the delete pair");
  await replay("closes Ben's chat: the delete pair");
  await olga.waitFor(() => presenceOf(olga, '43.chat')?.available === false, 'no visitor 43');
  await waitFor(
    async () =>
      !(await world.accounts(HOST)).includes('visitor.43.chat') &&
      !(await members('visitors')).includes(jidOf('43.chat')),
    { what: 'no account and no member' },
  );
  await replay('XMPP account of otto deleted');
  await waitFor(
    async () =>
      !(await world.accounts(HOST)).includes('otto') &&
      !(await members('operators')).includes(`otto@${HOST}`),
    { what: 'no otto' },
  );
});

it('sets passwords at once, and changes nothing for a name that it refuses', async () => {
  await replay('operator oskar saved again with a new password');
  await connect('oskar', 'oskar-new-2');
  expect(await call('/xmpp-register', { user: 'oskar', host: HOST, password: null })).toBe(OK);
  await connect('oskar', 'oskar-new-2');
  await world.idle();
  const before = [
    await world.accounts(HOST),
    await members('operators'),
    await members('visitors'),
  ];
  const api = ejabberd.api.user.split('@')[0];
  for (const user of [
    'admin',
    api,
    'visitor.7',
    'a b',
    '$(id)',
    '<x/>',
    'olga@evil',
    'x'.repeat(4_096),
  ]) {
    expect(await call('/xmpp-register', { user, host: HOST, password: 'stolen' })).toMatch(
      /^\{"error":true/,
    );
  }
  expect([
    await world.accounts(HOST),
    await members('operators'),
    await members('visitors'),
  ]).toEqual(before);
});

it('makes the instances of a hosting company, keeps them apart, and removes them', async () => {
  const template = { host: SHOPS, instance: '*', routing: { by: 'lhc' } };
  const put = await world.service.call('PUT', '/v1/tenants/shops', template);
  expect(put.status).toBeLessThan(300);
  const shops = async (...steps: string[]) => {
    const calls = apiCalls(hosting).filter(({ step }) =>
      steps.some((part) => step.startsWith(part)),
    );
    expect(calls.length).toBeGreaterThan(0);
    for (const { path, body, answer } of calls) {
      expect(await send(path, body.replaceAll(HOST, SHOPS))).toBe(answer);
    }
  };
  await shops("the manager's cron creates", 'new XMPP account amy', 'new XMPP account zac');
  await shops('cron/extensions_update of the manager (groups exist)');
  const [amy, zac] = await Promise.all(
    [
      ['amy.acme-shop', 'amy-pw-1'],
      ['zac.zeta', 'zac-pw-1'],
    ].map(async ([username = '', password = '']) => {
      const client = await acme.connect(username, { password, domain: SHOPS });
      clients.push(client);
      return client;
    }),
  );
  if (!amy || !zac) throw new Error('both are connected');
  await shops('first page', 'second page', 'starts a chat');
  for (const [client, instance, other] of [
    [amy, 'acme-shop', 'zeta'],
    [zac, 'zeta', 'acme-shop'],
  ] as const) {
    const own = `visitor.5.${instance}@${SHOPS}`;
    await client.waitFor(
      () => client.messages.some(({ from, body }) => from.startsWith(own) && body === 'Hello'),
      `the message of visitor 5 of ${instance}`,
    );
    await client.waitFor(() => client.presences.get(own)?.nick === 'Visitor #3', 'the nick');
    expect(client.stanzas.filter((stanza) => stanza.toString().includes(other))).toEqual([]);
    const colleagues = (await client.roster()).map(({ jid }) => jid);
    const colleague = instance === 'zeta' ? 'zoe.zeta' : 'owner.acme-shop';
    expect(colleagues).toContain(`${colleague}@${SHOPS}`);
  }
  await shops("the manager's cron removes");
  const refused = JSON.stringify({
    secret_key: 'legacy-secret-1',
    jid: `visitor.5.zeta@${SHOPS}`,
    nick: 'a',
    status: '/',
    pass: '083961677fac3874c94c',
  });
  expect(await send('/xmpp', refused)).toMatch(/is being removed|was removed/);
});

it('answers everything while ejabberd hangs', async () => {
  const { pid } = ejabberd;
  if (pid === undefined) throw new Error('ejabberd runs');
  process.kill(pid, 'SIGSTOP');
  try {
    const visitor = { user: 'visitor.7', host: HOST };
    const page = {
      jid: jidOf('8'),
      pass: '373adb159298b66a94d9',
      nick: 'Online visitor',
      status: '/faq',
    };
    expect(await call('/xmpp', page)).toBe('ok');
    expect(
      await call('/xmpp-delete-user-from-roaster', {
        ...visitor,
        group: 'visitors',
        grouphost: HOST,
      }),
    ).toBe(OK);
    expect(await call('/xmpp-unregister', visitor)).toBe(OK);
    const wish = { user: 'quinn', host: HOST, password: 'quinn-pass1' };
    expect(JSON.parse(await call('/xmpp-register', wish))).toMatchObject({ error: true });
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await waitFor(async () => !(await world.accounts(HOST)).includes('visitor.7'), {
    what: 'no visitor 7',
  });
  const [olga] = clients;
  await olga?.waitFor(() => presenceOf(olga, '8')?.available, 'visitor 8');
});
