/** What each measurement means; the real world is in test/service/doctor.test.ts. */
import { describe, expect, it } from 'vitest';
import { Username } from '../../src/actors/ids.ts';
import { backlogCheck, judgeOffer } from '../../src/doctor/c2s.ts';
import { judgeClock } from '../../src/doctor/clock.ts';
import { type DiskPorts, diskCheck } from '../../src/doctor/disk.ts';
import { judgeVersion } from '../../src/doctor/ejabberd-api.ts';
import { isOld, probeName } from '../../src/doctor/probe-name.ts';
import { serviceCheck } from '../../src/doctor/service.ts';
import type { Offer } from '../../src/doctor/stream-probe.ts';

const signal = new AbortController().signal;
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
    [31, 'warning', /31 s ahead/],
    [-240, 'warning', /240 s behind/],
    [-241, 'problem', /241 s behind/],
  ])('%d s are %s', (offset, status, message) => {
    const found = judgeClock('LHC', offset);
    expect(found).toMatchObject({ status, message: expect.stringMatching(message) });
  });
});

describe('what a listener offers', () => {
  const judge = (offer: Partial<Offer>, service = 'xmpp://10.0.0.1:5222', allowPlaintext = false) =>
    judgeOffer(
      'xmpp.test',
      { mechanisms: ['PLAIN'], tls: null, ...offer },
      { service, allowPlaintext, now: () => NOW },
    ).map(({ status, message }) => `${status}: ${message}`);
  const tls = (days: number) => ({ fault: null, validTo: NOW + days * DAY });

  it('PLAIN and a good certificate', () => {
    expect(judge({ tls: tls(60) })).toEqual([
      'ok: xmpp.test: SASL PLAIN is offered',
      'ok: the certificate for xmpp.test is valid for 60 days',
    ]);
  });
  it('no PLAIN', () => {
    expect(judge({ mechanisms: ['SCRAM-SHA-1'], tls: tls(60) })[0]).toMatch(
      /^problem: .*PLAIN is not offered \(SCRAM-SHA-1\)/,
    );
  });
  it('a certificate that ends soon', () => {
    expect(judge({ tls: tls(13) })[1]).toMatch(/^warning: .*13 days/);
  });
  it('no TLS: on loopback, in a private network, elsewhere', () => {
    expect(judge({}, 'xmpp://127.0.0.1:5222')).toHaveLength(1);
    expect(judge({}, undefined, true)[1]).toMatch(/^warning: .*in plain/);
    expect(judge({})[1]).toMatch(/^problem: .*will not log in/);
  });
});

it('a listener whose queue is short makes connections wait', async () => {
  const times = (stalled: number) =>
    backlogCheck(async (count) =>
      Array.from({ length: count }, (_, i) => (i < stalled ? 1015 : 9)),
    );
  expect((await times(0).run(signal))[0]?.status).toBe('ok');
  expect((await times(3).run(signal))[0]?.status).toBe('ok');
  expect((await times(58).run(signal))[0]).toMatchObject({
    status: 'warning',
    advice: expect.stringContaining('backlog: 1024'),
  });
});

describe('the disk', () => {
  const look = async (ports: Partial<DiskPorts>) => {
    const found = await diskCheck({
      dataDir: '/data',
      exists: () => true,
      logDir: () => '/data',
      free: () => 10_000 * MIB,
      logSize: () => 10 * MIB,
      syncs: () => [1, 1, 900],
      closed: () => [],
      secretMode: () => 0o100600,
      ...ports,
    }).run(signal);
    return found.map(({ status }) => status);
  };
  it('is fine', async () => expect(await look({})).toEqual(['ok', 'ok', 'ok']));
  it('is scarce, for its log too, and full', async () => {
    expect((await look({ free: () => 900 * MIB }))[0]).toBe('warning');
    expect((await look({ logSize: () => 30_000 * MIB }))[0]).toBe('warning');
    expect((await look({ free: () => 200 * MIB }))[0]).toBe('problem');
  });
  it('is that of the log, too, where it is another one', async () => {
    const logDir = () => '/log';
    const free = (dir: string) => (dir === '/log' ? 200 : 10_000) * MIB;
    expect(await look({ logDir, free })).toEqual(['ok', 'problem', 'ok', 'ok']);
    const syncs = (dir: string) => (dir === '/log' ? [300] : [1]);
    expect(await look({ logDir, syncs })).toEqual(['ok', 'ok', 'problem', 'ok']);
  });
  it('is slow', async () => {
    expect((await look({ syncs: () => [30, 30, 1] }))[1]).toBe('warning');
    expect((await look({ syncs: () => [300, 300, 1] }))[1]).toBe('problem');
  });
  it('has no log, which is an EventStoreDB’s: its speed is nothing to messages', async () => {
    const of = { logDir: () => null, secretMode: () => null };
    expect(await look({ ...of, syncs: () => [300] })).toEqual(['ok']);
    expect(await look({ ...of, free: () => 200 * MIB })).toEqual(['problem']);
  });
  it('shows the secret to others', async () => {
    expect((await look({ secretMode: () => 0o100640 }))[2]).toBe('problem');
    expect(await look({ secretMode: () => null })).toHaveLength(2);
  });
  it('is closed to this user, some of it or all', async () => {
    expect((await look({ closed: () => ['/data/events.db'] }))[2]).toBe('problem');
    const exists = () => {
      throw Object.assign(new Error('denied'), { code: 'EACCES' });
    };
    expect(await look({ exists })).toEqual(['problem']);
  });
});

it('what the service says of itself', async () => {
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
  const found = await serviceCheck(port, '1.0.1').run(signal);
  expect(found.map(({ status, message }) => `${status}: ${message}`)).toEqual([
    'warning: it runs version 1.0.0, this is 1.0.1',
    'problem: it says that ejabberd does not work: away',
    'warning: its read models are not complete: being rebuilt',
    expect.stringMatching(/^problem: 1 actors have a history.*visitor-acme\.1/),
    'warning: 2 dead letters',
    'warning: the read models are 7.5 s behind',
    'warning: 5000 effects wait',
  ]);
  answers['/metrics'] = 'upstream timed out';
  expect((await serviceCheck(port, '1.0.1').run(signal)).at(-1)).toMatchObject({
    status: 'problem',
    message: '/metrics does not answer as it should',
  });
  const hanging = { url: 'http://here', get: async () => 'silent' as const };
  expect(await serviceCheck(hanging, '1.0.1').run(signal)).toMatchObject([{ status: 'problem' }]);
});

describe("the test account's name", () => {
  it('is nobody else’s, and says when it was made', () => {
    const { user, group } = probeName(NOW, 'abc123');
    // Neither an operator's nor a visitor's (those begin with `visitor.`), nor a group of ours.
    expect(Username.safeParse(user).success).toBe(false);
    expect(user.startsWith('visitor.')).toBe(false);
    expect(group).not.toMatch(/^(visitors|operators)/);
    expect(isOld(user, NOW + 599_000)).toBe(false);
    expect(isOld(user, NOW + 601_000)).toBe(true);
    for (const other of [
      'visitor.1',
      'olga',
      'visitor-doctor',
      'visitor-doctor-who',
      'visitor-doctor-x-y',
    ])
      expect(isOld(other, NOW)).toBe(false);
  });
});
