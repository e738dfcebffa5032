/** The kinds of actors there are: who decides for each, whom an order is for, and whose key seals what it says. */
import type { ActorKind, ActorRef, TenantId } from '../../actors/ids.ts';
import type { Decider } from '../../actors/machine/decider.ts';
import { operatorDecider } from '../../actors/operator/decisions.ts';
import { tenantDecider } from '../../actors/tenant/machine.ts';
import { visitorDecider } from '../../actors/visitor/decisions.ts';
import type { Order } from '../ports.ts';

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

/** The actor that an order is for. */
export const refOf = (tenant: TenantId, order: Order): ActorRef =>
  order.kind === 'tenant'
    ? { kind: 'tenant', tenant }
    : order.kind === 'visitor'
      ? { kind: 'visitor', tenant, name: order.name }
      : { kind: 'operator', tenant, name: order.name };
