/**
 * Claims of LHC users. An LHC user is claimed on the tenant's stream before an operator is registered with it
 * (docs/adr/0013). This holds for any number of processes, because each step expects the revision that it has seen.
 */
import type { Logger } from 'pino';
import type { TenantId, Username } from '../../actors/ids.ts';
import {
  type Claim,
  type ClaimCommand,
  claimOf,
  NO_LHC_USERS,
} from '../../actors/tenant/claims.ts';
import { AppError, isRefused } from '../../errors.ts';
import type { Actors } from '../../runtime/ports.ts';

/** A claim that is older, and whose operator is not registered with it, is left over from a crash. */
export const CLAIM_STALE_MS = 60_000;
/** Claims that one command begins with: fewer than one append can take. */
const BEGIN_CLAIMS_AT_ONCE = 500;
/** Tries of one claim, while other requests claim the same LHC user. */
export const CLAIM_ATTEMPTS = 8;

/** Names one claim: a renewed claim of the same operator has another revision. */
export type ClaimId = Omit<Claim, 'at'>;
/**
 * @property renewed true if the operator had claimed the LHC user before: another request for the operator may use that
 * claim
 */
export type NewClaim = ClaimId & { readonly renewed: boolean };

export interface LhcUsers {
  /** Claims the LHC users of operators who were registered before there were claims. It does so once for each tenant. */
  begin(tenant: TenantId): Promise<void>;
  /** The claims that an operator has. */
  of(tenant: TenantId, username: Username): Promise<readonly ClaimId[]>;
  /**
   * Claims an LHC user. It renews a claim that the operator has already, so that other requests which saw that claim are
   * out of date. Read the operator's stream before the call, and expect that revision in the registration.
   * @throws {AppError} `conflict` with the field `lhcUserId` and the operator who has the LHC user
   */
  claim(tenant: TenantId, username: Username, lhcUserId: number): Promise<NewClaim>;
  /** Releases these claims. A claim that was renewed since stays. */
  release(tenant: TenantId, claims: readonly ClaimId[]): Promise<void>;
  /** Releases the claims of a request that failed. A claim stays if the operator is registered with it. */
  giveBack(tenant: TenantId, claims: readonly NewClaim[]): Promise<void>;
}

interface LhcUsersOptions {
  readonly actors: Actors;
  /** Registered operators of a tenant, as far as this process has read the log. */
  readonly operatorsOf: (tenant: TenantId) => readonly Username[];
  /** Resolves when this process has read the log to its end. */
  readonly caughtUp: () => Promise<void>;
  readonly now: () => number;
  readonly logger: Logger;
}

const send = ({ actors }: LhcUsersOptions, tenant: TenantId, command: ClaimCommand) =>
  actors.tenant(tenant).send(command);

async function claimsIn({ actors }: LhcUsersOptions, tenant: TenantId) {
  const state = await actors.tenant(tenant).latest();
  return state?.context.lhcUsers ?? NO_LHC_USERS;
}

/** The LHC user that an operator is registered with, as the operator's stream is now. */
async function registeredWith(
  { actors }: LhcUsersOptions,
  tenant: TenantId,
  username: Username,
): Promise<number | null> {
  const state = await actors.operator(tenant, username).latest();
  return state?.context.registered ? state.context.lhcUserId : null;
}

async function begin(options: LhcUsersOptions, tenant: TenantId): Promise<void> {
  const { operatorsOf, caughtUp, logger } = options;
  if ((await claimsIn(options, tenant)).begun) return;
  await caughtUp();
  const registered: { lhcUserId: number; username: Username }[] = [];
  const owners = new Map<number, Username>();
  for (const username of operatorsOf(tenant)) {
    const lhcUserId = await registeredWith(options, tenant, username);
    if (lhcUserId === null) continue;
    registered.push({ lhcUserId, username });
    const owner = owners.get(lhcUserId);
    if (owner === undefined) owners.set(lhcUserId, username);
    else {
      const operators = [owner, username];
      logger.warn({ tenant, lhcUserId, operators }, 'two operators have the same LHC user');
    }
  }
  for (let from = 0; from === 0 || from < registered.length; from += BEGIN_CLAIMS_AT_ONCE) {
    const part = registered.slice(from, from + BEGIN_CLAIMS_AT_ONCE);
    const last = from + BEGIN_CLAIMS_AT_ONCE >= registered.length;
    await send(options, tenant, { type: 'BeginLhcUserClaims', registered: part, last });
  }
}

const conflict = (lhcUserId: number, operator: Username, isRegistered: boolean): AppError =>
  new AppError(
    'conflict',
    isRegistered
      ? `LHC user ${lhcUserId} belongs to operator ${operator}`
      : `LHC user ${lhcUserId} is being given to operator ${operator}; try again in a minute`,
    { field: 'lhcUserId', operator },
  );

/** Makes registrations with this LHC user that are under way void. @throws {AppError} `refused` if one is complete */
const revoke = ({ actors }: LhcUsersOptions, tenant: TenantId, { username, lhcUserId }: ClaimId) =>
  actors.operator(tenant, username).send({ type: 'RevokeLhcUser', lhcUserId });

/** Makes a stale claim of another operator void. @throws {AppError} `conflict` if that operator uses the claim */
async function takeOver(options: LhcUsersOptions, tenant: TenantId, claim: Claim): Promise<void> {
  const { lhcUserId, username, at } = claim;
  const isRegistered = (await registeredWith(options, tenant, username)) === lhcUserId;
  if (isRegistered || options.now() - at <= CLAIM_STALE_MS) {
    throw conflict(lhcUserId, username, isRegistered);
  }
  try {
    // A paused process may still be about to register that operator.
    await revoke(options, tenant, claim);
  } catch (error) {
    throw isRefused(error) ? conflict(lhcUserId, username, true) : error;
  }
}

async function claim(
  options: LhcUsersOptions,
  tenant: TenantId,
  username: Username,
  lhcUserId: number,
): Promise<NewClaim> {
  for (let attempt = 1; attempt <= CLAIM_ATTEMPTS; attempt++) {
    const current = claimOf(await claimsIn(options, tenant), lhcUserId);
    if (current && current.username !== username) await takeOver(options, tenant, current);
    const over = current?.revision ?? null;
    try {
      // The revision comes from this command. A later look could find the claim of another request for the operator.
      const { revision } = await send(options, tenant, {
        type: 'ClaimLhcUser',
        lhcUserId,
        username,
        over,
      });
      return { lhcUserId, username, revision, renewed: current?.username === username };
    } catch (error) {
      if (!isRefused(error)) throw error;
      // Another request has claimed the LHC user since the look.
    }
  }
  throw new AppError('overloaded', `other requests keep claiming LHC user ${lhcUserId}`);
}

async function release(
  options: LhcUsersOptions,
  tenant: TenantId,
  claims: readonly ClaimId[],
): Promise<void> {
  for (const { lhcUserId, username, revision } of claims) {
    await send(options, tenant, { type: 'ReleaseLhcUser', lhcUserId, username, revision });
  }
}

async function giveBack(
  options: LhcUsersOptions,
  tenant: TenantId,
  claims: readonly NewClaim[],
): Promise<void> {
  for (const claim of claims) {
    try {
      // Without this another request for the operator could register it with an LHC user that is free by then.
      if (claim.renewed) await revoke(options, tenant, claim);
    } catch (error) {
      if (!isRefused(error)) throw error;
      continue;
    }
    await release(options, tenant, [claim]);
  }
}

export function createLhcUsers(options: LhcUsersOptions): LhcUsers {
  /** Tenants whose claims have begun, or are beginning. */
  const begun = new Map<TenantId, Promise<void>>();
  return {
    begin(tenant) {
      const present = begun.get(tenant);
      if (present) return present;
      const work = begin(options, tenant).catch((error) => {
        begun.delete(tenant);
        throw error;
      });
      begun.set(tenant, work);
      return work;
    },
    async of(tenant, username) {
      const { claims } = await claimsIn(options, tenant);
      return claims.filter((each) => each.username === username);
    },
    claim: (tenant, username, lhcUserId) => claim(options, tenant, username, lhcUserId),
    release: (tenant, claims) => release(options, tenant, claims),
    giveBack: (tenant, claims) => giveBack(options, tenant, claims),
  };
}
