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
import type { AccountClaim, OperatorContext } from '../../actors/operator/machine.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import type { TenantSettings } from '../../actors/tenant/settings.ts';
import { AppError, hasCode, isPermanent } from '../../errors.ts';
import type { EventStore } from '../../eventstore/port.ts';
import { eventAt } from '../../eventstore/reading.ts';
import type { Actors, Dispatched, OperatorAccounts, Origin, Vault } from '../../runtime/ports.ts';
import type { EjabberdAdmin } from '../../xmpp/port.ts';
import type { LhcUsers } from './lhc-users.ts';
import type { OperatorRemoval } from './removal.ts';
import type { OperatorSessions } from './sessions.ts';

/** Tries of one registration, while other requests change the same operator. */
export const REGISTRATION_ATTEMPTS = 8;
/**
 * How long a claim lasts that no registration has followed. The request that claimed the account died, or its outcome is
 * not known: the same request again goes on. After this time an account of that name is somebody else's.
 */
export const ACCOUNT_CLAIM_MS = 5 * 60_000;

interface AccountsOptions {
  readonly actors: Actors;
  readonly store: EventStore;
  readonly vault: Vault;
  readonly admin: EjabberdAdmin;
  readonly tenants: TenantDirectory;
  readonly sessions: OperatorSessions;
  readonly lhcUsers: LhcUsers;
  readonly removal: OperatorRemoval;
  readonly now: () => number;
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

/** A claim that one request has made. */
interface OwnClaim {
  /** Of the fact. */
  readonly revision: number;
  /** Nobody else had a claim: if the account exists all the same, somebody else has just made it. */
  readonly isFirst: boolean;
  /** This request made the account. */
  created: boolean;
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

/** True if the account is the service's. A claim from the future counts as lapsed: the clock was set back. */
const isOurs = (claim: AccountClaim | null, now: number): boolean =>
  claim !== null && (claim.registered || Math.abs(now - claim.at) <= ACCOUNT_CLAIM_MS);

const foreignAccount = (jid: string): AppError =>
  new AppError(
    'conflict',
    `${jid} has an account that this service did not make; the admin token may adopt it (adopt: true)`,
    { field: 'username' },
  );

/**
 * Checks that this request may change the account, and changes nothing.
 * @returns whether the account exists
 * @throws {AppError} `conflict`, `invalid`, `unavailable`
 */
async function checkAccount(
  { admin, now }: AccountsOptions,
  { jid, changes, origin }: PutRequest,
  { context }: Snapshot,
): Promise<boolean> {
  const exists = await admin.accountExists(jid);
  const mayChange = isOurs(context?.claim ?? null, now()) || (origin.admin && changes.adopt);
  if (exists && !mayChange) throw foreignAccount(jid);
  if (!exists && changes.password === undefined) {
    throw new AppError('invalid', 'a new account needs a password', { field: 'password' });
  }
  return exists;
}

/** What one request does with the account, over all tries of its registration. */
interface AccountWork {
  /** The account existed before. */
  readonly existed: boolean;
  /** null if the account was ours for good before. */
  claim: OwnClaim | null;
  isWritten: boolean;
}

/** Makes the account, or sets its password. @throws {AppError} `conflict` if somebody else has just made the account */
async function writePassword(
  { actors, admin }: AccountsOptions,
  { tenant, username, jid }: PutRequest,
  { existed, claim }: AccountWork,
  password: string,
): Promise<void> {
  if (!existed) {
    if ((await admin.register(jid, password)) === 'created') {
      if (claim) claim.created = true;
      return;
    }
    const state = claim?.isFirst ? await actors.operator(tenant.id, username).latest() : null;
    // Nobody of this service has claimed the account since.
    if (claim && state?.context.claim?.revision === claim.revision) throw foreignAccount(jid);
  }
  // If two requests make the same operator, the password of the second one applies.
  await admin.changePassword(jid, password);
}

/** Makes or changes the account: password, name and roster group. */
async function writeAccount(
  options: AccountsOptions,
  request: PutRequest,
  work: AccountWork,
  name: string,
): Promise<void> {
  const { admin } = options;
  const { tenant, jid, changes } = request;
  const { password } = changes;
  if (password !== undefined) await writePassword(options, request, work, password);
  const groups = rosterGroups(tenant);
  await admin.ensureGroups(tenant.host, groups);
  // The nickname comes first: a roster takes the name of a member when the member joins, and sends it to its contacts.
  await admin.setNickname(jid, name);
  await admin.joinGroup(jid, groups.operators);
}

/**
 * Notes on the operator's stream that the account is ours, before the account is written. The other order could leave an
 * account after a crash that looks like somebody else's.
 * @returns null if the account is ours for good already
 */
async function claimAccount(
  { actors, now }: AccountsOptions,
  { tenant, username }: PutRequest,
  { revision, context }: Snapshot,
  adopted: boolean,
): Promise<OwnClaim | null> {
  const operator = actors.operator(tenant.id, username);
  const claim = await operator.send({ type: 'ClaimAccount', adopted });
  if (claim.facts === 0) return null;
  const isFirst = claim.revision === revision + 1 && !isOurs(context?.claim ?? null, now());
  return { revision: claim.revision, isFirst, created: false };
}

/**
 * After a refusal: the account is not ours, so whoever makes it later keeps it. If this request has made it, it is removed
 * again, unless another request has claimed it since. A claim that cannot be given back lapses by itself.
 */
async function giveBack(
  { actors, admin }: AccountsOptions,
  { tenant, username, jid }: PutRequest,
  { revision, created }: OwnClaim,
): Promise<void> {
  const command = { type: 'ReleaseAccountClaim', revision } as const;
  const { facts } = await actors.operator(tenant.id, username).send(command);
  if (facts === 0 || !created) return;
  await admin.unregister(jid);
  await admin.leaveGroup(jid, rosterGroups(tenant).operators);
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
  if (!isRegistered) await lhcUsers.claim(tenant.id, username, lhcUserId, revision);
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
    if (!isRegistered && (!sent || hasMoved)) {
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
