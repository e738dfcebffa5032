/**
 * Operators' accounts in ejabberd and their registration. This is the entry of `operators/`; the composition
 * (src/service) imports all of the folder, `conversation/` and `lhc/` import types.
 *
 * A request changes the account before it sends the command, because a password must reach ejabberd and is stored
 * nowhere. It is the only effect that comes before its fact (docs/architecture.md, promise 8). `lhc-users.ts` keeps an LHC
 * user from becoming two operators, `removal.ts` removes accounts, `sessions.ts` reads the sessions that ejabberd has.
 */
import { operatorJid, rosterGroups, type TenantId, type Username } from '../../actors/ids.ts';
import type { OperatorCommand } from '../../actors/operator/decisions.ts';
import type { OperatorContext } from '../../actors/operator/machine.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import type { TenantSettings } from '../../actors/tenant/settings.ts';
import { AppError, hasCode } from '../../errors.ts';
import type { EventStore } from '../../eventstore/port.ts';
import { eventAt } from '../../eventstore/reading.ts';
import type { Actors, Dispatched, OperatorAccounts, Origin, Vault } from '../../runtime/ports.ts';
import type { EjabberdAdmin } from '../../xmpp/port.ts';
import type { LhcUsers } from './lhc-users.ts';
import type { OperatorRemoval } from './removal.ts';
import type { OperatorSessions } from './sessions.ts';

/** Tries of one registration, while other requests change the same operator. */
export const REGISTRATION_ATTEMPTS = 8;

interface AccountsOptions {
  readonly actors: Actors;
  readonly store: EventStore;
  readonly vault: Vault;
  readonly admin: EjabberdAdmin;
  readonly tenants: TenantDirectory;
  readonly sessions: OperatorSessions;
  readonly lhcUsers: LhcUsers;
  readonly removal: OperatorRemoval;
  /** Local parts that no operator may have: that of the API user. */
  readonly reserved: readonly string[];
}

/** One request that registers or changes an operator. */
interface PutRequest {
  readonly tenant: TenantSettings;
  readonly username: Username;
  readonly jid: string;
  readonly changes: Parameters<OperatorAccounts['put']>[2];
  readonly origin: Origin & { readonly admin: boolean };
}

/** The operator's stream as a registration is decided by it. */
interface Snapshot {
  /** -1 for a stream without facts. */
  readonly revision: number;
  readonly context: OperatorContext | null;
  /** True if the stream has this command already. */
  readonly isRepeat: boolean;
}

type Registration = Omit<Extract<OperatorCommand, { type: 'Register' }>, 'seenRevision'>;

function tenantOf(tenants: TenantDirectory, id: TenantId): TenantSettings {
  const tenant = tenants.get(id);
  if (!tenant) throw new AppError('not-found', `tenant ${id} is not configured`);
  return tenant;
}

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

/** Completes the changes with the operator's present settings. @throws {AppError} `invalid` without an LHC user */
async function registrationOf(
  options: AccountsOptions,
  request: PutRequest,
  { context }: Snapshot,
): Promise<Registration> {
  const { tenant, changes } = request;
  const present = context?.registered ? context : null;
  const lhcUserId = changes.lhcUserId ?? present?.lhcUserId ?? null;
  if (lhcUserId === null) {
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
    capacity: changes.capacity ?? present?.capacity ?? tenant.routing.capacity,
    name,
    nameChanged: name !== presentName,
  };
}

/**
 * Checks that this request may change the account, and changes nothing.
 * @returns whether the account exists
 * @throws {AppError} `conflict`, `invalid`, `unavailable`
 */
async function checkAccount(
  { admin }: AccountsOptions,
  { jid, changes, origin }: PutRequest,
  { context }: Snapshot,
): Promise<boolean> {
  const exists = await admin.accountExists(jid);
  if (exists && context?.claimed !== true && !(origin.admin && changes.adopt)) {
    throw new AppError(
      'conflict',
      `${jid} has an account that this service did not make; the admin token may adopt it (adopt: true)`,
      { field: 'username' },
    );
  }
  if (!exists && changes.password === undefined) {
    throw new AppError('invalid', 'a new account needs a password', { field: 'password' });
  }
  return exists;
}

/** Makes or changes the account: password, name and roster group. */
async function writeAccount(
  { admin }: AccountsOptions,
  { tenant, jid, changes: { password } }: PutRequest,
  exists: boolean,
  name: string,
): Promise<void> {
  if (password !== undefined) {
    // If two requests make the same operator, the password of the second one applies.
    const isNew = !exists && (await admin.register(jid, password)) === 'created';
    if (!isNew) await admin.changePassword(jid, password);
  }
  const groups = rosterGroups(tenant);
  await admin.ensureGroups(tenant.host, groups);
  // The nickname comes first: a roster takes the name of a member when the member joins, and sends it to its contacts.
  await admin.setNickname(jid, name);
  await admin.joinGroup(jid, groups.operators);
}

/**
 * Notes on the operator's stream that the account is ours, then writes the account. The other order could leave an
 * account after a crash that looks like somebody else's.
 * @returns the revision that the registration expects
 */
async function claimAndWriteAccount(
  options: AccountsOptions,
  request: PutRequest,
  { revision }: Snapshot,
  registration: Registration,
  exists: boolean,
): Promise<number> {
  const { tenant, username } = request;
  const operator = options.actors.operator(tenant.id, username);
  const claim = await operator.send({ type: 'ClaimAccount', adopted: exists });
  await writeAccount(options, request, exists, registration.name ?? username);
  return claim.facts === 1 && claim.revision === revision + 1 ? claim.revision : revision;
}

/**
 * One try of a registration. The order counts (docs/adr/0013): the snapshot, the claim of the LHC user, the registration
 * that expects the snapshot's revision.
 * @param account for the first try, which writes the account
 * @returns null if the operator's stream has moved since the snapshot and another try is allowed
 */
async function tryRegister(
  options: AccountsOptions,
  request: PutRequest,
  { snapshot, registration }: { snapshot: Snapshot; registration: Registration },
  account: { readonly exists: boolean } | null,
  isLastTry: boolean,
): Promise<Dispatched | null> {
  const { actors, lhcUsers } = options;
  const { tenant, username, origin } = request;
  const { lhcUserId } = registration;
  const { context, revision } = snapshot;
  const isRegistered = context?.registered === true && context.lhcUserId === lhcUserId;
  if (!isRegistered) await lhcUsers.claim(tenant.id, username, lhcUserId, revision);
  let seenRevision = revision;
  let sent = false;
  try {
    if (account) {
      const { exists } = account;
      seenRevision = await claimAndWriteAccount(options, request, snapshot, registration, exists);
    }
    sent = true;
    const command = { ...registration, seenRevision };
    return await actors.operator(tenant.id, username).send(command, origin);
  } catch (error) {
    const hasMoved = hasCode(error, 'conflict');
    if (hasMoved && !isLastTry) return null;
    // If nobody knows whether the registration was stored, the claim stays. It can be taken over when it is stale.
    if (!isRegistered && (!sent || hasMoved)) {
      await lhcUsers.giveUp(tenant.id, username, lhcUserId).catch(() => undefined);
    }
    throw error;
  }
}

async function put(options: AccountsOptions, request: PutRequest): Promise<Dispatched> {
  const { actors, sessions, removal } = options;
  const { tenant, username, origin } = request;
  await removal.finishRecent(tenant, username);
  let snapshot = await readSnapshot(options, request);
  let registration = await registrationOf(options, request, snapshot);
  // A repeated request gets its first answer.
  if (snapshot.isRepeat) return actors.operator(tenant.id, username).send(registration, origin);
  const exists = await checkAccount(options, request, snapshot);
  let result: Dispatched | null = null;
  for (let attempt = 1; ; attempt++) {
    const account = attempt === 1 ? { exists } : null;
    const isLastTry = attempt === REGISTRATION_ATTEMPTS;
    result = await tryRegister(options, request, { snapshot, registration }, account, isLastTry);
    if (result) break;
    snapshot = await readSnapshot(options, request);
    registration = await registrationOf(options, request, snapshot);
  }
  // An operator who is logged in already counts from now on.
  await sessions.compare(tenant.id, username, false);
  return result;
}

async function remove(
  { actors, admin, removal }: AccountsOptions,
  tenant: TenantSettings,
  username: Username,
  origin: Origin,
): Promise<Dispatched> {
  await admin.version(); // fails before anything changes if ejabberd is away
  const result = await actors.operator(tenant.id, username).send({ type: 'Remove' }, origin);
  await removal.finish(tenant, username);
  return result;
}

export function createOperatorAccounts(options: AccountsOptions): OperatorAccounts {
  const { tenants, removal, reserved } = options;
  return {
    async put(tenantId, username, changes, origin) {
      const tenant = tenantOf(tenants, tenantId);
      const jid = operatorJid(tenant, username);
      if (reserved.includes(jid.split('@', 1)[0] ?? '')) {
        throw new AppError('invalid', 'this username is reserved', { field: 'username' });
      }
      const request: PutRequest = { tenant, username, jid, changes, origin };
      return removal.exclusively(tenant, username, () => put(options, request));
    },
    async remove(tenantId, username, origin) {
      const tenant = tenantOf(tenants, tenantId);
      return removal.exclusively(tenant, username, () => remove(options, tenant, username, origin));
    },
  };
}
