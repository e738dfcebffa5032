/**
 * Sends a visitor's messages again that ejabberd has taken and that may be lost before their delivery. This happens
 * when the visitor's session is new, and when a session of the operator has ended. A message keeps its id, so mod_lhc
 * drops it if a living session of the operator has it.
 */
import type { Logger } from 'pino';
import { visitorFact } from '../../actors/facts.ts';
import {
  actorOf,
  operatorJid,
  personOf,
  streamOf,
  type TenantId,
  type Username,
  type VisitorKey,
  visitorJid,
  visitorRef,
} from '../../actors/ids.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { isRefused, messageOf, publicMessageOf } from '../../errors.ts';
import type { EventStore } from '../../eventstore/port.ts';
import { eventAt } from '../../eventstore/reading.ts';
import { type Ownership, ownsStream } from '../../runtime/leases/ownership.ts';
import type { CommitListener } from '../../runtime/pending-work.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { OutgoingMessage, VisitorTransport } from '../../xmpp/port.ts';
import type { PersonalData } from '../personal-data.ts';
import type { Opening } from './opening.ts';
import type { RecipientOf } from './recipient.ts';
import { isReturned, type ReturnedMessage, takesNothing } from './returned-messages.ts';
import { wordsOf } from './words.ts';

/**
 * Follows operators' sessions in the log. mod_lhc reports the end of a session to one process, but the process of each
 * visitor has to send.
 */
export interface Resend extends CommitListener {
  /** Sends again what was taken and not delivered, if this process owns the visitor. */
  resend(jid: string): void;
  /** Resolves when no resend for this visitor is running. New messages wait for that. */
  afterResends(jid: string): Promise<void>;
}

interface ResendOptions {
  readonly actors: Actors;
  readonly store: EventStore;
  readonly transport: VisitorTransport;
  readonly tenants: TenantDirectory;
  readonly personal: PersonalData;
  readonly ownership: Ownership;
  readonly now: () => number;
  readonly logger: Logger;
  readonly recipientOf: RecipientOf;
  readonly onReturned: (returned: ReturnedMessage) => void;
  readonly opening: Pick<Opening, 'carriedBy' | 'isToCome'>;
}

/** All messages of one visitor that were taken and not delivered, in order. */
async function resendAll(options: ResendOptions, tenant: Tenant, key: VisitorKey): Promise<void> {
  const { actors, store, transport, personal, ownership, logger, recipientOf } = options;
  const stream = streamOf(visitorRef(tenant.id, key));
  const visitor = actors.visitor(tenant.id, key);
  const state = await visitor.state();
  if (!state) return;
  const { openMessages, chat } = state.context;
  for (const { id, revision } of openMessages.filter(({ taken }) => taken)) {
    const event = await eventAt(store, stream, revision);
    if (!event) continue;
    const fact = visitorFact(event);
    if (fact?.type !== 'VisitorMessageSent' || fact.data.messageId !== id) continue;
    const operator = await recipientOf(event, fact.data.chatId, state);
    const words = await wordsOf(personal, event);
    if (!operator || words === null) continue;
    // The operator may have lost the opening with the message that carried it.
    const sender = { tenant, key, mayAct: () => ownsStream(ownership, stream) };
    const isOfChat = chat?.id === fact.data.chatId;
    const opening = isOfChat && (await options.opening.carriedBy(sender, state, { id, revision }));
    // A message from before this operator had the chat carries its time, as in the opening (opening.ts).
    const earlier = isOfChat && revision < chat.searchRevision;
    if (earlier && (await options.opening.isToCome(sender, state, id))) continue;
    if (!ownsStream(ownership, stream)) return;
    const message: OutgoingMessage = {
      id,
      from: visitorJid(tenant, key),
      to: operatorJid(tenant, operator),
      body: opening ? opening.body : words,
      ...(earlier && { delay: { at: event.metadata.at } }),
    };
    try {
      await transport.send(message);
      logger.debug({ tenant: tenant.id, visitor: key, messageId: id }, 'message sent again');
    } catch (error) {
      if (!isRefused(error)) throw error;
      if (takesNothing(error)) {
        const { from: jid } = message;
        options.onReturned({ tenant: tenant.id, key, jid, messageId: id, operator, error });
        continue;
      }
      // A message that ejabberd refuses must not hold up those behind it.
      await visitor.send({
        type: 'ReportMessageFailed',
        messageId: id,
        reason: publicMessageOf(error),
        ...(isReturned(error) && { operator }),
      });
    }
  }
}

/** Facts after which a session of the operator may be gone. Sessions that began and ended in a pause have none. */
const ENDS_A_SESSION: ReadonlySet<string> = new Set(['OperatorLoggedOut', 'PresenceResumed']);

export function createResend(options: ResendOptions): Resend {
  const { actors, tenants, ownership, now, logger } = options;
  /** By the visitor's JID. */
  const running = new Map<string, Promise<void>>();
  /** Before this time this process had no sessions. Each session that starts resends by itself. */
  const startedAt = now();

  function resend(jid: string): void {
    const person = personOf(jid, tenants.ofHost);
    const tenant = person && tenants.get(person.tenant);
    if (person?.kind !== 'visitor' || !tenant || !ownsStream(ownership, streamOf(person))) return;
    const before = running.get(jid) ?? Promise.resolve();
    const latest = before
      .then(() => resendAll(options, tenant, person.name))
      .catch((error) => {
        // The session was lost again. The next session starts the next resend.
        logger.debug(
          { visitor: person.name, reason: messageOf(error) },
          'messages were not sent again',
        );
      })
      .finally(() => {
        if (running.get(jid) === latest) running.delete(jid);
      });
    running.set(jid, latest);
  }

  /** Resends to an operator of whom a session has ended. */
  async function afterSession(tenantId: TenantId, username: Username): Promise<void> {
    const tenant = tenants.get(tenantId);
    const state = await actors.operator(tenantId, username).state();
    if (!tenant || !state) return;
    for (const { visitor } of Object.values(state.context.chats)) {
      resend(visitorJid(tenant, visitor));
    }
  }

  return {
    onCommit(events) {
      for (const { stream, type, metadata } of events) {
        if (!ENDS_A_SESSION.has(type) || metadata.at < startedAt) continue;
        const actor = actorOf(stream);
        if (actor?.kind !== 'operator') continue;
        afterSession(actor.tenant, actor.name).catch((error) =>
          logger.error({ err: error, operator: actor.name }, 'messages were not sent again'),
        );
      }
    },
    resend,
    afterResends: (jid) => running.get(jid) ?? Promise.resolve(),
  };
}
