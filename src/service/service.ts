/** The composition: every part made and wired, started in order and stopped in order. */
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { createTenantDirectory } from '../actors/tenant/directory.ts';
import type { Config } from '../config.ts';
import { messageOf } from '../errors.ts';
import { openEventStore } from '../eventstore/open.ts';
import { createSnapshotStore, openSnapshotFile } from '../eventstore/snapshots.ts';
import { createApp } from '../http/app.ts';
import { type Listening, serve } from '../http/serve.ts';
import { createStreamHub } from '../http/stream/hub.ts';
import { createInbox } from '../inbox/inbox.ts';
import { createSetAside } from '../inbox/set-aside.ts';
import { backoff } from '../kit/backoff.ts';
import { newId } from '../kit/id.ts';
import { createCallbackClient } from '../lhc/client.ts';
import { createProjections } from '../projections/projections.ts';
import { createAnswers } from '../reactors/answers/answers.ts';
import { createTyping } from '../reactors/conversation/typing.ts';
import { createXmppLane } from '../reactors/conversation/xmpp-lane.ts';
import { createCallbacks } from '../reactors/lhc/lhc-lane.ts';
import { createSignals } from '../reactors/lhc/signals.ts';
import { createOperatorAccounts } from '../reactors/operators/accounts.ts';
import { createLhcUsers } from '../reactors/operators/lhc-users.ts';
import { createOperatorRemoval } from '../reactors/operators/removal.ts';
import { createOperatorSessions } from '../reactors/operators/sessions.ts';
import { openPersonalData } from '../reactors/personal.ts';
import { createRouting } from '../reactors/routing/routing.ts';
import { COMPARISON_RETRY } from '../reactors/visitors/comparison.ts';
import { createWanted } from '../reactors/visitors/desired.ts';
import { createSessions } from '../reactors/visitors/reconciler.ts';
import { createDeadlines } from '../runtime/deadlines.ts';
import { createActors } from '../runtime/host/actors.ts';
import { createHost } from '../runtime/host/host.ts';
import { createDeadLetters } from '../runtime/lanes/dead-letters.ts';
import { createLanes } from '../runtime/lanes/lanes.ts';
import { createLeases } from '../runtime/leases/leases.ts';
import { soleOwner } from '../runtime/leases/ownership.ts';
import { createWork, openWorkFile } from '../runtime/pending-work.ts';
import { opensWith } from '../runtime/vault/sealed.ts';
import { deriveSecrets } from '../runtime/vault/secrets.ts';
import { createVault } from '../runtime/vault/vault.ts';
import { createEjabberdAdmin } from '../xmpp/admin/admin.ts';
import { claimDataDir } from './data-dir.ts';
import { createFailpoints } from './failpoints.ts';
import { healthOf } from './health.ts';
import { createVisitorTransport, hearOfSessions } from './visitor-transport.ts';

const COMPARE_EVERY_MS = 10 * 60_000;
const PASSIVATE_EVERY_MS = 60_000;
/** A table that has failed for so long is a matter for another process, if there is one. */
const FOLLOW_WITHIN_MS = 20_000;
const IDLE_MS = 10 * 60_000;
/**
 * SIGTERM to exit within 9.5 s (main.ts): each step has its part of them, leases twice (what is under way, the word to
 * the others). What comes behind waits for the event store alone, and may be cut off.
 */
const STOP = { http: 1_500, leases: 1_000, effects: 1_500, takeover: 2_500, sessions: 1_500 };

export interface Service {
  readonly url: string;
  /** Drains, logs visitors out, closes the store; bounded to some 8 s. */
  stop(): Promise<void>;
}

/**
 * Starts the service: catches up with the log, then performs what is pending.
 * @throws {AppError} when the event store or the address cannot be had, or the secret is not that of the log; ejabberd and LHC may be away
 */
export async function startService(
  config: Config,
  logger: Logger,
  version: string,
): Promise<Service> {
  const now = Date.now;
  const random = Math.random;
  const dataDir = claimDataDir(config.dataDir, config.serviceSecret);
  const secrets = deriveSecrets(dataDir.serviceSecret);
  const pass = createFailpoints(config.failpoints);
  const tenants = createTenantDirectory(config.tenants);
  const store = await openEventStore(config.eventStore);
  try {
    // With another one new visitors would be sealed beside the old: then no secret opens all of the log.
    await opensWith(store, dataDir.serviceSecret);
  } catch (error) {
    await store.close();
    dataDir.release();
    throw error;
  }
  const shared = config.sharedLog;
  const vault = createVault({ store, wrapping: secrets.wrapping, now, newId, shared });
  const snapshotFile = openSnapshotFile(join(config.dataDir, 'snapshots.db'));
  const snapshots = createSnapshotStore(snapshotFile, { storeId: store.id });
  const leases = shared
    ? createLeases({
        store,
        now,
        newId,
        random,
        logger,
        owner: dataDir.processId,
        name: `${hostname()}:${process.pid}`,
        waitFor: (position, deadlineMs) => work.waitFor(position, deadlineMs),
        follows: () => now() - (work.state().failure?.since ?? now()) < FOLLOW_WITHIN_MS,
        monotonic: () => performance.now(),
      })
    : null;
  const ownership = leases ?? soleOwner;

  const host = createHost({
    store,
    vault,
    snapshots,
    now,
    newId,
    random,
    logger,
    shared,
    beforeAppend: async () => pass('before-append'),
    afterAppend: () => pass('after-append'),
  });
  const actors = createActors(host, newId);
  const personal = openPersonalData(store, vault);
  const admin = createEjabberdAdmin({
    url: config.ejabberd.apiUrl,
    user: config.ejabberd.apiUser,
    password: config.ejabberd.apiPassword,
  });
  const transport = createVisitorTransport({
    admin,
    tenants,
    ownership,
    logger,
    ejabberd: config.ejabberd,
    passwordOf: secrets.passwordOf,
  });
  const client = createCallbackClient({});

  const workFile = openWorkFile(join(config.dataDir, 'work.db'));
  const callbacks = createCallbacks({
    actors,
    client,
    tenants,
    personal,
    now,
    newId,
    digestKey: secrets.digest,
    afterDelivered: () => pass('after-callback'),
  });
  const removal = createOperatorRemoval({ actors, admin, ownership, now });
  const messages = createXmppLane({
    actors,
    store,
    admin,
    transport,
    tenants,
    personal,
    ownership,
    now,
    logger,
    answers: createAnswers({ actors, store, personal, now }),
    removal,
    afterTaken: async () => pass('after-stanza'),
  });
  const destinations = [messages.destination, callbacks.destination];
  const lanes = createLanes({
    store,
    destinations,
    ownership,
    now,
    newId,
    random,
    logger,
    db: workFile,
  });
  const deadlines = createDeadlines({ db: workFile, host, ownership, now, logger });
  const routing = createRouting({
    actors,
    tenants,
    ownership,
    now,
    newId,
    random,
    logger,
    db: workFile,
    afterReserve: async () => pass('after-reserve'),
  });
  const wanted = createWanted(workFile, (visitor, event) => sessions.changed(visitor, event));
  const setAside = createSetAside({ store, vault, now, newId, shared });
  const operatorSessions = createOperatorSessions({
    actors,
    admin,
    tenants,
    operatorsOf: routing.operators,
  });
  const signals = createSignals({
    actors,
    tenants,
    callbacks,
    operatorSessions,
    now,
    logger,
    compare: () => sessions.compare(),
  });
  const inbox = createInbox({
    actors,
    tenants,
    setAside,
    signals,
    logger,
    transfer: routing.transfer,
    digestKey: secrets.digest,
  });
  const deadLetters = createDeadLetters({
    store,
    vault,
    destinations,
    now,
    newId,
    db: workFile,
    again: inbox.again,
  });
  // The host first: what the others are told of, they find in its actors.
  const parts = [host.part, deadlines.part, lanes.part, wanted.part, routing.part];
  parts.push(messages.part, deadLetters.part, ...(leases ? [leases.part] : []));
  const beforeCheckpoint = () => pass('in-fold');
  const work = createWork(workFile, store, parts, beforeCheckpoint);
  /** A table that is built anew may have a long way to go: it is waited for as long as it comes nearer. */
  const caughtUp = async (): Promise<void> => {
    const head = await store.head();
    for (let applied = -1; head !== null; ) {
      try {
        return await work.waitFor(head, 60_000);
      } catch (error) {
        if (work.state().eventsApplied === applied) throw error;
        applied = work.state().eventsApplied;
        logger.info({ applied }, 'catching up with the log');
      }
    }
  };
  const sessions = createSessions({
    wanted,
    actors,
    admin,
    transport,
    tenants,
    personal,
    ownership,
    caughtUp,
    operatorsOf: routing.operators,
    passwordOf: secrets.passwordOf,
    now,
    random,
    logger,
  });
  hearOfSessions(transport, { messages, lanes, sessions, actors, tenants, logger });

  const projections = createProjections({
    path: join(config.dataDir, 'projections.db'),
    store,
    vault,
    beforeCheckpoint,
  });
  const stream = createStreamHub({ projections, store, now, random, logger });
  const following = new AbortController();
  const folds = Promise.all([work.run(following.signal), projections.start(following.signal)]);

  const app = createApp({
    tenants,
    actors,
    inbox: {
      take: async (events) => {
        await inbox.take(events);
        pass('before-webhook-answer');
      },
    },
    operatorAccounts: createOperatorAccounts({
      actors,
      store,
      vault,
      admin,
      tenants,
      removal,
      sessions: operatorSessions,
      lhcUsers: createLhcUsers({
        actors,
        caughtUp,
        now,
        logger,
        operatorsOf: routing.operators,
      }),
      reserved: [config.ejabberd.apiUser.split('@', 1)[0] ?? ''],
    }),
    transfer: routing.transfer,
    typing: createTyping({ actors, transport, admin, tenants, now, logger }),
    projections,
    stream,
    store,
    vault,
    deadLetters,
    ...healthOf({
      store,
      tenants,
      projections,
      work,
      admin,
      host,
      lanes,
      transport,
      sessions,
      routing,
      deadlines,
      deadLetters,
      callbacks,
      leases,
    }),
    adminToken: config.adminToken,
    webhookSecrets: config.ejabberd.webhookSecrets,
    digestKey: secrets.digest,
    now,
    newId,
    logger,
    version,
  });

  let listening: Listening;
  try {
    listening = await serve(app, { ...config.listen, variable: 'LISTEN' });
  } catch (error) {
    following.abort();
    await folds;
    await store.close();
    dataDir.release();
    throw error;
  }

  // From here on things happen outside; not before everything that was done is known.
  await caughtUp();
  await callbacks.resumeChanged();
  lanes.start();
  deadlines.start(config.deadlineGraceMs);
  routing.start();
  await leases?.start();
  let stopping: Promise<void> | null = null;
  const settled = settleWithEjabberd();
  const timers = [
    setInterval(() => void sessions.compare(), COMPARE_EVERY_MS),
    setInterval(() => host.passivate(IDLE_MS), PASSIVATE_EVERY_MS),
  ];

  /** ejabberd may be away at a start: what is believed of operators is compared when it is there. */
  async function settleWithEjabberd(): Promise<void> {
    const visitors = sessions.start(); // not waited for: one host that ejabberd does not serve is never compared
    for (let attempt = 1; !stopping; attempt++) {
      try {
        await operatorSessions.compareAll(
          tenants.all().map(({ id }) => id),
          false,
        );
        return await visitors;
      } catch (error) {
        logger.warn({ reason: messageOf(error) }, "operators' sessions could not be compared yet");
        await delay(backoff(attempt, COMPARISON_RETRY, random), undefined, { ref: false });
      }
    }
  }

  async function stop(): Promise<void> {
    for (const timer of timers) clearInterval(timer);
    stream.close(); // or the server would wait for them
    await listening.close(STOP.http);
    const left = await leases?.stop(STOP.leases);
    // What hangs outside (ejabberd, LHC) is done after the next start.
    const effects = Promise.all([deadlines.stop(), routing.stop(), sessions.stop(), lanes.stop()]);
    await Promise.race([effects, delay(STOP.effects, undefined, { ref: false })]);
    // Who takes over logs in with the same resource, which ends our session without a gap for operators.
    if (left && left.others > 0) await transport.releaseAll(STOP.takeover);
    await transport.close(STOP.sessions);
    await host.drain();
    following.abort();
    await folds;
    await store.close();
    projections.close();
    workFile.close();
    snapshotFile.close();
    dataDir.release();
  }
  settled.catch((error) => logger.error({ err: error }, 'the comparison with ejabberd ended'));

  return {
    url: listening.url,
    stop() {
      stopping ??= stop();
      return stopping;
    },
  };
}
