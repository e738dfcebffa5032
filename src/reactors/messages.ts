/**
 * The lane to XMPP: what visitors say to operators, and what the service itself has to tell an operator. A message is
 * *taken* when ejabberd has processed it, *delivered* when mod_lhc reports it (src/runtime/inbox), *failed* otherwise.
 */
import type { Logger } from 'pino';
import type { ActorState } from '../actors/decider.ts';
import { operatorFact, visitorFact } from '../actors/facts.ts';
import {
  type ActorRef,
  actorOf,
  operatorJid,
  streamOf,
  type TenantId,
  type Username,
  type VisitorKey,
  visitorJid,
  visitorRef,
} from '../actors/ids.ts';
import type { TenantSettings } from '../actors/tenant.ts';
import type { TenantDirectory } from '../actors/tenant-directory.ts';
import { type VisitorCommand, visitorState } from '../actors/visitor-decisions.ts';
import type { VisitorFacts } from '../actors/visitor-facts.ts';
import { AppError, messageOf } from '../errors.ts';
import type { EventStore, RecordedEvent } from '../eventstore/port.ts';
import type { Destination, Outcome } from '../runtime/destination.ts';
import type { ActorHost } from '../runtime/host.ts';
import { type Ownership, ownsStream } from '../runtime/ownership.ts';
import type { WorkPart } from '../runtime/work.ts';
import type { EjabberdAdmin, OutgoingMessage, VisitorTransport } from '../xmpp/port.ts';
import type { OperatorRemoval } from './operator-removal.ts';
import type { PersonalData } from './personal.ts';
import { createRepeats, isRefusal } from './repeats.ts';

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
  /**
   * Follows operators' sessions: what was on its way to one that ended may be lost, and goes out again. From the log,
   * because mod_lhc tells one process of it, and each visitor's own process has to send.
   */
  readonly part: WorkPart;
  /**
   * A visitor's session is new: what was taken and not delivered goes out again, before anything later. Only in the
   * process that owns the visitor.
   */
  sendAgain(jid: string): void;
}

export function createMessages(options: {
  host: ActorHost;
  store: EventStore;
  admin: EjabberdAdmin;
  transport: VisitorTransport;
  tenants: TenantDirectory;
  personal: PersonalData;
  removal: OperatorRemoval;
  ownership: Ownership;
  now: () => number;
  newId: () => string;
  logger: Logger;
  /** Called between a stanza that was taken and its fact: a failpoint of tests. */
  afterTaken?: (messageId: string) => Promise<void>;
}): Messages {
  const { host, store, admin, transport, tenants, personal, removal, ownership } = options;
  const repeats = createRepeats({ ...options, receiverOf, report });

  function report(tenant: TenantId, key: VisitorKey, command: VisitorCommand): Promise<unknown> {
    return host.dispatch(
      tenant,
      { kind: 'visitor', name: key, command },
      { commandId: `auto:${options.newId()}` },
    );
  }

  /**
   * By the visitor's session; by the admin API for a visitor that is not meant to have one any more, or whose session
   * is another process's.
   * @param mayAct asked once more right before: a process may have slept meanwhile
   */
  async function send(
    message: OutgoingMessage,
    visitor: ActorRef,
    state: ActorState | null,
    mayAct: () => boolean,
  ): Promise<void> {
    await repeats.underWay(message.from);
    if (!mayAct()) throw notOurs();
    const meantOnline = state !== null && visitorState(state.core).presence === 'online';
    const here = meantOnline && ownsStream(ownership, streamOf(visitor));
    if (here || transport.isOnline(message.from)) await transport.send(message);
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
    mayAct: () => boolean,
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
    const message = { id, from: visitorJid(tenant, key), to, body };
    await send(message, visitorRef(tenant.id, key), state, mayAct);
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
    mayAct: () => boolean,
  ): Promise<Outcome> {
    const visitor = visitorRef(tenant.id, key);
    const to = operatorJid(tenant, operator as Username); // as above
    const message = { id, from: visitorJid(tenant, key), to, body: text };
    await send(message, visitor, await host.load(visitor), mayAct);
    return done;
  }

  async function aboutVisitor(
    tenant: TenantSettings,
    key: VisitorKey,
    event: RecordedEvent,
    again: boolean,
    mayAct: () => boolean,
  ): Promise<Outcome> {
    const state = await host.load(visitorRef(tenant.id, key));
    if (!state) return done;
    const fact = visitorFact(event);
    switch (fact?.type) {
      case 'VisitorMessageSent':
        return messageOfVisitor(tenant, key, state, event, fact.data, again, mayAct);
      case 'ChatAssigned': {
        // A chat that begins with a message speaks for itself.
        const { chat } = visitorState(state.core).context;
        if (chat?.id !== fact.data.chatId || chat.accepted || chat.messages > 0) return done;
        if (chat.operator !== fact.data.operator) return done;
        const place = chat.department ? ` for ${chat.department}` : '';
        const text = `New chat #${chat.id}${place}. Reply to accept it.`;
        return tell(tenant, key, fact.data.operator, text, `notice-${event.id}`, mayAct);
      }
      case 'ChatClosed': {
        const { operator, by, chatId, reason } = fact.data;
        if (operator === null || by === 'operator') return done;
        const who = by === 'visitor' ? 'The visitor' : 'The system';
        const text = `${who} closed chat #${chatId}${reason ? ` (${reason})` : ''}.`;
        return tell(tenant, key, operator, text, `notice-${event.id}`, mayAct);
      }
      default:
        return done;
    }
  }

  async function aboutOperator(
    tenant: TenantSettings,
    username: Username,
    event: RecordedEvent,
    mayAct: () => boolean,
  ): Promise<Outcome> {
    const fact = operatorFact(event);
    if (fact?.type === 'OperatorRemoved') {
      await removal.exclusively(tenant, username, async () => {
        if (!mayAct()) throw notOurs();
        await removal.finish(tenant, username);
      });
      return done;
    }
    if (fact?.type !== 'MessageRefused') return done;
    const key = fact.data.visitor as VisitorKey; // parsed when the message came in
    const text = `Not delivered: ${fact.data.reason}.`;
    return tell(tenant, key, username, text, `notice-${event.id}`, mayAct);
  }

  async function perform(
    event: RecordedEvent,
    _signal: AbortSignal,
    again = false,
  ): Promise<Outcome> {
    const actor = actorOf(event.stream);
    const tenant = actor && tenants.get(actor.tenant);
    // Another process, or this one after its next start, may know it: a new tenant comes to all of them one by one.
    if (!tenant) return { kind: 'retry', reason: 'its tenant is not configured here' };
    // What a person sends again by hand is sent by whichever process was asked.
    const mayAct = (): boolean => again || ownsStream(ownership, event.stream);
    try {
      if (actor.kind === 'visitor') {
        return await aboutVisitor(tenant, actor.name, event, again, mayAct);
      }
      if (actor.kind === 'operator') return await aboutOperator(tenant, actor.name, event, mayAct);
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

  return {
    part: repeats.part,
    destination: {
      name: XMPP,
      concurrency: 256,
      retry: { firstMs: 200, mostMs: 15_000 },
      concerns: ({ type }) => CONCERNS.has(type),
      perform,
      gaveUp,
    },
    sendAgain: repeats.sendAgain,
  };
}

const notOurs = (): AppError => new AppError('unavailable', 'another process has this lane now');
