/**
 * The lane to XMPP: the visitors' messages to operators, and the service's own lines to operators. This is the entry of
 * `conversation/`; only the composition (src/service) imports it.
 *
 * A message is *taken* when ejabberd has processed it, *delivered* when mod_lhc reports it (src/inbox), and *failed*
 * otherwise.
 */
import type { Logger } from 'pino';
import { operatorFact, visitorFact } from '../../actors/facts.ts';
import { actorOf, type TenantId, type Username, type VisitorKey } from '../../actors/ids.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import type { TenantSettings } from '../../actors/tenant/settings.ts';
import type { VisitorFact, VisitorFacts, VisitorState } from '../../actors/visitor/facts.ts';
import { isExpected, isRefused, messageOf } from '../../errors.ts';
import type { EventStore, RecordedEvent } from '../../eventstore/port.ts';
import type { RetryPolicy } from '../../kit/backoff.ts';
import type { Destination, DestinationFilter, Outcome } from '../../runtime/lanes/destination.ts';
import { type Ownership, ownsStream } from '../../runtime/leases/ownership.ts';
import type { CommitListener } from '../../runtime/pending-work.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { EjabberdAdmin, VisitorTransport } from '../../xmpp/port.ts';
import type { Answers } from '../answers/answers.ts';
import type { OperatorRemoval } from '../operators/removal.ts';
import type { OperatorSessions } from '../operators/sessions.ts';
import type { PersonalData } from '../personal-data.ts';
import { noticesOf } from '../texts/notices.ts';
import { createBroadcast } from './broadcast.ts';
import { createDelivery, type Line, laneLost, type Sender } from './delivery.ts';
import { createOpening, opensAt } from './opening.ts';
import { createRecipients } from './recipient.ts';
import { createResend } from './resend.ts';

/** Waits between the tries of one effect. */
export const MESSAGE_RETRY: RetryPolicy = { firstMs: 200, mostMs: 15_000 };
/** Lanes of different streams that run at the same time. */
export const XMPP_LANES_AT_ONCE = 256;

/** Facts that call for an effect in XMPP. */
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
  'OperatorMessageAccepted',
  'OperatorMessageDisplayed',
  'MessageRefused',
  'QuestionAsked',
  'AvailabilitySet',
  'OperatorRemoved',
  'PresenceResumed',
]);
export const XMPP_FILTER: DestinationFilter = {
  name: 'xmpp',
  concerns: ({ type }) => CONCERNS.has(type),
};
const NO_OPERATOR = 'no operator took the chat';

const done: Outcome = { kind: 'done' };
/** The lane stops at this fact until a later fact of the stream gives the chat an operator. */
const parked: Outcome = { kind: 'parked' };

/** Follows operators' sessions, to resend to an operator whose session has ended. */
export interface XmppLane extends CommitListener {
  readonly destination: Destination;
  /**
   * Call it when a visitor's session is new: messages that were taken and not delivered go out again, before anything
   * newer. It does nothing if another process owns the visitor.
   */
  resend(jid: string): void;
}

interface XmppLaneOptions {
  readonly actors: Actors;
  readonly store: EventStore;
  readonly admin: EjabberdAdmin;
  readonly transport: VisitorTransport;
  readonly tenants: TenantDirectory;
  readonly personal: PersonalData;
  readonly removal: OperatorRemoval;
  readonly answers: Answers;
  readonly operatorSessions: Pick<OperatorSessions, 'compare'>;
  readonly ownership: Ownership;
  readonly now: () => number;
  readonly logger: Logger;
  /** A failpoint of tests, between a stanza that was taken and its fact. */
  readonly afterTaken?: (messageId: string) => Promise<void>;
}

/** What the functions below share. */
function partsOf(options: XmppLaneOptions) {
  const recipientOf = createRecipients(options.store);
  const resend = createResend({ ...options, recipientOf });
  const delivery = createDelivery({ ...options, afterResends: resend.afterResends });
  const opening = createOpening({ ...options, delivery });
  const broadcast = createBroadcast({ ...options, delivery, opening });
  return { ...options, recipientOf, resend, delivery, opening, broadcast };
}
type Parts = ReturnType<typeof partsOf>;

const reportFailed = (
  { actors }: Parts,
  tenant: TenantId,
  key: VisitorKey,
  messageId: string,
  reason: string,
) => actors.visitor(tenant, key).send({ type: 'ReportMessageFailed', messageId, reason });

/** @param again a person sends it again, out of order */
async function sendVisitorMessage(
  parts: Parts,
  sender: Sender,
  state: VisitorState,
  event: RecordedEvent,
  { messageId: id, chatId }: VisitorFacts['VisitorMessageSent'],
  again: boolean,
): Promise<Outcome> {
  const { actors, personal, recipientOf, delivery, opening, broadcast } = parts;
  const { tenant, key } = sender;
  const { openMessages, chat, firstWaiting } = state.context;
  const open = openMessages.find((each) => each.id === id);
  if (!again && (!open || open.taken)) return done;
  const operator = await recipientOf(event, chatId, state);
  if (operator === undefined && !chat?.offeredTo.length) return parked;
  const body = await personal.bodyOf(event);
  if (operator === null || body === null) {
    const reason = body === null ? 'the visitor was erased' : NO_OPERATOR;
    await reportFailed(parts, tenant.id, key, id, reason);
    return done;
  }
  if (operator === undefined) {
    await broadcast.show(sender, state);
    return parked; // it is received when the chat's owner has it
  }
  const current = chat?.id === chatId ? chat : null;
  if (current && !again && event.revision < current.searchRevision) {
    // The message is from before the current search for an operator, so it is part of the opening.
    const refusals = await opening.open(sender, state, [operator], current.searchRevision);
    const reason = refusals.get(id);
    if (reason !== undefined) return { kind: 'dead', reason };
  } else {
    if (current && firstWaiting === event.revision) {
      await opening.open(sender, state, [operator], event.revision);
    }
    await delivery.send(sender, operator, { id, body });
  }
  await parts.afterTaken?.(id);
  await actors.visitor(tenant.id, key).send({ type: 'ReportMessageTaken', messageIds: [id] });
  return done;
}

/** Opens the chat for the operators to whom this fact gave or offered it, as far as that is still true. */
async function openChat(
  parts: Parts,
  sender: Sender,
  state: VisitorState,
  { revision }: RecordedEvent,
  given: { chatId: string; operators: readonly Username[]; askedBefore?: boolean },
): Promise<void> {
  const { chat } = state.context;
  if (chat?.id !== given.chatId || !(given.askedBefore || opensAt(state.context, revision))) return;
  const operators = given.operators.filter(
    (operator) => chat.operator === operator || chat.offeredTo.includes(operator),
  );
  const refusals = await parts.opening.open(sender, state, operators, revision);
  if (chat.operator === null) return;
  for (const [messageId, reason] of refusals) {
    await reportFailed(parts, sender.tenant.id, sender.key, messageId, reason);
  }
}

/** Messages that an operator took who has lost the chat since. Nobody has the chat, so nobody can get them again. */
async function failTaken(
  parts: Parts,
  { tenant, key }: Sender,
  state: VisitorState,
  closed: string,
): Promise<void> {
  for (const { id, chatId, taken } of state.context.openMessages) {
    if (chatId === closed && taken) await reportFailed(parts, tenant.id, key, id, NO_OPERATOR);
  }
}

/** Effects of a visitor's fact beside its notices. */
async function performVisitorFact(
  parts: Parts,
  sender: Sender,
  state: VisitorState,
  event: RecordedEvent,
  fact: VisitorFact,
): Promise<void> {
  switch (fact.type) {
    case 'ChatOffered':
      return openChat(parts, sender, state, event, fact.data);
    case 'ChatAssigned': {
      const { chatId, operator, withdrawnFrom } = fact.data;
      // Other operators were asked, so the messages may have been sent to them before this fact.
      const given = { chatId, operators: [operator], askedBefore: withdrawnFrom !== undefined };
      return openChat(parts, sender, state, event, given);
    }
    case 'ChatTransferred': {
      const { chatId, operator } = fact.data;
      if (operator === null) return;
      return openChat(parts, sender, state, event, { chatId, operators: [operator] });
    }
    case 'ChatClosed':
      if (fact.data.operator !== null) return;
      return failTaken(parts, sender, state, fact.data.chatId);
    case 'OperatorMessageAccepted':
    case 'OperatorMessageDisplayed': {
      const { operator, messageId } = fact.data;
      const what = fact.type === 'OperatorMessageAccepted' ? 'received' : 'displayed';
      return parts.delivery.acknowledge(sender, operator, what, messageId);
    }
  }
}

async function performVisitorEvent(
  parts: Parts,
  sender: Sender,
  event: RecordedEvent,
  again: boolean,
): Promise<Outcome> {
  const { actors, answers, delivery } = parts;
  const { tenant, key } = sender;
  const state = await actors.visitor(tenant.id, key).state();
  const fact = visitorFact(event);
  if (!state || !fact) return done;
  if (fact.type === 'VisitorMessageSent') {
    return sendVisitorMessage(parts, sender, state, event, fact.data, again);
  }
  await performVisitorFact(parts, sender, state, event, fact);
  const notices = [...noticesOf(fact), ...(await answers.confirmationsOf(tenant, fact))];
  const lines = notices.map(({ to, text }, index) => lineOf(event, index, to, text));
  await delivery.sendLines(sender, lines);
  return done;
}

async function performOperatorEvent(
  { answers, delivery, removal, operatorSessions }: Parts,
  tenant: TenantSettings,
  username: Username,
  event: RecordedEvent,
  mayAct: () => boolean,
): Promise<Outcome> {
  const fact = operatorFact(event);
  if (fact?.type === 'OperatorRemoved') {
    await removal.exclusively(tenant, username, async () => {
      if (!mayAct()) throw laneLost();
      await removal.finish(tenant, username);
    });
    return done;
  }
  if (fact?.type === 'PresenceResumed') {
    if (await operatorSessions.compare(tenant.id, username)) return done;
    return { kind: 'retry', reason: 'the sessions could not be compared with ejabberd' };
  }
  const answer = fact && (await answers.answerTo(tenant, username, fact));
  if (!answer) return done;
  const lines = answer.texts.map((text, index) => lineOf(event, index, username, text));
  await delivery.sendLines({ tenant, key: answer.visitor, mayAct }, lines);
  return done;
}

/** The lines of one fact have different ids by their place. */
const lineOf = ({ id }: RecordedEvent, index: number, to: Username, text: string): Line => ({
  to,
  text,
  id: index === 0 ? `notice-${id}` : `notice-${id}.${index}`,
});

async function perform(parts: Parts, event: RecordedEvent, again: boolean): Promise<Outcome> {
  const actor = actorOf(event.stream);
  const tenant = actor && parts.tenants.get(actor.tenant);
  // Processes learn of a new tenant one by one. Another process, or this one after its next start, may know it.
  if (!tenant) return { kind: 'retry', reason: 'its tenant is not configured here' };
  // The process that a person asks to send something again may send it.
  const mayAct = (): boolean => again || ownsStream(parts.ownership, event.stream);
  try {
    if (actor.kind === 'visitor') {
      const sender = { tenant, key: actor.name, mayAct };
      return await performVisitorEvent(parts, sender, event, again);
    }
    if (actor.kind === 'operator') {
      return await performOperatorEvent(parts, tenant, actor.name, event, mayAct);
    }
    return done;
  } catch (error) {
    if (isRefused(error)) return { kind: 'dead', reason: error.message };
    return { kind: 'retry', reason: messageOf(error), expected: isExpected(error) };
  }
}

/** The lane gave up a message: LHC hears that it failed. */
async function reportDeadLetter(parts: Parts, event: RecordedEvent, reason: string): Promise<void> {
  const actor = actorOf(event.stream);
  const fact = visitorFact(event);
  if (fact?.type !== 'VisitorMessageSent' || actor?.kind !== 'visitor') return;
  await reportFailed(parts, actor.tenant, actor.name, fact.data.messageId, reason);
}

export function createXmppLane(options: XmppLaneOptions): XmppLane {
  const parts = partsOf(options);
  return {
    onCommit: parts.resend.onCommit,
    destination: {
      ...XMPP_FILTER,
      concurrency: XMPP_LANES_AT_ONCE,
      retry: MESSAGE_RETRY,
      perform: (event, _signal, again = false) => perform(parts, event, again),
      reportFailure: (event, reason) => reportDeadLetter(parts, event, reason),
    },
    resend: parts.resend.resend,
  };
}
