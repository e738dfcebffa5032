/** The decider of each kind of actor, and the key that seals its personal data. */
import type { ActorKind, ActorRef } from '../../actors/ids.ts';
import type { Decider } from '../../actors/machine/decider.ts';
import { operatorDecider } from '../../actors/operator/decisions.ts';
import { tenantDecider } from '../../actors/tenant/machine.ts';
import { visitorDecider } from '../../actors/visitor/decisions.ts';

// biome-ignore lint/suspicious/noExplicitAny: commands and snapshots of different kinds meet here; dispatch types them
type AnyDecider = Decider<any, any>;

export const DECIDERS: Record<ActorKind, AnyDecider> = {
  visitor: visitorDecider,
  operator: operatorDecider,
  tenant: tenantDecider,
};

/** Whose key seals an actor's personal data: a visitor's own, else its tenant's. */
export const keyOf = (actor: ActorRef): string =>
  actor.kind === 'visitor' ? `${actor.tenant}.${actor.name}` : actor.tenant;
