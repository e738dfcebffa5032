/**
 * From LHC's old Node server to this service, and back, as docs/migration.md says. An operator stays logged in all the time.
 * ejabberd has mod_lhc from the beginning, so that it need not be started twice.
 */
import { afterAll, expect, it } from 'vitest';
import { freePorts } from '../../scripts/ejabberd/ports.ts';
import type { Report } from '../../src/doctor/report.ts';
import { apiCalls, day, rpcCalls } from '../lhc-wire/recordings.ts';
import { startLhc } from '../support/lhc.ts';
import { connectOperator, type Operator } from '../support/operator.ts';
import { waitFor } from '../support/wait.ts';
import { startWorld } from '../support/world.ts';

const HOST = 'xmpp.acme.example';
const { http: apiPort, component: rpcPort } = await freePorts({});
const wire = { callbackFlavour: 'xmppservice', routing: { by: 'lhc' } };
const world = await startWorld({
  tenants: [{ id: 'acme', host: HOST, settings: wire }],
  environment: {
    LEGACY_SECRET_KEY: 'legacy-secret-1',
    LEGACY_LISTEN: `127.0.0.1:${apiPort}`,
    XMLRPC_LISTEN: `127.0.0.1:${rpcPort}`,
    XMLRPC_PASSWORD: 'rpc-pass',
  },
  running: false,
});
const lhc = await startLhc();
afterAll(async () => {
  await world.close();
  await lhc.close();
});
// Nothing is signed on this wire.
await world.configure('acme', { callbackUrl: lhc.url });
const { ejabberd, admin, service } = world;

/** As LHC's table has them: the old server knew visitors by these passwords. */
const VISITORS = { 'visitor.7': '58fb5e0aeac7a4935ca4', 'visitor.3': '0123456789abcdef0123' };
const OPERATORS = { olga: 'olga-xmpp-1', oskar: 'oskar-new-2' };

/** A client of ejabberd: an operator's, or the old server's login of a visitor. */
const connect = (username: string, password: string): Promise<Operator> =>
  connectOperator({ service: ejabberd.xmpp, domain: HOST, username, password });
const join = (user: string, group: string): Promise<unknown> =>
  admin('srg_user_add', { user, host: HOST, group, grouphost: HOST });
const jid = (user: string): string => `${user}@${HOST}`;

/** What the old server and its administrator had `ejabberdctl` do. */
async function oldServersTraces(): Promise<void> {
  for (const [group, display] of [
    ['visitors', ''],
    ['operators', 'operators\\nvisitors'],
  ] as const) {
    const about = { label: group, description: group, display };
    await admin('srg_create', { group, host: HOST, ...about });
  }
  for (const [people, group] of [
    [VISITORS, 'visitors'],
    [OPERATORS, 'operators'],
  ] as const) {
    for (const [user, password] of Object.entries(people)) {
      await ejabberd.register(user, password, HOST);
      await join(user, group);
    }
  }
}

/** The first recorded call of LHC to this path. */
async function replay(path: string, about = ''): Promise<string> {
  const call = apiCalls(day).find((each) => each.path === path && each.body.includes(about));
  return post(apiPort, path, call?.body);
}
async function post(port: number, path: string, body: string | undefined): Promise<string> {
  const url = `http://127.0.0.1:${port}${path}`;
  const response = await fetch(url, { method: 'POST', body: body ?? '', headers: LHCS });
  return response.text();
}
const LHCS = { connection: 'close', 'content-type': 'application/json' };

it('takes over what the old server has made, and gives it back', { timeout: 120_000 }, async () => {
  await oldServersTraces();
  const olga = await connect('olga', OPERATORS.olga);
  /** Without the front desk. */
  const contacts = async () =>
    (await olga.roster())
      .map((item) => item.jid)
      .filter((each) => each !== jid('visitors'))
      .sort();
  const annaIs = (available: boolean) =>
    olga.waitFor(
      () => (olga.presences.get(jid('visitor.7'))?.available ?? false) === available,
      `Anna to be ${available ? 'there' : 'away'}`,
    );
  expect(await contacts()).toEqual(['oskar', 'visitor.3', 'visitor.7'].map(jid));

  // There.
  await service.start();
  await world.tenant('acme').operatorIs('olga', 'available');
  const accounts = async () => (await world.accounts(HOST)).join();
  await waitFor(async () => (await accounts()) === 'olga,oskar,visitors,xmpp-chat-api', {
    what: 'the old visitors to go, and the front desk to come',
  });
  expect(await contacts()).toEqual([jid('oskar')]);
  expect((await service.call('GET', '/readyz')).body.checks.accounts).toEqual({ ok: true });

  expect(await replay('/xmpp')).toBe('ok');
  await annaIs(true);
  const [question] = rpcCalls(day);
  expect(await post(rpcPort, '/', question?.body)).toContain('sessions_info');
  expect(await replay('/xmpp-send-message', 'olga@')).toBe('ok');
  await olga.waitFor(() => olga.messages[0]?.body === 'Do you have these in 43?', 'the message');
  olga.send(jid('visitor.7'), 'Yes, we do.');
  olga.send(jid('visitor.3'), 'Are you there?');
  await olga.waitFor(() => olga.errors.length > 0, 'the answer about somebody who is silent');
  expect(String(olga.errors[0])).toContain('Not delivered: this visitor is not known.');
  const answers = () => lhc.requests.filter(({ path }) => path.endsWith('/processmessage'));
  await waitFor(() => answers().length > 0, { what: 'the answer in LHC' });
  expect(answers().map(({ text }) => text)).toEqual([
    'body=Yes%2C+we+do.&sender=olga&receiver=visitor.7&server=xmpp.acme.example&type=chat&status=',
  ]);
  const { output } = await service.cli('doctor', '--json');
  const { results }: Report = JSON.parse(output); // a wrong shape fails the assertion
  expect(results.filter(({ status }) => status === 'problem')).toEqual([]);
  expect(results.map(({ check, status }) => `${check}: ${status}`)).toEqual(
    expect.arrayContaining([
      'xmppservice wire: ok',
      'xmppservice acme: ok',
      'xml-rpc: ok',
      'callback acme: ok',
      `account ${HOST}: ok`,
    ]),
  );

  // And back.
  await world.idle();
  await service.stop();
  await annaIs(false);
  await expect(connect('visitor.7', VISITORS['visitor.7'])).rejects.toThrow(/not-authorized/);
  for (const [user, password] of Object.entries(VISITORS)) {
    await admin('register', { user, host: HOST, password }).catch(() =>
      admin('change_password', { user, host: HOST, newpass: password }),
    );
    await join(user, 'visitors');
  }
  const anna = await connect('visitor.7', VISITORS['visitor.7']);
  await annaIs(true);
  expect(await contacts()).toEqual(['oskar', 'visitor.3', 'visitor.7'].map(jid));
  expect(olga.lost).toBeUndefined();
  await anna.disconnect();
  await olga.disconnect();
});
