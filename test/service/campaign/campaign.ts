/**
 * Kills of the service at any point, of ejabberd, and LHC away, while visitors and operators talk; then everything
 * that was promised is counted at the receivers.
 */
import { setTimeout as pace } from 'node:timers/promises';
import type { Failpoint } from '../../../src/failpoints.ts';
import { waitFor } from '../../support/wait.ts';
import { startWorld, type Tenant, type World } from '../../support/world.ts';
import { createLedger, type Ledger, type Report } from './ledger.ts';
import { type ReturningOperator, returningOperator } from './operator.ts';
import { type Random, seeded } from './random.ts';
import { startTraffic } from './traffic.ts';

export interface CampaignOptions {
  readonly seed: number;
  /** kill -9 of the service from outside. */
  readonly serviceKills: number;
  /** How often each failpoint ends it. */
  readonly eachFailpoint: number;
  readonly ejabberdKills: number;
  /** How many messages are promised while LHC is away. */
  readonly lhcAwayFor: number;
  /** At least so many messages each way. */
  readonly messages: number;
  /** Between two messages of one visitor or to it, in ms. */
  readonly paceMs: number;
  readonly say?: (line: string) => void;
}

export interface CampaignReport extends Report {
  readonly serviceKills: number;
  readonly chatsBegun: number;
  readonly seconds: number;
}

/** Each failpoint, and how far into a life it may strike, in passings. */
const FAILPOINTS: Readonly<Record<Failpoint, number>> = {
  'before-append': 60,
  'after-append': 60,
  'after-stanza': 12,
  'after-callback': 30,
  'before-webhook-answer': 6,
  'after-reserve': 2,
  'in-fold': 80,
};
const OPERATORS = 3;
const CAPACITY = 4;
/** One place of each operator is left for those who come and go. */
const VISITORS = OPERATORS * (CAPACITY - 1);
const RESTLESS = 2;
/** Messages that are promised before the next kill from outside. */
const BETWEEN_KILLS = { least: 5, most: 30 };
const CALM = 5;
/** Of the usual pace, when ejabberd is about to be killed: so that something is in flight. */
const BURST = 0.1;
const DIES_WITHIN_MS = 60_000;
const ARRIVES_WITHIN_MS = 60_000;

type Death =
  | { readonly kind: 'kill' }
  | { readonly kind: 'failpoint'; readonly point: Failpoint; readonly passing: number };

export async function runCampaign(options: CampaignOptions): Promise<CampaignReport> {
  const world = await startWorld({
    tenants: [{ id: 'acme', host: 'xmpp.test', settings: { routing: { capacity: CAPACITY } } }],
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
  const restless = Array.from({ length: RESTLESS }, (_, index) => `r${index}`);
  const traffic = startTraffic({
    ...{ tenant, ledger, chats, restless, operators, paceMs: options.paceMs },
    random,
  });
  const further = async (messages: number, deadlineMs = DIES_WITHIN_MS): Promise<void> => {
    const goal = ledger.promised() + messages;
    await waitFor(() => ledger.promised() >= goal || traffic.faults.length > 0, {
      deadlineMs,
      what: () => `${messages} further messages\n${world.service.logs().slice(-3000)}`,
    });
  };

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
      // What waited through the kills before is through: few are in flight, and only they may be shown again.
      traffic.slowDown(5);
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
  }

  await waitFor(() => ledger.missing().length === 0, {
    deadlineMs: ARRIVES_WITHIN_MS,
    every: 100,
    what: () => `what was promised: ${ledger.missing().join(', ')}`,
  }).catch(() => undefined); // the report names what is missing
  const faults = [...traffic.faults, ...(await afterwards(world, tenant, operators, chats))];
  for (const operator of operators) await operator.stop();
  const report = ledger.report();
  return {
    ...report,
    faults: [...faults, ...report.faults],
    serviceKills,
    chatsBegun: tenant.told('chat.assigned').length,
    seconds: Math.round((performance.now() - began) / 1000),
  };
}

async function makeOperators(world: World, tenant: Tenant): Promise<ReturningOperator[]> {
  const operators: ReturningOperator[] = [];
  for (let index = 0; index < OPERATORS; index++) {
    const username = `op${index}`;
    await tenant.register(username, { capacity: CAPACITY });
    operators.push(
      await returningOperator({
        ...{ service: world.ejabberd.xmpp, domain: tenant.host, username, password: 'pw' },
        resource: 'campaign',
      }),
    );
    await tenant.operatorIs(username, 'available');
  }
  return operators;
}

/** A chat for each visitor, with the operator to whom it was given. */
async function openChats(
  tenant: Tenant,
  operators: readonly ReturningOperator[],
): Promise<Map<string, ReturningOperator>> {
  const chats = new Map<string, ReturningOperator>();
  for (let index = 0; index < VISITORS; index++) {
    const visitor = `${index}`;
    await tenant.view(visitor, { page: 'https://shop.test/' });
    await tenant.ask('POST', `/visitors/${visitor}/chats`, {
      ...{ chatId: `c${index}`, department: 'sales' },
    });
    const { data } = await tenant.callback('chat.assigned', (each) => each.visitor === visitor);
    const owner = operators.find(({ username }) => username === data.operator?.username);
    if (!owner) throw new Error(`chat c${index} was given to ${data.operator?.username}`);
    chats.set(visitor, owner);
  }
  return chats;
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

/** One life of the service, to its end. The first one is running already. */
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

/** Nothing is left to do, every chat has one owner, and closing them frees every place. */
async function afterwards(
  world: World,
  tenant: Tenant,
  operators: readonly ReturningOperator[],
  chats: ReadonlyMap<string, ReturningOperator>,
): Promise<string[]> {
  const faults: string[] = [];
  const gauge = async (name: string): Promise<number> => {
    const { body } = await world.service.call('GET', '/metrics');
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(String(body))?.[1]);
  };
  const comes = async (what: string, condition: () => Promise<boolean>): Promise<void> => {
    await waitFor(condition, { deadlineMs: 30_000, every: 100, what }).catch((error: unknown) => {
      faults.push(String(error));
    });
  };
  const held = async (): Promise<{ operator: string; chatId: string; visitor: string }[]> => {
    const { items } = await tenant.ask('GET', '/operators');
    return items.flatMap(
      ({
        username,
        chats: of,
      }: {
        username: string;
        chats: { chatId: string; visitor: string }[];
      }) => of.map((chat) => ({ operator: username, ...chat })),
    );
  };

  await comes(
    'no effect to be pending',
    async () => (await gauge('xmpp_chat_effects_pending')) === 0,
  );
  await comes('each chat to have one owner', async () => {
    const now = await held();
    return [...chats].every(([visitor, { username }]) => {
      const owners = now.filter((chat) => chat.visitor === visitor);
      return owners.length === 1 && owners[0]?.operator === username;
    });
  });
  if ((await gauge('xmpp_chat_dead_letters')) !== 0) {
    faults.push(
      `dead letters: ${JSON.stringify((await world.service.call('GET', '/debug/dead-letters')).body)}`,
    );
  }
  for (const visitor of chats.keys()) {
    await tenant.ask('POST', `/visitors/${visitor}/chats/c${visitor}/close`, { by: 'system' });
  }
  await comes('every place to be free', async () => (await held()).length === 0);
  const { body } = await world.service.call('GET', '/readyz');
  if (body.status !== 'ready' || body.unfit.count !== 0) faults.push(JSON.stringify(body));
  for (const { username } of operators) await tenant.operatorIs(username, 'available');
  return faults;
}
