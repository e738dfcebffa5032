/** The lane to LHC: facts as signed callbacks, in order (docs/contracts.md). */
import { createHmac } from 'node:crypto';
import { visitorFact } from '../../actors/facts.ts';
import { type ActorRef, actorOf, type TenantId, type Username } from '../../actors/ids.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import type { TenantSettings } from '../../actors/tenant/machine.ts';
import { messageOf } from '../../errors.ts';
import type { RecordedEvent } from '../../eventstore/port.ts';
import type { RetryPolicy } from '../../kit/backoff.ts';
import type { JsonObject } from '../../kit/json.ts';
import type { CallbackClient } from '../../lhc/client.ts';
import type { Callback } from '../../lhc/types.ts';
import type { Destination, Outcome } from '../../runtime/lanes/destination.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { PersonalData } from '../personal.ts';

const LHC = 'lhc';
/** Waits between the tries of one callback. */
export const CALLBACK_RETRY: RetryPolicy = { firstMs: 500, mostMs: 60_000 };

/** What is said to LHC of one fact: usually one callback. */
type Draft = Pick<Callback, 'type' | 'data'>;

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

/** An operator's availability crossed the line between offline and any other, or counts from now on. */
function crossed(data: JsonObject): 'operator.online' | 'operator.offline' | null {
  const { from, to } = (data.availability ?? {}) as { from?: string; to?: string }; // written by decisions
  if (data.online === true) return 'operator.online';
  if (from === to || (from !== 'offline' && to !== 'offline')) return null;
  return to === 'offline' ? 'operator.offline' : 'operator.online';
}

/** A fingerprint of a tenant's callback settings: what was paused goes on when it differs. */
const endpointOf = (tenant: TenantSettings, digestKey: Buffer): string =>
  createHmac('sha256', digestKey)
    .update(JSON.stringify([tenant.callbackUrl ?? null, tenant.callbackSecret ?? null]))
    .digest('base64url');

// Drafts have the shapes of the callbacks; a spread loses the link between type and data.
const callbackOf = (tenant: TenantId, id: string, at: number, draft: Draft): Callback =>
  ({ id, tenant, at: iso(at), ...draft }) as Callback;

export interface Callbacks {
  readonly destination: Destination;
  /** At start: lanes that were paused go on where the settings changed. */
  resumeChanged(): Promise<void>;
  /**
   * Told at once or not at all: no lane, no retry.
   * @param id for what several processes may tell, so that LHC sees that it is the same
   */
  ephemeral(tenant: TenantId, draft: Draft, id?: string): Promise<void>;
  /** An operator as LHC is told of it. */
  operator(
    tenant: TenantId,
    username: Username,
  ): Promise<{ username: string; lhcUserId: number | null }>;
}

export function createCallbacks(options: {
  actors: Actors;
  client: CallbackClient;
  tenants: TenantDirectory;
  personal: PersonalData;
  digestKey: Buffer;
  now: () => number;
  newId: () => string;
  /** Called between an accepted callback and its progress: a failpoint of tests. */
  afterDelivered?: () => void;
}): Callbacks {
  const { actors, client, tenants, personal, digestKey, now, newId } = options;

  async function operator(tenant: TenantId, username: Username) {
    const state = await actors.operator(tenant, username).state();
    return { username, lhcUserId: state?.context.lhcUserId ?? null };
  }

  async function aboutVisitor(
    { tenant, name: visitor }: Extract<ActorRef, { kind: 'visitor' }>,
    event: RecordedEvent,
  ): Promise<readonly Draft[]> {
    const fact = visitorFact(event);
    switch (fact?.type) {
      case 'OperatorMessageReceived': {
        const { operator: name, messageId, chatId, invitation, replaces } = fact.data;
        const body = await personal.bodyOf(event);
        if (body === null) return []; // erased: there is nothing left to tell
        const message = { id: messageId, body, ...(replaces !== undefined && { replaces }) };
        const who = await operator(tenant, name);
        return invitation || chatId === null
          ? [{ type: 'visitor.invited', data: { visitor, operator: who, message } }]
          : [{ type: 'chat.message', data: { visitor, chatId, operator: who, message } }];
      }
      case 'ChatAssigned':
      case 'ChatAccepted':
      case 'ChatClosed': {
        const { chatId, operator: name } = fact.data;
        const who = name === null ? null : await operator(tenant, name);
        const data = { visitor, chatId, operator: who };
        if (fact.type === 'ChatAccepted') return [{ type: 'chat.accepted', data }];
        const { reason } = fact.data;
        return fact.type === 'ChatAssigned'
          ? [{ type: 'chat.assigned', data: { ...data, reason } }]
          : [{ type: 'chat.closed', data: { ...data, reason: reason ?? fact.data.by } }];
      }
      case 'ChatUnassigned': {
        // Who was only asked never had it, as far as LHC was told.
        const { chatId, reason, broadcast } = fact.data;
        const data = { visitor, chatId, operator: null, reason };
        return broadcast ? [] : [{ type: 'chat.transferred', data }];
      }
      case 'ChatTransferred': {
        const { chatId, operator: name, department, by } = fact.data;
        const who = name === null ? null : await operator(tenant, name);
        const data = { visitor, chatId, operator: who, ...(department !== null && { department }) };
        return [{ type: 'chat.transferred', data: { ...data, reason: by } }];
      }
      case 'NoteAdded':
      case 'OperatorCommandSent': {
        const { chatId, operator: name } = fact.data;
        const said = await personal.of(event);
        if (!said) return []; // erased: there is nothing left to tell
        const data = { visitor, chatId, operator: await operator(tenant, name) };
        if (fact.type === 'NoteAdded') {
          const note = { id: fact.data.noteId, body: String(said.body) };
          return [{ type: 'chat.note', data: { ...data, note } }];
        }
        const { messageId, command } = fact.data;
        const text = String(said.text);
        return [{ type: 'chat.command', data: { ...data, messageId, command, text } }];
      }
      case 'MessageDisplayed': {
        const { chatId, messageId, operator: name } = fact.data;
        const data = { visitor, chatId, messageId, operator: await operator(tenant, name) };
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

  async function drafts(actor: ActorRef, event: RecordedEvent): Promise<readonly Draft[]> {
    if (actor.kind === 'visitor') return aboutVisitor(actor, event);
    if (actor.kind !== 'operator') return [];
    const type = crossed(event.data);
    const at = iso(event.metadata.at);
    const told: Draft[] = [];
    const { left } = event.data;
    if (typeof left === 'number') {
      const was = { username: actor.name, lhcUserId: left };
      told.push({ type: 'operator.offline', data: { operator: was, at } });
    }
    const who = await operator(actor.tenant, actor.name);
    // LHC knows nothing of somebody who is in XMPP and not registered.
    if (type && who.lhcUserId !== null) told.push({ type, data: { operator: who, at } });
    return told;
  }

  async function isPaused(tenant: TenantSettings): Promise<boolean> {
    const state = await actors.tenant(tenant.id).state();
    return state?.context.pausedEndpoint === endpointOf(tenant, digestKey);
  }

  const command = (tenant: TenantSettings, type: 'PauseCallbacks' | 'ResumeCallbacks') =>
    actors.tenant(tenant.id).send({ type, endpoint: endpointOf(tenant, digestKey) });

  async function perform(event: RecordedEvent): Promise<Outcome> {
    const actor = actorOf(event.stream);
    const tenant = actor && tenants.get(actor.tenant);
    // Another process, or this one after its next start, may know it: a new tenant comes to all of them one by one.
    if (!tenant) return { kind: 'retry', reason: 'its tenant is not configured here' };
    const { callbackUrl: url, callbackSecret: secret } = tenant;
    if (url === undefined) return { kind: 'done' }; // nobody asked to be told
    if (await isPaused(tenant)) return { kind: 'parked' };
    try {
      const told = await drafts(actor, event);
      for (const [index, draft] of told.entries()) {
        const answer = await client.deliver(
          { url, secret },
          callbackOf(
            tenant.id,
            index === 0 ? event.id : `${event.id}.${index}`,
            event.metadata.at,
            draft,
          ),
        );
        if (answer.outcome === 'accepted') options.afterDelivered?.();
        if (answer.outcome === 'gone') {
          await command(tenant, 'PauseCallbacks');
          return { kind: 'parked' };
        }
        if (answer.outcome === 'retry') {
          return { kind: 'retry', reason: answer.reason, afterMs: answer.afterMs };
        }
      }
      if (told.length > 0) await acknowledge(actor, event); // what was erased reached nobody
      return { kind: 'done' };
    } catch (error) {
      return { kind: 'retry', reason: messageOf(error) };
    }
  }

  /** LHC has it: the client that asked for a receipt gets it (XEP-0184). Once, by the id of its command. */
  async function acknowledge(actor: ActorRef, event: RecordedEvent): Promise<void> {
    const fact = visitorFact(event);
    if (actor.kind !== 'visitor' || fact?.type !== 'OperatorMessageReceived') return;
    const { operator: name, messageId, receipt } = fact.data;
    if (!receipt) return;
    const report = { type: 'ReportTold', operator: name, messageId } as const;
    await actors.visitor(actor.tenant, actor.name).send(report, {
      commandId: `told:${event.id}`,
      correlationId: event.metadata.correlationId,
    });
  }

  return {
    destination: {
      name: LHC,
      concurrency: 64,
      retry: CALLBACK_RETRY,
      concerns: ({ stream, type, data }) =>
        VISITOR_FACTS.has(type) ||
        (stream.startsWith('operator-') && (crossed(data) !== null || data.left !== undefined)),
      perform,
    },
    async resumeChanged() {
      for (const tenant of tenants.all()) await command(tenant, 'ResumeCallbacks');
    },
    async ephemeral(tenantId, draft, id = newId()) {
      const tenant = tenants.get(tenantId);
      if (tenant?.callbackUrl === undefined || (await isPaused(tenant))) return;
      const endpoint = { url: tenant.callbackUrl, secret: tenant.callbackSecret };
      await client.deliver(endpoint, callbackOf(tenantId, id, now(), draft));
    },
    operator,
  };
}

const iso = (at: number): string => new Date(at).toISOString();
