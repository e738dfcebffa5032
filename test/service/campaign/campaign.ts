/**
 * Kills the service at any point, kills ejabberd and stops LHC while visitors and operators write messages. Then it counts
 * every promised message at its receiver.
 */
import { setTimeout as pace } from 'node:timers/promises';
import type { Failpoint } from '../../../src/service/failpoints.ts';
import { waitFor } from '../../support/wait.ts';
import { startWorld, type World } from '../../support/world.ts';
import { createLedger, type Ledger, type Report } from './ledger.ts';
import { type Random, seeded } from './random.ts';
import { ROUTING_SETTINGS, startRoutingTraffic } from './routing-traffic.ts';
import { CAPACITY, finalFaults, makeOperators, openChats } from './scene.ts';
import { startTraffic } from './traffic.ts';

export interface CampaignOptions {
  readonly seed: number;
  /** The number of kill -9 of the service from outside. */
  readonly serviceKills: number;
  /** How often each failpoint ends the service. */
  readonly eachFailpoint: number;
  readonly ejabberdKills: number;
  /** The number of messages that are promised while LHC is away. */
  readonly lhcAwayFor: number;
  /** The least number of messages each way. */
  readonly messages: number;
  /** The mean pause between two messages of a visitor or of their operator, in ms. */
  readonly paceMs: number;
  readonly say?: (line: string) => void;
}

export interface CampaignReport extends Report {
  readonly serviceKills: number;
  readonly chatsAssigned: number;
  /** Chats of the tenant whose operators log in and out. */
  readonly chatsRouted: number;
  readonly seconds: number;
}

/** Those that a campaign passes: it removes no tenant. */
type PassedFailpoint = Exclude<Failpoint, 'removal-step' | 'after-destroyed' | 'retention-step'>;

/** By failpoint: the last passing at which the service may be killed in one run. */
const FAILPOINTS: Readonly<Record<PassedFailpoint, number>> = {
  'before-append': 60,
  'after-append': 60,
  'after-stanza': 12,
  'after-callback': 30,
  'before-webhook-answer': 6,
  'after-reserve': 8,
  'in-fold': 80,
};
const RESTLESS = 2;
/** The number of messages that are promised before the next kill from outside. */
const BETWEEN_KILLS = { least: 5, most: 30 };
/** The most messages in flight before ejabberd is killed. */
const CALM = 5;
/** Factor on the pauses shortly before ejabberd is killed, so that some messages are in flight. */
const BURST = 0.1;
const PROGRESS_DEADLINE_MS = 120_000;
const ARRIVAL_DEADLINE_MS = 120_000;

type Death =
  | { readonly kind: 'kill' }
  | { readonly kind: 'failpoint'; readonly point: PassedFailpoint; readonly passing: number };

export async function runCampaign(options: CampaignOptions): Promise<CampaignReport> {
  const world = await startWorld({
    tenants: [
      { id: 'acme', host: 'xmpp.test', settings: { routing: { capacity: CAPACITY } } },
      { id: 'routing', host: 'routing.test', settings: ROUTING_SETTINGS },
    ],
  });
  try {
    return await campaign(world, options);
  } finally {
    await world.close();
  }
}

async function campaign(world: World, options: CampaignOptions): Promise<CampaignReport> {
  const { seed, say = () => {} } = options;
  const began = performance.now();
  const random = seeded(seed);
  const tenant = world.tenant('acme');
  const operators = await makeOperators(world, tenant);
  let serviceKills = 0;
  const ledger = createLedger({
    lhc: tenant.lhc,
    received: () => operators.map((operator) => operator.received()),
  });
  const chats = await openChats(tenant, operators);
  const routing = await startRoutingTraffic(
    world,
    world.tenant('routing'),
    seeded(seed),
    options.paceMs,
  );
  const restless = Array.from({ length: RESTLESS }, (_, index) => `r${index}`);
  const traffic = startTraffic({
    tenant,
    ledger,
    chats,
    restless,
    operators,
    paceMs: options.paceMs,
    random,
  });
  const moreMessages = async (count: number): Promise<void> => {
    const goal = ledger.promised() + count;
    await waitFor(() => ledger.promised() >= goal || traffic.faults.length > 0, {
      deadlineMs: PROGRESS_DEADLINE_MS,
      what: () => `${count} more messages\n${world.service.logs().slice(-3000)}`,
    });
  };

  let routingFaults: readonly string[] = [];
  try {
    for (const death of deathsOf(options, random)) {
      await die(world, ledger, death, () =>
        moreMessages(random.int(BETWEEN_KILLS.least, BETWEEN_KILLS.most)),
      );
      serviceKills += 1;
      say(
        `service killed (${death.kind === 'kill' ? 'from outside' : `${death.point}=${death.passing}`}), ${ledger.promised()} messages promised`,
      );
      await pace(random.int(0, 300));
    }
    await world.service.start();
    for (let kill = 1; kill <= options.ejabberdKills; kill++) {
      // Only messages in flight may be repeated. So first wait until the backlog of the earlier kills has arrived.
      traffic.slowDown(5);
      routing.slowDown(5);
      await waitFor(() => ledger.inFlight().size <= CALM, {
        deadlineMs: PROGRESS_DEADLINE_MS,
        what: () => `calm; ${ledger.inFlight().size} messages are in flight`,
      });
      traffic.slowDown(BURST);
      await moreMessages(random.int(BETWEEN_KILLS.least, BETWEEN_KILLS.most));
      ledger.ejabberdIsKilled();
      await world.ejabberd.kill();
      await pace(random.int(0, 500));
      await world.ejabberd.start();
      traffic.slowDown(1);
      routing.slowDown(1);
      say(`ejabberd killed, ${ledger.promised()} messages promised`);
    }
    if (options.lhcAwayFor > 0) {
      await moreMessages(10);
      await tenant.lhc.stop();
      await moreMessages(options.lhcAwayFor);
      await tenant.lhc.start();
      say(`LHC was away, ${ledger.promised()} messages promised`);
    }
    const enough = (list: Ledger['byVisitors']) =>
      list.filter((sent) => sent.promised).length >= options.messages;
    while (!enough(ledger.byVisitors) || !enough(ledger.byOperators)) await moreMessages(1);
  } finally {
    await traffic.stop();
    routingFaults = await routing.end();
  }

  await waitFor(() => ledger.missing().length === 0, {
    deadlineMs: ARRIVAL_DEADLINE_MS,
    every: 100,
  }).catch(() => undefined); // the report names the missing messages
  const faults = [
    ...traffic.faults,
    ...routingFaults,
    ...(await finalFaults(world, tenant, operators, chats)),
  ];
  for (const operator of operators) await operator.stop();
  const report = ledger.report();
  return {
    ...report,
    faults: [...faults, ...report.faults],
    serviceKills,
    chatsRouted: routing.started(),
    chatsAssigned: tenant.callbacks('chat.assigned').length,
    seconds: Math.round((performance.now() - began) / 1000),
  };
}

function deathsOf(
  { serviceKills, eachFailpoint }: CampaignOptions,
  random: Random,
): readonly Death[] {
  // The keys are those of the record above.
  const points = Object.keys(FAILPOINTS) as PassedFailpoint[];
  const deaths: Death[] = Array.from({ length: serviceKills }, () => ({ kind: 'kill' }));
  for (const point of points) {
    for (let time = 0; time < eachFailpoint; time++) {
      deaths.push({ kind: 'failpoint', point, passing: random.int(1, FAILPOINTS[point]) });
    }
  }
  return random.shuffle(deaths);
}

/** Runs the service until this death. At the first call the service is already running. */
async function die(
  world: World,
  ledger: Ledger,
  death: Death,
  beforeKill: () => Promise<void>,
): Promise<void> {
  const { service } = world;
  if (death.kind === 'kill') {
    if (service.pid === undefined) await service.start();
    await beforeKill();
    await service.kill();
    ledger.serviceIsKilled();
    return;
  }
  if (service.pid !== undefined) {
    await service.kill();
    ledger.serviceIsKilled();
  }
  await service.start({ XMPP_CHAT_FAILPOINTS: `${death.point}=${death.passing}` });
  const { signal, code } = await service.ended(PROGRESS_DEADLINE_MS);
  ledger.serviceIsKilled();
  if (signal !== 'SIGKILL') {
    throw new Error(`the service ended with ${code}:\n${service.logs().slice(-3000)}`);
  }
}
