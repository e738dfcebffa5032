/** The names of visitors by their addresses, also of those whom operators do not see now. */
import { personOf } from '../../actors/ids.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { PersonalData } from '../personal-data.ts';
import { nickOf } from '../texts/presence-text.ts';

/** @returns null if there is no such visitor, or if they are gone */
export const createVisitorNames =
  ({
    tenants,
    actors,
    personal,
  }: {
    readonly tenants: Pick<TenantDirectory, 'ofHost'>;
    readonly actors: Pick<Actors, 'visitor'>;
    readonly personal: Pick<PersonalData, 'profileOf'>;
  }) =>
  async (jid: string): Promise<string | null> => {
    const person = personOf(jid, tenants.ofHost);
    if (person?.kind !== 'visitor') return null;
    const { tenant, name } = person;
    const state = await actors.visitor(tenant, name).state();
    if (!state || state.presence === 'cleanedUp') return null;
    const { profile } = await personal.profileOf(tenant, name, state);
    return nickOf(name, profile);
  };
