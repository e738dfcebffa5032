/** The names of visitors by their addresses, also of those whom operators do not see now; and of desks. */
import { deskOf, personOf } from '../../actors/ids.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { PersonalData } from '../personal-data.ts';
import { DESK_NAME, nickOf } from '../texts/presence-text.ts';

/** @returns null if there is no such visitor or desk, or if the visitor is gone */
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
    // Another process may show the desk, or nobody yet.
    if (deskOf(jid, tenants.ofHost) !== null) return DESK_NAME;
    const person = personOf(jid, tenants.ofHost);
    if (person?.kind !== 'visitor') return null;
    const { tenant, name } = person;
    const state = await actors.visitor(tenant, name).state();
    if (!state || state.presence === 'cleanedUp') return null;
    const { profile } = await personal.profileOf(tenant, name, state);
    return nickOf(name, profile);
  };
