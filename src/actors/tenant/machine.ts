/**
 * src/actors/tenant: a tenant, that is, one LHC installation or one instance of a hosting. Every part of the service may
 * import it.
 *
 * This file is the entry point of the actor: whether callbacks are paused, and which operator each LHC user belongs to
 * (`lhc-user-claims.ts`). `settings.ts` has the schema of a tenant's configuration, and `directory.ts` finds tenants by id
 * and host.
 */
import { assign, type SnapshotFrom, setup } from 'xstate';
import type { Core, Decider, EventOf, FactOf } from '../machine/decider.ts';
import {
  type ClaimCommand,
  type ClaimFacts,
  type Claims,
  claimsAfter,
  decideClaim,
} from './lhc-user-claims.ts';

export type TenantFacts = {
  /** The callback endpoint answered 410. Callbacks stay paused until the endpoint's settings change. */
  CallbacksPaused: { endpoint: string };
  CallbacksResumed: { endpoint: string };
} & ClaimFacts;
export type TenantFact = FactOf<TenantFacts>;
type TenantEvent = EventOf<TenantFacts>;

export type TenantContext = { pausedEndpoint: string | null; claims: Claims };

/** Raise it when recorded histories fold differently (test/actors/golden). */
const TENANT_VERSION = 'tenant/2';

const tenantMachine = setup({
  // `types` is how xstate takes its types: values that are never read.
  types: {} as { context: TenantContext; events: TenantEvent },
  actions: {
    followClaims: assign(({ context, event }) =>
      event.type === 'LhcUserClaimed' ? { claims: claimsAfter(context.claims, event) } : {},
    ),
  },
}).createMachine({
  id: 'tenant',
  initial: 'active',
  context: { pausedEndpoint: null, claims: [] },
  states: { active: {}, paused: {} },
  on: {
    CallbacksPaused: {
      target: '.paused',
      actions: assign(({ event }) => ({ pausedEndpoint: event.data.endpoint })),
    },
    CallbacksResumed: { target: '.active', actions: assign({ pausedEndpoint: null }) },
    LhcUserClaimed: { actions: 'followClaims' },
  },
});

type TenantSnapshot = SnapshotFrom<typeof tenantMachine>;

export interface TenantState {
  readonly context: TenantContext;
}

export const tenantState = ({ snapshot }: Core<TenantSnapshot>): TenantState => ({
  context: snapshot.context,
});

/** @property endpoint a fingerprint of the callback's address and secret */
export type TenantCommand =
  | { type: 'PauseCallbacks'; endpoint: string }
  | { type: 'ResumeCallbacks'; endpoint: string }
  | ClaimCommand;

export const tenantDecider: Decider<TenantCommand, TenantSnapshot> = {
  version: TENANT_VERSION,
  machine: tenantMachine,
  decide(core, command): readonly TenantFact[] {
    const { pausedEndpoint, claims } = core.snapshot.context;
    if (command.type === 'ClaimLhcUser') return decideClaim(claims, command);
    const { type, endpoint } = command;
    if (type === 'PauseCallbacks') {
      return pausedEndpoint === endpoint ? [] : [{ type: 'CallbacksPaused', data: { endpoint } }];
    }
    return pausedEndpoint === null || pausedEndpoint === endpoint
      ? []
      : [{ type: 'CallbacksResumed', data: { endpoint } }];
  },
};
