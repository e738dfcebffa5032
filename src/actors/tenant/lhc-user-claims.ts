/**
 * Which operator an LHC user belongs to. No transaction spans two operators' streams, so the tenant's stream decides: an
 * LHC user is claimed here before an operator is registered with it (docs/adr/0013).
 */
import { AppError } from '../../errors.ts';
import type { Username } from '../ids.ts';
import { type EventOf, type FactOf, refuse } from '../machine/decider.ts';

/** LHC users that one tenant can claim. A claim stays for good, and a request that fails leaves one too. */
export const MAX_LHC_USERS = 100_000;

export type ClaimFacts = {
  /** `operatorRevision`: the newest revision of the operator's stream that a registration with this claim expects. */
  LhcUserClaimed: { lhcUserId: number; username: Username; operatorRevision: number };
};

/** A claim stays when the operator is removed or gets another LHC user. Another operator may take it over then. */
export type Claim = {
  readonly lhcUserId: number;
  readonly username: Username;
  readonly operatorRevision: number;
  /** ms since 1970 */
  readonly at: number;
  /** Revision of the fact. It distinguishes two claims of the same operator. */
  readonly revision: number;
};

/**
 * Sorted by LHC user: a copy of a sorted list costs microseconds, a copy of an object with 10,000 keys 4 ms (measured).
 */
export type Claims = readonly Claim[];

/** The index of this LHC user's claim in the list, or the index to insert it at. */
function placeOf(claims: Claims, lhcUserId: number): { index: number; found: boolean } {
  let low = 0;
  let high = claims.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((claims[middle]?.lhcUserId ?? 0) < lhcUserId) low = middle + 1;
    else high = middle;
  }
  return { index: low, found: claims[low]?.lhcUserId === lhcUserId };
}

export function claimsAfter(claims: Claims, event: EventOf<ClaimFacts>): Claims {
  const { at, revision } = event;
  const { lhcUserId, username, operatorRevision } = event.data;
  const { index, found } = placeOf(claims, lhcUserId);
  const claim = { lhcUserId, username, operatorRevision, at, revision };
  return claims.toSpliced(index, found ? 1 : 0, claim);
}

/** The claim of this LHC user; null if nobody has ever claimed it. */
export function claimOf(claims: Claims, lhcUserId: number): Claim | null {
  const { index, found } = placeOf(claims, lhcUserId);
  return found ? (claims[index] ?? null) : null;
}

/** @property over the revision of the claim that the caller has seen; null if there was none */
export type ClaimCommand = {
  type: 'ClaimLhcUser';
  lhcUserId: number;
  username: Username;
  operatorRevision: number;
  over: number | null;
};

/**
 * @throws {AppError} `refused` if the present claim is not the one that the caller has seen; `invalid` if the tenant has
 * {@link MAX_LHC_USERS} claims
 */
export function decideClaim(claims: Claims, command: ClaimCommand): readonly FactOf<ClaimFacts>[] {
  const { lhcUserId, username, operatorRevision, over } = command;
  const claim = claimOf(claims, lhcUserId);
  if ((claim?.revision ?? null) !== over) {
    const owner = claim?.username ?? 'nobody';
    return refuse(`operator ${owner} has claimed LHC user ${lhcUserId}`, { field: 'lhcUserId' });
  }
  if (!claim && claims.length >= MAX_LHC_USERS) {
    throw new AppError('invalid', `this tenant has claimed ${MAX_LHC_USERS} LHC users, the most`, {
      field: 'lhcUserId',
    });
  }
  // Another request for the same operator may have seen a newer revision, and its registration may be under way.
  const latest =
    claim?.username === username
      ? Math.max(claim.operatorRevision, operatorRevision)
      : operatorRevision;
  return [{ type: 'LhcUserClaimed', data: { lhcUserId, username, operatorRevision: latest } }];
}
