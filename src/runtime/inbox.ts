/**
 * Webhook batches of mod_lhc become commands. An event that cannot be used is set aside as a fact and does not hold up
 * its batch; a batch that comes again does nothing twice, by the number of each event in its queue.
 */
import { createHmac } from 'node:crypto';
import type { Logger } from 'pino';
import {
  operatorRef,
  type Person,
  personOf,
  type TenantId,
  type Username,
  type VisitorKey,
} from '../actors/ids.ts';
import type { Show } from '../actors/operator.ts';
import { type OperatorCommand, operatorState } from '../actors/operator-decisions.ts';
import type { Hook } from '../actors/seen.ts';
import type { TenantDirectory } from '../actors/tenant-directory.ts';
import type { VisitorCommand } from '../actors/visitor-decisions.ts';
import { AppError, messageOf } from '../errors.ts';
import type { ActorHost } from './host.ts';
import type { SetAside } from './set-aside.ts';
import type { Inbox, Origin } from './types.ts';
import { isKnownType, Numbered, WebhookEvent, type WebhookEventOf } from './webhook-events.ts';

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
  /** What was on its way to that session may be lost. */
  operatorSessionEnded(tenant: TenantId, username: Username): void;
}

/** Why an event cannot be used, for a person who reads it among the dead letters. */
class Unusable extends Error {
  override readonly name = 'Unusable';
  /** What is to be done when it is safely set aside. */
  readonly afterwards: (() => Promise<void>) | undefined;

  constructor(reason: string, afterwards?: () => Promise<void>) {
    super(reason);
    this.afterwards = afterwards;
  }
}

/** An event that has to be set aside. */
interface Aside {
  readonly content: unknown;
  readonly reason: string;
  readonly afterwards?: (() => Promise<void>) | undefined;
}

/** Bodies in several languages are one text for the visitor: the one without a language, or the first. */
const textOf = (body: Readonly<Record<string, string>>): string =>
  body[''] ?? Object.values(body)[0] ?? '';

export function createInbox(options: {
  host: ActorHost;
  tenants: TenantDirectory;
  setAside: SetAside;
  signals: InboxSignals;
  digestKey: Buffer;
  newId: () => string;
  logger: Logger;
}): Inbox & { readonly again: (content: unknown, commandId: string) => Promise<void> } {
  const { host, tenants, setAside, signals, newId, logger } = options;

  const toVisitor = (who: Visitor, command: VisitorCommand, origin: Origin) =>
    host.dispatch(who.tenant, { kind: 'visitor', name: who.name, command }, origin);
  const toOperator = (who: Operator, command: OperatorCommand, origin: Origin) =>
    host.dispatch(who.tenant, { kind: 'operator', name: who.name, command }, origin);

  const operatorOf = (jid: string): Operator | null => {
    const person = personOf(jid, tenants.ofHost);
    return person?.kind === 'operator' ? person : null;
  };

  /** Both ends of a message, of one tenant. @throws {Unusable} */
  function ends(event: { from: string; to: string }): { operator: Operator; visitor: Visitor } {
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
   * may use an id for several messages. So a message is known by its sender, id and text together.
   */
  function messageCommandId(operator: Operator, id: string, body: string): string {
    const print = createHmac('sha256', options.digestKey).update(JSON.stringify([id, body]));
    return `op:${operator.name}:${print.digest('base64url').slice(0, 22)}`;
  }

  async function message(
    event: Pick<WebhookEventOf<'message'>, 'from' | 'to' | 'id' | 'body'>,
    origin: { hook?: Hook; commandId?: string },
  ): Promise<void> {
    const { operator, visitor } = ends(event);
    const state = await host.load(operatorRef(operator.tenant, operator.name));
    if (!state || !operatorState(state.core).context.registered) {
      throw new Unusable('its sender is not a registered operator');
    }
    const body = textOf(event.body);
    const commandId = origin.commandId ?? messageCommandId(operator, event.id, body);
    // It was refused before: the visitor's state may be another one now, the answer is not. The number in the queue
    // does not tell: later events of this operator are done before a message of his is set aside.
    if (state.seen.hasCommand(commandId)) return;
    const refusal = async (reason: string): Promise<void> => {
      const command = { type: 'RefuseMessage', visitor: visitor.name, messageId: event.id, reason };
      await toOperator(operator, command as OperatorCommand, { commandId });
    };
    const { hook } = origin;
    // It is among the dead letters: taken now, it would come twice when it is sent again from there.
    if (hook && (await setAside.has(hook.queueId, hook.seq))) {
      return refusal('this visitor or you were not known');
    }
    try {
      await toVisitor(
        visitor,
        { type: 'ReceiveOperatorMessage', operator: operator.name, messageId: event.id, body },
        { ...origin, commandId },
      );
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      if (error.code === 'refused') return refusal(error.message);
      if (error.code !== 'not-found') throw error;
      throw new Unusable('its receiver is not known', () => refusal('this visitor is not known'));
    }
  }

  async function delivered(event: WebhookEventOf<'delivered'>, origin: Origin): Promise<void> {
    const { visitor } = ends(event);
    const { ids: messageIds, by } = event;
    try {
      await toVisitor(visitor, { type: 'ReportDelivered', messageIds, by }, origin);
    } catch (error) {
      if (!(error instanceof AppError && error.code === 'not-found')) throw error;
      throw new Unusable('its receiver is not known');
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
    const origin: Origin = { commandId: `auto:${newId()}`, hook };
    switch (event.type) {
      case 'module.started':
        return signals.moduleStarted(event.host, hook);
      case 'message':
        return message(event, { hook });
      case 'delivered':
        return delivered(event, origin);
      case 'chat_state': {
        const { operator, visitor } = ends(event);
        signals.operatorTyping(operator.tenant, visitor.name, operator.name, event.state);
        return;
      }
      case 'displayed':
        return; // nothing follows from it yet
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
        if (event.type === 'operator.disconnected') {
          signals.operatorSessionEnded(operator.tenant, operator.name);
        }
      }
    }
  }

  /** The tenant that an unusable event belongs to, as far as can be told. */
  function tenantOf(content: unknown): TenantId | null {
    const { from } = (content ?? {}) as { from?: unknown }; // whatever it is, it is only looked at
    return typeof from === 'string' ? (operatorOf(from)?.tenant ?? null) : null;
  }

  /** Carries out one event; gives it back when it has to be set aside. */
  async function takeOne(content: unknown): Promise<Aside | null> {
    const parsed = WebhookEvent.safeParse(content);
    if (!parsed.success) {
      if (!isKnownType((content as { type?: unknown } | null)?.type)) {
        logger.debug('an event of a type that this release does not know was passed over');
        return null;
      }
      const issue = parsed.error.issues[0];
      const where = issue?.path.join('.') || 'event';
      return { content, reason: `${where}: ${issue?.message ?? 'malformed'}` };
    }
    try {
      await handle(parsed.data);
      return null;
    } catch (error) {
      if (error instanceof Unusable) {
        return { content, reason: error.message, afterwards: error.afterwards };
      }
      if (!isFinal(error)) throw error;
      return { content, reason: messageOf(error) };
    }
  }

  async function setAsideOne({ content, reason, afterwards }: Aside): Promise<void> {
    const numbered = Numbered.safeParse(content);
    // Without a queue and a number a repeat cannot be known; it is kept all the same.
    const { queueId, seq } = numbered.success
      ? numbered.data
      : { queueId: 'unnumbered', seq: null };
    logger.warn({ queueId, seq, reason }, 'a webhook event was set aside');
    await setAside.keep({ queueId, seq, tenant: tenantOf(content), reason, content });
    await afterwards?.();
  }

  /**
   * Whom an event concerns: what concerns the same actor keeps its order, the rest runs side by side. An actor takes a
   * lower number of a queue behind a higher one for a repeat, so an overtaken event would be lost.
   */
  function concerned(content: unknown): readonly string[] {
    const { from, to, user } = (content ?? {}) as Record<string, unknown>; // looked at, whatever it is
    return [from, to, user].flatMap((name) =>
      typeof name === 'string' ? (name.split(/[@/]/, 1)[0] ?? '').toLowerCase() : [],
    );
  }

  return {
    async take(events) {
      const taken: Promise<Aside | null>[] = [];
      let lines = new Map<string, Promise<unknown>>();
      for (const content of events) {
        if ((content as { type?: unknown } | null)?.type === 'module.started') {
          // A line of its own across all: what came before is done, what follows waits.
          await Promise.all(taken);
          lines = new Map();
          taken.push(Promise.resolve(await takeOne(content)));
          continue;
        }
        const names = concerned(content);
        const next = Promise.all(names.map((name) => lines.get(name))).then(() => takeOne(content));
        next.catch(() => undefined); // awaited below; a failed line must not end the process meanwhile
        for (const name of names) lines.set(name, next);
        taken.push(next);
      }
      // Only when all the others are done, and in order: a queue is known to be set aside up to a number.
      for (const aside of await Promise.all(taken)) {
        if (aside) await setAsideOne(aside);
      }
    },
    async again(content, commandId) {
      const parsed = WebhookEvent.safeParse(content);
      if (!parsed.success || parsed.data.type !== 'message') {
        throw new AppError('refused', 'only a message can be sent again; this event is none');
      }
      try {
        await message(parsed.data, { commandId });
      } catch (error) {
        if (error instanceof Unusable)
          throw new AppError('refused', `it is still unusable: ${error.message}`);
        throw error;
      }
    },
  };
}

/** It would fail again however often the batch came. */
const isFinal = (error: unknown): boolean =>
  error instanceof AppError &&
  ['refused', 'not-found', 'invalid', 'unfit', 'too-large'].includes(error.code);
