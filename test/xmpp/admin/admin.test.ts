/** The admin client against a real ejabberd; EJABBERD_ROOT names another release (npm run test:ejabberd). */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import xml from '@xmpp/xml';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { API_COMMANDS } from '../../../scripts/ejabberd/config.ts';
import { createEjabberdAdmin } from '../../../src/xmpp/admin/admin.ts';
import { API_ANSWER_BYTES, createHttpApi } from '../../../src/xmpp/admin/http-api.ts';
import { NAMES_PER_PORTION } from '../../../src/xmpp/admin/name-list.ts';
import { openStream } from '../../../src/xmpp/sessions/login-stream.ts';
import { presenceStanza } from '../../../src/xmpp/stanzas.ts';
import { testEjabberd } from '../../support/ejabberd.ts';
import { connectOperator } from '../../support/operator.ts';

const ejabberd = await testEjabberd({
  hosts: ['xmpp.test', 'second.test', 'closed.test'],
  // No account can be made there.
  extraConfig: { host_config: { 'closed.test': { auth_method: ['anonymous'] } } },
});
const connection = { url: ejabberd.apiUrl, ...ejabberd.api };
const admin = createEjabberdAdmin(connection);
const at = (user: string, host = ejabberd.host) => `${user}@${host}`;

async function accounts(host: string, from = admin): Promise<string[]> {
  const all: string[] = [];
  await from.accounts(host, (locals) => void all.push(...locals));
  return all;
}

const rejects = (code: string, message: RegExp) =>
  expect.objectContaining({ name: 'AppError', code, message: expect.stringMatching(message) });

async function login(user: string, password: string) {
  return openStream(
    {
      service: ejabberd.xmpp,
      domain: ejabberd.host,
      username: user,
      password,
      resource: 'web',
      loginDeadlineMs: 10_000,
      allowPlaintext: false,
    },
    { stanza: () => undefined, lost: () => undefined },
  );
}

test('reports the version of ejabberd', async () => {
  expect(await admin.version()).toBe(ejabberd.version);
  // biome-ignore lint/suspicious/noConsole: npm run test:ejabberd shows the release that the test ran on.
  console.info(`admin contract: ejabberd ${ejabberd.version}`);
});

describe('rosters', () => {
  test('list own contacts and those of groups, and lose an own one, once or twice', async () => {
    const [operator, visitor, member] = [at('rosa'), at('visitor.r1'), at('visitor.r2')];
    const groups = { visitors: 'roster-visitors', operators: 'roster-operators' };
    await admin.ensureGroups(ejabberd.host, groups);
    for (const jid of [operator, visitor, member]) await admin.register(jid, 'secret');
    await admin.joinGroup(operator, groups.operators);
    for (const jid of [visitor, member]) await admin.joinGroup(jid, groups.visitors);
    const client = await connectOperator({
      service: ejabberd.xmpp,
      domain: ejabberd.host,
      username: 'rosa',
      password: 'secret',
    });
    for (const jid of [visitor, 'friend@elsewhere.test']) {
      const item = xml('item', { jid, name: 'N' }, xml('group', {}, 'A'), xml('group', {}, 'B'));
      await client.request(xml('iq', { type: 'set' }, xml('query', 'jabber:iq:roster', item)));
    }
    const contacts = async () => (await admin.rosterContacts(operator)).toSorted();
    expect(await contacts()).toEqual(['friend@elsewhere.test', visitor, member]);
    await admin.leaveGroup(visitor, groups.visitors);
    await admin.unregister(visitor);
    expect(await contacts()).toEqual(['friend@elsewhere.test', visitor, member]);
    await admin.removeContact(operator, visitor);
    await admin.removeContact(operator, visitor);
    expect(await contacts()).toEqual(['friend@elsewhere.test', member]);
    await client.waitFor(
      () =>
        client.rosterPushes.some(
          ({ jid, subscription }) => jid === visitor && subscription === 'remove',
        ),
      'the push',
    );
    await client.disconnect();
    expect(await admin.rosterContacts(at('nobody.here'))).toEqual([]);
  });

  test('store a member of a group instead of losing it', async () => {
    const [operator, member] = [at('rosa'), at('visitor.r2')];
    await admin.removeContact(operator, member);
    await admin.leaveGroup(member, 'roster-visitors');
    expect(await admin.rosterContacts(operator)).toContain(member);
    await admin.removeContact(operator, member);
    expect(await admin.rosterContacts(operator)).not.toContain(member);
  });
});

describe('accounts', () => {
  test('can be used after two registrations at the same time', async () => {
    for (let number = 0; number < 20; number++) {
      const jid = at(`twice${number}`);
      await Promise.all([admin.register(jid, 'secret'), admin.register(jid, 'secret')]);
      expect(await admin.accountExists(jid)).toBe(true);
      await admin.unregister(jid);
    }
  });

  test('are created once, and found', async () => {
    expect(await admin.accountExists(at('anna'))).toBe(false);
    expect(await admin.register(at('anna'), 'first')).toBe('created');
    expect(await admin.register(at('anna'), 'second')).toBe('exists');
    expect(await admin.accountExists(at('anna'))).toBe(true);
    expect(await accounts(ejabberd.host)).toContain('anna');
    expect(await accounts('second.test')).not.toContain('anna');
  });

  test('are separate for each host', async () => {
    expect(await admin.register(at('anna', 'second.test'), 'other')).toBe('created');
    await admin.unregister(at('anna', 'second.test'));
    expect(await admin.accountExists(at('anna'))).toBe(true);
  });

  test('change their password', async () => {
    await admin.register(at('visitor.9'), 'old');
    await admin.changePassword(at('visitor.9'), 'new "quoted" ü');
    await expect(login('visitor.9', 'old')).rejects.toMatchObject({ condition: 'not-authorized' });
    const stream = await login('visitor.9', 'new "quoted" ü');
    await stream.close(2_000);
    await expect(admin.changePassword(at('nobody'), 'x')).rejects.toEqual(
      rejects('not-found', /no account nobody@/),
    );
  });

  test('are refused with a reason that names neither the password nor the node', async () => {
    await admin.register(at('carl'), 'fine');
    // ejabberd prepares it by RFC 3454: no right-to-left letters with others at an end, nothing newer than Unicode 3.2.
    for (const password of ['שלום abc', 'שלום1', 'سلام١', 'a₺', 'a😀', 'a'.repeat(1024)]) {
      for (const refused of [
        () => admin.register(at('dora'), password),
        () => admin.changePassword(at('carl'), password),
      ]) {
        await expect(refused()).rejects.toMatchObject({
          code: 'invalid',
          message: 'ejabberd does not accept this password',
          details: { field: 'password' },
        });
      }
    }
    for (const password of ['של1ום', 'a€', 'a'.repeat(1023)]) {
      await admin.changePassword(at('carl'), password);
    }
    expect(await admin.accountExists(at('dora'))).toBe(false);
    await expect(admin.register(at('anna', 'closed.test'), 'fine')).rejects.toEqual(
      rejects('refused', /^ejabberd does not allow the account anna@closed\.test: look at/),
    );
    await expect(admin.register(at('anna', 'none.test'), 'fine')).rejects.toEqual(
      rejects('refused', /does not serve the host none\.test/),
    );
  });

  test('have a name: an empty one is refused before ejabberd makes an account of it', async () => {
    for (const jid of [`@${ejabberd.host}`, `@${ejabberd.host}/x`, ejabberd.host, 'anna@']) {
      await expect(admin.register(jid, 'secret')).rejects.toEqual(
        rejects('refused', /not the JID/),
      );
    }
    expect(await accounts(ejabberd.host)).not.toContain('');
  });

  test('are removed, and a second removal is no error', async () => {
    await admin.register(at('bert'), 'secret');
    await admin.unregister(at('bert'));
    await admin.unregister(at('bert'));
    expect(await admin.accountExists(at('bert'))).toBe(false);
  });
});

describe('shared groups', () => {
  const api = createHttpApi(connection);
  const writeGroup = (group: Record<string, string>) =>
    api.call('srg_create', { ...group, host: ejabberd.host }, z.literal(0));
  const readGroup = async (group: string): Promise<Record<string, unknown>> => {
    const schema = z.array(z.object({ key: z.string(), value: z.unknown() }));
    const fields = await api.call('srg_get_info', { group, host: ejabberd.host }, schema);
    const info = Object.fromEntries(fields.map(({ key, value }) => [key, String(value)]));
    return { ...info, displays: info.displayed_groups?.match(/[a-z.]+/g) };
  };
  const groups = { visitors: 'visitors', operators: 'operators' };
  beforeAll(async () => {
    await admin.register(at('op1'), 'secret');
    await admin.register(at('visitor.1'), 'secret');
  });

  test('are created, and a second call keeps their members', async () => {
    await admin.ensureGroups(ejabberd.host, groups);
    await admin.joinGroup(at('op1'), 'operators');
    await admin.ensureGroups(ejabberd.host, groups);
    expect(await admin.groupMembers(ejabberd.host, 'operators')).toEqual([at('op1')]);
    expect(await admin.groupMembers(ejabberd.host, 'visitors')).toEqual([]);
  });

  test('of an instance that LHC makes display each other, and the operators see each other too', async () => {
    const own = { visitors: 'visitors.zeta', operators: 'operators.zeta' };
    await admin.ensureGroups(ejabberd.host, own);
    const wish = { ...own, operatorsSeeEachOther: true };
    for (let times = 0; times < 2; times++) await admin.ensureGroups(ejabberd.host, wish);
    expect(await readGroup(own.visitors)).toMatchObject({ displays: [own.operators] });
    const displays = expect.arrayContaining([own.operators, own.visitors]);
    expect(await readGroup(own.operators)).toMatchObject({ displays });
  });

  test('say which log their visitors belong to, also after a repair', async () => {
    const own = { visitors: 'visitors.marked', operators: 'operators.marked' };
    const mark = '01890000-0000-7000-8000-00000000abcd';
    expect(await admin.groupMark(ejabberd.host, own.visitors)).toBeNull();
    await admin.ensureGroups(ejabberd.host, own);
    expect(await admin.groupMark(ejabberd.host, own.visitors)).toBeNull();
    await admin.joinGroup(at('visitor.1'), own.visitors);
    await admin.markGroup(ejabberd.host, own, mark);
    expect(await admin.groupMark(ejabberd.host, own.visitors)).toBe(mark);
    expect(await admin.groupMembers(ejabberd.host, own.visitors)).toEqual([at('visitor.1')]);
    await writeGroup({ group: own.operators, label: 'Team', description: '', display: '' });
    await admin.ensureGroups(ejabberd.host, own);
    expect(await admin.groupMark(ejabberd.host, own.visitors)).toBe(mark);
    const newer = mark.replace('abcd', 'ef01');
    await admin.markGroup(ejabberd.host, own, newer);
    expect(await admin.groupMark(ejabberd.host, own.visitors)).toBe(newer);
    await admin.leaveGroup(at('visitor.1'), own.visitors);
  });

  test('keep the label, the description and the further groups that an administrator gave them', async () => {
    const own = { visitors: 'visitors.named', operators: 'operators.named' };
    const more = ['one.named', 'two.named'];
    await admin.ensureGroups(ejabberd.host, own);
    for (const group of more) {
      await admin.ensureGroups(ejabberd.host, { visitors: group, operators: own.operators });
    }
    const label = 'Visitors of the "shop"';
    const display = [...more, own.operators].join('\\n');
    await writeGroup({ group: own.visitors, label, description: 'Leave this alone', display });
    const mark = '01890000-0000-7000-8000-00000000abcd';
    await admin.markGroup(ejabberd.host, own, mark);
    await admin.ensureGroups(ejabberd.host, own);
    expect(await readGroup(own.visitors)).toMatchObject({
      label,
      description: `Leave this alone, log ${mark}`,
      displays: [...more, own.operators],
    });
    expect(await readGroup(own.operators)).toMatchObject({
      displays: [own.visitors, ...more],
    });
  });

  test('of one instance leave those of another alone', async () => {
    const named = { visitors: 'visitors.acme-shop', operators: 'operators.acme-shop' };
    await admin.ensureGroups(ejabberd.host, named);
    expect(await admin.groupMembers(ejabberd.host, 'operators.acme-shop')).toEqual([]);
    expect(await admin.groupMembers(ejabberd.host, 'operators')).toEqual([at('op1')]);
  });

  test('show the operator a visitor in the roster, the presence, and the removal', async () => {
    const operator = await connectOperator({
      service: ejabberd.xmpp,
      domain: ejabberd.host,
      username: 'op1',
      password: 'secret',
    });
    await admin.setNickname(at('visitor.1'), 'Zoë from Riga');
    await admin.joinGroup(at('visitor.1'), 'visitors');
    const items = await operator.roster();
    expect(items).toMatchObject([
      { jid: at('visitor.1'), name: 'Zoë from Riga', subscription: 'both', groups: ['visitors'] },
    ]);

    const visitor = await login('visitor.1', 'secret');
    visitor.send(presenceStanza({ status: 'on /pricing', nick: 'Zoë' }));
    await operator.waitFor(
      () => operator.presences.get(at('visitor.1'))?.status === 'on /pricing',
      'the visitor in the roster',
    );
    expect(await admin.sessions(at('visitor.1'))).toEqual([
      { resource: 'web', show: 'available', status: 'on /pricing', priority: 0 },
    ]);

    await visitor.close(2_000);
    await operator.waitFor(() => operator.presences.get(at('visitor.1'))?.available === false);
    await admin.leaveGroup(at('visitor.1'), 'visitors');
    await operator.waitFor(async () => (await operator.roster()).length === 0);
    await operator.disconnect();
  });

  test('are deleted with their members, once or twice, and can be made anew', async () => {
    const own = { visitors: 'visitors.brief', operators: 'operators.brief' };
    await admin.ensureGroups(ejabberd.host, own);
    await admin.markGroup(ejabberd.host, own, '01890000-0000-7000-8000-00000000abcd');
    await admin.joinGroup(at('visitor.1'), own.visitors);
    for (const group of [own.visitors, own.visitors, own.operators]) {
      await admin.deleteGroup(ejabberd.host, group);
    }
    expect(await readGroup(own.visitors)).toEqual({ displays: undefined });
    expect(await admin.accountExists(at('visitor.1'))).toBe(true);
    await admin.ensureGroups(ejabberd.host, own);
    expect(await admin.groupMembers(ejabberd.host, own.visitors)).toEqual([]);
    expect(await admin.groupMark(ejabberd.host, own.visitors)).toBeNull();
    for (const group of [own.visitors, own.operators]) {
      await admin.deleteGroup(ejabberd.host, group);
    }
  });

  test('that do not exist are an error when a visitor joins', async () => {
    await expect(admin.joinGroup(at('visitor.1'), 'missing')).rejects.toEqual(
      rejects('unavailable', /group missing/),
    );
    await admin.leaveGroup(at('visitor.1'), 'missing');
    expect(await admin.groupMembers(ejabberd.host, 'missing')).toEqual([]);
  });

  test('accept many members at the same time', async () => {
    const many = Array.from({ length: 100 }, (_, index) => at(`visitor.m${index}`));
    await Promise.all(many.map((jid) => admin.joinGroup(jid, 'visitors')));
    expect([...(await admin.groupMembers(ejabberd.host, 'visitors'))].sort()).toEqual(many.sort());
    await Promise.all(many.map((jid) => admin.leaveGroup(jid, 'visitors')));
    expect(await admin.groupMembers(ejabberd.host, 'visitors')).toEqual([]);
  });
});

describe('sessions and messages', () => {
  test('a session is kicked, and a missing session is no error', async () => {
    await admin.register(at('op2'), 'secret');
    const operator = await connectOperator({
      service: ejabberd.xmpp,
      domain: ejabberd.host,
      username: 'op2',
      password: 'secret',
      resource: 'desk',
      presence: { show: 'away', status: 'lunch' },
    });
    expect(await admin.sessions(at('op2'))).toEqual([
      { resource: 'desk', show: 'away', status: 'lunch', priority: 0 },
    ]);
    await admin.kick(at('op2'), 'desk', 'removed');
    await operator.waitFor(() => operator.lost?.condition === 'conflict');
    await admin.kick(at('op2'), 'desk', 'removed');
    expect(await admin.sessions(at('op2'))).toEqual([]);
  });

  test('a message arrives in the name of a visitor without a session', async () => {
    await admin.register(at('op3'), 'secret');
    const operator = await connectOperator({
      service: ejabberd.xmpp,
      domain: ejabberd.host,
      username: 'op3',
      password: 'secret',
    });
    const body = 'That chat is not yours <&>"\' \u0000 ü\n2';
    await admin.sendMessage({ id: 'r-1', from: at('visitor.1'), to: at('op3'), body });
    await operator.waitFor(() => operator.messages.length > 0);
    expect(operator.messages[0]).toMatchObject({
      from: at('visitor.1'),
      id: 'r-1',
      body: 'That chat is not yours <&>"\' \ufffd ü\n2',
    });
    await admin.sendChatState(at('visitor.1'), at('op3'), 'composing');
    const typing = ({ stanzas }: typeof operator) =>
      stanzas.find((each) => each.getChild('composing', 'http://jabber.org/protocol/chatstates'));
    await operator.waitFor(typing);
    expect(typing(operator)?.attrs).toMatchObject({ from: at('visitor.1'), type: 'chat' });
    expect(typing(operator)?.getChild('body')).toBeUndefined();
    await operator.disconnect();
  });
});

describe('an error says what to repair', () => {
  test('wrong credentials, without repeating them', async () => {
    const wrong = createEjabberdAdmin({ ...connection, password: 'wrong-secret' });
    const error = await wrong.version().catch((reason: unknown) => reason);
    expect(error).toEqual(rejects('unavailable', /EJABBERD_API_USER/));
    expect(JSON.stringify(error) + String(error)).not.toContain('wrong-secret');
    await expect(wrong.register(at('x'), 'y')).rejects.toEqual(
      rejects('unavailable', /EJABBERD_API_PASSWORD/),
    );
  });

  test('an account without rights', async () => {
    await admin.register(at('norights'), 'secret');
    const norights = createEjabberdAdmin({
      ...connection,
      user: at('norights'),
      password: 'secret',
    });
    await expect(norights.version()).rejects.toEqual(rejects('unavailable', /api_permissions/));
  });

  test('a host that ejabberd does not serve', async () => {
    const refused = rejects('refused', /does not serve the host nowhere\.test/);
    await expect(admin.register('a@nowhere.test', 'b')).rejects.toEqual(refused);
    await expect(accounts('nowhere.test')).rejects.toEqual(refused);
    await expect(accounts('nowhere.test')).rejects.toHaveProperty(
      'details.reason',
      'unserved host',
    );
    await expect(admin.joinGroup('a@nowhere.test', 'visitors')).rejects.toEqual(refused);
    await expect(
      admin.ensureGroups('nowhere.test', { visitors: 'v', operators: 'o' }),
    ).rejects.toEqual(refused);
  });

  test('a malformed name', async () => {
    await expect(admin.register('a b@xmpp.test', 'secret')).rejects.toEqual(
      rejects('refused', /does not allow the account a b@xmpp\.test/),
    );
    await expect(admin.register('nohost', 'secret')).rejects.toEqual(
      rejects('refused', /not the JID/),
    );
  });

  test('a list of accounts is read as it comes, however long it is', async () => {
    // 20 MiB: longer than any other answer may be.
    const names = Array.from({ length: 700_000 }, (_, n) => `visitor.${n}.a-customer-shop`);
    let text = JSON.stringify(names);
    expect(text.length).toBeGreaterThan(API_ANSWER_BYTES);
    const server = createServer((request, response) => {
      request.resume();
      response.setHeader('content-type', 'application/json');
      response.end(request.url?.includes('status') ? '"ejabberd 23.01 is running"' : text);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo; // of a TCP server
    const url = `http://127.0.0.1:${port}/api`;
    const long = createEjabberdAdmin({ ...connection, url });
    let count = 0;
    let last = '';
    let turns = 0;
    const counting = setInterval(() => {
      turns += 1;
    }, 1);
    await long.accounts(ejabberd.host, (locals) => {
      expect(locals.length).toBeLessThanOrEqual(NAMES_PER_PORTION);
      count += locals.length;
      last = locals.at(-1) ?? last;
    });
    clearInterval(counting);
    expect([count, last]).toEqual([names.length, names.at(-1)]);
    expect(turns).toBeGreaterThan(10); // others were served meanwhile
    text = text.slice(0, -1);
    await expect(accounts(ejabberd.host, long)).rejects.toEqual(
      rejects('unavailable', /not a list of names/),
    );
    server.close();
  });

  test('an API that is away, hangs, answers nonsense or without end', async () => {
    const gone = createEjabberdAdmin({ ...connection, url: 'http://127.0.0.1:9/api' });
    await expect(gone.version()).rejects.toEqual(rejects('unavailable', /EJABBERD_API_URL/));

    const server = createServer((request, response) => {
      if (request.url === '/hangs/status') return;
      if (request.url === '/endless/status') response.write('x'.repeat(100_000));
      response.end('"hello"');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    afterAll(() => server.closeAllConnections());
    // A TCP server that listens has an address with a port.
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const options = { ...connection, deadlineMs: 300, maxBytes: 50_000 };
    for (const path of ['hangs', 'endless', 'nonsense']) {
      const strange = createEjabberdAdmin({ ...options, url: `${base}/${path}` });
      await expect(strange.version()).rejects.toEqual(rejects('unavailable', /EJABBERD_API_URL/));
    }
    server.closeAllConnections();
    server.close();
  });

  test('the launcher grants each command once, and not stop', () => {
    expect(API_COMMANDS).not.toContain('stop');
    expect(new Set(API_COMMANDS).size).toBe(API_COMMANDS.length);
  });

  test('an ejabberd that was away works again after its return', async () => {
    // An orderly stop: Mnesia forgets the last seconds before a kill -9.
    await ejabberd.stop();
    await expect(admin.accountExists(at('anna'))).rejects.toEqual(
      rejects('unavailable', /cannot be reached/),
    );
    await ejabberd.start();
    expect(await admin.accountExists(at('anna'))).toBe(true);
    expect(await admin.groupMembers(ejabberd.host, 'operators')).toEqual([at('op1')]);
  });
});
