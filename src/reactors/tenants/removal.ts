/**
 * Removes one tenant, step by step. Each step looks at what is there and does what is left of it, so a process that was
 * killed, or another one, goes on where it was. The people's own machinery does the work: visitors are cleaned up by their
 * reconciler, operators removed by their lanes (`visitors/`, `operators/`).
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import {
  actorOf,
  bareJid,
  personOf,
  rosterGroups,
  streamOf,
  type TenantId,
  tenantRef,
  type Username,
  type VisitorKey,
  visitorRef,
} from '../../actors/ids.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { AppError, isPermanent, messageOf } from '../../errors.ts';
import type { EventStore } from '../../eventstore/port.ts';
import { backwards } from '../../eventstore/reading.ts';
import { createLimiter } from '../../kit/limiter.ts';
import type { LaneTable } from '../../runtime/lanes/pending-effects.ts';
import { type Ownership, ownsStream } from '../../runtime/leases/ownership.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { PurgeTenant } from '../../runtime/tenant-purge.ts';
import type { EjabberdAdmin, VisitorTransport } from '../../xmpp/port.ts';
import type { OperatorRemoval } from '../operators/removal.ts';
import type { ContactTable } from '../visitors/contacts.ts';
import type { DesiredVisitors } from '../visitors/desired.ts';

/** Visitors, or operators, of one tenant that are sent away at the same time. */
export const SENT_AWAY_AT_ONCE = 8;
/** Visitors that are sent away before the table is read again. */
const VISITORS_PAGE = 200;
/** Streams of the table of lanes that are read at once. */
const STREAMS_PAGE = 500;
/** How long LHC, and operators' clients, have to take what is left to be told. An LHC that is away is told nothing. */
export const LAST_WORDS_MS = 30_000;
/** How long visitors' own processes have to remove the accounts, after the last one that went. */
export const ACCOUNTS_STALL_MS = 15_000;
/** Interval of looks at what something else does. */
export const LOOK_MS = 250;

/** How far a removal has come. */
export type RemovalStep = 'visitors' | 'operators' | 'last words' | 'accounts' | 'groups' | 'log';

export interface TenantRemovalOptions {
  readonly actors: Actors;
  readonly admin: EjabberdAdmin;
  readonly transport: Pick<VisitorTransport, 'offline'>;
  readonly contactTable: Pick<ContactTable, 'mayHave' | 'list' | 'found'>;
  readonly store: Pick<EventStore, 'readStream' | 'truncateBefore'>;
  readonly ownership: Ownership;
  readonly desired: Pick<DesiredVisitors, 'notGone' | 'pending'>;
  readonly operatorsOf: (tenant: TenantId) => readonly Username[];
  readonly operatorRemoval: OperatorRemoval;
  readonly lanes: Pick<LaneTable, 'streams'>;
  /** Names of the destinations of lanes. */
  readonly destinations: readonly string[];
  /** Whether a tenant's place at a destination is away: nothing can be told there. */
  readonly isAway: (tenant: TenantId, destination: string) => boolean;
  /** Resolves when the tables have the whole log. */
  readonly caughtUp: () => Promise<void>;
  readonly purge: PurgeTenant;
  /** Destroys the rooms of the tenant's visitors. */
  readonly removeRooms: (tenant: Tenant, mayGoOn: () => boolean) => Promise<void>;
  /** Removes the contact of the tenant's service. */
  readonly removeDesk: (tenant: Tenant) => Promise<void>;
  /** The id of the log of this process. */
  readonly logId: string;
  readonly logger: Logger;
  /** Default {@link LAST_WORDS_MS}. */
  readonly lastWordsMs?: number;
  /** Default {@link ACCOUNTS_STALL_MS}. */
  readonly accountsStallMs?: number;
  /** Default {@link LOOK_MS}. */
  readonly lookMs?: number;
}

export interface RemovalWork {
  readonly id: TenantId;
  /** Its log and its data keys go too. */
  readonly purge: boolean;
  /** undefined if the tenant was removed before, and is purged now. */
  readonly tenant: Tenant | undefined;
  /** Asked before each step, and often within one: false ends the work. */
  readonly mayGoOn: () => boolean;
  readonly onStep: (step: RemovalStep) => void;
}

/**
 * Removes a tenant.
 * @returns false if it may not go on
 * @throws {AppError} if a part that it needs is away, or refuses
 */
export async function removeTenant(
  options: TenantRemovalOptions,
  work: RemovalWork,
): Promise<boolean> {
  const { actors, store, purge } = options;
  const { id, tenant, mayGoOn, onStep } = work;
  if (tenant) {
    const steps = { visitors, operators, 'last words': lastWords, accounts, groups } as const;
    for (const [name, step] of Object.entries(steps)) {
      onStep(name as RemovalStep); // a key of `steps`
      if (!mayGoOn()) return false;
      const asksEjabberdAlone = name === 'accounts' || name === 'groups';
      const take = () => step(options, { ...work, tenant });
      await (asksEjabberdAlone ? whereServed(options, tenant, take) : take());
    }
  }
  onStep('log');
  if (!mayGoOn()) return false;
  if (work.purge) {
    if (!(await purge(id, mayGoOn))) return false;
    await cutBeforeRemoval(store, streamOf(tenantRef(id)));
  }
  if (!mayGoOn()) return false;
  await actors.tenant(id).send({ type: 'ReportTenantRemoved' });
  // Until this process knows that, the tenant looks as if it had to be removed still.
  await options.caughtUp();
  return true;
}

/**
 * Does what ejabberd is needed for. A host that ejabberd does not serve (a wrong name, or taken out of its configuration)
 * has nothing that anybody can remove: that must not keep the tenant for ever.
 */
async function whereServed(
  { logger }: TenantRemovalOptions,
  { id, host }: Tenant,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof AppError) || error.details.reason !== 'unserved host') throw error;
    logger.warn(
      { tenant: id, host },
      'ejabberd does not serve the host of a removed tenant: what it has of the tenant stays',
    );
  }
}

/** The fact that began the removal stays until the end: a process that is killed meanwhile has to know of it. */
async function cutBeforeRemoval(
  store: TenantRemovalOptions['store'],
  stream: string,
): Promise<void> {
  for await (const { type, revision } of backwards(store, stream)) {
    if (type === 'TenantRemovalBegun') return store.truncateBefore(stream, revision);
  }
}

type Work = RemovalWork & { readonly tenant: Tenant };

/** Closes the chats of all visitors, and cleans the visitors up: their accounts go, and LHC gets its callbacks. */
async function visitors(options: TenantRemovalOptions, { id, mayGoOn }: Work): Promise<void> {
  const { actors, caughtUp, desired, logger } = options;
  const limited = createLimiter(SENT_AWAY_AT_ONCE);
  /** Visitors whose history does not fit this program. They must not hold up the others. */
  const unfit = new Set<VisitorKey>();
  const cleanUp = async (key: VisitorKey): Promise<void> => {
    try {
      await actors.visitor(id, key).send({ type: 'CleanUp' });
    } catch (error) {
      if (!isPermanent(error)) throw error;
      unfit.add(key);
      logger.error({ tenant: id, visitor: key, reason: messageOf(error) }, 'not cleaned up');
    }
  };
  for (;;) {
    await caughtUp();
    const left = desired.notGone(id, VISITORS_PAGE + unfit.size);
    const keys = left.filter((key) => !unfit.has(key));
    if (keys.length === 0 || !mayGoOn()) return;
    await Promise.all(keys.map((key) => limited(() => cleanUp(key))));
  }
}

/** Operators whose lane has something to do: their account may have to go still, after a try that failed. */
function* operatorsWithWork(
  { lanes, destinations }: TenantRemovalOptions,
  id: TenantId,
): Generator<Username> {
  for (const destination of destinations) {
    for (let after = ''; ; ) {
      const page = lanes.streams(id, destination, after, STREAMS_PAGE);
      for (const stream of page) {
        const actor = actorOf(stream);
        if (actor?.kind === 'operator') yield actor.name;
      }
      const last = page.at(-1);
      if (last === undefined || !last.startsWith('operator-')) break; // they come first
      after = last;
    }
  }
}

/** Removes the operators, and their accounts. */
async function operators(options: TenantRemovalOptions, { tenant, mayGoOn }: Work): Promise<void> {
  const { actors, caughtUp, operatorsOf, operatorRemoval } = options;
  await caughtUp();
  const limited = createLimiter(SENT_AWAY_AT_ONCE);
  const all = new Set([...operatorsOf(tenant.id), ...operatorsWithWork(options, tenant.id)]);
  const remove = (username: Username) =>
    operatorRemoval.exclusively(tenant, username, async () => {
      if (!mayGoOn()) return;
      const actor = actors.operator(tenant.id, username);
      if ((await actor.state())?.context.registered) await actor.send({ type: 'Remove' });
      await whereServed(options, tenant, () => operatorRemoval.finish(tenant, username));
    });
  await Promise.all([...all].map((username) => limited(() => remove(username))));
}

/** Waits until LHC and the operators have heard of the end, as far as they answer. */
async function lastWords(options: TenantRemovalOptions, { id, mayGoOn }: Work): Promise<void> {
  const { caughtUp, destinations, lanes } = options;
  const { lastWordsMs = LAST_WORDS_MS, lookMs = LOOK_MS } = options;
  await caughtUp();
  const isPending = () =>
    destinations.some(
      (name) => lanes.streams(id, name, '', 1).length > 0 && !options.isAway(id, name),
    );
  const deadline = performance.now() + lastWordsMs;
  while (isPending() && mayGoOn() && performance.now() < deadline) await delay(lookMs);
}

/** What ejabberd has of the tenant's visitors. Contacts of the component are among them. */
async function accountsIn(
  { actors, admin, contactTable }: TenantRemovalOptions,
  tenant: Tenant,
): Promise<{ readonly own: ReadonlySet<string>; readonly others: number }> {
  const found = new Set(await admin.groupMembers(tenant.host, rosterGroups(tenant).visitors));
  await admin.accounts(tenant.host, (locals) => {
    for (const local of locals) found.add(`${local}@${tenant.host}`);
  });
  const own = new Set<string>();
  let others = 0;
  if (await contactTable.mayHave(tenant)) {
    for await (const page of contactTable.list(tenant)) {
      for (const { jid, hash } of page) {
        contactTable.found(jid, hash);
        found.add(jid); // of the desk the last step takes care
      }
    }
  }
  for (const jid of found) {
    const person = personOf(jid, () => [tenant]);
    if (person?.kind !== 'visitor') continue;
    // An account that no fact of this log speaks of is somebody else's (docs/adr/0028).
    if (await actors.visitor(tenant.id, person.name).state()) own.add(jid);
    else others += 1;
  }
  return { own, others };
}

/**
 * Waits until visitors' processes have removed the accounts, and removes what they leave: what ejabberd forgot to remove,
 * or what belongs to a process that is gone.
 */
async function accounts(options: TenantRemovalOptions, { tenant, mayGoOn }: Work): Promise<void> {
  const { admin, transport, desired, logger, ownership } = options;
  const { accountsStallMs = ACCOUNTS_STALL_MS, lookMs = LOOK_MS, logId } = options;
  // Nobody else removes accounts of a group that has not got the mark of this log yet.
  const mark = await admin.groupMark(tenant.host, rosterGroups(tenant).visitors);
  const othersRemove = () => mark === logId && mayGoOn();
  const isMine = (key: VisitorKey) => ownsStream(ownership, streamOf(visitorRef(tenant.id, key)));
  const waiting = () => [...desired.pending(tenant.id)].filter(({ key }) => isMine(key)).length;
  for (let least = Number.POSITIVE_INFINITY, since = performance.now(); othersRemove(); ) {
    const left = waiting() || (await accountsIn(options, tenant)).own.size;
    if (left === 0) break;
    if (left < least) since = performance.now();
    else if (performance.now() - since >= accountsStallMs) break;
    least = Math.min(least, left);
    await delay(lookMs);
  }
  if (!mayGoOn()) return;
  const { own, others } = await accountsIn(options, tenant);
  const limited = createLimiter(SENT_AWAY_AT_ONCE);
  const remove = async (jid: string) => {
    if (!mayGoOn()) return;
    if (bareJid(jid)?.host !== tenant.host) return transport.offline(jid, true);
    await admin.leaveGroup(jid, rosterGroups(tenant).visitors);
    await admin.unregister(jid);
  };
  await Promise.all([...own].map((jid) => limited(() => remove(jid))));
  if (others > 0) {
    logger.warn(
      { tenant: tenant.id, accounts: others },
      'accounts that look like visitors of a removed tenant stay: this log does not know them',
    );
  }
}

/** Removes the rooms and the desk, and deletes both groups, unless they belong to another log. */
async function groups(
  { admin, logId, logger, removeDesk, removeRooms }: TenantRemovalOptions,
  { tenant, mayGoOn }: Work,
): Promise<void> {
  const names = rosterGroups(tenant);
  const mark = await admin.groupMark(tenant.host, names.visitors);
  if (mark !== null && mark !== logId) {
    logger.warn({ tenant: tenant.id, mark }, 'the groups stay: they belong to another log');
    return;
  }
  await removeRooms(tenant, mayGoOn);
  if (!mayGoOn()) return;
  await removeDesk(tenant);
  await admin.deleteGroup(tenant.host, names.visitors);
  await admin.deleteGroup(tenant.host, names.operators);
}
