/**
 * Which operator an LHC user belongs to. No transaction spans two operators' streams, so the tenant's stream decides:
 * an LHC user is claimed there before an operator is registered with it (docs/adr/0013).
 */
import type { Username } from '../ids.ts';
import { type EventOf, type FactOf, refuse } from '../machine/decider.ts';

export type ClaimFacts = {
  /** Also said again by the operator that has it: a look at the claim before that is a look at another claim. */
  LhcUserClaimed: { lhcUserId: number; username: Username };
  LhcUserReleased: { lhcUserId: number; username: Username };
  /** From here on every registered operator has a claim; installations that are older made theirs just before. */
  LhcUserClaimsBegun: Record<never, never>;
};

export type Claim = {
  readonly lhcUserId: number;
  readonly username: Username;
  /** ms since 1970 */
  readonly at: number;
  /** Of the fact that made it: what tells two claims of the same operator apart. */
  readonly revision: number;
};

export type LhcUsers = {
  readonly begun: boolean;
  /** By LHC user id: a copy of a sorted list costs microseconds, one of an object with 10,000 keys 4 ms (measured). */
  readonly claims: readonly Claim[];
};

export const NO_LHC_USERS: LhcUsers = { begun: false, claims: [] };

type ClaimEvent = EventOf<ClaimFacts>;

/** Where the claim of this LHC user is in the list, or would be. */
function placeOf(claims: readonly Claim[], lhcUserId: number): { index: number; found: number } {
  let low = 0;
  let high = claims.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((claims[middle]?.lhcUserId ?? 0) < lhcUserId) low = middle + 1;
    else high = middle;
  }
  return { index: low, found: claims[low]?.lhcUserId === lhcUserId ? 1 : 0 };
}

/** The claims after a fact. */
export function lhcUsersAfter(known: LhcUsers, event: ClaimEvent): LhcUsers {
  switch (event.type) {
    case 'LhcUserClaimed': {
      const { at, revision } = event;
      const { lhcUserId, username } = event.data;
      const { index, found } = placeOf(known.claims, lhcUserId);
      const claim = { lhcUserId, username, at, revision };
      return { ...known, claims: known.claims.toSpliced(index, found, claim) };
    }
    case 'LhcUserReleased': {
      const { index, found } = placeOf(known.claims, event.data.lhcUserId);
      return { ...known, claims: known.claims.toSpliced(index, found) };
    }
    case 'LhcUserClaimsBegun':
      return { ...known, begun: true };
  }
}

/** Who has this LHC user; null when nobody does. */
export function claimOf({ claims }: LhcUsers, lhcUserId: number): Claim | null {
  const { index, found } = placeOf(claims, lhcUserId);
  return found ? (claims[index] ?? null) : null;
}

export type ClaimCommand =
  /** @param over the revision of the claim that it replaces (its own, or one that was never used); null: there is none */
  | { type: 'ClaimLhcUser'; lhcUserId: number; username: Username; over: number | null }
  /** Nothing, when it is not this very claim any more. @param revision of the claim */
  | { type: 'ReleaseLhcUser'; lhcUserId: number; username: Username; revision: number }
  /** @param last nothing comes behind these */
  | {
      type: 'BeginLhcUserClaims';
      registered: readonly { lhcUserId: number; username: Username }[];
      last: boolean;
    };

type ClaimFact = FactOf<ClaimFacts>;

/** @throws {AppError} `refused` for an LHC user whose claim is not the one that was seen */
export function decideClaim(known: LhcUsers, command: ClaimCommand): readonly ClaimFact[] {
  switch (command.type) {
    case 'ClaimLhcUser': {
      const { lhcUserId, username, over } = command;
      const claim = claimOf(known, lhcUserId);
      if ((claim?.revision ?? null) !== over) {
        return refuse(`LHC user ${lhcUserId} belongs to operator ${claim?.username ?? 'nobody'}`, {
          field: 'lhcUserId',
        });
      }
      return [{ type: 'LhcUserClaimed', data: { lhcUserId, username } }];
    }
    case 'ReleaseLhcUser': {
      const { lhcUserId, username, revision } = command;
      const claim = claimOf(known, lhcUserId);
      if (claim?.username !== username || claim.revision !== revision) return [];
      return [{ type: 'LhcUserReleased', data: { lhcUserId, username } }];
    }
    case 'BeginLhcUserClaims': {
      if (known.begun) return [];
      const facts: ClaimFact[] = [];
      const claimed = new Set<number>();
      for (const { lhcUserId, username } of command.registered) {
        // Two of an older release may have the same one: the first keeps it.
        if (claimed.has(lhcUserId) || claimOf(known, lhcUserId)) continue;
        claimed.add(lhcUserId);
        facts.push({ type: 'LhcUserClaimed', data: { lhcUserId, username } });
      }
      if (command.last) facts.push({ type: 'LhcUserClaimsBegun', data: {} });
      return facts;
    }
  }
}
