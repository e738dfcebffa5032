/**
 * The lane to LHC: facts as signed callbacks, in order (docs/contracts.md). This is the entry of `lhc/`; only the
 * composition (src/service) imports it.
 */
import { createHmac } from 'node:crypto';
import { visitorFact } from '../../actors/facts.ts';
import { type ActorRef, actorOf, type TenantId, type Username } from '../../actors/ids.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import type { TenantSettings } from '../../actors/tenant/settings.ts';
import { messageOf } from '../../errors.ts';
import type { RecordedEvent } from '../../eventstore/port.ts';
import type { RetryPolicy } from '../../kit/backoff.ts';
import { type BreakerPolicy, createBreakers } from '../../kit/breaker.ts';
import type { JsonObject } from '../../kit/json.ts';
import type { CallbackClient } from '../../lhc/callback-client.ts';
import type { Callback } from '../../lhc/callback-types.ts';
import type { Destination, DestinationFilter, Outcome } from '../../runtime/lanes/destination.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { PersonalData } from '../personal-data.ts';

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

/** A callback without its envelope. */
type Draft = Pick<Callback, 'type' | 'data'>;
type VisitorRef = Extract<ActorRef, { kind: 'visitor' }>;

/** Facts of visitors that LHC hears of. */
const VISITOR_FACTS = new Set([
  'OperatorMessageReceived',
  'ChatAssigned',
  'ChatAccepted',
  'ChatUnassigned',
  'ChatTransferred',
  'ChatClosed',
  'NoteAdded',
  'OperatorCommandSent',
  'TimedOut',
  'CleanedUp',
  'MessageDelivered',
  'MessageDisplayed',
  'MessageFailed',
  'SessionFailed',
]);

/** The callback for a fact that takes an operator online or offline; null for every other fact. */
function onlineChange(data: JsonObject): 'operator.online' | 'operator.offline' | null {
  const { from, to } = (data.availability ?? {}) as { from?: string; to?: string }; // written by decisions
  if (data.online === true) return 'operator.online';
  if (from === to || (from !== 'offline' && to !== 'offline')) return null;
  return to === 'offline' ? 'operator.offline' : 'operator.online';
}

/** The facts that LHC gets callbacks for. */
export const LHC_FILTER: DestinationFilter = {
  name: 'lhc',
  concerns: ({ stream, type, data }) =>
    VISITOR_FACTS.has(type) ||
    (stream.startsWith('operator-') &&
      (onlineChange(data) !== null || data.offlineLhcUserId !== undefined)),
};

/** A fingerprint of a tenant's callback settings. Callbacks that were paused resume when it changes. */
const endpointOf = (tenant: TenantSettings, digestKey: Buffer): string =>
  createHmac('sha256', digestKey)
    .update(JSON.stringify([tenant.callbackUrl ?? null, tenant.callbackSecret ?? null]))
    .digest('base64url');

// A draft has the shape of a callback, but a spread loses the link between `type` and `data`.
const callbackOf = (tenant: TenantId, id: string, at: number, draft: Draft): Callback =>
  ({ id, tenant, at: iso(at), ...draft }) as Callback;

export interface Callbacks {
  readonly destination: Destination;
  /** Resumes the lanes of tenants whose callback settings changed. Call it at the start. */
  resumeChanged(): Promise<void>;
  /**
   * Sends a callback at once or not at all: it has no lane and is not retried. While LHC is away, or slow, it is dropped.
   * @param id for a callback that several processes may send, so that LHC recognises a repeat
   */
  ephemeral(tenant: TenantId, draft: Draft, id?: string): Promise<void>;
  /** An operator as callbacks describe them. */
  operator(
    tenant: TenantId,
    username: Username,
  ): Promise<{ username: string; lhcUserId: number | null }>;
}

interface CallbacksOptions {
  readonly actors: Actors;
  readonly client: CallbackClient;
  readonly tenants: TenantDirectory;
  readonly personal: PersonalData;
  readonly digestKey: Buffer;
  readonly now: () => number;
  readonly monotonic: () => number;
  readonly random: () => number;
  readonly newId: () => string;
  /** A failpoint of tests, between an accepted callback and its progress. */
  readonly afterDelivered?: () => void;
}

async function operatorOf({ actors }: CallbacksOptions, tenant: TenantId, username: Username) {
  const state = await actors.operator(tenant, username).state();
  return { username, lhcUserId: state?.context.lhcUserId ?? null };
}

/** The callbacks for a visitor's fact: none if its texts were erased, because nothing is left to tell. */
async function visitorDrafts(
  options: CallbacksOptions,
  { tenant, name: visitor }: VisitorRef,
  event: RecordedEvent,
): Promise<readonly Draft[]> {
  const { personal } = options;
  const operator = (username: Username) => operatorOf(options, tenant, username);
  const operatorOrNull = async (username: Username | null) =>
    username === null ? null : operator(username);
  const fact = visitorFact(event);
  switch (fact?.type) {
    case 'OperatorMessageReceived': {
      const { messageId, chatId, invitation, replaces } = fact.data;
      const body = await personal.bodyOf(event);
      if (body === null) return [];
      const message = { id: messageId, body, ...(replaces !== undefined && { replaces }) };
      const data = { visitor, operator: await operator(fact.data.operator), message };
      return invitation || chatId === null
        ? [{ type: 'visitor.invited', data }]
        : [{ type: 'chat.message', data: { ...data, chatId } }];
    }
    case 'ChatAssigned':
    case 'ChatAccepted':
    case 'ChatClosed': {
      const { chatId } = fact.data;
      const data = { visitor, chatId, operator: await operatorOrNull(fact.data.operator) };
      if (fact.type === 'ChatAccepted') return [{ type: 'chat.accepted', data }];
      const { reason } = fact.data;
      return fact.type === 'ChatAssigned'
        ? [{ type: 'chat.assigned', data: { ...data, reason } }]
        : [{ type: 'chat.closed', data: { ...data, reason: reason ?? fact.data.by } }];
    }
    case 'ChatUnassigned': {
      const { chatId, reason, broadcast } = fact.data;
      const data = { visitor, chatId, operator: null, reason };
      // LHC never heard of operators who were only asked.
      return broadcast ? [] : [{ type: 'chat.transferred', data }];
    }
    case 'ChatTransferred': {
      const { chatId, department, by } = fact.data;
      const operator = await operatorOrNull(fact.data.operator);
      const data = { visitor, chatId, operator, ...(department !== null && { department }) };
      return [{ type: 'chat.transferred', data: { ...data, reason: by } }];
    }
    case 'NoteAdded':
    case 'OperatorCommandSent': {
      const opened = await personal.of(event);
      if (!opened) return [];
      const { chatId } = fact.data;
      const data = { visitor, chatId, operator: await operator(fact.data.operator) };
      if (fact.type === 'NoteAdded') {
        const note = { id: fact.data.noteId, body: String(opened.body) };
        return [{ type: 'chat.note', data: { ...data, note } }];
      }
      const { messageId, command } = fact.data;
      const text = String(opened.text);
      return [{ type: 'chat.command', data: { ...data, messageId, command, text } }];
    }
    case 'MessageDisplayed': {
      const { chatId, messageId } = fact.data;
      const data = { visitor, chatId, messageId, operator: await operator(fact.data.operator) };
      return [{ type: 'message.displayed', data }];
    }
    case 'TimedOut':
    case 'CleanedUp': {
      const type = fact.type === 'TimedOut' ? 'visitor.timed_out' : 'visitor.cleaned_up';
      return [{ type, data: { visitor, lastSeen: iso(fact.data.lastSeen) } }];
    }
    case 'MessageDelivered': {
      const { messageIds, chatId, by } = fact.data;
      return messageIds.map((messageId) => ({
        type: 'message.delivered',
        data: { visitor, chatId, messageId, reason: by },
      }));
    }
    case 'MessageFailed':
      return [{ type: 'message.failed', data: { visitor, ...fact.data } }];
    case 'SessionFailed':
      return [{ type: 'visitor.failed', data: { visitor, reason: fact.data.reason } }];
    default:
      return [];
  }
}

async function draftsOf(
  options: CallbacksOptions,
  actor: ActorRef,
  event: RecordedEvent,
): Promise<readonly Draft[]> {
  if (actor.kind === 'visitor') return visitorDrafts(options, actor, event);
  if (actor.kind !== 'operator') return [];
  const type = onlineChange(event.data);
  const at = iso(event.metadata.at);
  const drafts: Draft[] = [];
  const { offlineLhcUserId } = event.data;
  if (typeof offlineLhcUserId === 'number') {
    const operator = { username: actor.name, lhcUserId: offlineLhcUserId };
    drafts.push({ type: 'operator.offline', data: { operator, at } });
  }
  const operator = await operatorOf(options, actor.tenant, actor.name);
  // An operator in XMPP who is not registered is unknown to LHC.
  if (type && operator.lhcUserId !== null) drafts.push({ type, data: { operator, at } });
  return drafts;
}

async function isPaused({ actors, digestKey }: CallbacksOptions, tenant: TenantSettings) {
  const state = await actors.tenant(tenant.id).state();
  return state?.context.pausedEndpoint === endpointOf(tenant, digestKey);
}

const setPaused = (
  { actors, digestKey }: CallbacksOptions,
  tenant: TenantSettings,
  type: 'PauseCallbacks' | 'ResumeCallbacks',
) => actors.tenant(tenant.id).send({ type, endpoint: endpointOf(tenant, digestKey) });

/**
 * Sends the callbacks of one fact, in order.
 * @param sent callbacks of the fact that an earlier try has sent
 * @returns `done` when LHC has accepted all of them
 */
async function deliver(
  options: CallbacksOptions,
  tenant: TenantSettings,
  url: string,
  event: RecordedEvent,
  drafts: readonly Draft[],
  sent: number,
): Promise<Outcome> {
  for (const [index, draft] of drafts.entries()) {
    if (index < sent) continue;
    const id = index === 0 ? event.id : `${event.id}.${index}`;
    const answer = await options.client.deliver(
      { url, secret: tenant.callbackSecret },
      callbackOf(tenant.id, id, event.metadata.at, draft),
    );
    if (answer.outcome === 'accepted') options.afterDelivered?.();
    if (answer.outcome === 'gone') {
      await setPaused(options, tenant, 'PauseCallbacks');
      return { kind: 'parked', all: true };
    }
    if (answer.outcome === 'retry') {
      const { reason, afterMs, away } = answer;
      return { kind: 'retry', reason, afterMs, away, steps: index };
    }
  }
  return { kind: 'done', idle: drafts.length === 0 };
}

/** LHC has the operator's message: a client that asked for a receipt gets one (XEP-0184), once by the command's id. */
async function reportAccepted(
  { actors }: CallbacksOptions,
  actor: ActorRef,
  event: RecordedEvent,
): Promise<void> {
  const fact = visitorFact(event);
  if (actor.kind !== 'visitor' || fact?.type !== 'OperatorMessageReceived') return;
  const { operator, messageId, receipt } = fact.data;
  if (!receipt) return;
  const report = { type: 'ReportOperatorMessageAccepted', operator, messageId } as const;
  await actors.visitor(actor.tenant, actor.name).send(report, {
    commandId: `accepted:${event.id}`,
    correlationId: event.metadata.correlationId,
  });
}

async function perform(
  options: CallbacksOptions,
  event: RecordedEvent,
  sent: number,
): Promise<Outcome> {
  const actor = actorOf(event.stream);
  const tenant = actor && options.tenants.get(actor.tenant);
  // Processes learn of a new tenant one by one. Another process, or this one after its next start, may know it.
  if (!tenant) {
    return { kind: 'retry', reason: 'its tenant is not configured here', away: true };
  }
  const { callbackUrl: url } = tenant;
  if (url === undefined) return { kind: 'done', idle: true }; // this tenant wants no callbacks
  if (await isPaused(options, tenant)) return { kind: 'parked', all: true };
  try {
    const drafts = await draftsOf(options, actor, event);
    const outcome = await deliver(options, tenant, url, event, drafts, sent);
    const accepted = outcome.kind === 'done' && drafts.length > 0; // an erased message reached nobody
    if (accepted) await reportAccepted(options, actor, event);
    return outcome;
  } catch (error) {
    return { kind: 'retry', reason: messageOf(error) };
  }
}

export function createCallbacks(options: CallbacksOptions): Callbacks {
  const { client, tenants, now, newId } = options;
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
    },
    async resumeChanged() {
      for (const tenant of tenants.all()) await setPaused(options, tenant, 'ResumeCallbacks');
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
        const endpoint = { url: tenant.callbackUrl, secret: tenant.callbackSecret };
        const answer = await client.deliver(endpoint, callbackOf(tenantId, id, now(), draft));
        if (answer.outcome === 'accepted') breaker.succeeded();
        if (answer.outcome === 'retry' && answer.away) breaker.failed('ephemeral', answer);
      } finally {
        waiting.set(tenantId, (waiting.get(tenantId) ?? 1) - 1);
      }
    },
    operator: (tenant, username) => operatorOf(options, tenant, username),
  };
}

const iso = (at: number): string => new Date(at).toISOString();
