/** What each event of mod_lhc asks for, as commands to visitors and operators. */
import { createHmac } from 'node:crypto';
import {
  type Person,
  personOf,
  type TenantId,
  type Username,
  type VisitorKey,
} from '../actors/ids.ts';
import type { Hook } from '../actors/machine/seen.ts';
import type { OperatorCommand, OperatorState } from '../actors/operator/decisions.ts';
import type { Show } from '../actors/operator/machine.ts';
import type { TenantDirectory } from '../actors/tenant/directory.ts';
import { lhcCommandsOf } from '../actors/tenant/lhc-commands.ts';
import type { VisitorCommand } from '../actors/visitor/decisions.ts';
import { AppError, hasCode } from '../errors.ts';
import type { Actors, ActorView, Origin, Transfer } from '../runtime/ports.ts';
import type { WebhookEvent, WebhookEventOf } from './events.ts';
import type { SetAside } from './set-aside.ts';
import { createConversation, type Ends, nameOf } from './written/carry-out.ts';
import { isBlank, readWritten } from './written/read.ts';

type Operator = Extract<Person, { kind: 'operator' }>;
type Visitor = Extract<Person, { kind: 'visitor' }>;

/** XEP-0085, as far as mod_lhc reports it. */
export type TypingState = WebhookEventOf<'chat_state'>['state'];

/** What is done at once or not at all, and what belongs to reactors. */
export interface InboxSignals {
  /**
   * Sessions that were reported before may have ended without a word. Awaited: what follows builds on it.
   * @param hook so that a repeat does not void the sessions that were reported since
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

/** Why an event cannot be used, for a person who reads it among the dead letters. */
export class Unusable extends Error {
  override readonly name = 'Unusable';
  /** What is to be done when it is safely set aside. */
  readonly afterwards: (() => Promise<void>) | undefined;

  constructor(reason: string, afterwards?: () => Promise<void>) {
    super(reason);
    this.afterwards = afterwards;
  }
}

/**
 * Bodies in several languages are one text for the visitor: the one without a language, or the first; of those that
 * say something, if any does.
 */
function textOf(body: Readonly<Record<string, string>>): string {
  const texts = [body[''] ?? '', ...Object.values(body)];
  return texts.find((text) => !isBlank(text)) ?? texts.find((text) => text !== '') ?? '';
}

/** Why what a client can send is nothing for a visitor, and what to do instead. */
const UNSUPPORTED: ReadonlyMap<string, string> = new Map([
  [
    'encrypted',
    'it is encrypted, which visitors cannot read; switch encryption off for this contact',
  ],
  ['retraction', 'nothing can be taken back, the visitor has the message still'],
  ['reaction', 'visitors are not shown reactions; write it as a message'],
]);
const UNSUPPORTED_OTHERWISE =
  'visitors are not shown what your client has sent; write it as a text';

export interface WebhookCommands {
  /** Carries out one event. @throws {Unusable} when it has to be set aside */
  handle(event: WebhookEvent): Promise<void>;
  /** A message again, as a new command. @throws {Unusable} */
  message(event: WebhookEventOf<'message'>, origin: { commandId: string }): Promise<void>;
  /** null when the JID is no operator's. */
  operatorOf(jid: string): Operator | null;
}

export interface WebhookCommandOptions {
  readonly actors: Actors;
  readonly tenants: TenantDirectory;
  readonly setAside: SetAside;
  readonly signals: InboxSignals;
  readonly transfer: Transfer;
  readonly digestKey: Buffer;
}

export function createWebhookCommands(options: WebhookCommandOptions): WebhookCommands {
  const { actors, tenants, setAside, signals } = options;
  const carryOut = createConversation(options);

  const toVisitor = (who: Visitor, command: VisitorCommand, origin: Partial<Origin>) =>
    actors.visitor(who.tenant, who.name).send(command, origin);
  const toOperator = (who: Operator, command: OperatorCommand, origin: Partial<Origin>) =>
    actors.operator(who.tenant, who.name).send(command, origin);

  const operatorOf = (jid: string): Operator | null => {
    const person = personOf(jid, tenants.ofHost);
    return person?.kind === 'operator' ? person : null;
  };

  /** Both ends of a message, of one tenant. @throws {Unusable} */
  function ends(event: { from: string; to: string }): Ends {
    const operator = operatorOf(event.from);
    if (!operator) throw new Unusable('its sender is no operator of any tenant');
    const visitor = personOf(event.to, tenants.ofHost);
    if (visitor?.kind !== 'visitor') throw new Unusable('its receiver is no visitor of any tenant');
    if (visitor.tenant !== operator.tenant) {
      throw new Unusable('its sender and its receiver are of different tenants');
    }
    return { operator, visitor };
  }

  /**
   * A client that resumes or reconnects may send a stanza again, as a new event with the same id; a careless client
   * may use an id for several messages, to one visitor or to several. So a message is known by its sender, receiver,
   * id and text together.
   */
  function commandIdOf({ operator, visitor }: Ends, id: string, text: string): string {
    const print = createHmac('sha256', options.digestKey);
    print.update(JSON.stringify([id, text, visitor.name]));
    return `op:${operator.name}:${print.digest('base64url').slice(0, 22)}`;
  }

  /** @throws {Unusable} when he is none, or not yet */
  async function registered({ tenant, name }: Operator): Promise<ActorView<OperatorState>> {
    const operator = actors.operator(tenant, name);
    const known = await operator.state();
    // Another process may just have registered them.
    const state = known?.context.registered ? known : await operator.latest();
    if (!state?.context.registered) throw new Unusable('its sender is not a registered operator');
    return state;
  }

  async function message(
    event: WebhookEventOf<'message'>,
    origin: { hook?: Hook; commandId?: string },
  ): Promise<void> {
    const both = ends(event);
    const { operator, visitor } = both;
    const state = await registered(operator);
    const { id: messageId, receipt, markable, replaces } = event;
    const body = textOf(event.body);
    // Some clients send an empty one with a chat state. It says nothing: no chat is accepted and nobody invited by it.
    if (body === '') return;
    const settings = tenants.get(operator.tenant);
    const written = readWritten(body, settings ? lhcCommandsOf(settings) : []);
    const commandId = origin.commandId ?? commandIdOf(both, messageId, body);
    // It was refused before: the visitor's state may be another one now, the answer is not. The number in the queue
    // does not tell: later events of this operator are done before a message of his is set aside.
    if (state.seen.hasCommand(commandId)) return;
    const refusal = async (reason: string): Promise<void> => {
      const command: OperatorCommand = {
        type: 'RefuseMessage',
        visitor: visitor.name,
        messageId,
        reason,
        ...(written.kind !== 'message' && { command: nameOf(written) }),
      };
      await toOperator(operator, command, { commandId });
    };
    const { hook } = origin;
    // It is among the dead letters: taken now, it would come twice when it is sent again from there.
    if (hook && (await setAside.has(hook.queueId, hook.seq))) {
      return refusal('this visitor or you were not known');
    }
    if (isBlank(body)) return refusal('there is nothing to read in it');
    try {
      if (written.kind !== 'message') {
        return await carryOut(written, both, { messageId, commandId, hook });
      }
      const asks = { receipt, markable, ...(replaces !== undefined && { replaces }) };
      const said = { operator: operator.name, messageId, body: written.body, ...asks };
      await toVisitor(visitor, { type: 'ReceiveOperatorMessage', ...said }, { commandId, hook });
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      if (error.code === 'refused') return refusal(error.message);
      if (error.code !== 'not-found') throw error;
      const unknown = () => refusal('this visitor is not known');
      // What he wanted of us has no use later: it is no dead letter.
      if (written.kind !== 'message') return unknown();
      throw new Unusable('its receiver is not known', unknown);
    }
  }

  /** What no visitor can be shown: the operator is told, and nobody else. Of somebody who is no operator it is nothing. */
  async function unsupported(event: WebhookEventOf<'unsupported'>): Promise<void> {
    const both = ends(event);
    const { operator, visitor } = both;
    const state = await actors.operator(operator.tenant, operator.name).latest();
    if (!state?.context.registered) return;
    const { id: messageId, what } = event;
    const reason = UNSUPPORTED.get(what) ?? UNSUPPORTED_OTHERWISE;
    const commandId = commandIdOf(both, messageId, what);
    await toOperator(
      operator,
      { type: 'RefuseMessage', visitor: visitor.name, messageId, reason },
      { commandId },
    );
  }

  /**
   * What a client has, or has shown. Of a visitor that nobody knows it is a line of our own, which told the operator so.
   * @throws {Unusable} when its ends are not an operator and a visitor of one tenant
   */
  async function reported(
    event: WebhookEventOf<'delivered' | 'displayed'>,
    origin: Partial<Origin>,
  ): Promise<void> {
    const { visitor, operator } = ends(event);
    const by = { operator: operator.name };
    const report: VisitorCommand =
      event.type === 'delivered'
        ? { type: 'ReportDelivered', messageIds: event.ids, by: event.by, ...by }
        : { type: 'ReportDisplayed', messageId: event.id, ...by };
    try {
      await toVisitor(visitor, report, origin);
    } catch (error) {
      if (!hasCode(error, 'not-found')) throw error;
    }
  }

  function sessionCommand(
    event: WebhookEventOf<'operator.connected' | 'operator.disconnected' | 'operator.presence'>,
  ): OperatorCommand {
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

  async function handle(event: WebhookEvent): Promise<void> {
    const hook = { queueId: event.queueId, seq: event.seq };
    const origin = { hook };
    switch (event.type) {
      case 'module.started':
        return signals.moduleStarted(event.host, hook);
      case 'message':
        return message(event, { hook });
      case 'unsupported':
        return unsupported(event);
      case 'delivered':
      case 'displayed':
        return reported(event, origin);
      case 'chat_state': {
        const { operator, visitor } = ends(event);
        signals.operatorTyping(operator.tenant, visitor.name, operator.name, event.state);
        return;
      }
      default: {
        // Somebody who is no operator of a tenant concerns nobody: accounts of other services, say.
        const operator = operatorOf(`${event.user}@${event.host}`);
        if (!operator) return;
        if (event.type === 'operator.ping' || event.type === 'operator.ping_timeout') {
          const answered = event.type === 'operator.ping';
          const { resource } = event;
          await toOperator(operator, { type: 'ReportPing', resource, answered }, origin);
          if (answered) signals.operatorAlive(operator.tenant, operator.name);
          return;
        }
        await toOperator(operator, sessionCommand(event), origin);
      }
    }
  }

  return { handle, message, operatorOf };
}
