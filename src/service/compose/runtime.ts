/** The actors on the log, and whatever makes them act. Nothing runs yet: service.ts starts it. */
import { hostname } from 'node:os';
import type { Logger } from 'pino';
import { templateOf, tenantOf } from '../../actors/tenant/tenant.ts';
import { type Config, NO_COMPONENT } from '../../config/config.ts';
import { admitsHost, foreignSecret } from '../../config/secrets.ts';
import { AppError } from '../../errors.ts';
import { createClock } from '../../kit/clock.ts';
import { newId } from '../../kit/id.ts';
import { XMPP_FILTER } from '../../reactors/conversation/xmpp-lane.ts';
import { LHC_FILTER } from '../../reactors/lhc/drafts.ts';
import { KNOWN_CHATS_TABLE } from '../../reactors/lhc/known-chats.ts';
import { ROUTING_TABLE } from '../../reactors/routing/table-queries.ts';
import { DESIRED_VISITORS_TABLE } from '../../reactors/visitors/desired.ts';
import { ERASURES_TABLE } from '../../reactors/visitors/erasure.ts';
import { RETENTION_TABLE } from '../../reactors/visitors/retention-table.ts';
import { createDeadlines, DEADLINES_TABLE } from '../../runtime/deadlines.ts';
import { createActors } from '../../runtime/host/actors.ts';
import { createHost } from '../../runtime/host/host.ts';
import { DEAD_LETTERS_TABLE } from '../../runtime/lanes/dead-letter-table.ts';
import { LETTER_FACTS_TABLE } from '../../runtime/lanes/letter-facts.ts';
import { laneTable } from '../../runtime/lanes/pending-effects.ts';
import { createLeases } from '../../runtime/leases/leases.ts';
import { soleOwner } from '../../runtime/leases/ownership.ts';
import { createPendingWork, type PendingWork } from '../../runtime/pending-work.ts';
import type { TenantWish } from '../../runtime/tenant-ports.ts';
import { createLiveDirectory } from '../../runtime/tenants/live-directory.ts';
import { TENANTS_TABLE } from '../../runtime/tenants/table.ts';
import { createTenants } from '../../runtime/tenants/tenants.ts';
import { createRotation } from '../../runtime/vault/rotation.ts';
import { createVault } from '../../runtime/vault/vault.ts';
import { createFailpoints } from '../failpoints.ts';
import { observedStore, toldOutages } from '../outages.ts';
import type { ServiceStorage } from '../storage.ts';

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
    processId: storage.processId,
    db,
    secrets,
    journal: storage.journal,
    snapshotOf: storage.snapshotOf,
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
      KNOWN_CHATS_TABLE,
      ERASURES_TABLE,
      RETENTION_TABLE,
      LETTER_FACTS_TABLE,
    ],
    async prepare(events) {
      storage.journal.forget(events);
      await directory.prepare(events);
    },
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
    componentSecret: ejabberd.component?.secret,
  };
  const field = foreignSecret(own, wish);
  if (field !== null) throw new AppError('invalid', 'is the secret of somebody else', { field });
  if (wish.transport === 'component' && !ejabberd.component) {
    throw new AppError('invalid', NO_COMPONENT, { field: 'transport' });
  }
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
