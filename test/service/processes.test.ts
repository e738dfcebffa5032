/**
 * Two processes of the service on one log, behind a balancer, with a real ejabberd. The processes are killed, paused and
 * restarted in the middle of conversations. The log is the EventStoreDB that EVENTSTOREDB_URL names, or else the double.
 */
import { randomInt } from 'node:crypto';
import { afterAll, expect, it } from 'vitest';
import { type Absences, watchAbsences } from '../support/absences.ts';
import { balanced, gauge, ownsAll } from '../support/partitions.ts';
import { callTo, type Service } from '../support/service.ts';
import { newTenantId, sharedLog } from '../support/shared-log.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';
import { createLedger } from './campaign/ledger.ts';
import { seeded } from './campaign/random.ts';
import { ROUTING_SETTINGS, startRoutingTraffic } from './campaign/routing-traffic.ts';
import { finalFaults, makeOperators, openChats } from './campaign/scene.ts';
import { startTraffic } from './campaign/traffic.ts';

/** Visitors are without a session for less than this when their process dies (docs/adr/0010). */
const TAKEOVER_BOUND_MS = 15_000;
/** A contact looks absent for less than this when a process restarts in order. */
const HAND_OVER_BOUND_MS = 2_000;
const PROGRESS_DEADLINE_MS = 120_000;
const MESSAGES = 200;
/** Between two messages of one side. At a quarter of it, the traffic takes all of two cores. */
const PACE_MS = 1_000;
const TENANT = newTenantId();
const QUICK = newTenantId();
const ROUTING = newTenantId();

const environment = await sharedLog();
const world = await testWorld({
  tenants: [
    { id: TENANT, host: 'xmpp.test', settings: { routing: { capacity: 4 } } },
    { id: QUICK, host: 'quick.test', settings: { hardTimeout: 6 } },
    { id: ROUTING, host: 'routing.test', settings: ROUTING_SETTINGS },
  ],
  processes: 2,
  environment,
});
const tenant = world.tenant(TENANT);
const quick = world.tenant(QUICK);
const [first, second] = world.processes;
if (!first || !second) throw new Error('the world has two processes');

/** How many visitors a process has logged in. */
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
  const answer = await callTo(second.url)('GET', path, undefined, { key: quick.apiKey });
  expect(answer.body).toMatchObject({ username: 'anybody', lhcUserId: 77 });

  const at = (process: Service) => (end: string, body: unknown) =>
    callTo(process.url)('POST', `/v1/${QUICK}/visitors/anybody/${end}`, body, {
      key: quick.apiKey,
    });
  expect((await at(first)('page-views', { page: 'https://shop.test/' })).status).toBe(202);
  expect((await at(second)('chats', { chatId: 'any' })).status).toBe(202);
  expect((await at(first)('messages', { id: 'm1', body: 'one' })).status).toBe(202);
  // The other process knows that this is a repeat, although the first request did not come to it.
  expect((await at(second)('messages', { id: 'm1', body: 'one' })).status).toBe(202);
  const stream = `/debug/streams/visitor-${QUICK}.anybody`;
  const { items } = (await callTo(second.url)('GET', stream)).body;
  const messages = items.filter(({ type }: { type: string }) => type === 'VisitorMessageSent');
  expect(messages).toHaveLength(1);
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
    'all visitors',
  );
  const before = await Promise.all([first, second].map(sessionsOf));
  expect(Math.min(...before)).toBeGreaterThan(0);

  for (const [restarting, other] of [
    [first, second],
    [second, first],
  ] as const) {
    const absences = watchAbsences(watch, jids, world.processes);
    const took = await restarting.stop();
    await ownsAll(other);
    await waitFor(async () => (await sessionsOf(other)) >= visitors.length, {
      what: 'the other process to have all sessions',
    });
    await restarting.start();
    await balanced(world.processes);
    await waitFor(async () => (await sessionsOf(restarting)) > 0, {
      what: 'sessions at the restarted process',
    });
    // A visitor may be between two sessions at this moment. That time is measured.
    await watch.waitFor(
      () => jids.every((jid) => watch.presences.get(jid)?.available),
      'all visitors to be online',
    );
    const { text, idleMachineMs } = longestOf(absences.end());
    lines.push(`restart: stopped in ${Math.round(took)} ms, ${text}`);
    // The new session replaces the old one. Between the two ejabberd may report that the contact is unavailable.
    expect(idleMachineMs).toBeLessThan(HAND_OVER_BOUND_MS);
  }
  await watch.disconnect();
});

it('a process that is stopped right after its start leaves in order', async () => {
  await second.stop();
  for (let times = 0; times < 2; times++) {
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
  const timedOut = () => {
    const reported = new Set(quick.callbacks('visitor.timed_out').map(({ data }) => data.visitor));
    return visitors.filter((each) => reported.has(each));
  };
  await waitFor(() => timedOut().length === visitors.length, {
    deadlineMs: PROGRESS_DEADLINE_MS,
    what: () => `${visitors.length} visitors to time out; ${timedOut().length} did`,
  });
  await first.start();
  await balanced(world.processes);
  for (const visitor of visitors) {
    const stream = `/debug/streams/visitor-${QUICK}.${visitor}`;
    const { body } = await callTo(second.url)('GET', stream);
    const facts = body.items.filter(({ type }: { type: string }) => type === 'TimedOut');
    expect(facts).toHaveLength(1);
  }
});

it('killing each process and pausing one beyond its lease loses nothing, repeats nothing and keeps the order', async () => {
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
    'all visitors',
  );
  const traffic = startTraffic({
    tenant,
    ledger,
    chats,
    random,
    operators,
    restless: ['r0', 'r1'],
    paceMs: PACE_MS,
  });
  const routing = await startRoutingTraffic(world, world.tenant(ROUTING), seeded(seed), PACE_MS);
  let routingFaults: readonly string[] = [];
  const moreMessages = async (count: number): Promise<void> => {
    const goal = ledger.promised() + count;
    await waitFor(() => ledger.promised() >= goal || traffic.faults.length > 0, {
      deadlineMs: PROGRESS_DEADLINE_MS,
      what: () =>
        `${count} more messages\n${world.processes.map((each) => each.logs().slice(-2000)).join('\n')}`,
    });
  };
  const takeovers: number[] = [];
  const allAvailable = (what: string) =>
    observer.waitFor(
      () => jids.every((jid) => observer.presences.get(jid)?.available),
      what,
      PROGRESS_DEADLINE_MS,
    );

  async function measureTakeover(what: string, disturb: () => Promise<void>): Promise<void> {
    const absences = watchAbsences(observer, jids, world.processes);
    await disturb();
    await allAvailable('all visitors to be back');
    const { text, idleMachineMs } = longestOf(absences.end());
    takeovers.push(idleMachineMs);
    lines.push(`${what}: ${text}`);
  }

  try {
    await moreMessages(20);
    for (const [dying, other] of [
      [first, second],
      [second, first],
    ] as const) {
      await measureTakeover('killed', async () => {
        await dying.kill();
        ledger.serviceIsKilled();
        await ownsAll(other);
        await moreMessages(20);
      });
      await dying.start();
      await balanced(world.processes);
      await moreMessages(20);
    }
    await measureTakeover('paused beyond its lease', async () => {
      const { pid } = second;
      if (pid === undefined) throw new Error('the second process runs');
      process.kill(pid, 'SIGSTOP');
      ledger.serviceIsPaused();
      await ownsAll(first);
      await moreMessages(20);
      process.kill(pid, 'SIGCONT');
      await balanced(world.processes);
    });
    while (ledger.promised() < MESSAGES) await moreMessages(10);
  } finally {
    await traffic.stop();
    routingFaults = await routing.end();
  }
  await waitFor(() => ledger.missing().length === 0, {
    deadlineMs: PROGRESS_DEADLINE_MS,
    every: 100,
  }).catch(() => undefined); // the report names the missing messages
  const faults = [
    ...traffic.faults,
    ...routingFaults,
    ...(await finalFaults(world, tenant, operators, chats, pendingBefore)),
  ];
  const report = ledger.report();
  lines.push(
    `${routing.started()} chats routed; promised and arrived: ${report.toOperators.promised} messages of visitors, ${report.toLhc.promised} of operators; ${report.repeatedStanzas} stanzas and ${report.repeatedCallbacks} callbacks repeated`,
  );
  for (const operator of operators) await operator.stop();
  await observer.disconnect();
  expect([...faults, ...report.faults]).toEqual([]);
  expect(Math.max(...takeovers)).toBeLessThan(TAKEOVER_BOUND_MS);
}, 600_000);

/** The longest absence of all contacts, on this machine and without its load. */
function longestOf(absences: ReturnType<Absences['end']>) {
  const longest = (unit: 'ms' | 'idleMachineMs') =>
    Math.max(0, ...absences.values().map((absence) => absence[unit]));
  const [ms, idleMachineMs] = [longest('ms'), longest('idleMachineMs')];
  const text = `${absences.size} contacts absent, the longest for ${Math.round(ms)} ms (${Math.round(idleMachineMs)} ms without the machine's load)`;
  return { text, idleMachineMs };
}
