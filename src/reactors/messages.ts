/**
 * The lane to XMPP: what visitors say to operators, and what the service itself has to tell an operator. A message is
 * *taken* when ejabberd has processed it, *delivered* when mod_lhc reports it (src/runtime/inbox), *failed* otherwise.
 */
import type { Logger } from 'pino';
import type { ActorState } from '../actors/decider.ts';
import { operatorFact, visitorFact } from '../actors/facts.ts';
import {
  actorOf,
  operatorJid,
  operatorRef,
  personOf,
  streamOf,
  type TenantId,
  type Username,
  type VisitorKey,
  visitorJid,
  visitorRef,
} from '../actors/ids.ts';
import { operatorState } from '../actors/operator-decisions.ts';
import type { TenantSettings } from '../actors/tenant.ts';
import type { TenantDirectory } from '../actors/tenant-directory.ts';
import { type VisitorCommand, visitorState } from '../actors/visitor-decisions.ts';
import type { VisitorFacts } from '../actors/visitor-facts.ts';
import { AppError, messageOf } from '../errors.ts';
import type { EventStore, RecordedEvent } from '../eventstore/port.ts';
import type { Destination, Outcome } from '../runtime/destination.ts';
import type { ActorHost } from '../runtime/host.ts';
import type { EjabberdAdmin, OutgoingMessage, VisitorTransport } from '../xmpp/port.ts';
import { removeAccount } from './operator-accounts.ts';
import type { PersonalData } from './personal.ts';

export const XMPP = 'xmpp';

const CONCERNS = new Set([
  'VisitorMessageSent',
  'ChatAssigned',
  'ChatClosed',
  'MessageRefused',
  'OperatorRemoved',
]);
/** How far behind a message its chat's end is looked for. */
const SEARCH_PAGE = 500;

const done: Outcome = { kind: 'done' };

export interface Messages {
  readonly destination: Destination;
  /** A visitor's session is new: what was taken and not delivered goes out again, before anything later. */
  sendAgain(jid: string): void;
}

export function createMessages(options: {
  host: ActorHost;
  store: EventStore;
  admin: EjabberdAdmin;
  transport: VisitorTransport;
  tenants: TenantDirectory;
  personal: PersonalData;
  newId: () => string;
  logger: Logger;
  /** Called between a stanza that was taken and its fact: a failpoint of tests. */
  afterTaken?: (messageId: string) => Promise<void>;
}): Messages {
  const { host, store, admin, transport, tenants, personal, logger } = options;
  /** Repeats under way, by the visitor's JID: later messages wait for them. */
  const repeating = new Map<string, Promise<void>>();

  const report = (tenant: TenantId, key: VisitorKey, command: VisitorCommand): Promise<unknown> =>
    host.dispatch(
      tenant,
      { kind: 'visitor', name: key, command },
      { commandId: `auto:${options.newId()}` },
    );

  /** By the visitor's session; by the admin API for a visitor that is not meant to have one any more. */
  async function send(message: OutgoingMessage, state: ActorState): Promise<void> {
    await repeating.get(message.from);
    const meantOnline = visitorState(state.core).presence === 'online';
    if (meantOnline || transport.isOnline(message.from)) await transport.send(message);
    else await admin.sendMessage(message);
  }

  /** Who has, or had, the chat of a message; null: nobody took it; undefined: it is open and nobody has it yet. */
  async function receiverOf(
    event: RecordedEvent,
    chatId: string,
    state: ActorState,
  ): Promise<string | null | undefined> {
    const { chat } = visitorState(state.core).context;
    if (chat?.id === chatId) return chat.operator ?? undefined;
    for (let from = event.revision + 1; ; ) {
      const page = await store.readStream(event.stream, { from, limit: SEARCH_PAGE });
      for (const later of page) {
        const fact = visitorFact(later);
        if (fact?.type === 'ChatClosed' && fact.data.chatId === chatId) return fact.data.operator;
      }
      const last = page.at(-1);
      if (!last || page.length < SEARCH_PAGE) return null;
      from = last.revision + 1;
    }
  }

  async function messageOfVisitor(
    tenant: TenantSettings,
    key: VisitorKey,
    state: ActorState,
    event: RecordedEvent,
    { messageId: id, chatId }: VisitorFacts['VisitorMessageSent'],
    again: boolean,
  ): Promise<Outcome> {
    const open = visitorState(state.core).context.openMessages.find((each) => each.id === id);
    if (!again && (!open || open.taken)) return done;
    const operator = await receiverOf(event, chatId, state);
    if (operator === undefined) return { kind: 'parked' };
    const body = await personal.bodyOf(event);
    if (operator === null || body === null) {
      const reason = body === null ? 'the visitor was erased' : 'no operator took the chat';
      await report(tenant.id, key, { type: 'ReportFailed', messageId: id, reason });
      return done;
    }
    // Names in facts were parsed when they came in.
    const to = operatorJid(tenant, operator as Username);
    await send({ id, from: visitorJid(tenant, key), to, body }, state);
    await options.afterTaken?.(id);
    await report(tenant.id, key, { type: 'ReportTaken', messageIds: [id] });
    return done;
  }

  /** A line of the service's own in the visitor's name, so that it stands in the conversation that it is about. */
  async function tell(
    tenant: TenantSettings,
    key: VisitorKey,
    operator: string,
    text: string,
    id: string,
  ): Promise<Outcome> {
    const state = await host.load(visitorRef(tenant.id, key));
    const to = operatorJid(tenant, operator as Username);
    const message = { id, from: visitorJid(tenant, key), to, body: text };
    if (state) await send(message, state);
    else await admin.sendMessage(message);
    return done;
  }

  async function aboutVisitor(
    tenant: TenantSettings,
    key: VisitorKey,
    event: RecordedEvent,
    again: boolean,
  ): Promise<Outcome> {
    const state = await host.load(visitorRef(tenant.id, key));
    if (!state) return done;
    const fact = visitorFact(event);
    switch (fact?.type) {
      case 'VisitorMessageSent':
        return messageOfVisitor(tenant, key, state, event, fact.data, again);
      case 'ChatAssigned': {
        // A chat that begins with a message speaks for itself.
        const { chat } = visitorState(state.core).context;
        if (chat?.id !== fact.data.chatId || chat.accepted || chat.messages > 0) return done;
        if (chat.operator !== fact.data.operator) return done;
        const place = chat.department ? ` for ${chat.department}` : '';
        const text = `New chat #${chat.id}${place}. Reply to accept it.`;
        return tell(tenant, key, fact.data.operator, text, `notice-${event.id}`);
      }
      case 'ChatClosed': {
        const { operator, by, chatId, reason } = fact.data;
        if (operator === null || by === 'operator') return done;
        const who = by === 'visitor' ? 'The visitor' : 'The system';
        const text = `${who} closed chat #${chatId}${reason ? ` (${reason})` : ''}.`;
        return tell(tenant, key, operator, text, `notice-${event.id}`);
      }
      default:
        return done;
    }
  }

  async function aboutOperator(
    tenant: TenantSettings,
    username: Username,
    event: RecordedEvent,
  ): Promise<Outcome> {
    const fact = operatorFact(event);
    if (fact?.type === 'OperatorRemoved') {
      const state = await host.load(operatorRef(tenant.id, username));
      // Registered again in the meantime: the account is the new one.
      if (!state || !operatorState(state.core).context.claimed) {
        await removeAccount(admin, tenant, username);
      }
      return done;
    }
    if (fact?.type !== 'MessageRefused') return done;
    const key = fact.data.visitor as VisitorKey; // parsed when the message came in
    const text = `Not delivered: ${fact.data.reason}.`;
    return tell(tenant, key, username, text, `notice-${event.id}`);
  }

  async function perform(
    event: RecordedEvent,
    _signal: AbortSignal,
    again = false,
  ): Promise<Outcome> {
    const actor = actorOf(event.stream);
    const tenant = actor && tenants.get(actor.tenant);
    if (!tenant) return { kind: 'dead', reason: 'its tenant is not configured any more' };
    try {
      if (actor.kind === 'visitor') {
        return await aboutVisitor(tenant, actor.name, event, again);
      }
      if (actor.kind === 'operator') return await aboutOperator(tenant, actor.name, event);
      return done;
    } catch (error) {
      if (isRefusal(error)) return { kind: 'dead', reason: error.message };
      return { kind: 'retry', reason: messageOf(error) };
    }
  }

  async function gaveUp(event: RecordedEvent, reason: string): Promise<void> {
    const actor = actorOf(event.stream);
    const fact = visitorFact(event);
    if (fact?.type !== 'VisitorMessageSent' || actor?.kind !== 'visitor') return;
    const { messageId } = fact.data;
    await report(actor.tenant, actor.name, { type: 'ReportFailed', messageId, reason });
  }

  async function repeat(tenant: TenantSettings, key: VisitorKey): Promise<void> {
    const ref = visitorRef(tenant.id, key);
    const state = await host.load(ref);
    if (!state) return;
    const taken = visitorState(state.core).context.openMessages.filter((each) => each.taken);
    for (const { id, revision } of taken) {
      const [event] = await store.readStream(streamOf(ref), { from: revision, limit: 1 });
      if (!event) continue;
      const fact = visitorFact(event);
      if (fact?.type !== 'VisitorMessageSent' || fact.data.messageId !== id) continue;
      const operator = await receiverOf(event, fact.data.chatId, state);
      const body = await personal.bodyOf(event);
      if (!operator || body === null) continue;
      const to = operatorJid(tenant, operator as Username);
      try {
        await transport.send({ id, from: visitorJid(tenant, key), to, body });
        logger.debug({ tenant: tenant.id, visitor: key, messageId: id }, 'sent again');
      } catch (error) {
        if (!isRefusal(error)) throw error;
        // One that ejabberd will not have must not keep back those behind it.
        await report(tenant.id, key, {
          type: 'ReportFailed',
          messageId: id,
          reason: error.message,
        });
      }
    }
  }

  return {
    destination: {
      name: XMPP,
      concurrency: 256,
      retry: { firstMs: 200, mostMs: 15_000 },
      concerns: ({ type }) => CONCERNS.has(type),
      perform,
      gaveUp,
    },
    sendAgain(jid) {
      const person = personOf(jid, tenants.ofHost);
      const tenant = person && tenants.get(person.tenant);
      if (person?.kind !== 'visitor' || !tenant) return;
      const before = repeating.get(jid) ?? Promise.resolve();
      const now = before
        .then(() => repeat(tenant, person.name))
        .catch((error) => {
          // The session was lost again: the next one brings it up again.
          logger.debug({ visitor: person.name, reason: messageOf(error) }, 'not sent again');
        })
        .finally(() => {
          if (repeating.get(jid) === now) repeating.delete(jid);
        });
      repeating.set(jid, now);
    },
  };
}

/** A retry would not help. */
const isRefusal = (error: unknown): error is AppError =>
  error instanceof AppError && error.code === 'refused';
