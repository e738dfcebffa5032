/**
 * Two processes of the service on one log, behind a balancer, with a real ejabberd. They are killed, paused and restarted
 * during conversations. The log is a real EventStoreDB if EVENTSTOREDB_URL names one, otherwise the test double.
 */
import { randomInt } from 'node:crypto';
import { afterAll, expect, it } from 'vitest';
import { watchAbsences } from '../support/absences.ts';
import { balanced, gauge, ownsAll } from '../support/partitions.ts';
import { callTo, type Service } from '../support/service.ts';
import { newTenantId, sharedLog } from '../support/shared-log.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';
import { createLedger } from './campaign/ledger.ts';
import { seeded } from './campaign/random.ts';
import { ROUTED_SETTINGS, startRouted } from './campaign/routed.ts';
import { afterwards, makeOperators, openChats } from './campaign/scene.ts';
import { startTraffic } from './campaign/traffic.ts';

/** How long visitors are without a session at most when their process dies (docs/adr/0010). */
const WITHOUT_SESSION_MS = 15_000;
const MESSAGES = 200;
const TENANT = newTenantId();
const QUICK = newTenantId();
const ROUTED = newTenantId();

const environment = await sharedLog();
const world = await testWorld({
  tenants: [
    { id: TENANT, host: 'xmpp.test', settings: { routing: { capacity: 4 } } },
    { id: QUICK, host: 'quick.test', settings: { hardTimeout: 6 } },
    { id: ROUTED, host: 'routed.test', settings: ROUTED_SETTINGS },
  ],
  processes: 2,
  environment,
});
const tenant = world.tenant(TENANT);
const quick = world.tenant(QUICK);
const [first, second] = world.processes;
if (!first || !second) throw new Error('two processes were asked for');

/** The number of visitors that a process has logged in. */
const sessionsOf = (process: Service) => gauge(process, 'xmpp_chat_visitor_sessions');

const seed = Number(process.env.SEED ?? randomInt(1, 1_000_000));
const lines: string[] = [`seed ${seed}`];
afterAll(() => process.stdout.write(`${lines.join('\n')}\n`));

it('any process takes any command and any query', async () => {
  await balanced(world.processes);
  const put = await callTo(first.url)(
    'PUT',
    `/v1/${QUICK}/operators/anybody`,
    { lhcUserId: 77, departments: ['sales'], password: 'pw' },
    { key: quick.apiKey },
  );
  expect(put.status).toBe(202);
  const path = `/v1/${QUICK}/operators/anybody?minPosition=${put.body.position}`;
  const asked = await callTo(second.url)('GET', path, undefined, { key: quick.apiKey });
  expect(asked.body).toMatchObject({ username: 'anybody', lhcUserId: 77 });

  const at = (process: Service) => (end: string, body: unknown) =>
    callTo(process.url)('POST', `/v1/${QUICK}/visitors/anybody/${end}`, body, {
      key: quick.apiKey,
    });
  expect((await at(first)('page-views', { page: 'https://shop.test/' })).status).toBe(202);
  expect((await at(second)('chats', { chatId: 'any' })).status).toBe(202);
  expect((await at(first)('messages', { id: 'm1', body: 'one' })).status).toBe(202);
  // The other process recognises the repeat.
  expect((await at(second)('messages', { id: 'm1', body: 'one' })).status).toBe(202);
  const stream = `/debug/streams/visitor-${QUICK}.anybody`;
  const { items } = (await callTo(second.url)('GET', stream)).body;
  const said = items.filter(({ type }: { type: string }) => type === 'VisitorMessageSent');
  expect(said).toHaveLength(1);
  expect((await at(second)('chats/any/close', { by: 'visitor' })).status).toBe(202);
  expect((await at(first)('messages', { id: 'm2', body: 'two' })).status).toBe(409);
  await callTo(first.url)('DELETE', `/v1/${QUICK}/operators/anybody`, undefined, {
    key: quick.apiKey,
  });
});

it('a restart of one process after the other keeps visitors online and moves the partitions', async () => {
  await tenant.register('watch');
  const watch = await tenant.connect('watch', { presence: { show: 'dnd' } });
  const visitors = Array.from({ length: 24 }, (_, n) => `b${n}`);
  await Promise.all(visitors.map((each) => tenant.view(each, { page: 'https://shop.test/' })));
  const jids = visitors.map((each) => tenant.visitorJid(each));
  await watch.waitFor(
    () => jids.every((jid) => watch.presences.get(jid)?.available),
    20_000,
    'everybody',
  );
  const before = await Promise.all([first, second].map(sessionsOf));
  expect(Math.min(...before)).toBeGreaterThan(0);

  for (const [restarting, other] of [
    [first, second],
    [second, first],
  ] as const) {
    const absences = watchAbsences(watch, jids);
    const took = await restarting.stop();
    await ownsAll(other);
    await waitFor(async () => (await sessionsOf(other)) >= visitors.length, {
      deadlineMs: 20_000,
      what: 'all sessions',
    });
    await restarting.start();
    await balanced(world.processes);
    await waitFor(async () => (await sessionsOf(restarting)) > 0, {
      deadlineMs: 20_000,
      what: 'sessions to come back',
    });
    // A visitor may be between two sessions now. The test measures how long that takes.
    await watch.waitFor(
      () => jids.every((jid) => watch.presences.get(jid)?.available),
      20_000,
      'everybody to be there',
    );
    const { longest } = absences.end();
    lines.push(
      `restart: stopped in ${Math.round(took)} ms, ${longest.size} of ${jids.length} contacts absent for at most ${Math.round(Math.max(0, ...longest.values()))} ms`,
    );
    // The new session replaces the old one. Between the two ejabberd may send an unavailable presence.
    expect(Math.max(0, ...longest.values())).toBeLessThan(2_000);
  }
  await watch.disconnect();
});

it('a process that is stopped during its start leaves in order too', async () => {
  await second.stop();
  for (let times = 0; times < 3; times++) {
    await second.start();
    await second.stop();
  }
  await second.start();
  await balanced(world.processes);
});

it('deadlines fire once, whichever process dies', async () => {
  const visitors = Array.from({ length: 32 }, (_, n) => `t${n}`);
  await Promise.all(visitors.map((each) => quick.view(each, { page: 'https://shop.test/' })));
  await first.kill();
  const gone = () => {
    const told = new Set(quick.told('visitor.timed_out').map(({ data }) => data.visitor));
    return visitors.filter((each) => told.has(each));
  };
  await waitFor(() => gone().length === visitors.length, {
    deadlineMs: 40_000,
    what: () => `${visitors.length} to time out; ${gone().length} have`,
  });
  await first.start();
  await balanced(world.processes);
  for (const visitor of visitors) {
    const stream = `/debug/streams/visitor-${QUICK}.${visitor}`;
    const { body } = await callTo(second.url)('GET', stream);
    const facts = body.items.filter(({ type }: { type: string }) => type === 'TimedOut');
    expect(facts).toHaveLength(1);
  }
}, 90_000);

it('with each process killed in turn and one paused past its lease, nothing is lost, doubled or reordered', async () => {
  const random = seeded(seed);
  const pendingBefore = await gauge(first, 'xmpp_chat_effects_pending');
  const operators = await makeOperators(world, tenant);
  const ledger = createLedger({
    lhc: tenant.lhc,
    received: () => operators.map((operator) => operator.received()),
  });
  const chats = await openChats(tenant, operators);
  await tenant.register('observer');
  const observer = await tenant.connect('observer', { presence: { show: 'dnd' } });
  const jids = [...chats.keys()].map((visitor) => tenant.visitorJid(visitor));
  await observer.waitFor(
    () => jids.every((jid) => observer.presences.get(jid)?.available),
    20_000,
    'everybody',
  );
  const traffic = startTraffic({
    tenant,
    ledger,
    chats,
    random,
    operators,
    restless: ['r0', 'r1'],
    paceMs: 250,
  });
  const routed = await startRouted(world, world.tenant(ROUTED), seeded(seed), 250);
  let faultsOfRouting: readonly string[] = [];
  const further = async (messages: number): Promise<void> => {
    const goal = ledger.promised() + messages;
    await waitFor(() => ledger.promised() >= goal || traffic.faults.length > 0, {
      deadlineMs: 60_000,
      what: () =>
        `${messages} further messages\n${world.processes.map((each) => each.logs().slice(-2000)).join('\n')}`,
    });
  };
  const without: number[] = [];

  async function absentWhile(what: string, deed: () => Promise<void>): Promise<void> {
    const absences = watchAbsences(observer, jids);
    await deed();
    await observer.waitFor(
      () => jids.every((jid) => observer.presences.get(jid)?.available),
      WITHOUT_SESSION_MS * 2,
      'everybody to be back',
    );
    const { longest } = absences.end();
    const most = Math.max(0, ...longest.values());
    without.push(most);
    lines.push(
      `${what}: ${longest.size} of ${jids.length} visitors without a session for at most ${Math.round(most)} ms`,
    );
  }

  try {
    await further(20);
    for (const [dying, other] of [
      [first, second],
      [second, first],
    ] as const) {
      await absentWhile('killed', async () => {
        await dying.kill();
        ledger.serviceIsKilled();
        await ownsAll(other);
        await further(20);
      });
      await dying.start();
      await balanced(world.processes);
      await further(20);
    }
    await absentWhile('paused past its lease', async () => {
      const { pid } = second;
      if (pid === undefined) throw new Error('it runs');
      process.kill(pid, 'SIGSTOP');
      ledger.serviceIsKilled();
      await ownsAll(first);
      await further(20);
      process.kill(pid, 'SIGCONT');
      await balanced(world.processes);
    });
    while (ledger.promised() < MESSAGES) await further(10);
  } finally {
    await traffic.stop();
    faultsOfRouting = await routed.end();
  }
  await waitFor(() => ledger.missing().length === 0, {
    deadlineMs: 60_000,
    every: 100,
    what: () => `what was promised: ${ledger.missing().join(', ')}`,
  }).catch(() => undefined); // the report below names what is missing
  const faults = [
    ...traffic.faults,
    ...faultsOfRouting,
    ...(await afterwards(world, tenant, operators, chats, pendingBefore)),
  ];
  const report = ledger.report();
  lines.push(
    `${routed.begun()} chats routed; promised and arrived: ${report.toOperators.promised} of visitors, ${report.toLhc.promised} of operators; ${report.repeatedStanzas} stanzas and ${report.repeatedCallbacks} callbacks twice`,
  );
  for (const operator of operators) await operator.stop();
  await observer.disconnect();
  expect([...faults, ...report.faults]).toEqual([]);
  expect(Math.max(...without)).toBeLessThan(WITHOUT_SESSION_MS);
}, 240_000);
