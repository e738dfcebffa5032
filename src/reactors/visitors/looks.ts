/** What operators see of a visitor, from their state and their personal data. */
import type { Tenant } from '../../actors/tenant/tenant.ts';
import type { VisitorState } from '../../actors/visitor/state.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { VisitorPresence } from '../../xmpp/port.ts';
import type { OperatorNames } from '../operator-names.ts';
import type { PersonalData } from '../personal-data.ts';
import { presenceOf } from '../texts/presence-text.ts';
import type { Visitor } from './desired.ts';

export interface Look {
  readonly state: VisitorState;
  readonly presence: VisitorPresence;
}

/** @returns null for a visitor without facts */
export type LookOf = (tenant: Tenant, visitor: Visitor) => Promise<Look | null>;

export interface LooksOptions {
  readonly actors: Actors;
  readonly personal: PersonalData;
  readonly names: Pick<OperatorNames, 'of'>;
}

export const createLooks =
  ({ actors, personal, names }: LooksOptions): LookOf =>
  async (tenant, { tenant: id, key }) => {
    const state = await actors.visitor(id, key).state();
    if (!state) return null;
    const profile = await personal.profileOf(id, key, state);
    const { of: nameOf } = await names.of(id);
    const inLhc = await personal.ownerInLhc(id, key, state, nameOf);
    return {
      state,
      presence: presenceOf(key, profile, state, {
        nameOf,
        inLhc,
        ...tenant.presence,
        flavour: tenant.callbackFlavour,
      }),
    };
  };
