/** Turns each event of mod_lhc into commands to visitors and operators. */
import { createHmac } from 'node:crypto';
import {
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
import type { VisitorCommand } from '../actors/visitor/decisions.ts';
import { AppError, hasCode } from '../errors.ts';
import type { Actors, ActorView, Origin, Transfer } from '../runtime/ports.ts';
import type { WebhookEvent, WebhookEventOf } from './events.ts';
import { type CarryOut, createCarryOut, type Ends, nameOf } from './operator-commands/carry-out.ts';
import { isBlank, readWritten } from './operator-commands/read.ts';
import type { SetAside } from './set-aside.ts';

type Operator = Extract<Person, { kind: 'operator' }>;
type Visitor = Extract<Person, { kind: 'visitor' }>;

/** The chat states (XEP-0085) that mod_lhc reports. */
export type TypingState = WebhookEventOf<'chat_state'>['state'];

/** Signals that are no commands. Reactors handle them (src/reactors/lhc/signals.ts). */
export interface InboxSignals {
  /**
   * mod_lhc started: sessions that it reported before may have ended without a report. Resolves when the operators'
   * sessions were compared, because later events build on them.
   * @param hook so that a repeat does not end sessions that were reported since
   */
  moduleStarted(host: string, hook: Hook): Promise<void>;
  operatorAlive(tenant: TenantId, username: Username): void;
  operatorTyping(
    tenant: TenantId,
    visitor: VisitorKey,
    operator: Username,
    state: TypingState,
  ): void;
}

/** An event that cannot be used. The message is the reason, for the person who reads the dead letters. */
export class Unusable extends Error {
  override readonly name = 'Unusable';
  /** To be done after the event was set aside. */
  readonly afterwards: (() => Promise<void>) | undefined;

  constructor(reason: string, afterwards?: () => Promise<void>) {
    super(reason);
    this.afterwards = afterwards;
  }
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

export interface WebhookCommands {
  /** Carries out one event. @throws {Unusable} if the event has to be set aside */
  handle(event: WebhookEvent): Promise<void>;
  /** Carries out a message again, as a new command. @throws {Unusable} */
  message(event: WebhookEventOf<'message'>, origin: MessageOrigin): Promise<void>;
  /** The operator of a JID; null if the JID is not an operator's. */
  operatorOf(jid: string): Operator | null;
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
}

const sendToVisitor = (
  { actors }: WebhookCommandOptions,
  { tenant, name }: Visitor,
  command: VisitorCommand,
  origin: Partial<Origin>,
) => actors.visitor(tenant, name).send(command, origin);

const sendToOperator = (
  { actors }: WebhookCommandOptions,
  { tenant, name }: Operator,
  command: OperatorCommand,
  origin: Partial<Origin>,
) => actors.operator(tenant, name).send(command, origin);

function operatorOf({ tenants }: WebhookCommandOptions, jid: string): Operator | null {
  const person = personOf(jid, tenants.ofHost);
  return person?.kind === 'operator' ? person : null;
}

/** The operator and the visitor of a message, of the same tenant. @throws {Unusable} */
function endsOf(options: WebhookCommandOptions, event: { from: string; to: string }): Ends {
  const operator = operatorOf(options, event.from);
  if (!operator) throw new Unusable('its sender is no operator of any tenant');
  const visitor = personOf(event.to, options.tenants.ofHost);
  if (visitor?.kind !== 'visitor') throw new Unusable('its receiver is no visitor of any tenant');
  if (visitor.tenant !== operator.tenant) {
    throw new Unusable('its sender and its receiver are of different tenants');
  }
  return { operator, visitor };
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

/** @throws {Unusable} if the operator is not registered */
async function registeredOperator(
  { actors }: WebhookCommandOptions,
  { tenant, name }: Operator,
): Promise<ActorView<OperatorState>> {
  const operator = actors.operator(tenant, name);
  const known = await operator.state();
  // Another process may just have registered the operator.
  const state = known?.context.registered ? known : await operator.latest();
  if (!state?.context.registered) throw new Unusable('its sender is not a registered operator');
  return state;
}

/** An operator's message: a text for the visitor, or a command. */
async function handleMessage(
  options: WebhookCommandOptions,
  carryOut: CarryOut,
  event: WebhookEventOf<'message'>,
  { hook, commandId: given }: MessageOrigin,
): Promise<void> {
  const ends = endsOf(options, event);
  const { operator, visitor } = ends;
  const state = await registeredOperator(options, operator);
  const { id: messageId, receipt, markable, replaces } = event;
  const body = textOf(event.body);
  // Some clients send an empty body with a chat state. It must neither accept a chat nor invite a visitor.
  if (body === '') return;
  const settings = options.tenants.get(operator.tenant);
  const written = readWritten(body, settings ? lhcCommandsOf(settings) : []);
  const commandId = given ?? commandIdOf(options, ends, messageId, body);
  // The message was refused before. The visitor's state may have changed since, but the answer stays. The number in the
  // queue does not tell: later events of this operator may be done before a message is set aside.
  if (state.seen.hasCommand(commandId)) return;
  const refuse = async (reason: string): Promise<void> => {
    const command: OperatorCommand = {
      type: 'RefuseMessage',
      visitor: visitor.name,
      messageId,
      reason,
      ...(written.kind !== 'message' && { command: nameOf(written) }),
    };
    await sendToOperator(options, operator, command, { commandId });
  };
  // The event is among the dead letters. If it were taken now, it would arrive twice once it is sent again from there.
  if (hook && (await options.setAside.has(hook.queueId, hook.seq))) {
    return refuse('this visitor or you were not known');
  }
  if (isBlank(body)) return refuse('there is nothing to read in it');
  try {
    if (written.kind !== 'message') {
      return await carryOut(written, ends, { messageId, commandId, hook });
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
    await sendToVisitor(options, visitor, command, { commandId, hook });
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    if (error.code === 'refused') return refuse(error.message);
    if (error.code !== 'not-found') throw error;
    const refuseUnknown = () => refuse('this visitor is not known');
    // Nobody would want a command later, so it is no dead letter.
    if (written.kind !== 'message') return refuseUnknown();
    throw new Unusable('its receiver is not known', refuseUnknown);
  }
}

/** Content that no visitor can be shown: the operator reads why. A sender who is no operator is ignored. */
async function handleUnsupported(
  options: WebhookCommandOptions,
  event: WebhookEventOf<'unsupported'>,
): Promise<void> {
  const ends = endsOf(options, event);
  const { operator, visitor } = ends;
  const state = await options.actors.operator(operator.tenant, operator.name).latest();
  if (!state?.context.registered) return;
  const { id: messageId, what } = event;
  const reason = UNSUPPORTED.get(what) ?? UNSUPPORTED_OTHER;
  await sendToOperator(
    options,
    operator,
    { type: 'RefuseMessage', visitor: visitor.name, messageId, reason },
    { commandId: commandIdOf(options, ends, messageId, what) },
  );
}

/**
 * A report that an operator's client has received or displayed messages. A visitor who is unknown is ignored: the
 * message was a line of the service that said so.
 * @throws {Unusable} if the event is not about an operator and a visitor of the same tenant
 */
async function handleReport(
  options: WebhookCommandOptions,
  event: WebhookEventOf<'delivered' | 'displayed'>,
  origin: Partial<Origin>,
): Promise<void> {
  const { visitor, operator } = endsOf(options, event);
  const by = { operator: operator.name };
  const report: VisitorCommand =
    event.type === 'delivered'
      ? { type: 'ReportMessageDelivered', messageIds: event.ids, by: event.by, ...by }
      : { type: 'ReportMessageDisplayed', messageId: event.id, ...by };
  try {
    await sendToVisitor(options, visitor, report, origin);
  } catch (error) {
    if (!hasCode(error, 'not-found')) throw error;
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
      return { type: 'CloseSession', session };
    case 'operator.presence': {
      const show: Show = event.show === 'unavailable' ? null : event.show;
      return { type: 'ChangePresence', session, resource, show, status: event.status };
    }
  }
}

/** Events of an operator's sessions. Accounts that are no operator of a tenant are ignored. */
async function handleSession(
  options: WebhookCommandOptions,
  event: SessionEvent | PingEvent,
  origin: Partial<Origin>,
): Promise<void> {
  const operator = operatorOf(options, `${event.user}@${event.host}`);
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

export function createWebhookCommands(options: WebhookCommandOptions): WebhookCommands {
  const { signals } = options;
  const carryOut = createCarryOut(options);

  async function handle(event: WebhookEvent): Promise<void> {
    const hook = { queueId: event.queueId, seq: event.seq };
    switch (event.type) {
      case 'module.started':
        return signals.moduleStarted(event.host, hook);
      case 'message':
        return handleMessage(options, carryOut, event, { hook });
      case 'unsupported':
        return handleUnsupported(options, event);
      case 'delivered':
      case 'displayed':
        return handleReport(options, event, { hook });
      case 'chat_state': {
        const { operator, visitor } = endsOf(options, event);
        signals.operatorTyping(operator.tenant, visitor.name, operator.name, event.state);
        return;
      }
      default:
        return handleSession(options, event, { hook });
    }
  }

  return {
    handle,
    message: (event, origin) => handleMessage(options, carryOut, event, origin),
    operatorOf: (jid) => operatorOf(options, jid),
  };
}
