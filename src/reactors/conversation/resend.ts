/**
 * Messages that were taken and may have got lost before they were delivered: they go out again with the same id, when
 * the visitor's session is new and when a session of the operator ended. mod_lhc drops what a living session has.
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
import type { TenantSettings } from '../../actors/tenant/machine.ts';
import { isRefused, messageOf } from '../../errors.ts';
import type { EventStore } from '../../eventstore/port.ts';
import { eventAt } from '../../eventstore/reading.ts';
import { type Ownership, ownsStream } from '../../runtime/leases/ownership.ts';
import type { WorkPart } from '../../runtime/pending-work.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { VisitorTransport } from '../../xmpp/port.ts';
import type { PersonalData } from '../personal.ts';
import type { ReceiverOf } from './recipient.ts';

export interface Repeats {
  /** Follows operators' sessions in the log: mod_lhc tells one process, and each visitor's own has to send. */
  readonly part: WorkPart;
  /** What was taken and not delivered goes out again, in the process that owns the visitor. */
  sendAgain(jid: string): void;
  /** Resolves when nothing of this visitor is on its way again: later messages wait for it. */
  underWay(jid: string): Promise<void>;
}

export function createRepeats(options: {
  actors: Actors;
  store: EventStore;
  transport: VisitorTransport;
  tenants: TenantDirectory;
  personal: PersonalData;
  ownership: Ownership;
  now: () => number;
  logger: Logger;
  receiverOf: ReceiverOf;
}): Repeats {
  const { actors, store, transport, tenants, personal, ownership, now, logger } = options;
  const { receiverOf } = options;
  /** By the visitor's JID. */
  const repeating = new Map<string, Promise<void>>();
  /** Before this there were no sessions here: each sends again by itself when it starts. */
  const startedAt = now();

  async function repeat(tenant: TenantSettings, key: VisitorKey): Promise<void> {
    const stream = streamOf(visitorRef(tenant.id, key));
    const visitor = actors.visitor(tenant.id, key);
    const state = await visitor.state();
    if (!state) return;
    const { openMessages, chat } = state.context;
    const taken = openMessages.filter((each) => each.taken);
    for (const { id, revision } of taken) {
      const event = await eventAt(store, stream, revision);
      if (!event) continue;
      const fact = visitorFact(event);
      if (fact?.type !== 'VisitorMessageSent' || fact.data.messageId !== id) continue;
      const operator = await receiverOf(event, fact.data.chatId, state);
      const body = await personal.bodyOf(event);
      if (!operator || body === null) continue;
      const to = operatorJid(tenant, operator);
      if (!ownsStream(ownership, stream)) return;
      try {
        // Said to somebody else who had the chat then: as what was said before is shown (opening.ts).
        const earlier = chat?.id === fact.data.chatId && revision < chat.round;
        const delay = earlier ? { delay: { at: event.metadata.at } } : {};
        await transport.send({ id, from: visitorJid(tenant, key), to, body, ...delay });
        logger.debug({ tenant: tenant.id, visitor: key, messageId: id }, 'sent again');
      } catch (error) {
        if (!isRefused(error)) throw error;
        // One that ejabberd will not have must not keep back those behind it.
        await visitor.send({ type: 'ReportFailed', messageId: id, reason: error.message });
      }
    }
  }

  function sendAgain(jid: string): void {
    const person = personOf(jid, tenants.ofHost);
    const tenant = person && tenants.get(person.tenant);
    if (person?.kind !== 'visitor' || !tenant || !ownsStream(ownership, streamOf(person))) return;
    const before = repeating.get(jid) ?? Promise.resolve();
    const running = before
      .then(() => repeat(tenant, person.name))
      .catch((error) => {
        // The session was lost again: the next one brings it up again.
        logger.debug({ visitor: person.name, reason: messageOf(error) }, 'not sent again');
      })
      .finally(() => {
        if (repeating.get(jid) === running) repeating.delete(jid);
      });
    repeating.set(jid, running);
  }

  /** A session of this operator ended: mod_lhc drops what another one of its still has. */
  async function sessionEnded(tenantId: TenantId, username: Username): Promise<void> {
    const tenant = tenants.get(tenantId);
    const state = await actors.operator(tenantId, username).state();
    if (!tenant || !state) return;
    for (const { visitor } of Object.values(state.context.chats)) {
      sendAgain(visitorJid(tenant, visitor));
    }
  }

  return {
    part: {
      name: 'messages',
      version: 1,
      schema: '',
      tables: [],
      apply: () => () => {},
      applied({ events }) {
        for (const { stream, type, metadata } of events) {
          if (type !== 'OperatorLoggedOut' || metadata.at < startedAt) continue;
          const actor = actorOf(stream);
          if (actor?.kind !== 'operator') continue;
          sessionEnded(actor.tenant, actor.name).catch((error) =>
            logger.error({ err: error, operator: actor.name }, 'messages not sent again'),
          );
        }
      },
    },
    sendAgain,
    underWay: (jid) => repeating.get(jid) ?? Promise.resolve(),
  };
}
