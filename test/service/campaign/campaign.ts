/**
 * Visitors and operators talk while the service is killed at any point, ejabberd is killed, and LHC is away. Then all
 * acknowledged messages are counted at the receivers.
 */
import { setTimeout as pace } from 'node:timers/promises';
import type { Failpoint } from '../../../src/service/failpoints.ts';
import { waitFor } from '../../support/wait.ts';
import { startWorld, type World } from '../../support/world.ts';
import { createLedger, type Ledger, type Report } from './ledger.ts';
import { type Random, seeded } from './random.ts';
import { ROUTED_SETTINGS, startRouted } from './routed.ts';
import { afterwards, CAPACITY, makeOperators, openChats } from './scene.ts';
import { startTraffic } from './traffic.ts';

export interface CampaignOptions {
  readonly seed: number;
  /** kill -9 of the service from outside. */
  readonly serviceKills: number;
  /** How often each failpoint ends the service. */
  readonly eachFailpoint: number;
  readonly ejabberdKills: number;
  /** Messages that are acknowledged while LHC is away. */
  readonly lhcAwayFor: number;
  /** The least number of messages each way. */
  readonly messages: number;
  /** Between two messages of one visitor, or to one visitor, in ms. */
  readonly paceMs: number;
  readonly say?: (line: string) => void;
}

export interface CampaignReport extends Report {
  readonly serviceKills: number;
  readonly chatsBegun: number;
  /** Chats of the tenant whose operators come and go. */
  readonly chatsRouted: number;
  readonly seconds: number;
}

/** Each failpoint, with the number of passes within which it may kill. */
const FAILPOINTS: Readonly<Record<Failpoint, number>> = {
  'before-append': 60,
  'after-append': 60,
  'after-stanza': 12,
  'after-callback': 30,
  'before-webhook-answer': 6,
  'after-reserve': 8,
  'in-fold': 80,
};
const RESTLESS = 2;
/** Acknowledged messages before the next kill from outside. */
const BETWEEN_KILLS = { least: 5, most: 30 };
const CALM = 5;
/** The pace before a kill of ejabberd, so that messages are in flight. */
const BURST = 0.1;
const DIES_WITHIN_MS = 60_000;
const ARRIVES_WITHIN_MS = 60_000;

type Death =
  | { readonly kind: 'kill' }
  | { readonly kind: 'failpoint'; readonly point: Failpoint; readonly passing: number };

export async function runCampaign(options: CampaignOptions): Promise<CampaignReport> {
  const world = await startWorld({
    tenants: [
      { id: 'acme', host: 'xmpp.test', settings: { routing: { capacity: CAPACITY } } },
      { id: 'routed', host: 'routed.test', settings: ROUTED_SETTINGS },
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
  const routed = await startRouted(world, world.tenant('routed'), seeded(seed), options.paceMs);
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
  const further = async (messages: number, deadlineMs = DIES_WITHIN_MS): Promise<void> => {
    const goal = ledger.promised() + messages;
    await waitFor(() => ledger.promised() >= goal || traffic.faults.length > 0, {
      deadlineMs,
      what: () => `${messages} further messages\n${world.service.logs().slice(-3000)}`,
    });
  };

  let faultsOfRouting: readonly string[] = [];
  try {
    for (const death of deathsOf(options, random)) {
      await die(world, ledger, death, () =>
        further(random.int(BETWEEN_KILLS.least, BETWEEN_KILLS.most)),
      );
      serviceKills += 1;
      say(
        `service killed (${death.kind === 'kill' ? 'from outside' : `${death.point}=${death.passing}`}), ${ledger.promised()} messages promised`,
      );
      await pace(random.int(0, 300));
    }
    await world.service.start();
    for (let kill = 1; kill <= options.ejabberdKills; kill++) {
      // Earlier messages have arrived. Few are in flight, and only they may be shown twice.
      traffic.slowDown(5);
      routed.slowDown(5);
      await waitFor(() => ledger.inFlight().size <= CALM, {
        deadlineMs: DIES_WITHIN_MS,
        what: () => `calm; ${ledger.inFlight().size} messages are in flight`,
      });
      traffic.slowDown(BURST);
      await further(random.int(BETWEEN_KILLS.least, BETWEEN_KILLS.most));
      ledger.ejabberdIsKilled();
      await world.ejabberd.kill();
      await pace(random.int(0, 500));
      await world.ejabberd.start();
      traffic.slowDown(1);
      routed.slowDown(1);
      say(`ejabberd killed, ${ledger.promised()} messages promised`);
    }
    if (options.lhcAwayFor > 0) {
      await further(10);
      await tenant.lhc.stop();
      await further(options.lhcAwayFor);
      await tenant.lhc.start();
      say(`LHC was away, ${ledger.promised()} messages promised`);
    }
    const enough = (list: Ledger['byVisitors']) =>
      list.filter((sent) => sent.promised).length >= options.messages;
    while (!enough(ledger.byVisitors) || !enough(ledger.byOperators)) await further(1);
  } finally {
    await traffic.stop();
    faultsOfRouting = await routed.end();
  }

  await waitFor(() => ledger.missing().length === 0, {
    deadlineMs: ARRIVES_WITHIN_MS,
    every: 100,
    what: () => `what was promised: ${ledger.missing().join(', ')}`,
  }).catch(() => undefined); // the report below names what is missing
  const faults = [
    ...traffic.faults,
    ...faultsOfRouting,
    ...(await afterwards(world, tenant, operators, chats)),
  ];
  for (const operator of operators) await operator.stop();
  const report = ledger.report();
  return {
    ...report,
    faults: [...faults, ...report.faults],
    serviceKills,
    chatsRouted: routed.begun(),
    chatsBegun: tenant.told('chat.assigned').length,
    seconds: Math.round((performance.now() - began) / 1000),
  };
}

function deathsOf(
  { serviceKills, eachFailpoint }: CampaignOptions,
  random: Random,
): readonly Death[] {
  // The keys are those of the record above.
  const points = Object.keys(FAILPOINTS) as Failpoint[];
  const deaths: Death[] = Array.from({ length: serviceKills }, () => ({ kind: 'kill' }));
  for (const point of points) {
    for (let time = 0; time < eachFailpoint; time++) {
      deaths.push({ kind: 'failpoint', point, passing: random.int(1, FAILPOINTS[point]) });
    }
  }
  return random.shuffle(deaths);
}

/** One life of the service, to its end. The first life is running already. */
async function die(
  world: World,
  ledger: Ledger,
  death: Death,
  later: () => Promise<void>,
): Promise<void> {
  const { service } = world;
  if (death.kind === 'kill') {
    if (service.pid === undefined) await service.start();
    await later();
    await service.kill();
    ledger.serviceIsKilled();
    return;
  }
  if (service.pid !== undefined) {
    await service.kill();
    ledger.serviceIsKilled();
  }
  await service.start({ XMPP_CHAT_FAILPOINTS: `${death.point}=${death.passing}` });
  const { signal, code } = await service.ended(DIES_WITHIN_MS);
  ledger.serviceIsKilled();
  if (signal !== 'SIGKILL') {
    throw new Error(`the service ended with ${code}:\n${service.logs().slice(-3000)}`);
  }
}
