/**
 * The lane to XMPP: what visitors say to operators, and what the service itself has to tell an operator. A message is
 * *taken* when ejabberd has processed it, *delivered* when mod_lhc reports it (src/inbox/commands.ts), *failed* otherwise.
 */
import type { Logger } from 'pino';
import { operatorFact, visitorFact } from '../../actors/facts.ts';
import { actorOf, type TenantId, type Username, type VisitorKey } from '../../actors/ids.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import type { TenantSettings } from '../../actors/tenant/machine.ts';
import type { VisitorCommand } from '../../actors/visitor/decisions.ts';
import type { VisitorFact, VisitorFacts, VisitorState } from '../../actors/visitor/facts.ts';
import { isRefused, messageOf } from '../../errors.ts';
import type { EventStore, RecordedEvent } from '../../eventstore/port.ts';
import type { RetryPolicy } from '../../kit/backoff.ts';
import type { Destination, Outcome } from '../../runtime/lanes/destination.ts';
import { type Ownership, ownsStream } from '../../runtime/leases/ownership.ts';
import type { WorkPart } from '../../runtime/pending-work.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { EjabberdAdmin, VisitorTransport } from '../../xmpp/port.ts';
import type { Answers } from '../answers/answers.ts';
import type { OperatorRemoval } from '../operators/removal.ts';
import type { PersonalData } from '../personal.ts';
import { createAsked } from './broadcast.ts';
import { createDelivery, notOurs, type Sender } from './delivery.ts';
import { noticesOf } from './notices.ts';
import { createOpening, opensAt } from './opening.ts';
import { createReceivers } from './recipient.ts';
import { createRepeats } from './resend.ts';

export const XMPP = 'xmpp';
/** Waits between the tries of one message to an operator. */
export const MESSAGE_RETRY: RetryPolicy = { firstMs: 200, mostMs: 15_000 };

const CONCERNS = new Set([
  'VisitorMessageSent',
  'ChatOffered',
  'ChatAssigned',
  'ChatAccepted',
  'ChatUnassigned',
  'ChatTransferred',
  'ChatClosed',
  'NoteAdded',
  'OperatorCommandSent',
  'OperatorMessageTold',
  'OperatorMessageDisplayed',
  'MessageRefused',
  'QuestionAsked',
  'AvailabilitySet',
  'OperatorRemoved',
]);
const NOBODY_TOOK_IT = 'no operator took the chat';

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
  actors: Actors;
  store: EventStore;
  admin: EjabberdAdmin;
  transport: VisitorTransport;
  tenants: TenantDirectory;
  personal: PersonalData;
  removal: OperatorRemoval;
  answers: Answers;
  ownership: Ownership;
  now: () => number;
  logger: Logger;
  /** Called between a stanza that was taken and its fact: a failpoint of tests. */
  afterTaken?: (messageId: string) => Promise<void>;
}): Messages {
  const { actors, store, tenants, personal, removal, answers, ownership } = options;
  const receiverOf = createReceivers(store);
  const repeats = createRepeats({ ...options, receiverOf });
  const delivery = createDelivery({ ...options, underWay: repeats.underWay });
  const opening = createOpening({ ...options, delivery });
  const asked = createAsked({ ...options, delivery, opening });

  function report(tenant: TenantId, key: VisitorKey, command: VisitorCommand): Promise<unknown> {
    return actors.visitor(tenant, key).send(command);
  }

  async function messageOfVisitor(
    sender: Sender,
    state: VisitorState,
    event: RecordedEvent,
    { messageId: id, chatId }: VisitorFacts['VisitorMessageSent'],
    again: boolean,
  ): Promise<Outcome> {
    const { tenant, key } = sender;
    const { openMessages, chat } = state.context;
    const open = openMessages.find((each) => each.id === id);
    if (!again && (!open || open.taken)) return done;
    const operator = await receiverOf(event, chatId, state);
    if (operator === undefined && !chat?.offered.length) return { kind: 'parked' };
    const body = await personal.bodyOf(event);
    if (operator === null || body === null) {
      const reason = body === null ? 'the visitor was erased' : NOBODY_TOOK_IT;
      await report(tenant.id, key, { type: 'ReportFailed', messageId: id, reason });
      return done;
    }
    if (operator === undefined) {
      await asked.show(sender, state);
      return { kind: 'parked' }; // it is received when its owner has it
    }
    const current = chat?.id === chatId ? chat : null;
    if (current && !again && event.revision < current.round) {
      // Nobody had the chat since, or another: it is among what was said before.
      const refused = await opening.open(sender, state, [operator], current.round);
      const reason = refused.get(id);
      if (reason !== undefined) return { kind: 'dead', reason };
    } else {
      if (current?.parked === event.revision) {
        await opening.open(sender, state, [operator], event.revision);
      }
      await delivery.send(sender, operator, { id, body });
    }
    await options.afterTaken?.(id);
    await report(tenant.id, key, { type: 'ReportTaken', messageIds: [id] });
    return done;
  }

  /** The chat is shown to those who were given it by this fact, as far as they still have it. */
  async function openFor(
    sender: Sender,
    state: VisitorState,
    { revision }: RecordedEvent,
    {
      chatId,
      operators,
      taken,
    }: { chatId: string; operators: readonly Username[]; taken?: boolean },
  ): Promise<void> {
    const { chat } = state.context;
    if (chat?.id !== chatId || !(taken || opensAt(chat, revision))) return;
    const still = operators.filter((each) => chat.operator === each || chat.offered.includes(each));
    const refused = await opening.open(sender, state, still, revision);
    if (chat.operator === null) return;
    for (const [messageId, reason] of refused) {
      await report(sender.tenant.id, sender.key, { type: 'ReportFailed', messageId, reason });
    }
  }

  async function aboutVisitor(
    sender: Sender,
    event: RecordedEvent,
    again: boolean,
  ): Promise<Outcome> {
    const { tenant, key } = sender;
    const state = await actors.visitor(tenant.id, key).state();
    const fact = visitorFact(event);
    if (!state || !fact) return done;
    if (fact.type === 'VisitorMessageSent') {
      return messageOfVisitor(sender, state, event, fact.data, again);
    }
    await showChat(sender, state, event, fact);
    const notices = [...noticesOf(fact), ...(await answers.confirmationsOf(tenant, fact))];
    const lines = notices.map((notice, index) => ({ ...notice, id: noticeId(event, index) }));
    await delivery.tellAll(sender, lines);
    return done;
  }

  async function showChat(
    sender: Sender,
    state: VisitorState,
    event: RecordedEvent,
    fact: VisitorFact,
  ): Promise<void> {
    switch (fact.type) {
      case 'ChatOffered':
        return openFor(sender, state, event, fact.data);
      case 'ChatAssigned': {
        const { chatId, operator, others } = fact.data;
        // From others, perhaps with what they had been sent already.
        const taken = others !== undefined;
        return openFor(sender, state, event, { chatId, operators: [operator], taken });
      }
      case 'ChatTransferred': {
        const { chatId, operator } = fact.data;
        return operator === null
          ? undefined
          : openFor(sender, state, event, { chatId, operators: [operator] });
      }
      case 'ChatClosed':
        return fact.data.operator === null ? failTaken(sender, state, fact.data.chatId) : undefined;
      case 'OperatorMessageTold':
      case 'OperatorMessageDisplayed': {
        const { operator, messageId } = fact.data;
        const what = fact.type === 'OperatorMessageTold' ? 'received' : 'displayed';
        return delivery.acknowledge(sender, operator, what, messageId);
      }
    }
  }

  /** Sent to somebody who has the chat no more, and nobody has it: there is nobody to send them to again. */
  async function failTaken(
    { tenant, key }: Sender,
    state: VisitorState,
    of: string,
  ): Promise<void> {
    const { openMessages } = state.context;
    for (const { id: messageId, chatId, taken } of openMessages) {
      if (chatId !== of || !taken) continue;
      const reason = NOBODY_TOOK_IT;
      await report(tenant.id, key, { type: 'ReportFailed', messageId, reason });
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
    const answer = fact && (await answers.answerTo(tenant, username, fact));
    if (!answer) return done;
    const sender = { tenant, key: answer.visitor, mayAct };
    const line = (text: string, index: number) => ({
      to: username,
      id: noticeId(event, index),
      text,
    });
    await delivery.tellAll(sender, answer.texts.map(line));
    return done;
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
        return await aboutVisitor({ tenant, key: actor.name, mayAct }, event, again);
      }
      if (actor.kind === 'operator') return await aboutOperator(tenant, actor.name, event, mayAct);
      return done;
    } catch (error) {
      if (isRefused(error)) return { kind: 'dead', reason: error.message };
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
      retry: MESSAGE_RETRY,
      concerns: ({ type }) => CONCERNS.has(type),
      perform,
      gaveUp,
    },
    sendAgain: repeats.sendAgain,
  };
}

/** Several lines of one fact are told apart by their place. */
const noticeId = ({ id }: RecordedEvent, index: number): string =>
  index === 0 ? `notice-${id}` : `notice-${id}.${index}`;
