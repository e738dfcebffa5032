/** People who work in LHC's own pages: which operator an LHC user is, and what LHC says of them (docs/adr/0044). */
import type { TenantId, Username } from '../../actors/ids.ts';
import { claimOf } from '../../actors/tenant/lhc-user-claims.ts';
import type { LhcPeople } from '../../runtime/lhc-ports.ts';
import type { Actors } from '../../runtime/ports.ts';

interface Known {
  readonly operator: Username | null;
  readonly isOnline: boolean;
}

const NOBODY: Known = { operator: null, isOnline: false };

export function createLhcPeople(actors: Actors): LhcPeople {
  /** The registered operator who this LHC user is. The latest states: another process may have registered them just now. */
  async function knownAs(tenant: TenantId, lhcUserId: number): Promise<Known> {
    if (lhcUserId < 1) return NOBODY;
    const claims = (await actors.tenant(tenant).latest())?.context.claims ?? [];
    const claim = claimOf(claims, lhcUserId);
    if (!claim) return NOBODY;
    const { username } = claim;
    const state = await actors.operator(tenant, username).latest();
    if (!state?.context.registered || state.context.lhcUserId !== lhcUserId) return NOBODY;
    return { operator: username, isOnline: state.availability !== 'offline' };
  }

  return {
    async owner(tenant, key, wish, origin) {
      const person = await knownAs(tenant, wish.lhcUserId);
      return actors.visitor(tenant, key).send({ type: 'SetOwner', ...wish, ...person }, origin);
    },
    async message(tenant, key, { id: messageId, ...wish }, origin) {
      const person = await knownAs(tenant, wish.lhcUserId);
      const command = { type: 'WriteInLhc', messageId, ...wish, ...person } as const;
      return actors.visitor(tenant, key).send(command, origin);
    },
  };
}
