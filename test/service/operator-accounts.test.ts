/** Operators' accounts on a real ejabberd: unique LHC users, changes, removal of a connected operator, import from a file. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Operator } from '../support/operator.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

const HOST = 'xmpp.test';
const CLI = join(import.meta.dirname, '../../src/cli.ts');
const world = await testWorld({
  tenants: [
    { id: 'acme', host: HOST },
    { id: 'closed', host: 'closed.test' },
  ],
  // No account can be made there.
  ejabberd: { extraConfig: { host_config: { 'closed.test': { auth_method: ['anonymous'] } } } },
});
/** The front desk of `closed` has no account either. */
const DESK_OF_CLOSED = { desks: 1 };
const acme = world.tenant('acme');

const members = async (): Promise<unknown> =>
  world.admin('srg_get_members', { group: 'operators', host: HOST });
const facts = async (username: string, tenant = 'acme'): Promise<string[]> => {
  const { body } = await world.service.call('GET', `/debug/streams/operator-${tenant}.${username}`);
  return body.items.map(({ type }: { type: string }) => type);
};

/** A second session of a visitor, who has the operators on the roster. The service knows the visitor, so it lets them be. */
async function watcher(): Promise<Operator> {
  await acme.ask('POST', '/visitors/watcher/page-views', { page: '/' });
  const isLoggedIn = async () => (await acme.ask('GET', '/visitors/watcher')).loggedIn;
  await waitFor(isLoggedIn, { what: 'the login of the visitor' });
  await world.admin('change_password', { user: 'visitor.watcher', host: HOST, newpass: 'pw' });
  return acme.connect('visitor.watcher');
}
const rosterName = async (client: Operator, jid: string): Promise<string | undefined> =>
  (await client.roster()).find((item) => item.jid === jid)?.name;

/** Runs `xmpp-chat operators …`. */
async function operators(input: string, ...args: readonly string[]) {
  const access = ['--tenant', 'acme', '--url', world.url, '--token', acme.apiKey];
  const child = spawn(process.execPath, [CLI, 'operators', ...args, ...access]);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  child.stdin.end(input);
  await once(child, 'close');
  return { code: child.exitCode, output };
}

it('of two simultaneous requests for one LHC user exactly one succeeds', async () => {
  for (let round = 0; round < 5; round++) {
    const lhcUserId = 100 + round;
    const names = ['one', 'two', 'three'].map((name) => `${name}${round}`);
    const put = (name: string) =>
      acme.call('PUT', `/operators/${name}`, { lhcUserId, password: 'pw' });
    const answers = await Promise.all(names.map(put));
    const [winner = '', ...others] = names.filter((_, i) => answers[i]?.status === 202);
    expect(others).toEqual([]);
    for (const refused of answers.filter(({ status }) => status !== 202)) {
      expect(refused).toMatchObject({
        status: 409,
        body: { errors: [{ field: 'lhcUserId', reason: expect.stringContaining(winner) }] },
      });
    }
    const listed = await acme.ask('GET', `/operators?lhcUserId=${lhcUserId}`);
    expect(listed.items).toMatchObject([{ username: winner, departments: [], free: 5 }]);
    const accounts = await world.accounts(HOST);
    expect(names.filter((name) => accounts.includes(name))).toEqual([winner]);
  }
});

it('a change keeps all fields that it does not name, and contacts see the new name', async () => {
  const contact = await watcher();
  await acme.register('nora', { name: 'Nora', lhcUserId: 200, capacity: 3 });
  const jid = acme.operatorJid('nora');
  await waitFor(async () => (await rosterName(contact, jid)) === 'Nora', { what: 'the name' });
  const client = await acme.connect('nora');
  await acme.operatorIs('nora', 'available');
  await contact.waitFor(() => contact.presences.get(jid)?.available);
  const before = await acme.ask('GET', '/operators/nora');
  expect(before).toMatchObject({ free: 3, unresponsive: false, away: false });
  expect(Date.now() - before.onlineSince).toBeLessThan(60_000);

  const changed = await acme.ask('PUT', '/operators/nora', { password: 'second' });
  expect(await acme.ask('GET', `/operators/nora?minPosition=${changed.position}`)).toEqual(before);
  expect(client.lost).toBeUndefined();
  await acme.connect('nora', { password: 'second' }).then((each) => each.disconnect());
  await expect(acme.connect('nora', { password: 'pw' })).rejects.toThrow();

  const pushes = contact.rosterPushes.length;
  const renamed = await acme.ask('PUT', '/operators/nora', { name: 'Nora B.' });
  const after = await acme.ask('GET', `/operators/nora?minPosition=${renamed.position}`);
  expect(after).toMatchObject({ name: 'Nora B.', capacity: 3, lhcUserId: 200 });
  // A connected contact gets the new name without another request for the roster.
  await contact.waitFor(() =>
    contact.rosterPushes.slice(pushes).some((item) => item.jid === jid && item.name === 'Nora B.'),
  );
  expect(await rosterName(contact, jid)).toBe('Nora B.');
  const card = { user: 'nora', host: HOST, name: 'FN' };
  expect(await world.admin('get_vcard', card)).toEqual({ content: 'Nora B.' });
  await client.disconnect();
  await contact.disconnect();
});

it('a removed operator is logged out and off all rosters; the name and the LHC user are free', async () => {
  const contact = await watcher();
  await acme.register('mona', { name: 'Mona', lhcUserId: 300 });
  const jid = acme.operatorJid('mona');
  const client = await acme.connect('mona');
  await acme.operatorIs('mona', 'available');
  await contact.waitFor(() => contact.presences.get(jid)?.available);
  const pushes = contact.rosterPushes.length;

  expect((await acme.call('DELETE', '/operators/mona')).status).toBe(202);
  expect(await world.accounts(HOST)).not.toContain('mona');
  expect(await members()).not.toContain(jid);
  await client.waitFor(() => client.lost, 'the end of the session');
  await contact.waitFor(() => contact.presences.get(jid)?.available === false);
  await contact.waitFor(() =>
    contact.rosterPushes
      .slice(pushes)
      .some((item) => item.jid === jid && item.subscription === 'remove'),
  );
  expect(await rosterName(contact, jid)).toBeUndefined();
  expect((await acme.call('GET', '/operators/mona')).status).toBe(404);
  await expect(acme.connect('mona')).rejects.toThrow();

  // Register again at once: nothing of the first operator comes back.
  const again = { lhcUserId: 300, password: 'new', departments: ['help'] };
  const put = await acme.ask('PUT', '/operators/mona', again);
  expect(await acme.ask('GET', `/operators/mona?minPosition=${put.position}`)).toMatchObject({
    name: null,
    departments: ['help'],
    availability: 'offline',
    sessions: [],
    chats: [],
    onlineSince: null,
    free: 5,
  });
  await world.idle(DESK_OF_CLOSED);
  expect(await world.accounts(HOST)).toContain('mona');
  expect(await members()).toContain(jid);
  expect((await facts('mona')).filter((type) => type === 'OperatorAccountRemoved')).toHaveLength(1);
  const second = await acme.connect('mona', { password: 'new' });
  await acme.operatorIs('mona', 'available');
  await second.disconnect();
  await contact.disconnect();
});

it('a chat of a removed operator goes to another one, and LHC hears of the removal', async () => {
  await acme.register('rita', { lhcUserId: 320, departments: ['billing'] });
  const rita = await acme.connect('rita');
  await acme.operatorIs('rita', 'available');
  await acme.view('v320', { page: 'https://shop.test/' });
  await acme.ask('POST', '/visitors/v320/chats', {
    chatId: 'c320',
    department: 'billing',
    message: { id: 'm1', body: 'My invoice?' },
  });
  await rita.waitFor(() => rita.messages.some(({ body }) => body.includes('My invoice?')));
  await rita.waitFor(() => rita.presences.get(acme.visitorJid('v320'))?.available);
  await rita.sendAndAck(acme.visitorJid('v320'), 'One moment');
  await acme.callback('chat.message', ({ chatId }) => chatId === 'c320');

  await acme.ask('DELETE', '/operators/rita');
  await acme.callback('operator.offline', ({ operator }) => operator.lhcUserId === 320);
  await acme.register('sven', { lhcUserId: 320, departments: ['billing'] });
  const sven = await acme.connect('sven');
  await acme.callback(
    'chat.assigned',
    ({ chatId, operator }) => chatId === 'c320' && operator?.username === 'sven',
  );
  await sven.waitFor(() => sven.messages.some(({ body }) => body.includes('My invoice?')));
  // When an operator becomes another LHC user, LHC hears of both users.
  await acme.ask('PUT', '/operators/sven', { lhcUserId: 321 });
  await acme.callback('operator.online', ({ operator }) => operator.lhcUserId === 321);
  const offline = acme
    .callbacks('operator.offline')
    .filter(({ data }) => data.operator.lhcUserId === 320);
  expect(offline.map(({ data }) => data.operator.username)).toEqual(['rita', 'sven']);
  await acme.ask('POST', '/visitors/v320/chats/c320/close', { by: 'visitor' });
  await sven.disconnect();
});

it('a refusal of ejabberd gives the claim of an account back', async () => {
  const body = { lhcUserId: 330, password: 'pw' };
  const refused = await world.tenant('closed').call('PUT', '/operators/wanda', body);
  expect(refused).toMatchObject({
    status: 409,
    body: { detail: 'ejabberd does not allow this account' },
  });
  expect((await facts('wanda', 'closed')).at(-1)).toBe('OperatorAccountClaimReleased');
});

it('a password that cannot be used claims nothing: whoever makes the account later keeps it', async () => {
  // A good OpaqueString (RFC 8265). ejabberd does not accept right-to-left and left-to-right letters together.
  const mixed = { lhcUserId: 330, password: 'שלום abc' };
  const wrong = { status: 400, body: { errors: [{ field: 'password' }] } };
  expect(await acme.call('PUT', '/operators/wanda', mixed)).toMatchObject(wrong);
  await world.ejabberd.register('wanda', 'hers');
  expect(await acme.call('PUT', '/operators/wanda', mixed)).toMatchObject(wrong);
  const good = { lhcUserId: 330, password: 'pw' };
  expect(await acme.call('PUT', '/operators/wanda', good)).toMatchObject({
    status: 409,
    body: { errors: [{ field: 'username', reason: expect.stringContaining('did not make') }] },
  });
  await acme.connect('wanda', { password: 'hers' }).then((each) => each.disconnect());
  // The LHC user is free, and a password is prepared before it is written: a client prepares it in the same way.
  await acme.ask('PUT', '/operators/vera', { lhcUserId: 330, password: 'cafe\u0301\u00a0noir' });
  await acme.connect('vera', { password: 'café noir' }).then((each) => each.disconnect());
  const control = await acme.call('PUT', '/operators/uwe', {
    lhcUserId: 331,
    password: 'soft\u00adhyphen',
  });
  expect(control).toMatchObject({ status: 400, body: { errors: [{ field: 'password' }] } });
  expect(JSON.stringify(control.body)).not.toContain('hyphen');
  expect(await world.accounts(HOST)).not.toContain('uwe');
});

it('of repeated removals and registrations the last one counts', async () => {
  for (let round = 0; round < 8; round++) {
    await acme.ask('PUT', '/operators/quick', { lhcUserId: 310, password: `pw${round}` });
    if (round < 7) await acme.ask('DELETE', '/operators/quick');
  }
  await world.idle(DESK_OF_CLOSED);
  await acme.connect('quick', { password: 'pw7' }).then((each) => each.disconnect());
});

it('an Idempotency-Key of another request is answered with 422, and no password changes, also after a restart', async () => {
  const headers = { 'Idempotency-Key': 'make-xena' };
  const put = (wish: object) => acme.call('PUT', '/operators/xena', wish, headers);
  const wish = { lhcUserId: 340, password: 'first' };
  expect((await put(wish)).status).toBe(202);
  await world.service.kill();
  await world.service.start();
  const other = await put({ ...wish, password: 'second' });
  expect(other).toMatchObject({
    status: 422,
    body: { code: 'reused', errors: [{ field: 'Idempotency-Key' }] },
  });
  expect((await acme.call('DELETE', '/operators/xena', undefined, headers)).status).toBe(422);
  expect((await put(wish)).status).toBe(202);
  await acme.connect('xena', { password: 'first' }).then((each) => each.disconnect());
  const { body } = await world.service.call('GET', '/debug/streams/operator-acme.xena');
  expect(JSON.stringify(body)).not.toMatch(/first|second/);
});

it('a file is checked, then imported; a second import changes nothing', async () => {
  await acme.register('kate', { name: 'Kate', lhcUserId: 400 });
  const text = [
    '\ufeffusername,lhcUserId,name,departments,capacity,password',
    'ines,401,"Ines ""I.""",sales; help,2,secret one',
    'jana,402,,sales,,secret two',
    'kate,,Katherine,,7,',
  ].join('\r\n');

  const wrong = await operators(`${text}\r\njana,401,,,0,\r\n`, 'import', '-');
  expect(wrong.code).toBe(1);
  expect(wrong.output).toMatch(/nothing was sent; 4 faults:\n(line 5: .*\n){4}/);
  expect(wrong.output).toMatch(/^line 5: capacity: is not a whole number/m);
  const dry = await operators(text, 'import', '-', '--dry-run');
  expect(dry).toMatchObject({
    code: 0,
    output: expect.stringContaining('would create ines (line 2)'),
  });
  expect(dry.output).toContain('would change kate (line 4): name, capacity');
  expect(dry.output).toContain('would create 2, would change 1, unchanged 0');
  expect(await world.accounts(HOST)).not.toContain('ines');

  const done = await operators(text, 'import', '-');
  expect(done).toMatchObject({
    code: 0,
    output: expect.stringContaining('created 2, changed 1, unchanged 0, failed 0'),
  });
  for (const { output } of [wrong, dry, done]) expect(output).not.toMatch(/secret/);
  expect(world.service.logs()).not.toMatch(/secret (one|two)/);
  const ines = await acme.connect('ines', { password: 'secret one' });
  await acme.operatorIs('ines', 'available');
  expect(await acme.ask('GET', '/operators/ines')).toMatchObject({
    name: 'Ines "I."',
    departments: ['sales', 'help'],
    capacity: 2,
    free: 2,
    lhcUserId: 401,
  });

  const list = await operators('', 'list', '--state', 'available');
  expect(list.output).toMatch(
    /^USERNAME +LHC USER +STATE .*\nines +401 +available +0\/2 .*sales; help +1\n$/,
  );
  const json = await operators('', 'list', '--json', '--department', 'help');
  expect(JSON.parse(json.output)).toContainEqual(expect.objectContaining({ username: 'ines' }));
  await ines.disconnect();

  const unchanged = 'username,lhcUserId,name,capacity\nkate,400,Katherine,7\njana,402,,\n';
  const again = await operators(unchanged, 'import', '-');
  expect(again).toEqual({ code: 0, output: 'created 0, changed 0, unchanged 2, failed 0\n' });
});

it('a file as a spreadsheet leaves it is imported, and a password that ejabberd would refuse is named before', async () => {
  const text = [
    '\ufeffsep=;',
    'username;lhcUserId;password;',
    ';;;',
    'olive;601;pass\u00a0word;',
    ';;;;',
  ]
    .join('\r\n')
    .concat('\r\n;;;'.repeat(100));
  for (const [password, reason] of [
    ['😀😀😀', 'younger than 2002'],
    ['שלום1', 'right to left'],
    ['a\u200db', 'RFC 8265'],
  ] as const) {
    const wrong = await operators(
      text.replace('pass\u00a0word', password),
      'import',
      '-',
      '--dry-run',
    );
    expect(wrong.code).toBe(1);
    expect(wrong.output).toMatch(new RegExp(`^line 4: password: .*${reason}`, 'm'));
    expect(wrong.output).not.toContain(password);
  }
  const done = await operators(text, 'import', '-');
  expect(done.output).toContain('created 1, changed 0, unchanged 0, failed 0');
  await acme.connect('olive', { password: 'pass word' }).then((each) => each.disconnect());
});

it('a line that the service refuses is reported; all others are imported', async () => {
  await world.ejabberd.register('foreign', 'theirs');
  const text = 'username,lhcUserId,password\nforeign,500,mine\nlena,501,pw\n';
  const { code, output } = await operators(text, 'import', '-');
  expect(code).toBe(1);
  expect(output).toContain('created 1, changed 0, unchanged 0, failed 1');
  expect(output).toMatch(/line 2: foreign: 409 username: .*did not make/);
  await acme.connect('foreign', { password: 'theirs' }).then((each) => each.disconnect());
  const nobody = await operators(text, 'import', '-', '--tenant', 'other');
  expect(nobody.code).toBe(1);
});
