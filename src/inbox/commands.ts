/** Turns each event of mod_lhc into commands to visitors and operators. */
import { createHmac } from 'node:crypto';
import {
  bareJid,
  type Person,
  personOf,
  type TenantId,
  type Username,
  type VisitorKey,
} from '../actors/ids.ts';
import type { Hook } from '../actors/machine/idempotency.ts';
import type { OperatorCommand, OperatorState } from '../actors/operator/decisions.ts';
import type { Show } from '../actors/operator/machine.ts';
import type { TenantDirectory } from '../actors/tenant/directory.ts';
import { lhcCommandsOf } from '../actors/tenant/lhc-commands.ts';
import { DEFAULT_OPERATOR_MESSAGES_PER_SECOND } from '../actors/tenant/settings.ts';
import type { VisitorCommand } from '../actors/visitor/decisions.ts';
import type { VisitorState } from '../actors/visitor/facts.ts';
import { AppError, isRejected } from '../errors.ts';
import { isStoreAway } from '../eventstore/port.ts';
import type { Actor, Actors, ActorView, Origin, Transfer } from '../runtime/ports.ts';
import { type Budgets, createBudgets, type OperatorRates, operatorRates } from './budget.ts';
import { MESSAGE_ID_MAX_CHARACTERS, type WebhookEvent, type WebhookEventOf } from './events.ts';
import { type CarryOut, createCarryOut, type Ends, nameOf } from './operator-commands/carry-out.ts';
import { isBlank, readWritten, type Written } from './operator-commands/read.ts';
import type { SetAside } from './set-aside.ts';

type Operator = Extract<Person, { kind: 'operator' }>;
type Visitor = Extract<Person, { kind: 'visitor' }>;

/** The chat states (XEP-0085) that mod_lhc reports. */
export type TypingState = WebhookEventOf<'chat_state'>['state'];

/** Why a stanza is returned to its sender: the condition of the error (RFC 6120 §8.3.3). */
export type ReturnCondition = 'item-not-found' | 'forbidden' | 'policy-violation';

/** A stanza that is returned to its sender with an error. It leaves no trace in the log. */
export interface Returned {
  /** The tenant whose account the sender may be; the host if there is none. Returns of one do not wait for another. */
  readonly tenant: string;
  /** Full JID of the sender, in a host of ours. */
  readonly sender: string;
  /** The JID that the sender wrote to. */
  readonly addressee: string;
  /** The stanza's id. */
  readonly id: string;
  readonly condition: ReturnCondition;
  /** A sentence for the sender. */
  readonly reason: string;
}

/** Signals that are no commands. Reactors handle them (src/reactors/lhc/signals.ts). None of them waits for ejabberd. */
export interface InboxSignals {
  /**
   * mod_lhc started: sessions that it reported before may have ended without a report. Resolves when later events may be
   * taken. What could not be compared with ejabberd by then is compared later.
   * @param instance of the tenant; `''`: the tenant without one; undefined: all tenants of the host
   * @param hook so that a repeat does not end sessions that were reported since
   * @throws {AppError} only if the event store is away
   */
  moduleStarted(host: string, instance: string | undefined, hook: Hook): Promise<void>;
  /** An event about this operator's sessions was lost: compare them with ejabberd. */
  sessionsUnsure(tenant: TenantId, username: Username): void;
  /** Returns a stanza to its sender, at once or counted with later ones. */
  returned(stanza: Returned): void;
  operatorAlive(tenant: TenantId, username: Username): void;
  operatorTyping(
    tenant: TenantId,
    visitor: VisitorKey,
    operator: Username,
    state: TypingState,
  ): void;
}

/** One text from bodies in several languages: without a language first, and one that is not blank if there is any. */
function textOf(body: Readonly<Record<string, string>>): string {
  const texts = [body[''] ?? '', ...Object.values(body)];
  return texts.find((text) => !isBlank(text)) ?? texts.find((text) => text !== '') ?? '';
}

/** Why a visitor cannot be shown something, and what the operator can do instead. */
const UNSUPPORTED: ReadonlyMap<string, string> = new Map([
  [
    'encrypted',
    'it is encrypted, and visitors cannot read that; switch encryption off for this contact',
  ],
  ['retraction', 'a message cannot be taken back, and the visitor still has it'],
  ['reaction', 'visitors cannot see reactions; write a message instead'],
]);
const UNSUPPORTED_OTHER = 'visitors cannot see what your client has sent; write a message instead';

/** What a person reads whose message was set aside. */
const SET_ASIDE =
  'the service could not pass it on. It is kept for an administrator; write it again if it is urgent';
/** What an operator reads who wrote more than their budget allows. */
const TOO_FAST =
  'you write faster than this service passes on. What you write in the next seconds is returned to you';

/** A message that has to be set aside. */
export interface Letter {
  readonly tenant: TenantId;
  /** The visitor whom the message concerns. */
  readonly visitor: VisitorKey;
  /** To be called after the message was set aside: its sender is told. */
  readonly tell: () => Promise<void>;
}

export interface WebhookCommands {
  /**
   * Carries out one event. It ignores an event that is no use to anybody, and returns a message to a sender who may not
   * write it.
   * @throws {AppError} what the actors throw
   */
  handle(event: WebhookEvent): Promise<void>;
  /**
   * Decides what becomes of an event that cannot be carried out. Only a message of a registered operator to a visitor who
   * exists is worth keeping; the sender of another one is told if possible.
   * @param event undefined if the content is malformed
   * @returns null if it is dropped
   * @throws {AppError} if the event store is away
   */
  giveUp(content: unknown, event: WebhookEvent | undefined): Promise<Letter | null>;
  /** Carries out a message again, as a new command. @throws {AppError} `refused` with the reason */
  message(event: WebhookEventOf<'message'>, commandId: string): Promise<void>;
}

/** The event's number in its queue; or the command id of a message that a person sends again. */
interface MessageOrigin {
  readonly hook?: Hook;
  readonly commandId?: string;
}

export interface WebhookCommandOptions {
  readonly actors: Actors;
  readonly tenants: TenantDirectory;
  readonly setAside: SetAside;
  readonly signals: InboxSignals;
  readonly transfer: Transfer;
  readonly digestKey: Buffer;
  /** Default: as the tenants' settings say. */
  readonly budgets?: Budgets;
}

interface Parts extends WebhookCommandOptions {
  readonly budgets: Budgets;
  readonly carryOut: CarryOut;
}

// Events are bounded by the batches that are at work, so no mailbox is too full for them.
const sendToVisitor = (
  { actors }: WebhookCommandOptions,
  { tenant, name }: Visitor,
  command: VisitorCommand,
  origin: Partial<Origin>,
) => actors.visitor(tenant, name).send(command, { ...origin, unbounded: true });

const sendToOperator = (
  { actors }: WebhookCommandOptions,
  { tenant, name }: Operator,
  command: OperatorCommand,
  origin: Partial<Origin>,
) => actors.operator(tenant, name).send(command, { ...origin, unbounded: true });

/** What an event says about who did it, and on which virtual host. */
interface Source {
  readonly from: string;
  readonly host: string;
}

/** The operator who did it. They are of the event's host: a secret of mod_lhc may be for that host alone. */
function operatorOf({ tenants }: WebhookCommandOptions, { from, host }: Source): Operator | null {
  if (bareJid(from)?.host !== host.toLowerCase()) return null;
  const person = personOf(from, tenants.ofHost);
  return person?.kind === 'operator' ? person : null;
}

/** The operator and the visitor of a stanza; null if there are no two people of one tenant with these names. */
function endsOf(options: WebhookCommandOptions, event: Source & { to: string }): Ends | null {
  const operator = operatorOf(options, event);
  const visitor = personOf(event.to, options.tenants.ofHost);
  const isPair = visitor?.kind === 'visitor' && visitor.tenant === operator?.tenant;
  return operator && isPair ? { operator, visitor } : null;
}

/**
 * The command id of a message. A client that resumes or reconnects may send a stanza again, as a new event with the same
 * stanza id. A careless client may use one stanza id for several messages, to one visitor or to several. So sender,
 * receiver, id and text together identify a message.
 */
function commandIdOf(
  { digestKey }: WebhookCommandOptions,
  { operator, visitor }: Ends,
  id: string,
  text: string,
): string {
  const fingerprint = createHmac('sha256', digestKey);
  fingerprint.update(JSON.stringify([id, text, visitor.name]));
  return `op:${operator.name}:${fingerprint.digest('base64url').slice(0, 22)}`;
}

/** The state of an actor. Another process may have changed it just now, so an answer of null is looked up again. */
async function stateOf<State>(
  actor: Actor<never, State>,
  fits: (state: ActorView<State>) => boolean = () => true,
): Promise<ActorView<State> | null> {
  const known = await actor.state();
  const state = known && fits(known) ? known : await actor.latest();
  return state && fits(state) ? state : null;
}

const registeredOperator = (
  { actors }: WebhookCommandOptions,
  { tenant, name }: Operator,
): Promise<ActorView<OperatorState> | null> =>
  stateOf(actors.operator(tenant, name), ({ context }) => context.registered);

const knownVisitor = (
  { actors }: WebhookCommandOptions,
  { tenant, name }: Visitor,
): Promise<ActorView<VisitorState> | null> => stateOf(actors.visitor(tenant, name));

/** Both people of a conversation, who exist. */
interface Conversation {
  readonly ends: Ends;
  readonly operator: ActorView<OperatorState>;
  readonly visitor: ActorView<VisitorState>;
}

/** The conversation that a stanza belongs to. If there is none, the stanza is returned to its sender. */
async function conversationOf(
  options: WebhookCommandOptions,
  event: Source & { to: string; id: string },
): Promise<Conversation | null> {
  const sender = operatorOf(options, event);
  const operator = sender && (await registeredOperator(options, sender));
  if (!operator) {
    giveBack(options, event, 'forbidden', 'You are not registered as an operator.');
    return null;
  }
  const ends = endsOf(options, event);
  const visitor = ends && (await knownVisitor(options, ends.visitor));
  if (visitor) return { ends, operator, visitor };
  giveBack(options, event, 'item-not-found', 'Not delivered: this visitor is not known.');
  return null;
}

function giveBack(
  options: WebhookCommandOptions,
  { from, host, to, id }: Source & { to: string; id: string },
  condition: ReturnCondition,
  reason: string,
): void {
  const { tenants, signals } = options;
  const isOurs = bareJid(from)?.host === host.toLowerCase() && tenants.ofHost(host).length > 0;
  if (!isOurs) return;
  const tenant = operatorOf(options, { from, host })?.tenant ?? host.toLowerCase();
  signals.returned({ tenant, sender: from, addressee: to, id, condition, reason });
}

/** An operator's message: a text for the visitor, or a command. */
async function handleMessage(
  parts: Parts,
  event: WebhookEventOf<'message'>,
  { hook, commandId: given }: MessageOrigin,
): Promise<void> {
  const conversation = await conversationOf(parts, event);
  if (!conversation) return;
  const { ends } = conversation;
  const { operator, visitor } = ends;
  const { id: messageId, receipt, markable, replaces } = event;
  const body = textOf(event.body);
  // Some clients send an empty body with a chat state. It must neither accept a chat nor invite a visitor.
  if (body === '') return;
  const settings = parts.tenants.get(operator.tenant);
  const written = readWritten(body, settings ? lhcCommandsOf(settings) : []);
  const commandId = given ?? commandIdOf(parts, ends, messageId, body);
  // The message was refused before. The visitor's state may have changed since, but the answer stays. The number in the
  // queue does not tell: later events of this operator may be done before a message is set aside.
  if (conversation.operator.seen.hasCommand(commandId)) return;
  const refuse = refusal(parts, ends, messageId, commandId, written);
  // The event is among the dead letters. If it were taken now, it would arrive twice once it is sent again from there.
  if (hook && (await parts.setAside.has(hook.queueId, hook.seq))) return refuse(SET_ASIDE);
  const isRepeat = conversation.visitor.seen.hasCommand(commandId);
  if (hook && !isRepeat) {
    const isQuestion = written.kind === 'question';
    const at = Date.parse(event.at);
    const charge = parts.budgets.charge(operator.tenant, operator.name, isQuestion, at);
    if (charge === 'first') return refuse(TOO_FAST);
    if (charge === 'over') {
      return giveBack(parts, event, 'policy-violation', `Not delivered: ${TOO_FAST}.`);
    }
  }
  if (isBlank(body)) return refuse('there is nothing to read in it');
  try {
    if (written.kind !== 'message') {
      return await parts.carryOut(written, ends, { messageId, commandId, hook });
    }
    const command: VisitorCommand = {
      type: 'ReceiveOperatorMessage',
      operator: operator.name,
      messageId,
      body: written.body,
      receipt,
      markable,
      ...(replaces !== undefined && { replaces }),
    };
    await sendToVisitor(parts, visitor, command, { commandId, hook });
  } catch (error) {
    if (!isRejected(error)) throw error;
    return refuse(error.message);
  }
}

/** Refuses a message or a command, with a reason for its sender. */
const refusal =
  (parts: Parts, ends: Ends, messageId: string, commandId: string, written: Written) =>
  async (reason: string): Promise<void> => {
    const command: OperatorCommand = {
      type: 'RefuseMessage',
      visitor: ends.visitor.name,
      messageId,
      reason,
      ...(written.kind !== 'message' && { command: nameOf(written) }),
    };
    await sendToOperator(parts, ends.operator, command, { commandId });
  };

/** Content that no visitor can be shown: the operator reads why. */
async function handleUnsupported(
  parts: Parts,
  event: WebhookEventOf<'unsupported'>,
): Promise<void> {
  const conversation = await conversationOf(parts, event);
  if (!conversation) return;
  const { ends, operator: state } = conversation;
  const { operator, visitor } = ends;
  const { id: messageId, what, at } = event;
  const commandId = commandIdOf(parts, ends, messageId, what);
  if (state.seen.hasCommand(commandId)) return;
  const charge = parts.budgets.charge(operator.tenant, operator.name, false, Date.parse(at));
  const unshown = UNSUPPORTED.get(what) ?? UNSUPPORTED_OTHER;
  if (charge === 'over') {
    return giveBack(parts, event, 'policy-violation', `Not delivered: ${unshown}.`);
  }
  const reason = charge === 'first' ? TOO_FAST : unshown;
  await sendToOperator(
    parts,
    operator,
    { type: 'RefuseMessage', visitor: visitor.name, messageId, reason },
    { commandId },
  );
}

/**
 * A report that an operator's client has received or displayed messages. It is ignored if nobody has these names. A
 * visitor who is unknown is ignored too: the message was a line of the service that said so.
 */
async function handleReport(
  options: WebhookCommandOptions,
  event: WebhookEventOf<'delivered' | 'displayed'>,
  origin: Partial<Origin>,
): Promise<void> {
  const ends = endsOf(options, event);
  if (!ends) return;
  const by = { operator: ends.operator.name };
  const report: VisitorCommand =
    event.type === 'delivered'
      ? { type: 'ReportMessageDelivered', messageIds: event.ids, by: event.by, ...by }
      : { type: 'ReportMessageDisplayed', messageId: event.id, ...by };
  try {
    await sendToVisitor(options, ends.visitor, report, origin);
  } catch (error) {
    if (!isRejected(error)) throw error;
  }
}

type SessionEvent = WebhookEventOf<
  'operator.connected' | 'operator.disconnected' | 'operator.presence'
>;
type PingEvent = WebhookEventOf<'operator.ping' | 'operator.ping_timeout'>;

function sessionCommand(event: SessionEvent): OperatorCommand {
  const { session, resource } = event;
  switch (event.type) {
    case 'operator.connected':
      return { type: 'OpenSession', session, resource };
    case 'operator.disconnected':
      return { type: 'CloseSession', session, resource };
    case 'operator.presence': {
      const show: Show = event.show === 'unavailable' ? null : event.show;
      return { type: 'ChangePresence', session, resource, show, status: event.status };
    }
  }
}

/**
 * Events of an operator's sessions. Accounts that are no operator of a tenant are ignored here, and operators who are not
 * registered by their actor.
 */
async function handleSession(
  options: WebhookCommandOptions,
  event: SessionEvent | PingEvent,
  origin: Partial<Origin>,
): Promise<void> {
  const operator = operatorOf(options, { from: `${event.user}@${event.host}`, host: event.host });
  if (!operator) return;
  if (event.type === 'operator.ping' || event.type === 'operator.ping_timeout') {
    const answered = event.type === 'operator.ping';
    const { resource } = event;
    await sendToOperator(options, operator, { type: 'ReportPing', resource, answered }, origin);
    if (answered) options.signals.operatorAlive(operator.tenant, operator.name);
    return;
  }
  await sendToOperator(options, operator, sessionCommand(event), origin);
}

/** True if this operator is registered. An actor that cannot say so is taken for a registered one. */
async function mayBeRegistered(options: WebhookCommandOptions, operator: Operator) {
  try {
    return (await registeredOperator(options, operator)) !== null;
  } catch (error) {
    if (isStoreAway(error)) throw error;
    return true;
  }
}

/** The same for a visitor who is known. */
async function mayBeKnown(options: WebhookCommandOptions, visitor: Visitor): Promise<boolean> {
  try {
    return (await knownVisitor(options, visitor)) !== null;
  } catch (error) {
    if (isStoreAway(error)) throw error;
    return true;
  }
}

/** A person sends a message again, out of order. */
async function sendAgain(
  parts: Parts,
  event: WebhookEventOf<'message'>,
  commandId: string,
): Promise<void> {
  const ends = endsOf(parts, event);
  const operator = ends && (await registeredOperator(parts, ends.operator));
  const visitor = ends && (await knownVisitor(parts, ends.visitor));
  if (!operator) throw new AppError('refused', 'its sender is not a registered operator');
  if (!visitor) throw new AppError('refused', 'its receiver is not known');
  // It was carried out after all, after it had been given up.
  if (visitor.seen.hasCommand(commandIdOf(parts, ends, event.id, textOf(event.body)))) return;
  await handleMessage(parts, event, { commandId });
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

async function giveUpMessage(
  parts: Parts,
  content: unknown,
  event: WebhookEvent | undefined,
): Promise<Letter | null> {
  const { from, to, id, host } = (content ?? {}) as Record<string, unknown>; // unparsed JSON
  const ends = endsOf(parts, { from: text(from), to: text(to), host: text(host) });
  if (!ends || !(await mayBeRegistered(parts, ends.operator))) return null;
  if (!(await mayBeKnown(parts, ends.visitor))) return null;
  const { tenant, name: visitor } = ends.visitor;
  const letter = (tell: () => Promise<void>): Letter => ({ tenant, visitor, tell });
  if (event?.type !== 'message') {
    const messageId = text(id).slice(0, MESSAGE_ID_MAX_CHARACTERS);
    const commandId = commandIdOf(parts, ends, messageId, 'malformed');
    const nothing: Written = { kind: 'message', body: '' };
    return letter(() => refusal(parts, ends, messageId, commandId, nothing)(SET_ASIDE));
  }
  const settings = parts.tenants.get(tenant);
  const body = textOf(event.body);
  const written = readWritten(body, settings ? lhcCommandsOf(settings) : []);
  const refuse = refusal(parts, ends, event.id, commandIdOf(parts, ends, event.id, body), written);
  if (written.kind === 'message') return letter(() => refuse(SET_ASIDE));
  // Nobody would want a command later, so it is no dead letter.
  await refuse('the service could not carry it out now; try again').catch((error: unknown) => {
    if (isStoreAway(error)) throw error;
  });
  return null;
}

async function giveUp(
  parts: Parts,
  content: unknown,
  event: WebhookEvent | undefined,
): Promise<Letter | null> {
  const { type, user, host } = (content ?? {}) as Record<string, unknown>; // unparsed JSON
  if (type === 'message') return giveUpMessage(parts, content, event);
  if (typeof type === 'string' && SESSION_TYPES.has(type)) {
    const operator = operatorOf(parts, { from: `${text(user)}@${text(host)}`, host: text(host) });
    if (operator) parts.signals.sessionsUnsure(operator.tenant, operator.name);
  }
  return null;
}

const SESSION_TYPES: ReadonlySet<string> = new Set<SessionEvent['type']>([
  'operator.connected',
  'operator.disconnected',
  'operator.presence',
]);

async function handle(parts: Parts, event: WebhookEvent): Promise<void> {
  const hook = { queueId: event.queueId, seq: event.seq };
  switch (event.type) {
    case 'module.started':
      return parts.signals.moduleStarted(event.host, event.instance, hook);
    case 'message':
      return handleMessage(parts, event, { hook });
    case 'unsupported':
      return handleUnsupported(parts, event);
    case 'delivered':
    case 'displayed':
      return handleReport(parts, event, { hook });
    case 'chat_state': {
      const ends = endsOf(parts, event);
      if (!ends) return;
      const { operator, visitor } = ends;
      parts.signals.operatorTyping(operator.tenant, visitor.name, operator.name, event.state);
      return;
    }
    default:
      return handleSession(parts, event, { hook });
  }
}

export function createWebhookCommands(options: WebhookCommandOptions): WebhookCommands {
  const ratesOf = (tenant: TenantId): OperatorRates => {
    const settings = options.tenants.get(tenant);
    return operatorRates(
      settings?.operatorMessagesPerSecond ?? DEFAULT_OPERATOR_MESSAGES_PER_SECOND,
    );
  };
  const parts: Parts = {
    ...options,
    budgets: options.budgets ?? createBudgets(ratesOf),
    carryOut: createCarryOut(options),
  };
  return {
    handle: (event) => handle(parts, event),
    giveUp: (content, event) => giveUp(parts, content, event),
    message: (event, commandId) => sendAgain(parts, event, commandId),
  };
}
