/**
 * The lane to LHC: facts as signed callbacks, in order (docs/contracts.md). This is the entry of `lhc/`; only the
 * composition (src/service) imports it.
 */
import { createHmac } from 'node:crypto';
import {
  type ActorRef,
  actorOf,
  type TenantId,
  type Username,
  type VisitorKey,
} from '../../actors/ids.ts';
import { callbackEndpoint } from '../../actors/tenant/callback-endpoint.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { messageOf } from '../../errors.ts';
import type { RecordedEvent } from '../../eventstore/port.ts';
import { FILE_LOOK_MS, FILE_PENDING, LOOKS_AT_NOTHING, type LookAtFile } from '../../files/look.ts';
import type { RetryPolicy } from '../../kit/backoff.ts';
import { type BreakerPolicy, createBreakers } from '../../kit/breaker.ts';
import type { CallbackClient } from '../../lhc/callback-client.ts';
import type { Callback } from '../../lhc/callback-types.ts';
import type { Destination, Outcome } from '../../runtime/lanes/destination.ts';
import { withoutTenant } from '../../runtime/lanes/unknown-tenant.ts';
import { reportAnswer, retractionIn, writtenIn } from './answers.ts';
import { type Draft, type DraftOptions, draftsOf, LHC_FILTER, operatorOf } from './drafts.ts';
import { FILE_REFUSED, withOperatorFiles } from './operator-files.ts';

/** Waits between the tries of one callback. */
export const CALLBACK_RETRY: RetryPolicy = { firstMs: 500, mostMs: 60_000 };
/** Lanes of different streams that run at the same time. */
export const LHC_LANES_AT_ONCE = 64;
/** When a tenant's LHC counts as away, and how often it is tried then. */
export const LHC_BREAKER: BreakerPolicy = {
  failuresInRow: 3,
  callersInRow: 20,
  retry: { firstMs: 1_000, mostMs: 30_000 },
};
/** Callbacks without a lane that wait for their answer at the same time, for each tenant. What is past the bound is dropped. */
export const EPHEMERAL_AT_ONCE = 8;

/** Why a callback is given up that LHC takes for other visitors. The operator reads it. */
export const UNKNOWN_TO_LHC = 'LHC does not know this visitor';
/** What the operator reads of every other failure. */
export const NOT_TAKEN = 'LHC has not taken it for a day';
/** Until the settings of the tenant change. */
const PAUSED: Outcome = {
  kind: 'parked',
  reason: 'callbacks are paused: LHC has answered 410',
  all: true,
};

/** A fingerprint of a tenant's callback settings. Callbacks that were paused resume when it changes. */
function fingerprintOf(tenant: Tenant, digestKey: Buffer): string {
  const { callbackUrl = null, callbackSecret = null, callbackFlavour, restUser, restKey } = tenant;
  // Release 0.1.0 had the native form alone.
  const rest = restKey === undefined ? [] : [restUser, restKey];
  const flavour = callbackFlavour === 'native' ? [] : [callbackFlavour, ...rest];
  return createHmac('sha256', digestKey)
    .update(JSON.stringify([callbackUrl, callbackSecret, ...flavour]))
    .digest('base64url');
}

// A draft has the shape of a callback, but a spread loses the link between `type` and `data`.
const callbackOf = (tenant: TenantId, id: string, at: number, draft: Draft): Callback =>
  ({ id, tenant, at: new Date(at).toISOString(), ...draft }) as Callback;

export interface Callbacks {
  readonly destination: Destination;
  /** Resumes the lanes of tenants whose callback settings changed. Call it at the start. */
  resumeChanged(): Promise<void>;
  /** True if LHC has answered 410 with the settings as they are. */
  isPaused(tenant: Tenant): Promise<boolean>;
  /** Goes on with the callbacks of a tenant whose settings have changed, if they were paused, or its LHC away. */
  tenantChanged(id: TenantId): Promise<void>;
  /**
   * Sends a callback at once or not at all: it has no lane and is not retried. While LHC is away, or slow, it is dropped.
   * @param id for a callback that several processes may send, so that LHC recognises a repeat
   */
  ephemeral(tenant: TenantId, draft: Draft, id?: string): Promise<void>;
  /** As `operatorOf` in drafts.ts. */
  operator(
    tenant: TenantId,
    username: Username,
  ): Promise<{ username: string; lhcUserId: number | null }>;
}

interface CallbacksOptions extends DraftOptions {
  readonly client: CallbackClient;
  readonly tenants: TenantDirectory;
  readonly digestKey: Buffer;
  /** Default: no file is passed on. */
  readonly lookAtFile?: LookAtFile;
  readonly now: () => number;
  readonly monotonic: () => number;
  readonly random: () => number;
  readonly newId: () => string;
  /** A failpoint of tests, between an accepted callback and its progress. */
  readonly afterDelivered?: () => void;
  /** LHC has accepted this callback of the visitor's fact just now. */
  readonly onAccepted?: ((tenant: Tenant, visitor: VisitorKey, draft: Draft) => void) | undefined;
}

async function isPaused({ actors, digestKey }: CallbacksOptions, tenant: Tenant) {
  const state = await actors.tenant(tenant.id).state();
  return state?.context.pausedEndpoint === fingerprintOf(tenant, digestKey);
}

const setPaused = (
  { actors, digestKey }: CallbacksOptions,
  tenant: Tenant,
  type: 'PauseCallbacks' | 'ResumeCallbacks',
) => actors.tenant(tenant.id).send({ type, endpoint: fingerprintOf(tenant, digestKey) });

/**
 * Sends the callbacks of one fact, in order.
 * @param sent callbacks of the fact that an earlier try has sent
 * @returns `done` when LHC has accepted or refused all of them, or has no form for them; `idle` if nothing was sent
 */
async function deliver(
  options: CallbacksOptions,
  tenant: Tenant,
  url: string,
  actor: ActorRef,
  event: RecordedEvent,
  drafts: readonly Draft[],
  sent: number,
): Promise<Outcome> {
  let idle = sent === 0;
  for (const [index, draft] of drafts.entries()) {
    if (index < sent) continue;
    const id = index === 0 ? event.id : `${event.id}.${index}`;
    const answer = await options.client.deliver(
      callbackEndpoint(tenant, url, tenant.source === 'file'),
      callbackOf(tenant.id, id, event.metadata.at, draft),
    );
    if (answer.outcome === 'unsupported') continue;
    idle = false;
    if (answer.outcome === 'accepted' || answer.outcome === 'refused') {
      options.afterDelivered?.();
      if (answer.outcome === 'accepted' && actor.kind === 'visitor')
        options.onAccepted?.(tenant, actor.name, draft);
      await reportAnswer(options.actors, event, answer);
    }
    if (answer.outcome === 'unknown-visitor') return { kind: 'dead', reason: UNKNOWN_TO_LHC };
    if (answer.outcome === 'gone') {
      await setPaused(options, tenant, 'PauseCallbacks');
      return PAUSED;
    }
    if (answer.outcome === 'retry') {
      const { reason, afterMs, away } = answer;
      return { kind: 'retry', reason, afterMs, away, steps: index };
    }
  }
  // The xmppservice wire carries no id.
  return { kind: 'done', idle, unknownAgain: tenant.callbackFlavour !== 'native' };
}

/** LHC will not get what the operator has written: they read why. */
async function reportFailure(
  { actors }: CallbacksOptions,
  event: RecordedEvent,
  cause: string,
): Promise<void> {
  const actor = actorOf(event.stream);
  const written = writtenIn(event) ?? retractionIn(event);
  if (actor?.kind !== 'visitor' || !written) return;
  const { operator, ...what } = written;
  const reason = cause === UNKNOWN_TO_LHC ? cause : NOT_TAKEN;
  await actors
    .operator(actor.tenant, operator)
    .send(
      { type: 'RefuseMessage', visitor: actor.name, ...what, reason },
      { commandId: `not-taken:${event.id}` },
    );
}

async function perform(
  options: CallbacksOptions,
  event: RecordedEvent,
  sent: number,
): Promise<Outcome> {
  const actor = actorOf(event.stream);
  const tenant = actor && options.tenants.get(actor.tenant);
  if (!tenant) {
    const outcome = withoutTenant(actor ? options.tenants.standing(actor.tenant) : 'unknown');
    return outcome.kind === 'retry' ? { ...outcome, away: true } : outcome;
  }
  const { callbackUrl: url } = tenant;
  if (url === undefined) return { kind: 'done', idle: true }; // this tenant wants no callbacks
  if (await isPaused(options, tenant)) return PAUSED;
  try {
    const drafts = await draftsOf(options, actor, event, tenant.callbackFlavour);
    const checked = withOperatorFiles(
      options.lookAtFile ?? LOOKS_AT_NOTHING,
      tenant,
      event,
      drafts,
    );
    if (checked.kind === 'pending') {
      return { kind: 'parked', reason: FILE_PENDING, lookMs: FILE_LOOK_MS };
    }
    if (checked.kind === 'refused') {
      const refusal = { code: FILE_REFUSED, text: checked.reason };
      await reportAnswer(options.actors, event, { outcome: 'refused', refusal });
      return { kind: 'done', idle: true };
    }
    return await deliver(options, tenant, url, actor, event, checked.drafts, sent);
  } catch (error) {
    return { kind: 'retry', reason: messageOf(error) };
  }
}

export function createCallbacks(options: CallbacksOptions): Callbacks {
  const { client, tenants, digestKey, now, newId } = options;
  /** By tenant: the settings of its callbacks as they were known last. */
  const endpoints = new Map<TenantId, string>();
  const breakers = createBreakers(LHC_BREAKER, options);
  /** By tenant: ephemeral callbacks that wait for their answer. */
  const waiting = new Map<TenantId, number>();
  return {
    destination: {
      ...LHC_FILTER,
      concurrency: LHC_LANES_AT_ONCE,
      retry: CALLBACK_RETRY,
      breakers,
      perform: (event, _signal, _again, sent = 0) => perform(options, event, sent),
      reportFailure: (event, reason) => reportFailure(options, event, reason),
    },
    async resumeChanged() {
      for (const tenant of tenants.all()) {
        endpoints.set(tenant.id, fingerprintOf(tenant, digestKey));
        await setPaused(options, tenant, 'ResumeCallbacks');
      }
    },
    isPaused: (tenant) => isPaused(options, tenant),
    async tenantChanged(id) {
      const tenant = tenants.get(id);
      const before = endpoints.get(id);
      if (!tenant) {
        endpoints.delete(id);
        return;
      }
      const endpoint = fingerprintOf(tenant, digestKey);
      endpoints.set(id, endpoint);
      if (before === undefined || before === endpoint) return;
      await setPaused(options, tenant, 'ResumeCallbacks');
      const breaker = breakers.of(id);
      if (!breaker.isClosed) breaker.rest(); // what is known is of the old address
    },
    async ephemeral(tenantId, draft, id = newId()) {
      const breaker = breakers.of(tenantId);
      const tenant = tenants.get(tenantId);
      if (tenant?.callbackUrl === undefined || !breaker.isClosed) return;
      const before = waiting.get(tenantId) ?? 0;
      if (before >= EPHEMERAL_AT_ONCE) return;
      waiting.set(tenantId, before + 1);
      try {
        if (await isPaused(options, tenant)) return;
        const endpoint = callbackEndpoint(tenant, tenant.callbackUrl, tenant.source === 'file');
        const answer = await client.deliver(endpoint, callbackOf(tenantId, id, now(), draft));
        if (answer.outcome === 'accepted' || answer.outcome === 'refused') breaker.succeeded();
        if (answer.outcome === 'retry' && answer.away) breaker.failed('ephemeral', answer);
      } finally {
        waiting.set(tenantId, (waiting.get(tenantId) ?? 1) - 1);
      }
    },
    operator: (tenant, username) => operatorOf(options, tenant, username),
  };
}
