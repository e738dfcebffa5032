/**
 * LHC users and the operators that they are: claimed on the tenant's stream before an operator is registered with one
 * (docs/adr/0013). Right for any number of processes, because each step expects what was seen before it.
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

/** A claim with which nobody was registered by then was left by a crash. */
const STALE_MS = 60_000;
/** Claims of older releases that are made at once: well below what one append takes. */
const BEGIN_AT_ONCE = 500;
const MOST_TRIES = 8;

/** What tells a claim from all others. */
export type HeldClaim = Omit<Claim, 'at'>;
/** `renewed`: in place of one of the same operator, which another request may be about to use, or has used. */
export type MadeClaim = HeldClaim & { readonly renewed: boolean };

export interface LhcUsers {
  /** Makes the claims of operators that are older than claims are. Does nothing the second time, in any process. */
  begin(tenant: TenantId): Promise<void>;
  /** The claims that an operator has. */
  of(tenant: TenantId, username: Username): Promise<readonly HeldClaim[]>;
  /**
   * Claims an LHC user, also one that this operator has claimed already: a look at that claim is out of date then. To
   * be called behind the look at the operator's stream that its registration is decided by.
   * @throws {AppError} `conflict` with the field `lhcUserId`, and who has it
   */
  claim(tenant: TenantId, username: Username, lhcUserId: number): Promise<MadeClaim>;
  /** Gives these very claims back; what was claimed anew since stays. */
  release(tenant: TenantId, claims: readonly HeldClaim[]): Promise<void>;
  /** The same of claims that came to nothing: one that somebody's registration stands on is kept. */
  giveBack(tenant: TenantId, claims: readonly MadeClaim[]): Promise<void>;
}

export function createLhcUsers(options: {
  actors: Actors;
  /** Registered operators of a tenant, as far as this process has read the log. */
  operatorsOf: (tenant: TenantId) => readonly Username[];
  /** Resolves when the log was read up to its end. */
  caughtUp: () => Promise<void>;
  now: () => number;
  logger: Logger;
}): LhcUsers {
  const { actors, operatorsOf, caughtUp, now, logger } = options;
  const begun = new Map<TenantId, Promise<void>>();

  const command = (tenant: TenantId, wish: ClaimCommand) => actors.tenant(tenant).send(wish);

  async function known(tenant: TenantId) {
    const state = await actors.tenant(tenant).latest();
    return state?.context.lhcUsers ?? NO_LHC_USERS;
  }

  /** The LHC user that an operator is registered with, as its stream is now. */
  async function registeredWith(tenant: TenantId, username: Username): Promise<number | null> {
    const state = await actors.operator(tenant, username).latest();
    return state?.context.registered ? state.context.lhcUserId : null;
  }

  async function makeOlder(tenant: TenantId): Promise<void> {
    if ((await known(tenant)).begun) return;
    await caughtUp();
    const registered: { lhcUserId: number; username: Username }[] = [];
    const first = new Map<number, Username>();
    for (const username of operatorsOf(tenant)) {
      const lhcUserId = await registeredWith(tenant, username);
      if (lhcUserId === null) continue;
      registered.push({ lhcUserId, username });
      const other = first.get(lhcUserId);
      if (other === undefined) first.set(lhcUserId, username);
      else logger.warn({ tenant, lhcUserId, operators: [other, username] }, 'an LHC user twice');
    }
    for (let from = 0; from === 0 || from < registered.length; from += BEGIN_AT_ONCE) {
      const part = registered.slice(from, from + BEGIN_AT_ONCE);
      const last = from + BEGIN_AT_ONCE >= registered.length;
      await command(tenant, { type: 'BeginLhcUserClaims', registered: part, last });
    }
  }

  /** @throws {AppError} `conflict` unless this claim of another operator may be taken over */
  async function takeOver(tenant: TenantId, { lhcUserId, username, at }: Claim): Promise<void> {
    const used = (await registeredWith(tenant, username)) === lhcUserId;
    if (used || now() - at <= STALE_MS) throw taken(lhcUserId, username, used);
    try {
      // Its registration may be under way all the same, after a pause: from here on it is void.
      await revoke(tenant, username, lhcUserId);
    } catch (error) {
      throw isRefused(error) ? taken(lhcUserId, username, true) : error;
    }
  }

  async function release(tenant: TenantId, claims: readonly HeldClaim[]): Promise<void> {
    for (const { lhcUserId, username, revision } of claims) {
      await command(tenant, { type: 'ReleaseLhcUser', lhcUserId, username, revision });
    }
  }

  /** A registration that is under way with this LHC user is void from here on. @throws where it is done already */
  const revoke = (tenant: TenantId, name: Username, lhcUserId: number) =>
    actors.operator(tenant, name).send({ type: 'RevokeLhcUser', lhcUserId });

  return {
    begin(tenant) {
      const known = begun.get(tenant);
      if (known) return known;
      const work = makeOlder(tenant).catch((error) => {
        begun.delete(tenant);
        throw error;
      });
      begun.set(tenant, work);
      return work;
    },
    of: async (tenant, username) =>
      (await known(tenant)).claims.filter((claim) => claim.username === username),
    async claim(tenant, username, lhcUserId) {
      for (let tries = 1; tries <= MOST_TRIES; tries++) {
        const current = claimOf(await known(tenant), lhcUserId);
        if (current && current.username !== username) await takeOver(tenant, current);
        const over = current?.revision ?? null;
        try {
          const wish = { type: 'ClaimLhcUser', lhcUserId, username, over } as const;
          // Of this very claim: a look at it now could see that of another request for the same operator.
          const { revision } = await command(tenant, wish);
          return { lhcUserId, username, revision, renewed: current?.username === username };
        } catch (error) {
          if (!isRefused(error)) throw error; // else it was claimed in between: look again
        }
      }
      throw new AppError('overloaded', `LHC user ${lhcUserId} is claimed by others all the time`);
    },
    release,
    async giveBack(tenant, claims) {
      for (const claim of claims) {
        const { lhcUserId, username, renewed } = claim;
        try {
          // Released alone, another request of the same operator would register with what is anybody's by then.
          if (renewed) await revoke(tenant, username, lhcUserId);
        } catch (error) {
          if (!isRefused(error)) throw error;
          continue;
        }
        await release(tenant, [claim]);
      }
    },
  };
}

const taken = (lhcUserId: number, username: Username, used: boolean): AppError =>
  new AppError(
    'conflict',
    used
      ? `LHC user ${lhcUserId} belongs to operator ${username}`
      : `LHC user ${lhcUserId} is being given to operator ${username}; try again in a minute`,
    { field: 'lhcUserId', operator: username },
  );
