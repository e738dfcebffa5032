/** Makes the parts of the service in the order in which they need each other. Nothing runs yet: service.ts starts them. */
import { hostname } from 'node:os';
import type { Logger } from 'pino';
import { callbackEndpoint } from '../actors/tenant/callback-endpoint.ts';
import { type Tenant, templateOf, tenantOf } from '../actors/tenant/tenant.ts';
import type { Config } from '../config/config.ts';
import { admitsHost, foreignSecret } from '../config/secrets.ts';
import { AppError } from '../errors.ts';
import { createApp } from '../http/app.ts';
import { createStreamHub } from '../http/stream/hub.ts';
import { createXmlRpc } from '../http/xmlrpc/app.ts';
import { createRpcVisitors } from '../http/xmlrpc/visitors.ts';
import { createXmppserviceApp } from '../http/xmppservice/app.ts';
import type { Instances } from '../http/xmppservice/deps.ts';
import { createInbox } from '../inbox/inbox.ts';
import { createOlderModules, createReporters } from '../inbox/older-modules.ts';
import { createSetAside } from '../inbox/set-aside.ts';
import { createClock } from '../kit/clock.ts';
import { newId } from '../kit/id.ts';
import { createCallbackClient } from '../lhc/callback-client.ts';
import { type CallbackGuard, createCallbackGuard } from '../lhc/callback-guard.ts';
import { judgePing, pingLhc } from '../lhc/callback-test.ts';
import { CHAT_CHANNELS, createRedisLink, heardIn } from '../lhc/node-helper.ts';
import type { ReadModels } from '../projections/read-models.ts';
import { createAnswers } from '../reactors/answers/answers.ts';
import { createTyping } from '../reactors/conversation/visitor-typing.ts';
import { createXmppLane, XMPP_FILTER } from '../reactors/conversation/xmpp-lane.ts';
import { createCallbacks } from '../reactors/lhc/callback-lane.ts';
import { LHC_FILTER } from '../reactors/lhc/drafts.ts';
import { createNodeHelper } from '../reactors/lhc/node-helper.ts';
import { createReturns } from '../reactors/lhc/returns.ts';
import { createSignals } from '../reactors/lhc/signals.ts';
import { createOperatorNames, type OperatorNames } from '../reactors/operator-names.ts';
import { createOperatorAccounts } from '../reactors/operators/accounts.ts';
import { createLhcUsers } from '../reactors/operators/lhc-users.ts';
import { createOperatorRemoval } from '../reactors/operators/removal.ts';
import { createOperatorRooms } from '../reactors/operators/rooms.ts';
import { createOperatorSessions, hasSession } from '../reactors/operators/sessions.ts';
import { createOperatorSummaries } from '../reactors/operators/summaries.ts';
import { openPersonalData } from '../reactors/personal-data.ts';
import { createRouting } from '../reactors/routing/routing.ts';
import {
  openRoutingTables,
  ROUTING_TABLE,
  type RoutingTables,
} from '../reactors/routing/table-queries.ts';
import { createTenantLifecycle } from '../reactors/tenants/lifecycle.ts';
import { createCrowd } from '../reactors/visitors/crowd.ts';
import { createDesiredVisitors, DESIRED_VISITORS_TABLE } from '../reactors/visitors/desired.ts';
import { createReconciler } from '../reactors/visitors/reconciler.ts';
import { createDeadlines, DEADLINES_TABLE } from '../runtime/deadlines.ts';
import { createActors } from '../runtime/host/actors.ts';
import { createHost } from '../runtime/host/host.ts';
import { createDeadLetterExpiry } from '../runtime/lanes/dead-letter-expiry.ts';
import { DEAD_LETTERS_TABLE } from '../runtime/lanes/dead-letter-table.ts';
import { createDeadLetters } from '../runtime/lanes/dead-letters.ts';
import { createLanes } from '../runtime/lanes/lanes.ts';
import { laneTable, openLaneTable } from '../runtime/lanes/pending-effects.ts';
import { createLeases } from '../runtime/leases/leases.ts';
import { soleOwner } from '../runtime/leases/ownership.ts';
import { createPendingWork, type PendingWork } from '../runtime/pending-work.ts';
import type { CallbackTest, ForwardTyping, TenantWish } from '../runtime/ports.ts';
import { createStreamCut } from '../runtime/stream-cut.ts';
import { createTenantPurge } from '../runtime/tenant-purge.ts';
import { createLiveDirectory } from '../runtime/tenants/live-directory.ts';
import { TENANTS_TABLE } from '../runtime/tenants/table.ts';
import { createTenants } from '../runtime/tenants/tenants.ts';
import { createRotation } from '../runtime/vault/rotation.ts';
import { createVault } from '../runtime/vault/vault.ts';
import { createEjabberdAdmin } from '../xmpp/admin/admin.ts';
import { createEjabberdRooms } from '../xmpp/admin/rooms.ts';
import { createFailpoints } from './failpoints.ts';
import { clockJumpOf, healthOf } from './health.ts';
import { observedStore, toldOutages } from './outages.ts';
import type { ServiceStorage } from './storage.ts';
import { createVisitorTransport, listenToSessions } from './visitor-transport.ts';

/** A process whose pending work has failed for so long gives its partitions to another process, if there is one. */
export const FOLD_FAILURE_MS = 20_000;

export type Runtime = ReturnType<typeof createRuntime>;

/** The actors on the log, and whatever makes them act: commands, deadlines, leases. */
export function createRuntime(config: Config, logger: Logger, storage: ServiceStorage) {
  const { snapshots, secrets, workFile: db } = storage;
  const failpoint = createFailpoints(config.failpoints);
  const clock = createClock();
  const outages = toldOutages('the event store', logger, clock.monotonic);
  const { store, wasAway: storeWasAway } = observedStore(storage.store, outages, clock.monotonic);
  const common = {
    clock,
    store,
    storeWasAway,
    logId: storage.log.id,
    db,
    secrets,
    shared: config.sharedLog,
    now: clock.now,
    monotonic: clock.monotonic,
    random: Math.random,
    newId,
    logger,
    failpoint,
  };
  const vault = createVault({ ...common, wrapping: secrets.wrapping });
  const declared = {
    tenants: config.tenants.map((tenant) => tenantOf(tenant, 'file')),
    templates: config.templates.map((template) => templateOf(template, 'file')),
  };
  const directory = createLiveDirectory({
    ...common,
    vault,
    declared,
    state: () => work.state(),
  });
  const base = { ...common, tenants: directory };
  const work = createPendingWork({
    ...base,
    tables: [
      DEADLINES_TABLE,
      laneTable([XMPP_FILTER, LHC_FILTER]),
      DESIRED_VISITORS_TABLE,
      ROUTING_TABLE,
      DEAD_LETTERS_TABLE,
      TENANTS_TABLE,
    ],
    prepare: directory.prepare,
    onDropped: directory.onDropped,
    beforeCheckpoint: () => failpoint('in-fold'),
  });
  const leases = base.shared
    ? createLeases({
        ...base,
        // While a machine sleeps its leases go on to age, so they follow its clock at once.
        now: Date.now,
        owner: storage.processId,
        name: `${hostname()}:${process.pid}`,
        waitFor: work.waitFor,
        follows: () => hasFailedFor(work, Date.now()) < FOLD_FAILURE_MS,
      })
    : null;
  const ownership = leases ?? soleOwner;
  const rotation = createRotation({ ...base, wrapping: secrets.wrapping, ownership });
  const host = createHost({
    ...base,
    vault,
    snapshots,
    beforeAppend: async () => failpoint('before-append'),
    hurry: work.hurry,
    afterAppend: () => failpoint('after-append'),
  });
  const actors = createActors(host, newId);
  const deadlines = createDeadlines({ ...base, host, ownership });
  clock.onFollow((byMs) => {
    logger.warn({ byMs }, 'the clock of this machine was set');
    deadlines.clockWasSet();
  });

  const tenancy = createTenants({
    ...base,
    actors,
    directory,
    work,
    declared,
    digestKey: secrets.digest,
    check: (wish) => checkWish(config, storage, wish),
  });
  // The host is the first listener: then all others find states that are not older than the facts they are called for.
  work.subscribe(host);
  // All others find the tenants of these facts.
  work.subscribe(directory);
  work.subscribe(deadlines);
  if (leases) work.subscribe(leases);
  return { ...base, vault, rotation, work, leases, ownership, host, actors, deadlines, tenancy };
}

/** @throws {AppError} `invalid` with a field */
function checkWish(
  { adminToken, ejabberd, xmppservice, xmlRpc }: Config,
  { serviceSecrets }: ServiceStorage,
  wish: TenantWish,
): void {
  const { apiPassword, webhookSecrets } = ejabberd;
  const own = {
    adminToken,
    serviceSecrets,
    apiPassword,
    webhookSecrets,
    legacySecretKey: xmppservice.secretKey,
    xmlRpcPassword: xmlRpc.password,
  };
  const field = foreignSecret(own, wish);
  if (field !== null) throw new AppError('invalid', 'is the secret of somebody else', { field });
  if (!admitsHost(webhookSecrets, wish.host)) {
    throw new AppError('invalid', 'no secret in EJABBERD_WEBHOOK_SECRET is for this host', {
      field: 'host',
    });
  }
}

const hasFailedFor = (work: PendingWork, now: number): number => {
  const { failure } = work.state();
  return failure ? now - failure.since : 0; // a clock that was set back: not yet
};

export type Reactors = ReturnType<typeof createReactors>;

/** The effects of facts at ejabberd and LHC, and the commands that come from ejabberd. */
export function createReactors(config: Config, runtime: Runtime) {
  const { store, db, vault, work, secrets, tenants, failpoint } = runtime;
  const { apiUrl: url, apiUser: user, apiPassword: password } = config.ejabberd;
  const observe = toldOutages('ejabberd', runtime.logger, runtime.monotonic);
  const admin = createEjabberdAdmin({ url, user, password, observe });
  const { passwordOf, digest: digestKey } = secrets;
  const ejabberd = config.ejabberd;
  const transport = createVisitorTransport({ ...runtime, admin, ejabberd, passwordOf });
  const personal = openPersonalData(store, vault);
  const { operators: operatorsOf, visitorOf } = openRoutingTables(db);
  const names = createOperatorNames({ ...runtime, personal, operatorsOf });
  const base = { ...runtime, admin, transport, personal, names, passwordOf, digestKey };

  const typing = createTyping({ ...base, now: base.monotonic });
  const helper = createHelper(config, base, visitorOf, typing.forward);
  const guard = createCallbackGuard(config.callbackAllow);
  const callbacks = createCallbacks({
    ...base,
    onAccepted: helper?.nodeHelper.accepted,
    client: createCallbackClient({ guard }),
    afterDelivered: () => failpoint('after-callback'),
  });
  const routing = createRouting({
    ...base,
    afterReserve: async () => failpoint('after-reserve'),
    isOnline: (tenant, username) => hasSession(base, tenant, username),
  });
  const { transfer } = routing;
  const removal = createOperatorRemoval(base);
  const operatorSessions = createOperatorSessions({ ...base, operatorsOf });
  const laneWork = openLaneTable(db);
  const reporters = createReporters(base, config.olderModulesFrom.length > 0);
  const xmppLane = createXmppLane({
    ...base,
    pendingFrom: (stream) => laneWork.revisions(stream, XMPP_FILTER.name, -1, 1)[0] ?? null,
    removal,
    operatorSessions,
    answers: createAnswers(base),
    afterTaken: async () => failpoint('after-stanza'),
    isTakenAll: reporters.areOlderAlone,
  });
  const destinations = [xmppLane.destination, callbacks.destination];
  const lanes = createLanes({ ...base, age: base.clock.age, destinations });

  const { caughtUp } = work;
  const desired = createDesiredVisitors(db);
  const crowd = createCrowd({ ...base, desired });
  const operatorAccounts = createOperatorAccounts({
    ...base,
    removal,
    sessions: operatorSessions,
    lhcUsers: createLhcUsers(base),
    reserved: [user.split('@', 1)[0] ?? ''],
  });
  const reconciler = createReconciler({
    ...base,
    ...config.times,
    now: base.monotonic, // it measures intervals alone
    takeOverFrom: config.takeOverFrom,
    desired,
    operatorsOf,
    adoptOperator: operatorAccounts.adopt,
    caughtUp,
  });

  const operatorRooms = createOperatorRooms({
    ...base,
    rooms: createEjabberdRooms({ url, user, password, observe }),
  });
  const lifecycle = createTenantLifecycle({
    ...base,
    desired,
    operatorsOf,
    operatorRemoval: removal,
    lanes: laneWork,
    destinations: destinations.map(({ name }) => name),
    isAway: (tenant, name) => lanes.failures(name).get(tenant)?.away === true,
    caughtUp,
    purge: createTenantPurge(base),
    compare: () => void reconciler.compare(),
    onStep: () => failpoint('removal-step'),
  });
  const tenantEffects = {
    ...lifecycle,
    callbackFault: guard.fault,
    testCallback: (tenant: Tenant) => testCallback(tenant, guard),
  };

  const returns = createReturns(base);
  const signals = createSignals({
    ...base,
    callbacks,
    nodeHelper: helper?.nodeHelper,
    operatorSessions,
    returnStanza: returns.returned,
    stanzasArrived: xmppLane.arrived,
    clockSettings: base.clock.followed,
    compare: () => reconciler.compare(),
  });
  const inbox = createInbox({
    ...base,
    setAside: createSetAside(base),
    signals,
    transfer,
    operatorName: async ({ tenant, name }) => (await names.of(tenant)).plain(name),
  });
  const compareSessions = operatorSessions.compareSoon;
  const olderModules = createOlderModules({ ...base, inbox, reporters, compareSessions });
  const deadLetters = createDeadLetters({ ...base, destinations, again: inbox.again });
  const deadLetterExpiry = createDeadLetterExpiry(base);
  const summaries = createOperatorSummaries({ ...base, cutStream: createStreamCut(base) });

  // Names first, so that lines about a fact have the names that it changes.
  for (const listener of [
    names,
    lanes,
    reconciler,
    crowd,
    routing,
    xmppLane,
    signals,
    typing,
    deadLetters,
    summaries,
  ])
    work.subscribe(listener);
  tenants.onChange((id) => {
    callbacks
      .tenantChanged(id)
      .catch((error) => base.logger.warn({ err: error, tenant: id }, 'callbacks were not resumed'));
  });
  listenToSessions(transport, { ...base, xmppLane, lanes, reconciler });
  const compareOperators = () => operatorSessions.compareAll(tenants.all().map(({ id }) => id));
  return {
    admin,
    transport,
    callbacks,
    lanes,
    routing,
    reconciler,
    crowd,
    compareOperators,
    operatorSessions,
    returns,
    operatorAccounts,
    operatorRooms,
    inbox,
    reporters,
    olderModules,
    deadLetters,
    deadLetterExpiry,
    typing: typing.forward,
    helper,
    lifecycle,
    tenantEffects,
  };
}

/** Sends a ping to a tenant's LHC, as its callbacks go. */
async function testCallback(tenant: Tenant, guard: CallbackGuard): Promise<CallbackTest> {
  const { callbackUrl, source } = tenant;
  if (callbackUrl === undefined) return NO_CALLBACKS;
  const endpoint = callbackEndpoint(tenant, callbackUrl, source === 'file');
  const result = await pingLhc(tenant.id, endpoint, { guard });
  const { status: httpStatus, tookMs, clockOffset } = result;
  return { ...judgePing(result), httpStatus, tookMs, clockOffset };
}

const NO_CALLBACKS: CallbackTest = {
  status: 'warning',
  message: 'there is no callbackUrl: LHC gets no callbacks',
  advice: 'set callbackUrl and callbackSecret of the tenant',
  httpStatus: null,
  tookMs: 0,
  clockOffset: null,
};

/** LHC's Node helper; null without REDIS_URL. */
function createHelper(
  { redisUrl: url }: Config,
  base: Runtime &
    Pick<Parameters<typeof createNodeHelper>[0], 'personal'> & { names: OperatorNames },
  visitorOf: RoutingTables['visitorOf'],
  typing: ForwardTyping,
) {
  if (url === undefined) return null;
  const nodeHelper = createNodeHelper({
    ...base,
    visitorOf,
    typing,
    operatorName: async (tenant, operator) => (await base.names.of(tenant)).plain(operator),
    publish: (channel, operation) => redis.publish(channel, operation),
    read: heardIn,
  });
  const redis = createRedisLink({
    ...base,
    url,
    pattern: CHAT_CHANNELS,
    onMessage: nodeHelper.heard,
    observe: toldOutages('Redis', base.logger, base.monotonic),
  });
  return { nodeHelper, redis };
}

/** The HTTP API. */
export function createApi(
  config: Config,
  version: string,
  runtime: Runtime,
  reactors: Reactors,
  readModels: ReadModels,
) {
  const { tenants, tenancy, actors, store, vault, secrets, logger, failpoint } = runtime;
  const { crowd, inbox, reporters, olderModules, operatorAccounts } = reactors;
  const { routing, tenantEffects, typing, deadLetters } = reactors;
  const stream = createStreamHub({ ...runtime, changes: readModels.changes });
  const app = createApp({
    tenants,
    tenancy,
    tenantEffects,
    actors,
    inbox: {
      take: async (events) => {
        reporters.noteSigned(events);
        await inbox.take(events);
        failpoint('before-webhook-answer');
      },
    },
    olderModules,
    olderModulesFrom: config.olderModulesFrom,
    crowd,
    operatorAccounts,
    transfer: routing.transfer,
    typing,
    readModels,
    stream,
    store,
    vault,
    deadLetters,
    clockJump: () => clockJumpOf(runtime.clock),
    ...healthOf({ ...runtime, ...reactors, readModels }),
    adminToken: config.adminToken,
    webhookSecrets: config.ejabberd.webhookSecrets,
    digestKey: secrets.digest,
    now: Date.now, // signatures of others are compared with it
    newId,
    logger,
    version,
  });
  return { app, stream };
}

/** The API of the old Node server, for LHC's xmppservice extension. */
export function createXmppservice(config: Config, runtime: Runtime, reactors: Reactors) {
  const { secrets } = runtime;
  return createXmppserviceApp({
    ...runtime,
    ...reactors,
    instances: instancesOf(runtime),
    secretKey: config.xmppservice.secretKey,
    digestKey: secrets.digest,
  });
}

/** The instances of hosts with a template, for LHC, which makes and removes them. */
const instancesOf = ({ tenants, tenancy }: Runtime): Instances => ({
  templateOf: tenants.templateOf,
  make: (host, instance, again) => tenancy.ofInstance(host, instance, again),
  isMade: ({ source }) => source === 'template',
  async remove({ id }) {
    await tenancy.beginRemoval(id, false);
  },
});

/** The listener for LHC's calls of XML-RPC. */
export function createXmlRpcApp(config: Config, runtime: Runtime, { operatorRooms }: Reactors) {
  const { secrets } = runtime;
  return createXmlRpc({
    ...runtime,
    visitors: createRpcVisitors({ ...runtime, digestKey: secrets.digest }),
    rooms: operatorRooms,
    password: config.xmlRpc.password,
    isTemplateHost: (host) => runtime.tenants.templateOf(host) !== undefined,
  });
}
