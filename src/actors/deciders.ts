/** The decider of each kind of actor. */
import type { ActorKind } from './ids.ts';
import type { Decider } from './machine/decider.ts';
import { operatorDecider } from './operator/decisions.ts';
import { tenantDecider } from './tenant/machine.ts';
import { visitorDecider } from './visitor/decisions.ts';

// biome-ignore lint/suspicious/noExplicitAny: commands and snapshots of different kinds meet here; callers know the kind
type AnyDecider = Decider<any, any>;

export const DECIDERS: Readonly<Record<ActorKind, AnyDecider>> = {
  visitor: visitorDecider,
  operator: operatorDecider,
  tenant: tenantDecider,
};
