/**
 * Operators' accounts in ejabberd and their registration. This is the entry of `operators/`; the composition
 * (src/service) imports all of the folder, `conversation/` and `lhc/` import types.
 *
 * A request changes the account before it sends the command, because a password must reach ejabberd and is stored
 * nowhere. It is the only effect that comes before its fact (docs/architecture.md, promise 8). `account-claim.ts` has the
 * account, `lhc-users.ts` keeps an LHC user from becoming two operators, `removal.ts` removes accounts, `sessions.ts` reads
 * the sessions that ejabberd has.
 */
import { operatorJid, type TenantId, type Username } from '../../actors/ids.ts';
import type { OperatorCommand } from '../../actors/operator/decisions.ts';
import type { OperatorContext } from '../../actors/operator/facts.ts';
import { FIRST_TIER } from '../../actors/operator-selection.ts';
import { requireTenant, type TenantDirectory } from '../../actors/tenant/directory.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { AppError, hasCode, isPermanent } from '../../errors.ts';
import type { EventStore } from '../../eventstore/port.ts';
import { eventAt } from '../../eventstore/reading.ts';
import type { OperatorAccounts } from '../../runtime/operator-ports.ts';
import type { Dispatched, Origin, Vault } from '../../runtime/ports.ts';
import {
  type AccountWork,
  type ClaimOptions,
  checkAccount,
  claimAccount,
  giveBack,
  type PutRequest,
  type Snapshot,
  writeAccount,
} from './account-claim.ts';
import type { LhcUsers } from './lhc-users.ts';
import type { OperatorRemoval } from './removal.ts';
import type { OperatorSessions } from './sessions.ts';

/** Tries of one registration, while other requests change the same operator. */
export const REGISTRATION_ATTEMPTS = 8;

interface AccountsOptions extends ClaimOptions {
  readonly store: EventStore;
  readonly vault: Vault;
  readonly tenants: TenantDirectory;
  readonly sessions: OperatorSessions;
  readonly lhcUsers: LhcUsers;
  readonly removal: OperatorRemoval;
  /** Local parts that no operator may have: that of the API user. */
  readonly reserved: readonly string[];
}

type Registration = Omit<Extract<OperatorCommand, { type: 'Register' }>, 'seenRevision'>;

async function readSnapshot(
  { actors }: AccountsOptions,
  { tenant, username, origin }: PutRequest,
): Promise<Snapshot> {
  const state = await actors.operator(tenant.id, username).latest();
  return {
    revision: state?.revision ?? -1,
    context: state?.context ?? null,
    isRepeat: state?.seen.hasCommand(origin.commandId) ?? false,
  };
}

/** The operator's name in the log; null if there is none. @param revision of the fact with the name */
async function readName(
  { store, vault }: AccountsOptions,
  { tenant, username }: PutRequest,
  revision: number,
): Promise<string | null> {
  const fact = await eventAt(store, `operator-${tenant.id}.${username}`, revision);
  const name = fact && (await vault.open(fact))?.name;
  return typeof name === 'string' ? name : null;
}

/**
 * Completes the changes with the operator's present settings.
 * @throws {AppError} `invalid` without an LHC user, unless this LHC gives none
 */
async function registrationOf(
  options: AccountsOptions,
  request: PutRequest,
  { context }: Snapshot,
): Promise<Registration> {
  const { tenant, changes } = request;
  const present = context?.registered ? context : null;
  const lhcUserId = changes.lhcUserId ?? present?.lhcUserId ?? null;
  if (lhcUserId === null && !present && !changes.withoutLhcUser) {
    throw new AppError('invalid', 'is required: this operator is not registered yet', {
      field: 'lhcUserId',
    });
  }
  const presentName = await readName(options, request, present?.nameRevision ?? -1);
  const name = changes.name ?? presentName;
  return {
    type: 'Register',
    lhcUserId,
    departments: [...(changes.departments ?? present?.departments ?? [])],
    capacity:
      (changes.capacity === undefined ? present?.capacity : changes.capacity) ??
      tenant.routing.capacity,
    tier: changes.tier ?? present?.tier ?? FIRST_TIER,
    tiers: changes.tiers ?? present?.tiers ?? {},
    languages: changes.languages ?? present?.languages ?? [],
    name,
    nameChanged: name !== presentName,
  };
}

/**
 * One try of a registration. The order counts (docs/adr/0013): the snapshot, the claim of the LHC user, the account unless
 * an earlier try has written it, the registration that expects the snapshot's revision.
 * @returns null if the operator's stream has moved since the snapshot and another try is allowed
 */
async function tryRegister(
  options: AccountsOptions,
  request: PutRequest,
  { snapshot, registration }: { snapshot: Snapshot; registration: Registration },
  work: AccountWork,
  isLastTry: boolean,
): Promise<Dispatched | null> {
  const { actors, lhcUsers } = options;
  const { tenant, username, origin } = request;
  const { lhcUserId } = registration;
  const { context, revision } = snapshot;
  const isRegistered = context?.registered === true && context.lhcUserId === lhcUserId;
  const isGiven = !isRegistered && lhcUserId !== null;
  if (isGiven) await lhcUsers.claim(tenant.id, username, lhcUserId, revision);
  let seenRevision = revision;
  let sent = false;
  try {
    if (!work.isWritten) {
      work.claim = await claimAccount(options, request, snapshot, work.existed);
      if (work.claim?.revision === revision + 1) seenRevision = work.claim.revision;
      await writeAccount(options, request, work, registration.name ?? username);
      work.isWritten = true;
    }
    sent = true;
    const command = { ...registration, seenRevision };
    return await actors.operator(tenant.id, username).send(command, origin);
  } catch (error) {
    const hasMoved = sent && hasCode(error, 'conflict');
    if (hasMoved && !isLastTry) return null;
    // If nobody knows whether the registration was stored, the claim stays. It can be taken over when it is stale.
    if (isGiven && (!sent || hasMoved)) {
      await lhcUsers.giveUp(tenant.id, username, lhcUserId).catch(() => undefined);
    }
    throw error;
  }
}

async function register(
  options: AccountsOptions,
  request: PutRequest,
  first: { readonly snapshot: Snapshot; readonly registration: Registration },
  work: AccountWork,
): Promise<Dispatched> {
  let { snapshot, registration } = first;
  for (let attempt = 1; ; attempt++) {
    const isLastTry = attempt === REGISTRATION_ATTEMPTS;
    const result = await tryRegister(options, request, { snapshot, registration }, work, isLastTry);
    if (result) return result;
    snapshot = await readSnapshot(options, request);
    registration = await registrationOf(options, request, snapshot);
  }
}

async function put(options: AccountsOptions, request: PutRequest): Promise<Dispatched> {
  const { actors, sessions, removal } = options;
  const { tenant, username, origin } = request;
  await removal.finishRecent(tenant, username);
  const snapshot = await readSnapshot(options, request);
  const registration = await registrationOf(options, request, snapshot);
  // A repeated request gets its first answer.
  if (snapshot.isRepeat) {
    const result = await actors.operator(tenant.id, username).send(registration, origin);
    await sessions.compare(tenant.id, username); // the first request may have ended before that
    return result;
  }
  const existed = await checkAccount(options, request, snapshot);
  const work: AccountWork = { existed, claim: null, isWritten: false };
  let result: Dispatched;
  try {
    result = await register(options, request, { snapshot, registration }, work);
  } catch (error) {
    // An answer and no outage: the same request would be refused again.
    const isRefusal = isPermanent(error) || hasCode(error, 'conflict');
    if (isRefusal && work.claim) {
      await giveBack(options, request, work.claim).catch(() => undefined);
    }
    throw error;
  }
  // An operator who is logged in already counts from now on. Nothing was known of their sessions before.
  await sessions.compare(tenant.id, username);
  return result;
}

async function remove(
  { actors, admin, removal }: AccountsOptions,
  tenant: Tenant,
  username: Username,
  origin: Origin,
): Promise<Dispatched> {
  await admin.version(); // fails before anything changes if ejabberd is away
  const result = await actors.operator(tenant.id, username).send({ type: 'Remove' }, origin);
  await removal.finish(tenant, username);
  return result;
}

/** True if an operator of this name was ever registered here. */
const wasRegistered = (context: OperatorContext | undefined): boolean =>
  context !== undefined && context.registrationRevision >= 0;

/** @throws {AppError} `refused` for an operator who was removed */
async function adopt(
  { actors, sessions }: AccountsOptions,
  tenant: Tenant,
  username: Username,
): Promise<void> {
  const operator = actors.operator(tenant.id, username);
  let context = (await operator.state())?.context;
  if (context?.registered) return;
  context = (await operator.latest())?.context; // another process may have registered or removed them
  if (context?.registered) return;
  if (wasRegistered(context)) throw new AppError('refused', 'this operator was removed');
  await operator.send({ type: 'ClaimAccount', adopted: true });
  await operator.send({
    type: 'Register',
    lhcUserId: null,
    departments: [],
    capacity: tenant.routing.capacity,
    name: null,
    nameChanged: false,
  });
  // Nothing was known of their sessions before. It goes on in the background while ejabberd is away.
  void sessions.compare(tenant.id, username).catch(() => false);
}

async function dismiss(
  options: AccountsOptions,
  tenant: Tenant,
  username: Username,
  origin: Origin,
): Promise<void> {
  const operator = options.actors.operator(tenant.id, username);
  const context = (await operator.latest())?.context;
  if (!context?.registered) {
    if (wasRegistered(context)) return;
    // Somebody else made the account. It is ours first, so that the removal is a fact, and the lane has what to do.
    await adopt(options, tenant, username);
  }
  await operator.send({ type: 'Remove' }, origin).catch((error: unknown) => {
    if (!hasCode(error, 'not-found')) throw error; // removed at the same time
  });
}

export function createOperatorAccounts(options: AccountsOptions): OperatorAccounts {
  const { tenants, removal, reserved } = options;
  /** @throws {AppError} `not-found`, and `invalid` for a reserved name */
  const named = (tenantId: TenantId, username: Username) => {
    const tenant = requireTenant(tenants, tenantId);
    const jid = operatorJid(tenant, username);
    if (reserved.includes(jid.split('@', 1)[0] ?? '')) {
      throw new AppError('invalid', 'this username is reserved', { field: 'username' });
    }
    return { tenant, jid };
  };
  return {
    async put(tenantId, username, changes, origin) {
      const { tenant, jid } = named(tenantId, username);
      const request: PutRequest = { tenant, username, jid, changes, origin };
      return removal.exclusively(tenant, username, () => put(options, request));
    },
    async remove(tenantId, username, origin) {
      const tenant = requireTenant(tenants, tenantId);
      return removal.exclusively(tenant, username, () => remove(options, tenant, username, origin));
    },
    async adopt(tenantId, username) {
      await adopt(options, named(tenantId, username).tenant, username);
    },
    async dismiss(tenantId, username, origin) {
      await dismiss(options, named(tenantId, username).tenant, username, origin);
    },
  };
}
