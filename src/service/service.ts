/**
 * The service in one process. The entry point is {@link startService}: compose/ makes the parts, this file starts them
 * in order and stops them in order. src/main.ts alone imports this folder.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { sqlitePath } from '../eventstore/open.ts';
import { lastInLog } from '../eventstore/reading.ts';
import { redactUrls } from '../eventstore/redact.ts';
import { type Listening, serve } from '../http/serve.ts';
import { RPC_MAX_CONNECTIONS } from '../http/xmlrpc/app.ts';
import { XMPPSERVICE_MAX_CONNECTIONS } from '../http/xmppservice/app.ts';
import { RETENTION_EVERY_MS } from '../reactors/visitors/retention.ts';
import { EXPIRY_EVERY_MS } from '../runtime/lanes/dead-letter-expiry.ts';
import { createApi, createXmlRpcApp, createXmppservice } from './compose/api.ts';
import { createReactors, type Reactors } from './compose/reactors.ts';
import { createRuntime, type Runtime } from './compose/runtime.ts';
import { type ReadThread, startReadThread } from './read-thread/read-thread.ts';
import { openStorage, type ServiceStorage } from './storage.ts';

/** How often visitors' accounts and groups are compared with ejabberd. */
export const COMPARE_EVERY_MS = 10 * 60_000;
export const PASSIVATE_EVERY_MS = 60_000;
/**
 * On a busy log the thread of the read models is told of new events no more often than this. Each message wakes it, which
 * costs the main thread some 0.1 ms. Whoever waits for a position makes the thread look at once.
 */
export const GROWN_EVERY_MS = 20;
/** An actor that nobody has used for so long leaves the memory. */
export const ACTOR_IDLE_MS = 10 * 60_000;
/**
 * How long each step of a stop may take. Together they stay within STOP_DEADLINE_MS (src/main.ts). Leases need their time
 * twice: for the running effects, and for the append that tells the other processes. The later steps wait only for the
 * event store and may be cut off.
 */
export const STOP_STEPS_MS = {
  http: 1_500,
  leases: 1_000,
  effects: 1_500,
  handOver: 2_500,
  sessions: 1_500,
};

export interface Service {
  readonly url: string;
  /** null if nobody listens for LHC's xmppservice extension. */
  readonly xmppserviceUrl: string | null;
  /** null if nobody listens for XML-RPC. */
  readonly xmlRpcUrl: string | null;
  /** Drains, logs visitors out, closes the store. Takes some 8 s at most. */
  stop(): Promise<void>;
}

/**
 * Starts the service: it catches up with the log, then performs what is pending. ejabberd and LHC may be away.
 * @param ending ends the start: the result is then a service that has begun no effects, and that has to be stopped
 * @throws the reason of `ending`, if it is aborted while the event store is opened: nothing has begun then
 * @throws {AppError} when the event store or the address is not available, or the secret is not the one of the log
 */
export async function startService(
  config: Config,
  logger: Logger,
  version: string,
  ending: AbortSignal = new AbortController().signal,
): Promise<Service> {
  const storage = await unlessAborted(openStorage(config, logger), ending);
  if (storage.log.isNew) tellOfNewLog(config, logger, storage.log.id);
  // Before this process writes anything. If it is not known, nothing is deleted for a day.
  const newestAt = await lastInLog(storage.store).then(
    (last) => last?.metadata.at ?? null,
    () => 0,
  );
  const runtime = createRuntime(config, logger, storage);
  const readThread = await openReadThread(config, logger, storage);
  const reactors = createReactors(config, runtime, readThread.readModels);
  const { app, stream } = createApi(config, version, runtime, reactors, readThread.readModels);

  const following = new AbortController();
  const folds = Promise.all([
    runtime.work.run(following.signal),
    tellOfGrowth(config, storage, readThread, following.signal),
  ]);
  const closeStorage = async (): Promise<void> => {
    following.abort();
    await Promise.all([folds, readThread.stop()]);
    await storage.close();
  };
  const listeners: Listening[] = [];
  let listening: Listening;
  let xmppservice: Listening | null = null;
  let xmlRpc: Listening | null = null;
  try {
    await runtime.rotation.begin();
    await runtime.tenants.load();
    listening = await serve(app, { ...config.listen, variable: 'LISTEN' });
    listeners.push(listening);
    xmppservice = await serveXmppservice(config, runtime, reactors);
    if (xmppservice) listeners.push(xmppservice);
    xmlRpc = await serveXmlRpc(config, runtime, reactors);
    if (xmlRpc) listeners.push(xmlRpc);
  } catch (error) {
    await Promise.all(listeners.map((each) => each.close(0)));
    await closeStorage();
    throw error;
  }

  await Promise.race([
    startEffects(runtime, reactors, config.deadlineGraceMs, ending),
    whenAborted(ending),
  ]);
  const stopping = new AbortController();
  const timers = ending.aborted ? [] : startUpkeep(runtime, reactors, newestAt, stopping.signal);

  async function stop(): Promise<void> {
    stopping.abort();
    reactors.operatorSessions.stop();
    for (const timer of timers) clearInterval(timer);
    stream.close(); // otherwise the server would wait for these connections
    await Promise.all(listeners.map((each) => each.close(STOP_STEPS_MS.http)));
    await stopEffects(runtime, reactors);
    await closeStorage();
  }
  let stopped: Promise<void> | null = null;
  return {
    url: listening.url,
    xmppserviceUrl: xmppservice?.url ?? null,
    xmlRpcUrl: xmlRpc?.url ?? null,
    stop() {
      stopped ??= stop();
      return stopped;
    },
  };
}

async function serveXmppservice(
  config: Config,
  runtime: Runtime,
  reactors: Reactors,
): Promise<Listening | null> {
  const { listen } = config.xmppservice;
  if (!listen) return null;
  const options = { variable: 'LEGACY_LISTEN', maxConnections: XMPPSERVICE_MAX_CONNECTIONS };
  return serve(createXmppservice(config, runtime, reactors), { ...listen, ...options });
}

async function serveXmlRpc(
  config: Config,
  runtime: Runtime,
  reactors: Reactors,
): Promise<Listening | null> {
  const { listen, password } = config.xmlRpc;
  if (!listen) return null;
  if (password === undefined) {
    runtime.logger.warn(
      'XMLRPC_PASSWORD is not set: every call of XML-RPC is answered with a fault',
    );
  }
  const app = createXmlRpcApp(config, runtime, reactors);
  const options = { variable: 'XMLRPC_LISTEN', maxConnections: RPC_MAX_CONNECTIONS };
  return serve(app, { ...listen, ...options });
}

/** A wrong folder or connection begins a new log as well, and looks like a service that has lost everything. */
function tellOfNewLog({ dataDir, eventStore }: Config, logger: Logger, logId: string): void {
  logger.warn(
    { dataDir, eventStore: redactUrls(eventStore), logId },
    'a new log begins: nothing was in this event store. If there was a log before, DATA_DIR or EVENT_STORE is wrong',
  );
}

/** @throws {AppError} `unavailable` if the rows cannot be opened. The storage is closed then */
async function openReadThread(
  config: Config,
  logger: Logger,
  storage: ServiceStorage,
): Promise<ReadThread> {
  const { eventStore, failpoints, dataDir } = config;
  const { serviceSecrets } = storage;
  const path = join(dataDir, 'projections.db');
  try {
    return await startReadThread({
      logger,
      data: { eventStore, failpoints, path, serviceSecrets },
    });
  } catch (error) {
    await storage.close();
    throw error;
  }
}

/** A SQLite file tells nobody that it has grown. An event store on a server tells the thread itself. */
async function tellOfGrowth(
  { eventStore }: Config,
  { store }: ServiceStorage,
  { grown }: ReadThread,
  signal: AbortSignal,
): Promise<void> {
  if (sqlitePath(eventStore) === null) return;
  const after = (await store.head()) ?? undefined;
  // No event matches: the batches are empty, and there is one for each group of commits.
  for await (const _ of store.subscribe({ after, prefixes: [], signal })) {
    grown();
    await delay(GROWN_EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** What is looked after from the start on, and then now and then. */
function startUpkeep(
  { logger, host, rotation }: Runtime,
  {
    deadLetterExpiry,
    letterFacts,
    retention,
    compareOperators,
    reconciler,
    desks,
    roomSweep,
    helper,
  }: Reactors,
  newestAt: number | null,
  stopping: AbortSignal,
): NodeJS.Timeout[] {
  helper?.redis.start();
  const expire = () => deadLetterExpiry.look().then(letterFacts.look);
  void expire();
  retention.start(newestAt);
  void retention.look();
  void rotation.run(stopping);
  // Visitors' accounts and operators' sessions: changes that nobody reported while no process was there.
  compareOperators();
  desks.start();
  roomSweep.start();
  reconciler
    .start()
    .catch((error) => logger.error({ err: error }, 'the comparison with ejabberd ended'));
  return [
    setInterval(() => {
      desks.compare();
      roomSweep.compare();
      void reconciler.compare();
    }, COMPARE_EVERY_MS),
    setInterval(() => host.passivate(ACTOR_IDLE_MS), PASSIVATE_EVERY_MS),
    setInterval(() => void expire(), EXPIRY_EVERY_MS),
    setInterval(() => void retention.look(), RETENTION_EVERY_MS),
  ];
}

const whenAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

/** @throws the reason of the signal when it is aborted, whatever becomes of the work */
const unlessAborted = <T>(work: Promise<T>, signal: AbortSignal): Promise<T> =>
  Promise.race([
    work,
    whenAborted(signal).then((): never => {
      throw signal.reason;
    }),
  ]);

/** Effects begin only when everything that was done before is known. */
async function startEffects(
  { work, tenants, tenancy, deadlines, leases }: Runtime,
  { callbacks, components, lanes, routing, lifecycle, lhcChats, erasures }: Reactors,
  deadlineGraceMs: number,
  ending: AbortSignal,
): Promise<void> {
  // A log that was not followed for long, or a table with a new version, takes its time.
  await work.caughtUp();
  tenants.caughtUp();
  await tenancy.applyDeclared();
  components.follow();
  await callbacks.resumeChanged();
  if (ending.aborted) return;
  lanes.start();
  deadlines.start(deadlineGraceMs);
  routing.start();
  lifecycle.start();
  erasures.start();
  lhcChats.start();
  await leases?.start();
}

/** Waits for the running effects. An effect that hangs, at ejabberd or LHC, is repeated after the next start. */
async function stopEffects(
  { leases, deadlines, host }: Runtime,
  {
    lanes,
    routing,
    lifecycle,
    reconciler,
    desks,
    roomSweep,
    returns,
    transport,
    helper,
    lhcChats,
    erasures,
    fileChecks,
    retention,
  }: Reactors,
): Promise<void> {
  erasures.stop();
  fileChecks.stop();
  helper?.nodeHelper.stop();
  const left = await leases?.stop(STOP_STEPS_MS.leases);
  const effects = Promise.all([
    deadlines.stop(),
    routing.stop(),
    lifecycle.stop(),
    reconciler.stop(),
    desks.stop(),
    roomSweep.stop(),
    lanes.stop(),
    lhcChats.stop(),
    erasures.idle(),
    retention.stop(),
    returns.stop(STOP_STEPS_MS.effects),
  ]);
  await Promise.race([effects, delay(STOP_STEPS_MS.effects, undefined, { ref: false })]);
  helper?.redis.stop();
  // The next owner logs in with the same resource. That ends our session without a gap for operators.
  if (left && left.others > 0) await transport.releaseAll(STOP_STEPS_MS.handOver);
  await transport.close(STOP_STEPS_MS.sessions);
  await host.drain();
}
