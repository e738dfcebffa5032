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
import { copyOf } from '../../actors/visitor/addressed.ts';
import { isRefused, messageOf, publicMessageOf } from '../../errors.ts';
import type { EventStore } from '../../eventstore/port.ts';
import { eventAt } from '../../eventstore/reading.ts';
import { FILE_LOOK_MS } from '../../files/look.ts';
import { withoutCause } from '../../runtime/cause.ts';
import { type Ownership, ownsStream } from '../../runtime/leases/ownership.ts';
import type { CommitListener } from '../../runtime/pending-work.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { VisitorTransport } from '../../xmpp/port.ts';
import type { PersonalData } from '../personal-data.ts';
import type { Content, Sender } from './delivery.ts';
import type { Opening } from './opening.ts';
import type { RecipientOf } from './recipient.ts';
import { isReturned, type ReturnedMessage, takesNothing } from './returned-messages.ts';
import { isFilePending, type VisitorFiles } from './visitor-files.ts';
import { shownOf } from './words.ts';

/**
 * Follows operators' sessions in the log. mod_lhc reports the end of a session to one process, but the process of each
 * visitor has to send.
 */
export interface Resend extends CommitListener {
  /**
   * Sends again what was taken and not delivered, if this process owns the visitor.
   * @param operator of what LHC addressed, only what is for them
   */
  resend(jid: string, operator?: Username): void;
  /** Resolves when no resend for this visitor is running. New messages wait for that. */
  afterResends(jid: string): Promise<void>;
}

interface ResendOptions {
  readonly actors: Actors;
  readonly store: EventStore;
  readonly transport: VisitorTransport;
  readonly tenants: TenantDirectory;
  readonly personal: PersonalData;
  readonly files: VisitorFiles;
  readonly ownership: Ownership;
  readonly now: () => number;
  readonly logger: Logger;
  readonly recipientOf: RecipientOf;
  /** True if nobody will report that this operator's client has a message. */
  readonly isTakenAll?: (tenant: TenantId, operator: Username) => Promise<boolean>;
  readonly onReturned: (returned: ReturnedMessage) => void;
  readonly opening: Pick<Opening, 'carriedBy' | 'isToCome' | 'openedWith'>;
}

/** All messages of one visitor that were taken and not delivered, in order. */
async function resendAll(
  options: ResendOptions,
  tenant: Tenant,
  key: VisitorKey,
  only: Username | undefined,
): Promise<void> {
  const { actors, store, ownership, recipientOf } = options;
  const stream = streamOf(visitorRef(tenant.id, key));
  const visitor = actors.visitor(tenant.id, key);
  const state = await visitor.state();
  if (!state) return;
  const { openMessages, chat } = state.context;
  const sender = { tenant, key, mayAct: () => ownsStream(ownership, stream) };
  for (const { id, revision, to } of openMessages.filter(({ taken }) => taken)) {
    const event = await eventAt(store, stream, revision);
    if (!event) continue;
    const fact = visitorFact(event);
    if (fact?.type !== 'VisitorMessageSent' || fact.data.messageId !== id) continue;
    const shown = await shownOf(options, tenant, event);
    if (to) {
      for (const each of to) {
        const copy = copyOf(state.context, id, each);
        if (shown === null || (only && each !== only) || (copy && !copy.taken)) continue;
        const opened =
          copy?.opens && (await options.opening.openedWith(sender, state, each, event));
        const content = opened ? { id, body: opened.body } : { id, ...shown };
        if (!(await send(options, sender, each, content, true))) return;
      }
      continue;
    }
    const operator = await recipientOf(event, fact.data.chatId, state);
    if (!operator || shown === null) continue;
    // The operator may have lost the opening with the message that carried it.
    const isOfChat = chat?.id === fact.data.chatId;
    const opening = isOfChat && (await options.opening.carriedBy(sender, state, { id, revision }));
    // A message from before this operator had the chat carries its time, as in the opening (opening.ts).
    const earlier = isOfChat && revision < chat.searchRevision;
    if (earlier && (await options.opening.isToCome(sender, state, id))) continue;
    const content = {
      id,
      ...(opening ? { body: opening.body } : shown),
      ...(earlier && { delay: { at: event.metadata.at } }),
    };
    if (!(await send(options, sender, operator, content))) return;
  }
}

/**
 * Sends a message again.
 * @param forOthers others have the message too, whatever becomes of this stanza
 * @returns false if this process may not act any more
 */
async function send(
  { actors, transport, logger, isTakenAll, onReturned }: ResendOptions,
  { tenant, key, mayAct }: Sender,
  operator: Username,
  content: Content,
  forOthers = false,
): Promise<boolean> {
  if (!mayAct()) return false;
  const { id: messageId } = content;
  const jid = visitorJid(tenant, key);
  try {
    await transport.send({ ...content, from: jid, to: operatorJid(tenant, operator) });
    logger.debug({ tenant: tenant.id, visitor: key, messageId }, 'message sent again');
    if (await isTakenAll?.(tenant.id, operator)) {
      await actors.visitor(tenant.id, key).send({
        type: 'ReportMessageDelivered',
        messageIds: [messageId],
        by: 'taken',
        operator,
      });
    }
  } catch (error) {
    if (!isRefused(error)) throw error;
    if (takesNothing(error)) {
      onReturned({ tenant: tenant.id, key, jid, messageId, operator, error });
      return true;
    }
    // A message that ejabberd refuses must not hold up those behind it.
    await actors.visitor(tenant.id, key).send({
      type: 'ReportMessageFailed',
      messageId,
      reason: publicMessageOf(error),
      ...((forOthers || isReturned(error)) && { operator }),
    });
  }
  return true;
}

/** Facts after which a session of the operator may be gone. Sessions that began and ended in a pause have none. */
const ENDS_A_SESSION: ReadonlySet<string> = new Set(['OperatorLoggedOut', 'PresenceResumed']);

export function createResend(options: ResendOptions): Resend {
  const { actors, tenants, ownership, now, logger } = options;
  /** By the visitor's JID. */
  const running = new Map<string, Promise<void>>();
  /** Before this time this process had no sessions. Each session that starts resends by itself. */
  const startedAt = now();

  function resend(jid: string, operator?: Username): void {
    const person = personOf(jid, tenants.ofHost);
    const tenant = person && tenants.get(person.tenant);
    if (person?.kind !== 'visitor' || !tenant || !ownsStream(ownership, streamOf(person))) return;
    const before = running.get(jid) ?? Promise.resolve();
    const latest = before
      // Each message has a cause of its own.
      .then(() => withoutCause(() => resendAll(options, tenant, person.name, operator)))
      .catch((error) => {
        if (isFilePending(error)) setTimeout(resend, FILE_LOOK_MS, jid, operator).unref();
        // Else the session was lost again. The next session starts the next resend.
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
      resend(visitorJid(tenant, visitor), username);
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
