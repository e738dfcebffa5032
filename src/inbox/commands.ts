/** Turns each event of mod_lhc into commands to visitors and operators. Messages have files of their own (messages.ts and others). */
import { receivingSessions } from '../actors/operator/availability.ts';
import type { OperatorCommand } from '../actors/operator/decisions.ts';
import type { Show } from '../actors/operator/machine.ts';
import type { VisitorCommand } from '../actors/visitor/decisions.ts';
import { isRejected } from '../errors.ts';
import type { EventStore } from '../eventstore/port.ts';
import type { Origin } from '../runtime/ports.ts';
import { handleAboutMessage, handleUnsupported } from './about-messages.ts';
import { type Budgets, createTenantBudgets } from './budget.ts';
import { displayedMessage } from './displayed.ts';
import type { WebhookEvent, WebhookEventOf } from './events.ts';
import { giveUpMessage, type Letter, text } from './given-up.ts';
import type { MessageParts } from './message-parts.ts';
import { handleMessage, sendAgain } from './messages.ts';
import {
  type CarryOut,
  type CarryOutOptions,
  createCarryOut,
  type Ends,
} from './operator-commands/carry-out.ts';
import { endsOf, knownVisitor, operatorOf, sendToOperator, sendToVisitor } from './people.ts';
import type { SetAside } from './set-aside.ts';
import type { InboxSignals } from './signals.ts';

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

export interface WebhookCommandOptions extends CarryOutOptions {
  readonly store: Pick<EventStore, 'readStream'>;
  readonly setAside: SetAside;
  readonly signals: InboxSignals;
  readonly digestKey: Buffer;
  /** Default: as the tenants' settings say. */
  readonly budgets?: Budgets;
  /** Default: one of these options. */
  readonly carryOut?: CarryOut;
}

interface Parts extends MessageParts {
  readonly store: Pick<EventStore, 'readStream'>;
  readonly signals: InboxSignals;
}

/**
 * A report that an operator's client has received or displayed messages. It is ignored if nobody has these names. A
 * visitor who is unknown is ignored too: the message was a line of the service that said so.
 */
async function handleReport(
  parts: Parts,
  event: WebhookEventOf<'delivered' | 'displayed'>,
  origin: Partial<Origin>,
): Promise<void> {
  const ends = endsOf(parts, event);
  if (!ends) return;
  const { visitor, operator } = ends;
  try {
    const report = await reportOf(parts, event, ends);
    if (report) await sendToVisitor(parts, visitor, report, origin);
    if (event.type === 'delivered') {
      parts.signals.stanzasArrived(visitor.tenant, visitor.name, operator.name, event.ids);
    }
  } catch (error) {
    if (!isRejected(error)) throw error;
  }
}

/** @returns null if the report is about nothing that this operator was sent */
async function reportOf(
  parts: Parts,
  event: WebhookEventOf<'delivered' | 'displayed'>,
  { visitor, operator: { name: operator } }: Ends,
): Promise<VisitorCommand | null> {
  if (event.type === 'delivered') {
    return { type: 'ReportMessageDelivered', messageIds: event.ids, by: event.by, operator };
  }
  const state = await knownVisitor(parts, visitor);
  const messageId =
    state && (await displayedMessage(parts.store, visitor, state, { operator, id: event.id }));
  return messageId ? { type: 'ReportMessageDisplayed', messageId, operator } : null;
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
      const { status, priority } = event;
      return { type: 'ChangePresence', session, resource, show, status, priority };
    }
  }
}

/**
 * Events of an operator's sessions. Accounts that are no operator of a tenant are ignored here, and operators who are not
 * registered by their actor.
 */
async function handleSession(
  options: Parts,
  event: SessionEvent | PingEvent,
  origin: Partial<Origin>,
): Promise<void> {
  const operator = operatorOf(options, { from: `${event.user}@${event.host}`, host: event.host });
  if (!operator) return;
  if (event.type === 'operator.ping' || event.type === 'operator.ping_timeout') {
    const answered = event.type === 'operator.ping';
    const { resource } = event;
    await sendToOperator(options, operator, { type: 'ReportPing', resource, answered }, origin);
    if (!answered) return;
    // A client that gets no messages makes nobody online in LHC.
    const state = await options.actors.operator(operator.tenant, operator.name).state();
    const receiving = receivingSessions(Object.values(state?.context.sessions ?? {}));
    if (receiving.some((session) => session.resource === resource)) {
      options.signals.operatorAlive(operator.tenant, operator.name, event.resource);
    }
    return;
  }
  const command = sessionCommand(event);
  const isGone =
    command.type === 'CloseSession' ||
    (event.type === 'operator.presence' && event.show === 'unavailable');
  if (isGone) options.signals.operatorSessionEnded(operator.tenant, operator.name, event.resource);
  await sendToOperator(options, operator, command, origin);
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

const resourceOf = (jid: string): string => jid.slice(jid.indexOf('/') + 1);

/** Who has written does not type any more, whatever comes of it: clients send their `active` in the message. */
async function endsTyping(
  parts: Parts,
  event: WebhookEventOf<'message' | 'unsupported'>,
  handling: () => Promise<boolean>,
): Promise<void> {
  let toLhc = false;
  try {
    toLhc = await handling();
  } finally {
    const ends = endsOf(parts, event);
    if (ends) {
      const { operator, visitor } = ends;
      parts.signals.operatorWrote(operator.tenant, visitor.name, operator.name, toLhc);
    }
  }
}

async function handle(parts: Parts, event: WebhookEvent): Promise<void> {
  const hook = { queueId: event.queueId, seq: event.seq };
  switch (event.type) {
    case 'module.started':
      return parts.signals.moduleStarted(event.host, event.instance, hook);
    case 'message':
      return endsTyping(parts, event, () => handleMessage(parts, event, { hook }));
    case 'retraction':
    case 'reaction':
      return handleAboutMessage(parts, event);
    case 'unsupported':
      return endsTyping(parts, event, () => handleUnsupported(parts, event).then(() => false));
    case 'delivered':
    case 'displayed':
      return handleReport(parts, event, { hook });
    case 'chat_state': {
      const ends = endsOf(parts, event);
      if (!ends) return;
      const { operator, visitor } = ends;
      const { from, state } = event;
      const resource = resourceOf(from);
      parts.signals.operatorTyping(operator.tenant, visitor.name, operator.name, state, resource);
      return;
    }
    default:
      return handleSession(parts, event, { hook });
  }
}

export function createWebhookCommands(options: WebhookCommandOptions): WebhookCommands {
  const parts: Parts = {
    ...options,
    budgets: options.budgets ?? createTenantBudgets(options.tenants),
    carryOut: options.carryOut ?? createCarryOut(options),
  };
  return {
    handle: (event) => handle(parts, event),
    giveUp: (content, event) => giveUp(parts, content, event),
    message: (event, commandId) => sendAgain(parts, event, commandId),
  };
}
