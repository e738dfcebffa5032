/**
 * src/actors/tenant: a tenant, that is, one LHC installation or one instance of a hosting. Every part of the service may
 * import it.
 *
 * This file is the entry point of the actor: its configuration and its removal (`configuration.ts`), whether callbacks are
 * paused, which operator each LHC user belongs to (`lhc-user-claims.ts`), and the team's canned texts (`canned-texts.ts`). `settings.ts` has the schema of what people
 * write, `tenant.ts` is a tenant as the service knows it, and `directory.ts` finds tenants by id and host.
 */
import { assign, type SnapshotFrom, setup } from 'xstate';
import type { Core, Decider, EventOf, FactOf } from '../machine/decider.ts';
import {
  type CannedCommand,
  type CannedFacts,
  type CannedPersonal,
  type CannedTexts,
  cannedAfter,
  decideCanned,
} from './canned-texts.ts';
import {
  type ConfigurationCommand,
  type ConfigurationFacts,
  type ConfigurationPersonal,
  type Configured,
  configuredAfter,
  decideConfiguration,
  isOfConfiguration,
  NOT_CONFIGURED,
} from './configuration.ts';
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
} & ClaimFacts &
  CannedFacts &
  ConfigurationFacts;
export type TenantPersonal = ConfigurationPersonal & CannedPersonal;
export type TenantFact = FactOf<TenantFacts, TenantPersonal>;
type TenantEvent = EventOf<TenantFacts>;

export type TenantContext = {
  pausedEndpoint: string | null;
  claims: Claims;
  canned: CannedTexts;
} & Configured;

/** Raise it when recorded histories fold differently (test/actors/golden). */
const TENANT_VERSION = 'tenant/4';

/** The lanes go on while a tenant is being removed, so callbacks may be paused then too. */
const pausesInPlace = {
  CallbacksPaused: { actions: 'followPause' },
  CallbacksResumed: { actions: 'followPause' },
} as const;

const tenantMachine = setup({
  // `types` is how xstate takes its types: values that are never read.
  types: {} as { context: TenantContext; events: TenantEvent },
  actions: {
    followConfiguration: assign(({ context, event }) =>
      isOfConfiguration(event) ? configuredAfter(context, event) : {},
    ),
    followPause: assign(({ event }) => ({
      pausedEndpoint: event.type === 'CallbacksPaused' ? event.data.endpoint : null,
    })),
    followClaims: assign(({ context, event }) =>
      event.type === 'LhcUserClaimed' ? { claims: claimsAfter(context.claims, event) } : {},
    ),
    followCanned: assign(({ context, event }) =>
      event.type === 'CannedTextSaved' || event.type === 'CannedTextRemoved'
        ? { canned: cannedAfter(context.canned, event) }
        : {},
    ),
    forgetCanned: assign({ canned: {} }),
  },
}).createMachine({
  id: 'tenant',
  initial: 'active',
  context: { pausedEndpoint: null, claims: [], canned: {}, ...NOT_CONFIGURED },
  states: {
    active: {},
    paused: {},
    removing: { on: pausesInPlace },
    removed: {
      on: {
        ...pausesInPlace,
        TenantConfigured: { target: 'active', actions: 'followConfiguration' },
      },
    },
  },
  on: {
    TenantConfigured: { actions: 'followConfiguration' },
    TenantKeysChanged: { actions: 'followConfiguration' },
    TenantRemovalBegun: { target: '.removing', actions: 'followConfiguration' },
    TenantRemoved: {
      target: '.removed',
      actions: ['followConfiguration', 'followPause', 'forgetCanned'],
    },
    CallbacksPaused: { target: '.paused', actions: 'followPause' },
    CallbacksResumed: { target: '.active', actions: 'followPause' },
    LhcUserClaimed: { actions: 'followClaims' },
    CannedTextSaved: { actions: 'followCanned' },
    CannedTextRemoved: { actions: 'followCanned' },
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
  | ConfigurationCommand
  | ClaimCommand
  | CannedCommand;

export const tenantDecider: Decider<TenantCommand, TenantSnapshot> = {
  version: TENANT_VERSION,
  machine: tenantMachine,
  decide(core, command, { now }): readonly TenantFact[] {
    const { pausedEndpoint, claims, canned, configuration, removal } = core.snapshot.context;
    if (command.type === 'ClaimLhcUser') return decideClaim(claims, command);
    if (command.type === 'SaveCannedText' || command.type === 'RemoveCannedText') {
      return decideCanned(canned, removal !== null, command);
    }
    if (command.type !== 'PauseCallbacks' && command.type !== 'ResumeCallbacks') {
      return decideConfiguration({ configuration, removal }, command, now);
    }
    const { type, endpoint } = command;
    if (type === 'PauseCallbacks') {
      return pausedEndpoint === endpoint ? [] : [{ type: 'CallbacksPaused', data: { endpoint } }];
    }
    return pausedEndpoint === null || pausedEndpoint === endpoint
      ? []
      : [{ type: 'CallbacksResumed', data: { endpoint } }];
  },
};
