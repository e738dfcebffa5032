/** What has effects at ejabberd and LHC, in the order in which the parts need each other. Nothing runs yet. */
import type { Tenant } from '../../actors/tenant/tenant.ts';
import type { Config } from '../../config/config.ts';
import { createFileChecks } from '../../files/checks.ts';
import { createLookAtFile } from '../../files/look.ts';
import { createScanner } from '../../files/scanner.ts';
import { watchScanner } from '../../files/scanner-watch.ts';
import { createTenantBudgets } from '../../inbox/budget.ts';
import { createInbox } from '../../inbox/inbox.ts';
import { createOlderModules, createReporters } from '../../inbox/older-modules.ts';
import { type CarryOutOptions, createCarryOut } from '../../inbox/operator-commands/carry-out.ts';
import { createSetAside } from '../../inbox/set-aside.ts';
import { createLineBudget } from '../../kit/line-budget.ts';
import { createCallbackClient, createRestReading } from '../../lhc/callback-client.ts';
import { createCallbackGuard } from '../../lhc/callback-guard.ts';
import { isMarked } from '../../lhc/rest-delivery.ts';
import type { ReadModels } from '../../projections/read-models.ts';
import { createAnswers } from '../../reactors/answers/answers.ts';
import { createMoved } from '../../reactors/conversation/moved.ts';
import { createTyping } from '../../reactors/conversation/visitor-typing.ts';
import { createXmppLane, XMPP_FILTER } from '../../reactors/conversation/xmpp-lane.ts';
import { createCannedTexts } from '../../reactors/desk/canned-texts.ts';
import { createDeskCommands } from '../../reactors/desk/commands.ts';
import { createDesks } from '../../reactors/desk/desk.ts';
import { createCallbacks } from '../../reactors/lhc/callback-lane.ts';
import { createChatReader } from '../../reactors/lhc/chat-reader.ts';
import { openKnownChats } from '../../reactors/lhc/known-chats.ts';
import { createLhcPeople } from '../../reactors/lhc/people.ts';
import { createReturns } from '../../reactors/lhc/returns.ts';
import { createSignals } from '../../reactors/lhc/signals.ts';
import { createOperatorNames, type OperatorNames } from '../../reactors/operator-names.ts';
import { createOperatorAccounts } from '../../reactors/operators/accounts.ts';
import { createLhcUsers } from '../../reactors/operators/lhc-users.ts';
import { createOperatorRooms } from '../../reactors/operators/private-chats.ts';
import { createOperatorRemoval } from '../../reactors/operators/removal.ts';
import { createOperatorSessions, hasSession } from '../../reactors/operators/sessions.ts';
import { createOperatorSummaries } from '../../reactors/operators/summaries.ts';
import { openPersonalData, type PersonalData } from '../../reactors/personal-data.ts';
import { createRoomSweep } from '../../reactors/rooms/sweep.ts';
import { createVisitorRooms } from '../../reactors/rooms/visitor-rooms.ts';
import { createRouting } from '../../reactors/routing/routing.ts';
import { openRoutingTables } from '../../reactors/routing/table-queries.ts';
import { createTenantLifecycle } from '../../reactors/tenants/lifecycle.ts';
import { createCrowd } from '../../reactors/visitors/crowd.ts';
import { createDesiredVisitors } from '../../reactors/visitors/desired.ts';
import { createErasures } from '../../reactors/visitors/erasure.ts';
import { createVisitorNames } from '../../reactors/visitors/names.ts';
import { createReconciler } from '../../reactors/visitors/reconciler.ts';
import { createRetention } from '../../reactors/visitors/retention.ts';
import { openRetentionTables } from '../../reactors/visitors/retention-table.ts';
import {
  observedClient,
  observedDestination,
  observedFetch,
} from '../../runtime/journal/observed.ts';
import { createDeadLetterExpiry } from '../../runtime/lanes/dead-letter-expiry.ts';
import { createDeadLetters } from '../../runtime/lanes/dead-letters.ts';
import { createLanes } from '../../runtime/lanes/lanes.ts';
import { createLetterFacts } from '../../runtime/lanes/letter-facts.ts';
import { openLaneTable } from '../../runtime/lanes/pending-effects.ts';
import { createPageDigest } from '../../runtime/page-digest.ts';
import { createStreamCut } from '../../runtime/stream-cut.ts';
import { createTenantPurge } from '../../runtime/tenant-purge.ts';
import { createTidy } from '../../sqlite/tidy.ts';
import { type AnswerAdHoc, createAdHoc } from '../../xmpp/ad-hoc.ts';
import { createEjabberdAdmin } from '../../xmpp/admin/admin.ts';
import { createEjabberdRooms } from '../../xmpp/admin/rooms.ts';
import { createComponents, hadComponentIn } from '../components.ts';
import { toldOutages } from '../outages.ts';
import { createTeamReading } from '../team-reading.ts';
import {
  createAccounts,
  createVisitorTransport,
  listenToSessions,
  withComponents,
} from '../visitor-transport.ts';
import { callbackState, testCallback } from './callbacks-seen.ts';
import { componentOpener } from './component.ts';
import { createHelper } from './node-helper.ts';
import type { Runtime } from './runtime.ts';

export type Reactors = ReturnType<typeof createReactors>;

/** The effects of facts at ejabberd and LHC, and the commands that come from ejabberd. */
export function createReactors(config: Config, runtime: Runtime, readModels: ReadModels) {
  const { store, db, vault, work, secrets, tenants, failpoint } = runtime;
  const { apiUrl: url, apiUser: user, apiPassword: password } = config.ejabberd;
  const observe = toldOutages('ejabberd', runtime.logger, runtime.monotonic);
  const { passwordOf, digest: digestKey } = secrets;
  const ejabberd = config.ejabberd;
  /** Its parts need the transport. Nobody asks before all of them are there. */
  const adHoc: { answer: AnswerAdHoc } = { answer: async () => null };
  const answerQuery: AnswerAdHoc = (...query) => adHoc.answer(...query);
  const accountsAdmin = createEjabberdAdmin({ url, user, password, observe });
  const accounts = createAccounts({
    ...runtime,
    admin: accountsAdmin,
    ejabberd,
    passwordOf,
    answerQuery,
  });
  const components = createComponents({
    ...runtime,
    open: componentOpener(config, { ...runtime, answerQuery, nameOf: (jid) => nameOf(jid) }),
    hadComponent: hadComponentIn(store),
  });
  const transport = createVisitorTransport(accounts, components);
  const admin = withComponents(accountsAdmin, components);
  const rooms = createEjabberdRooms({ url, user, password, observe });
  const personal = openPersonalData(store, vault);
  const { operators: operatorsOf, visitorOf, counts } = openRoutingTables(db);
  const names = createOperatorNames({ ...runtime, personal, operatorsOf });
  const team = createTeamReading(readModels, runtime.now);
  const canned = createCannedTexts({ ...runtime, personal, digestKey });
  const known = { personal, names, team, canned };
  const base = {
    ...runtime,
    admin,
    transport,
    contactTable: components.table,
    ...known,
    passwordOf,
    digestKey,
  };
  const nameOf = createVisitorNames(base);
  const visitorRooms = createVisitorRooms({ ...base, rooms });

  const typing = createTyping({ ...base, now: base.monotonic });
  const helper = createHelper(config, base, visitorOf, typing.forward);
  const guard = createCallbackGuard(config.callbackAllow);
  const scanner =
    config.fileScanner === undefined
      ? null
      : watchScanner(createScanner(config.fileScanner), base.monotonic);
  const awayFiles = createLineBudget();
  const fileChecks = createFileChecks({
    ...base,
    scan: scanner?.scan ?? null,
    onAway(tenant, reason) {
      const line = awayFiles(tenant);
      const about = { tenant, reason, ...line };
      base.logger[line ? 'warn' : 'debug'](about, 'a file could not be looked at');
    },
  });
  // The journal keeps addresses, so what fetches files is not observed.
  const lookAtFile = createLookAtFile({ checks: fileChecks, fetch: globalThis.fetch, guard });
  const callbacks = createCallbacks({
    ...base,
    lookAtFile,
    onAccepted: helper?.nodeHelper.accepted,
    client: observedClient(
      createCallbackClient({
        fetch: observedFetch(globalThis.fetch, base.journal, base),
        guard: { ...guard, fetch: observedFetch(guard.fetch, base.journal, base) },
        onUnmarked: (host) => tellUnmarked(base.logger, host),
      }),
    ),
    afterDelivered: () => failpoint('after-callback'),
  });
  const routing = createRouting({
    ...base,
    afterReserve: async () => failpoint('after-reserve'),
    isOnline: (tenant, username) => hasSession(base, tenant, username),
  });
  const { transfer } = routing;
  const answers = createAnswers(base);
  const removal = createOperatorRemoval(base);
  const operatorSessions = createOperatorSessions({ ...base, operatorsOf });
  const laneWork = openLaneTable(db);
  const reporters = createReporters(base, config.olderModulesFrom.length > 0);
  const xmppLane = createXmppLane({
    ...base,
    pendingFrom: (stream) => laneWork.revisions(stream, XMPP_FILTER.name, -1, 1)[0] ?? null,
    removal,
    operatorSessions,
    answers,
    rooms: visitorRooms,
    lookAtFile,
    afterTaken: async () => failpoint('after-stanza'),
    isTakenAll: reporters.areOlderAlone,
  });
  const destinations = [xmppLane.destination, callbacks.destination].map((each) =>
    observedDestination(each, base.journal, base),
  );
  const lanes = createLanes({ ...base, age: base.clock.age, destinations });

  const { caughtUp } = work;
  const desired = createDesiredVisitors(db);
  const crowd = createCrowd({ ...base, desired });
  const desks = createDesks({
    ...base,
    now: base.monotonic, // it measures intervals alone
    countsOf: (tenant) => ({ ...counts(tenant), visitors: desired.online(tenant) }),
  });
  const lhcPeople = createLhcPeople(runtime.actors);
  const lhcChats = createChatReader({
    ...base,
    people: lhcPeople,
    ...config.times,
    crowd,
    operatorsOf,
    known: openKnownChats(db),
    chats: createRestReading(guard),
    pageDigest: createPageDigest(digestKey),
    isOurs: (message) => isMarked(message),
  });
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
    moved: createMoved(base),
    now: base.monotonic, // it measures intervals alone
    wallClock: base.now,
    takeOverFrom: config.takeOverFrom,
    desired,
    operatorsOf,
    adoptOperator: operatorAccounts.adopt,
    caughtUp,
  });

  const operatorRooms = createOperatorRooms({ ...base, rooms });
  const roomSweep = createRoomSweep({
    ...base,
    ...config.times,
    rooms,
    kept: visitorRooms,
    hasRoom: ({ context }) => context.room !== null,
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
    removeRooms: roomSweep.removeAll,
    removeDesk: desks.remove,
    compare: () => void reconciler.compare(),
    onStep: () => failpoint('removal-step'),
  });
  const tenantEffects = {
    ...lifecycle,
    callbackFault: guard.fault,
    callbacks: (tenant: Tenant) => callbackState(tenant, callbacks, lanes),
    testCallback: (tenant: Tenant) => testCallback(tenant, guard, lhcChats),
  };

  const people = peopleNames(base);
  const returns = createReturns(base);
  const signals = createSignals({
    ...base,
    callbacks,
    nodeHelper: helper?.nodeHelper,
    operatorSessions,
    returnStanza: returns.returned,
    stanzasArrived: xmppLane.arrived,
    clockSettings: base.clock.followed,
    compare: () => {
      accounts.serverStarted();
      desks.compare();
      roomSweep.compare();
      return reconciler.compare();
    },
  });
  const carryOut = createCarryOut({ ...base, transfer, ...people });
  const budgets = createTenantBudgets(tenants);
  const inbox = createInbox({
    ...base,
    setAside: createSetAside(base),
    signals,
    transfer,
    carryOut,
    budgets,
    ...people,
  });
  adHoc.answer = createAdHoc(
    createDeskCommands({ ...base, carryOut, answers, budgets, operatorsOf }),
  );
  const compareSessions = operatorSessions.compareSoon;
  const olderModules = createOlderModules({ ...base, inbox, reporters, compareSessions });
  const deadLetters = createDeadLetters({ ...base, destinations, again: inbox.again });
  const deadLetterExpiry = createDeadLetterExpiry(base);
  const erasures = createErasures({
    ...base,
    tidy: createTidy(
      () => [db],
      () => base.logger.warn('work.db-wal cannot be truncated: another program reads work.db'),
    ).soon,
    afterDestroyed: () => failpoint('after-destroyed'),
  });
  const letterFacts = createLetterFacts(base);
  const retention = createRetention({
    ...base,
    tables: openRetentionTables(db),
    destinations: destinations.map(({ name }) => name),
    caughtUp,
    onStep: () => failpoint('retention-step'),
  });
  const summaries = createOperatorSummaries({ ...base, cutStream: createStreamCut(base) });

  // What was erased is forgotten first. Then names, so that lines about a fact have the names that it changes.
  for (const listener of [
    erasures,
    retention,
    names,
    lanes,
    reconciler,
    desks,
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
  tenants.onChange(components.follow);
  listenToSessions(transport, { ...base, xmppLane, lanes, reconciler, desks });
  const compareOperators = () => operatorSessions.compareAll(tenants.all().map(({ id }) => id));
  return {
    admin,
    transport,
    components,
    callbacks,
    destinations,
    lanes,
    routing,
    lhcPeople,
    reconciler,
    desks,
    canned,
    crowd,
    lhcChats,
    compareOperators,
    operatorSessions,
    returns,
    operatorAccounts,
    operatorRooms,
    visitorRooms,
    roomSweep,
    inbox,
    reporters,
    olderModules,
    fileChecks,
    scanner,
    deadLetters,
    deadLetterExpiry,
    erasures,
    letterFacts,
    retention,
    typing: typing.forward,
    helper,
    lifecycle,
    tenantEffects,
  };
}

/** People's names as others read them. */
const peopleNames = ({
  actors,
  names,
  personal,
}: Pick<Runtime, 'actors'> & {
  readonly names: OperatorNames;
  readonly personal: PersonalData;
}): Pick<CarryOutOptions, 'operatorName' | 'visitorName' | 'colleagues'> => ({
  async colleagues(tenant, name) {
    const known = await names.of(tenant);
    const called = known.called(name);
    return called.length > 0 ? called : known.withWord(name);
  },
  operatorName: async ({ tenant, name }) => (await names.of(tenant)).plain(name),
  async visitorName({ tenant, name }) {
    const state = await actors.visitor(tenant, name).state();
    return (state && (await personal.profileOf(tenant, name, state)).profile.nick) || null;
  },
});

const unmarked = createLineBudget();

function tellUnmarked(logger: Runtime['logger'], lhc: string): void {
  const line = unmarked(lhc);
  if (!line) return;
  logger.warn(
    { lhc, ...line },
    'LHC has stored a message without its mark, so one may be there twice after a crash: the user of the REST key needs the right lhchat, metamsgenabled',
  );
}
