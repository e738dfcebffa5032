/**
 * One operator's account in ejabberd: whether a request may change it, the claim that comes before it, the account, and
 * the claim that is given back after a refusal.
 */
import { rosterGroups, type Username } from '../../actors/ids.ts';
import type { AccountClaim, OperatorContext } from '../../actors/operator/machine.ts';
import { groupsOf, type Tenant } from '../../actors/tenant/tenant.ts';
import { AppError } from '../../errors.ts';
import type { OperatorAccounts } from '../../runtime/operator-ports.ts';
import type { Actors, Origin } from '../../runtime/ports.ts';
import type { EjabberdAdmin } from '../../xmpp/port.ts';

/**
 * How long a claim lasts that no registration has followed. The request that claimed the account died, or its outcome is
 * not known: the same request again goes on. After this time an account of that name is somebody else's.
 */
export const ACCOUNT_CLAIM_MS = 5 * 60_000;

export interface ClaimOptions {
  readonly actors: Actors;
  readonly admin: EjabberdAdmin;
  readonly now: () => number;
}

/** One request that registers or changes an operator. */
export interface PutRequest {
  readonly tenant: Tenant;
  readonly username: Username;
  readonly jid: string;
  readonly changes: Parameters<OperatorAccounts['put']>[2];
  readonly origin: Origin & { readonly admin: boolean };
}

/** The operator's stream as a registration is decided by it. */
export interface Snapshot {
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
export async function checkAccount(
  { admin, now }: ClaimOptions,
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
export interface AccountWork {
  /** The account existed before. */
  readonly existed: boolean;
  /** null if the account was ours for good before. */
  claim: OwnClaim | null;
  isWritten: boolean;
}

/** Makes the account, or sets its password. @throws {AppError} `conflict` if somebody else has just made the account */
async function writePassword(
  { actors, admin }: ClaimOptions,
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
export async function writeAccount(
  options: ClaimOptions,
  request: PutRequest,
  work: AccountWork,
  name: string,
): Promise<void> {
  const { admin } = options;
  const { tenant, jid, changes } = request;
  const { password } = changes;
  if (password !== undefined) await writePassword(options, request, work, password);
  const groups = groupsOf(tenant);
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
export async function claimAccount(
  { actors, now }: ClaimOptions,
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
export async function giveBack(
  { actors, admin }: ClaimOptions,
  { tenant, username, jid }: PutRequest,
  { revision, created }: OwnClaim,
): Promise<void> {
  const command = { type: 'ReleaseAccountClaim', revision } as const;
  const { facts } = await actors.operator(tenant.id, username).send(command);
  if (facts === 0 || !created) return;
  await admin.unregister(jid);
  await admin.leaveGroup(jid, rosterGroups(tenant).operators);
}
