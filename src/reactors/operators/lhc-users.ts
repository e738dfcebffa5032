/**
 * Claims of LHC users: an LHC user belongs to one operator, for any number of processes and a kill at any point. The user
 * is claimed on the tenant's stream before an operator is registered with it (docs/adr/0013). Each step expects the
 * revision that it has seen.
 */
import type { TenantId, Username } from '../../actors/ids.ts';
import { type Claim, claimOf } from '../../actors/tenant/lhc-user-claims.ts';
import { AppError, isRefused } from '../../errors.ts';
import type { Actors } from '../../runtime/ports.ts';

/** A claim that is older, and that no registration has followed, is left over from a crash. */
export const CLAIM_STALE_MS = 60_000;
/** Tries of one claim, while other requests claim the same LHC user. */
export const CLAIM_ATTEMPTS = 8;

export interface LhcUsers {
  /**
   * Claims an LHC user for a registration. It renews a claim that the operator has already.
   * @param operatorRevision the revision of the operator's stream that the registration is decided by, and expects
   * @throws {AppError} `conflict` with the field `lhcUserId` and the operator who has the LHC user
   */
  claim(
    tenant: TenantId,
    username: Username,
    lhcUserId: number,
    operatorRevision: number,
  ): Promise<void>;
  /**
   * Gives up the claim of a registration that failed, so that others can claim the LHC user at once. It does nothing if
   * the operator is registered with the LHC user.
   */
  giveUp(tenant: TenantId, username: Username, lhcUserId: number): Promise<void>;
}

interface LhcUsersOptions {
  readonly actors: Actors;
  readonly now: () => number;
}

/** Makes registrations with this LHC user that are under way void. @throws {AppError} `refused` if one is complete */
const revoke = ({ actors }: LhcUsersOptions, tenant: TenantId, username: Username, id: number) =>
  actors.operator(tenant, username).send({ type: 'RevokeLhcUser', lhcUserId: id });

const belongsTo = (operator: Username, lhcUserId: number): AppError =>
  new AppError('conflict', `LHC user ${lhcUserId} belongs to operator ${operator}`, {
    field: 'lhcUserId',
    operator,
  });

/** Makes the claim of another operator void. @throws {AppError} `conflict` if that operator uses the claim */
async function takeOver(options: LhcUsersOptions, tenant: TenantId, claim: Claim): Promise<void> {
  const { username, lhcUserId, operatorRevision, at } = claim;
  const operator = (await options.actors.operator(tenant, username).latest())?.context;
  if (operator?.registered && operator.lhcUserId === lhcUserId) {
    throw belongsTo(username, lhcUserId);
  }
  // The registration of this claim was completed and is over, or it was given up.
  if (operator && operator.registrationRevision > operatorRevision) return;
  // A claim from the future is stale too: the clock was set back.
  if (Math.abs(options.now() - at) <= CLAIM_STALE_MS) {
    throw new AppError(
      'conflict',
      `LHC user ${lhcUserId} is being given to operator ${username}; try again in a minute`,
      { field: 'lhcUserId', operator: username },
    );
  }
  try {
    // A paused process may still be about to register that operator.
    await revoke(options, tenant, username, lhcUserId);
  } catch (error) {
    throw isRefused(error) ? belongsTo(username, lhcUserId) : error;
  }
}

async function claim(
  options: LhcUsersOptions,
  tenantId: TenantId,
  username: Username,
  lhcUserId: number,
  operatorRevision: number,
): Promise<void> {
  const tenant = options.actors.tenant(tenantId);
  for (let attempt = 1; attempt <= CLAIM_ATTEMPTS; attempt++) {
    const current = claimOf((await tenant.latest())?.context.claims ?? [], lhcUserId);
    if (current && current.username !== username) await takeOver(options, tenantId, current);
    const over = current?.revision ?? null;
    try {
      await tenant.send({ type: 'ClaimLhcUser', lhcUserId, username, operatorRevision, over });
      return;
    } catch (error) {
      if (!isRefused(error)) throw error;
      // Another request has claimed the LHC user since the look.
    }
  }
  throw new AppError('overloaded', `other requests keep claiming LHC user ${lhcUserId}`);
}

export const createLhcUsers = (options: LhcUsersOptions): LhcUsers => ({
  claim: (tenant, username, lhcUserId, operatorRevision) =>
    claim(options, tenant, username, lhcUserId, operatorRevision),
  async giveUp(tenant, username, lhcUserId) {
    try {
      await revoke(options, tenant, username, lhcUserId);
    } catch (error) {
      if (!isRefused(error)) throw error;
    }
  },
});
