/** The accounts transport against a real ejabberd, observed by an operator's client. */
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createEjabberdAdmin } from '../../../src/xmpp/admin/admin.ts';
import type { VisitorTransport } from '../../../src/xmpp/port.ts';
import {
  type AccountsOptions,
  createAccountsTransport,
} from '../../../src/xmpp/sessions/accounts.ts';
import { openStream } from '../../../src/xmpp/sessions/login-stream.ts';
import { testEjabberd } from '../../support/ejabberd.ts';
import { connectOperator, type Operator } from '../../support/operator.ts';
import { waitFor } from '../../support/wait.ts';
import { recorded } from '../recorded.ts';
import { freeze, SUITE_EJABBERD, testTransport } from '../transport-suite.ts';

const ejabberd = await testEjabberd(SUITE_EJABBERD);
const admin = createEjabberdAdmin({ url: ejabberd.apiUrl, ...ejabberd.api });
const operatorJid = `op1@${ejabberd.host}`;
const logger = pino({ level: process.env.LOG_LEVEL ?? 'silent' });
const transports: VisitorTransport[] = [];
let operator: Operator;
let visitors = 0;

/** A new visitor in the operators' rosters, so tests do not share one. */
async function newVisitor(password = 'secret'): Promise<string> {
  visitors += 1;
  const jid = `visitor.${visitors}@${ejabberd.host}`;
  await admin.register(jid, password);
  await admin.joinGroup(jid, 'visitors');
  return jid;
}

function transport(options: Partial<AccountsOptions> = {}) {
  const accounts = createAccountsTransport({
    service: ejabberd.xmpp,
    passwordOf: () => 'secret',
    logger,
    retry: { firstMs: 50, mostMs: 500 },
    ...options,
  });
  transports.push(accounts);
  return recorded(accounts);
}

async function newOperator(username = 'op1'): Promise<Operator> {
  return connectOperator({
    service: ejabberd.xmpp,
    domain: ejabberd.host,
    username,
    password: 'secret',
  });
}

const presencesOf = (jid: string) =>
  operator.presenceStanzas.filter(({ attrs }) => attrs.from?.startsWith(`${jid}/`));

beforeAll(async () => {
  await admin.ensureGroups(ejabberd.host, { visitors: 'visitors', operators: 'operators' });
  await admin.register(operatorJid, 'secret');
  await admin.joinGroup(operatorJid, 'operators');
});

beforeEach(async () => {
  operator = await newOperator();
  return async () => {
    await Promise.all(transports.splice(0).map((each) => each.close(2_000)));
    await operator.disconnect();
  };
});

testTransport({
  ejabberd,
  admin,
  operator: () => operator,
  newVisitor,
  transport,
  hasLeft: async (jid) => (await admin.sessions(jid)).length === 0,
  async register(username) {
    await admin.register(`${username}@${ejabberd.host}`, 'secret');
  },
  connect: newOperator,
});

describe('logins', () => {
  const quiet = { stanza: () => undefined, lost: () => undefined };

  test('another login with the same resource wins, and the session does not come back', async () => {
    const jid = await newVisitor();
    const accounts = transport();
    await accounts.online(jid, { status: 'mine', nick: '' });
    const [username = ''] = jid.split('@');
    const other = await openStream(
      {
        service: ejabberd.xmpp,
        domain: ejabberd.host,
        username,
        password: 'secret',
        resource: 'xmpp-chat',
        loginDeadlineMs: 5_000,
        allowPlaintext: false,
      },
      quiet,
    );
    await waitFor(() => accounts.events.includes(`stopped ${jid}`));
    expect(accounts.isOnline(jid)).toBe(false);
    expect(accounts.sessions()).toEqual([]);
    expect(await admin.sessions(jid)).toHaveLength(1);

    await accounts.online(jid, { status: 'mine again', nick: '' });
    await operator.waitFor(() => operator.presences.get(jid)?.status === 'mine again');
    await other.close(1_000);
  });

  test('a visitor who moves between two processes is available in the end', async () => {
    const jid = await newVisitor();
    const owners = [transport(), transport()];
    const gone = () => presencesOf(jid).filter(({ attrs }) => attrs.type === 'unavailable').length;
    for (let round = 0; round < 40; round += 1) {
      await owners[round % 2]?.online(jid, { status: `owner ${round}`, nick: '' });
      await waitFor(() => !owners[(round + 1) % 2]?.isOnline(jid));
      // The old session's unavailable presence can come after the new session's available one.
      await operator.waitFor(() => gone() === round);
      await operator.waitFor(() => operator.presences.get(jid)?.status === `owner ${round}`);
    }
  });

  test('resets a password that ejabberd does not accept, once', async () => {
    const jid = await newVisitor('an older secret');
    const resets: string[] = [];
    const accounts = transport({
      async resetPassword(wanted) {
        resets.push(wanted);
        await admin.changePassword(wanted, 'secret');
      },
    });
    await accounts.online(jid, { status: '', nick: '' });
    expect(resets).toEqual([jid]);
  });

  test('stops and names the password if the reset does not help', async () => {
    const jid = await newVisitor('an older secret');
    let resets = 0;
    const accounts = transport({
      async resetPassword() {
        resets += 1;
      },
    });
    await expect(accounts.online(jid, { status: '', nick: '' })).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringMatching(/password/),
    });
    expect(resets).toBe(1);
    expect(accounts.sessions()).toEqual([]);
  });

  test('stops if the account does not exist', async () => {
    const accounts = transport({
      resetPassword: (jid) => admin.changePassword(jid, 'secret'),
    });
    const error = await accounts
      .online(`visitor.none@${ejabberd.host}`, { status: '', nick: '' })
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'not-found' });
    expect(String(error)).not.toContain('secret');
    expect(accounts.sessions()).toEqual([]);
  });

  test('sends no password to another machine without TLS, unless that is allowed', async () => {
    const jid = await newVisitor();
    // Another spelling of 127.0.0.1. Name resolvers understand it; our list of loopback names does not.
    const service = `xmpp://127.1:${ejabberd.c2sPort}`;
    await expect(
      transport({ service }).online(jid, { status: '', nick: '' }),
    ).rejects.toMatchObject({ code: 'refused', message: expect.stringMatching(/TLS/) });
    await transport({ service, allowPlaintext: true }).online(jid, { status: '', nick: '' });
  });

  test('of a share with many visitors delay another share by a few logins', async () => {
    const crowd = await Promise.all(Array.from({ length: 60 }, () => newVisitor()));
    const other = await newVisitor();
    const accounts = transport({
      concurrency: 2,
      shareOf: (jid) => (jid === other ? 'small' : 'big'),
    });
    const shown = (jid: string) => accounts.online(jid, { status: '', nick: '' });
    const all = Promise.all(crowd.map(shown));
    await waitFor(() => accounts.events.length > 5, { every: 1 });
    const before = accounts.events.length;
    await shown(other);
    const started = accounts.events.indexOf(`started ${other}`);
    expect(started - before).toBeLessThan(10);
    await all;
  });

  test('work over WebSocket', async () => {
    const jid = await newVisitor();
    const accounts = transport({ service: `ws://127.0.0.1:${ejabberd.httpPort}/ws` });
    await accounts.online(jid, { status: 'by ws', nick: '' });
    await accounts.send({ id: 'ws-1', from: jid, to: operatorJid, body: 'über WebSocket' });
    await operator.acknowledged();
    expect(operator.messages.at(-1)?.body).toBe('über WebSocket');
    await accounts.offline(jid);
    await operator.waitFor(() => operator.presences.get(jid)?.available === false);
  });
});

describe('failures', () => {
  test('after a kill of ejabberd every session comes back with its latest presence', async () => {
    const jids = await Promise.all(Array.from({ length: 50 }, () => newVisitor()));
    const [first = ''] = jids;
    const accounts = transport({
      retry: { firstMs: 500, mostMs: 30_000 },
      // Mnesia forgets the last seconds before the kill, and with them the accounts of this test.
      async resetPassword(jid) {
        const outcome = await admin.register(jid, 'secret');
        if (outcome === 'exists') await admin.changePassword(jid, 'secret');
        await admin.joinGroup(jid, 'visitors');
      },
    });
    await Promise.all(jids.map((jid) => accounts.online(jid, { status: 'before', nick: '' })));
    const flights = jids.map((jid) =>
      accounts.send({ id: `k-${jid}`, from: jid, to: operatorJid, body: 'in flight' }),
    );
    const settled = Promise.allSettled(flights);
    await ejabberd.kill();
    for (const flight of await settled) {
      if (flight.status === 'rejected')
        expect(flight.reason).toMatchObject({ code: 'unavailable' });
    }
    await waitFor(() => jids.every((jid) => !accounts.isOnline(jid)));
    await expect(
      accounts.send({ id: 'later', from: first, to: operatorJid, body: 'x' }),
    ).rejects.toMatchObject({
      code: 'unavailable',
      // Why, and not only that it has none: whoever looks at a trace wants to know.
      message: expect.stringMatching(/ has no session: .+: send again later$/),
      details: { isOnItsWay: true },
    });
    await expect(
      accounts.online(first, { status: 'set meanwhile', nick: '' }),
    ).rejects.toMatchObject({ code: 'unavailable' });
    expect(accounts.sessions()).toHaveLength(50);

    await ejabberd.start();
    operator = await newOperator();
    const began = performance.now();
    await waitFor(() => jids.every((jid) => accounts.isOnline(jid)), { deadlineMs: 15_000 });
    // The first login that succeeds ends the others' waits, so none lasts many seconds.
    expect(performance.now() - began).toBeLessThan(15_000);
    // Mnesia forgets group members too. The service compares them when mod_lhc reports its start.
    await Promise.all(jids.map((jid) => admin.joinGroup(jid, 'visitors')));
    await operator.waitFor(() => jids.every((jid) => operator.presences.get(jid)?.available));
    expect(operator.presences.get(first)?.status).toBe('set meanwhile');
  });

  test('close ends every session with an unavailable presence, within its deadline', async () => {
    const jids = await Promise.all(Array.from({ length: 20 }, () => newVisitor()));
    const accounts = transport();
    await Promise.all(jids.map((jid) => accounts.online(jid, { status: '', nick: '' })));
    await accounts.close(3_000);
    await operator.waitFor(() =>
      jids.every((jid) => operator.presences.get(jid)?.available === false),
    );
    await expect(accounts.online(jids[0] ?? '', { status: '', nick: '' })).rejects.toMatchObject({
      code: 'unavailable',
    });

    const hanging = transport();
    await Promise.all(jids.map((jid) => hanging.online(jid, { status: '', nick: '' })));
    const pid = await freeze(ejabberd);
    try {
      const began = performance.now();
      await hanging.close(300);
      expect(performance.now() - began).toBeLessThan(1_000);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  });
});

afterAll(async () => {
  await Promise.all(transports.map((each) => each.close(500)));
});
