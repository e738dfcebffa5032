/** How the doctor judges what it measured. test/service/doctor.test.ts has the real ejabberd. */
import { once } from 'node:events';
import { chmodSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Username } from '../../src/actors/ids.ts';
import { runChecks } from '../../src/doctor/check.ts';
import { judgeClock } from '../../src/doctor/clock.ts';
import { type DiskState, diskCheck, type FolderState, judgeDisk } from '../../src/doctor/disk.ts';
import { judgeVersion } from '../../src/doctor/ejabberd-api.ts';
import { backlogCheck, judgeOffer } from '../../src/doctor/ejabberd-c2s.ts';
import { judgeSecrets } from '../../src/doctor/event-store.ts';
import { fileModesCheck, judgeModes } from '../../src/doctor/file-modes.ts';
import { serviceCheck, servicePort } from '../../src/doctor/service.ts';
import type { Offer } from '../../src/doctor/stream-probe.ts';
import { judgeLoginTime, LOGIN_WARNING_MS } from '../../src/doctor/test-account.ts';
import { isLeftover, nameTestAccount } from '../../src/doctor/test-account-name.ts';
import { AppError } from '../../src/errors.ts';
import type { CheckedSecrets } from '../../src/runtime/vault/secret-check.ts';
import { temporaryFolder } from '../support/folder.ts';

const signal = new AbortController().signal;
/** An ejabberd that answers. */
const reached = { apiFault: async () => null, xmppConnects: async () => true };
const NOW = Date.UTC(2026, 0, 1);
const DAY = 86_400_000;
const MIB = 2 ** 20;

describe('releases of ejabberd', () => {
  it.each([
    ['22.10', 'warning'],
    ['23.01', 'ok'],
    ['24.12', 'ok'],
    ['26.07', 'ok'],
    ['27.01', 'warning'],
  ])('%s is %s', (version, status) => expect(judgeVersion(version).status).toBe(status));
});

describe('clocks', () => {
  it.each([
    [0, 'ok', /agrees/],
    [-30, 'ok', /agrees/],
    [31, 'warning', /31 s ahead of ours/],
    [-240, 'warning', /240 s behind ours/],
    [-241, 'problem', /241 s behind/],
  ])('%d s are %s', (offset, status, message) => {
    const found = judgeClock('LHC', offset);
    expect(found).toMatchObject({ status, message: expect.stringMatching(message) });
  });
});

describe('the offer of a listener', () => {
  const judge = (offer: Partial<Offer>, xmpp = 'xmpp://10.0.0.1:5222', allowPlaintext = false) =>
    judgeOffer(
      'xmpp.test',
      { mechanisms: ['PLAIN'], tls: null, ...offer },
      { xmpp, allowPlaintext },
      NOW,
    ).map(({ status, message }) => `${status}: ${message}`);
  const tls = (days: number) => ({ fault: null, validTo: NOW + days * DAY });

  it('is PLAIN and a valid certificate', () => {
    expect(judge({ tls: tls(60) })).toEqual([
      'ok: xmpp.test: SASL PLAIN is offered',
      'ok: the certificate for xmpp.test is valid for 60 days',
    ]);
  });
  it('lacks PLAIN', () => {
    expect(judge({ mechanisms: ['SCRAM-SHA-1'], tls: tls(60) })[0]).toMatch(
      /^problem: .*PLAIN is not offered \(SCRAM-SHA-1\)/,
    );
  });
  it('has a certificate that expires soon', () => {
    expect(judge({ tls: tls(13) })[1]).toMatch(/^warning: .*13 days/);
  });
  it('lacks TLS on loopback, in a private network, elsewhere', () => {
    expect(judge({}, 'xmpp://127.0.0.1:5222')).toHaveLength(1);
    expect(judge({}, undefined, true)[1]).toMatch(/^warning: .*without encryption/);
    expect(judge({})[1]).toMatch(/^problem: .*will not log in/);
  });
});

it('warns about a listener with a short queue, where connections wait', async () => {
  const times = (stalled: number) =>
    backlogCheck('xmpp://127.0.0.1:5222', reached, async (_service, count) =>
      Array.from({ length: count }, (_, i) => (i < stalled ? 1015 : 9)),
    );
  const unreachable = { xmppConnects: async () => false };
  expect(await backlogCheck('xmpp://127.0.0.1:1', unreachable).run(signal)).toEqual([]);
  expect((await times(0).run(signal))[0]?.status).toBe('ok');
  expect((await times(3).run(signal))[0]?.status).toBe('ok');
  expect((await times(58).run(signal))[0]).toMatchObject({
    status: 'warning',
    advice: expect.stringContaining('backlog: 1024'),
  });
});

describe('the disk', () => {
  const folder = {
    path: '/data',
    freeBytes: 10_000 * MIB,
    logBytes: 10 * MIB,
    writeMs: [1, 1, 900],
  };
  const judge = (folders: Partial<FolderState>[], more: Partial<DiskState> = {}) =>
    judgeDisk({
      folders: folders.map((state) => ({ ...folder, ...state })),
      inaccessible: [],
      secretMode: 0o100600,
      ...more,
    }).map(({ status }) => status);

  it('is fine', () => expect(judge([{}])).toEqual(['ok', 'ok', 'ok']));
  it('has little space, also for its log, or none', () => {
    expect(judge([{ freeBytes: 900 * MIB }])[0]).toBe('warning');
    expect(judge([{ logBytes: 30_000 * MIB }])[0]).toBe('warning');
    expect(judge([{ freeBytes: 200 * MIB }])[0]).toBe('problem');
  });
  it('may be another one than that of the log', () => {
    const dataDir = { logBytes: null };
    const full = { path: '/log', freeBytes: 200 * MIB };
    expect(judge([dataDir, full])).toEqual(['ok', 'problem', 'ok', 'ok']);
    const slow = { path: '/log', writeMs: [300] };
    expect(judge([dataDir, slow])).toEqual(['ok', 'ok', 'problem', 'ok']);
  });
  it('is slow', () => {
    expect(judge([{ writeMs: [30, 30, 1] }])[1]).toBe('warning');
    expect(judge([{ writeMs: [300, 300, 1] }])[1]).toBe('problem');
  });
  it('may be slow if the log is in EventStoreDB', () => {
    const dataDir = { logBytes: null, writeMs: [300] };
    expect(judge([dataDir], { secretMode: null })).toEqual(['ok']);
    const full = { ...dataDir, freeBytes: 200 * MIB };
    expect(judge([full], { secretMode: null })).toEqual(['problem']);
  });
  it('shows the secret to others', () => {
    expect(judge([{}], { secretMode: 0o100640 })[2]).toBe('problem');
    expect(judge([{}], { secretMode: null })).toHaveLength(2);
  });
  it('has files that this user cannot read and write', async () => {
    expect(judge([{}], { inaccessible: ['/data/events.db'] })[2]).toBe('problem');
    const folder = temporaryFolder('disk');
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const dataDir = join(folder, 'loop');
    symlinkSync(dataDir, dataDir); // any error but "not found"
    const config = { dataDir, eventStore: 'esdb://server', serviceSecrets: undefined };
    expect(await runChecks([diskCheck(config)])).toMatchObject([
      { status: 'problem', advice: 'run the doctor as the user of the service' },
    ]);
  });
});

describe('the modes of files with secrets', () => {
  const judge = (mode: number, gid = 7, isFolder = false) =>
    judgeModes([{ path: '/etc/tenants.json', mode, gid, isFolder }], 7).map(
      ({ status, advice }) => `${status} ${advice?.slice(0, 9) ?? ''}`,
    );
  it('are a warning if somebody else can read them, with what to do', () => {
    for (const mode of [0o100600, 0o100400, 0o100640, 0o100440]) {
      expect(judge(mode)).toEqual(['ok ']);
    }
    for (const mode of [0o100644, 0o100604, 0o100660, 0o100602, 0o100666]) {
      expect(judge(mode)).toEqual(['warning chmod 600']);
    }
    expect(judge(0o100640, 8)).toEqual(['warning chmod 600']);
    expect(judge(0o40755, 7, true)).toEqual(['warning chmod 700']);
    expect(judge(0o40700, 8, true)).toEqual(['ok ']);
  });
  it('are read from the disk', async () => {
    const dataDir = temporaryFolder('modes');
    onTestFinished(() => rmSync(dataDir, { recursive: true }));
    const tenants = join(dataDir, 'tenants.json');
    writeFileSync(tenants, '[]', { mode: 0o600 });
    const run = () => fileModesCheck({ dataDir, secretFiles: [tenants] }).run(signal);
    expect(await run()).toMatchObject([{ status: 'ok' }]);
    chmodSync(tenants, 0o644);
    expect(await run()).toMatchObject([
      { status: 'warning', message: expect.stringContaining(`${tenants} has mode 644`) },
    ]);
    expect(await fileModesCheck({ dataDir: '/not/there', secretFiles: [] }).run(signal)).toEqual(
      [],
    );
  });
});

it('judges a change of the service secret', () => {
  const judge = (rotation: CheckedSecrets['rotation']) =>
    judgeSecrets({ opened: true, rotation }).map(({ status }) => status);
  expect(judge('none')).toEqual(['ok']);
  expect(judge('ahead')).toEqual(['ok', 'warning']);
  expect(judge('running')).toEqual(['ok', 'warning']);
  expect(judge('done')).toEqual(['ok', 'ok']);
});

it('judges what the service says about itself', async () => {
  const answers: Record<string, unknown> = {
    '/healthz': { version: '1.0.0' },
    '/readyz': {
      checks: {
        ejabberd: { ok: false, reason: 'away' },
        work: { ok: true },
        readModels: { ok: false, reason: 'being rebuilt' },
      },
      unfit: { count: 1, actors: ['visitor-acme.1'] },
    },
    '/metrics':
      'xmpp_chat_dead_letters 2\nxmpp_chat_projection_lag_seconds 7.5\nxmpp_chat_effects_pending 5000\n',
  };
  const port = {
    url: 'http://here',
    get: async (path: string) => ({ status: 200, body: answers[path] }),
  };
  const found = await serviceCheck(port, '1.0.1', reached).run(signal);
  expect(found.map(({ status, message }) => `${status}: ${message}`)).toEqual([
    'warning: it runs version 1.0.0, and this is 1.0.1',
    'problem: it says that ejabberd does not work: away',
    'warning: its read models are not complete: being rebuilt',
    expect.stringMatching(/^problem: 1 actors have a history.*visitor-acme\.1/),
    'warning: 2 dead letters',
    'warning: the read models are 7.5 s behind',
    'warning: 5000 effects wait',
  ]);
  // The check of ejabberd has said it.
  const away = { apiFault: async () => new AppError('unavailable', 'away') };
  const others = await serviceCheck(port, '1.0.1', away).run(signal);
  expect(others.map(({ message }) => message)).toEqual(
    found.map(({ message }) => message).filter((message) => !/ejabberd/.test(message)),
  );
  answers['/metrics'] = 'upstream timed out';
  expect((await serviceCheck(port, '1.0.1', reached).run(signal)).at(-1)).toMatchObject({
    status: 'problem',
    message: 'its answer to /metrics cannot be read',
  });
  const refusing = {
    url: 'http://here',
    get: async (path: string) => ({
      status: path === '/metrics' ? 401 : 200,
      body: answers[path],
    }),
  };
  expect((await serviceCheck(refusing, '1.0.1', reached).run(signal)).at(-1)).toMatchObject({
    status: 'problem',
    message: 'it does not accept this ADMIN_TOKEN',
  });
  const hanging = { url: 'http://here', get: async () => 'silent' as const };
  expect(await serviceCheck(hanging, '1.0.1', reached).run(signal)).toMatchObject([
    { status: 'problem' },
  ]);
});

it('recognises another program at LISTEN, even if its JSON is broken', async () => {
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'application/json').end('{"version":');
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // it listens on TCP
  const service = servicePort({ listen: { host: '127.0.0.1', port }, adminToken: undefined });
  expect(await serviceCheck(service, '1.0.0', reached).run(signal)).toMatchObject([
    { status: 'problem', message: expect.stringContaining('is not this service') },
  ]);
});

it('warns of slow logins', () => {
  const statuses = [LOGIN_WARNING_MS, LOGIN_WARNING_MS + 1].map((ms) => judgeLoginTime(ms).status);
  expect(statuses).toEqual(['ok', 'warning']);
});

describe("the test account's name", () => {
  it('belongs to nobody else, and shows when it was made', () => {
    const { user, group } = nameTestAccount(NOW, 'abc123');
    // Neither an operator's nor a visitor's (those begin with `visitor.`), nor a group of ours.
    expect(Username.safeParse(user).success).toBe(false);
    expect(user.startsWith('visitor.')).toBe(false);
    expect(group).not.toMatch(/^(visitors|operators)/);
    expect(isLeftover(user, NOW + 599_000)).toBe(false);
    expect(isLeftover(user, NOW + 601_000)).toBe(true);
    const ofInstance = nameTestAccount(NOW, 'abc123', 'acme-shop').user;
    expect(ofInstance).toBe(`${user}.acme-shop`);
    expect(Username.safeParse(ofInstance).success).toBe(false);
    expect(isLeftover(ofInstance, NOW + 601_000)).toBe(true);
    for (const other of [
      'visitor.1',
      'olga',
      'visitor-doctor',
      'visitor-doctor-who',
      'visitor-doctor-x-y',
    ])
      expect(isLeftover(other, NOW)).toBe(false);
  });
});
