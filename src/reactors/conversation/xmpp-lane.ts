/**
 * The lane to XMPP: the visitors' messages to operators, and the service's own lines to operators. This is the entry of
 * `conversation/`; only the composition (src/service) imports it.
 *
 * A message is *taken* when ejabberd has processed it, *delivered* when mod_lhc reports it (src/inbox), and *failed*
 * otherwise.
 */
import type { Logger } from 'pino';
import { operatorFact, visitorFact } from '../../actors/facts.ts';
import {
  actorOf,
  streamOf,
  type TenantId,
  type Username,
  type VisitorKey,
  visitorJid,
  visitorRef,
} from '../../actors/ids.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { addressedBy, concernsXmpp } from '../../effects/xmpp.ts';
import { type AppError, isExpected, isRefused, messageOf } from '../../errors.ts';
import type { EventStore, RecordedEvent } from '../../eventstore/port.ts';
import { FILE_LOOK_MS, FILE_PENDING, LOOKS_AT_NOTHING, type LookAtFile } from '../../files/look.ts';
import type { RetryPolicy } from '../../kit/backoff.ts';
import type { Destination, DestinationFilter, Outcome } from '../../runtime/lanes/destination.ts';
import { withoutTenant } from '../../runtime/lanes/unknown-tenant.ts';
import { type Ownership, ownsStream } from '../../runtime/leases/ownership.ts';
import type { CommitListener } from '../../runtime/pending-work.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { EjabberdAdmin, VisitorTransport } from '../../xmpp/port.ts';
import type { Answers } from '../answers/answers.ts';
import type { OperatorNames } from '../operator-names.ts';
import type { OperatorRemoval } from '../operators/removal.ts';
import type { OperatorSessions } from '../operators/sessions.ts';
import type { PersonalData } from '../personal-data.ts';
import type { VisitorRooms } from '../rooms/visitor-rooms.ts';
import { createBroadcast } from './broadcast.ts';
import { createDelivery, laneLost, lineOf } from './delivery.ts';
import { createOpening, type OpeningOptions } from './opening.ts';
import { createPauses, type Pauses, type PauseTimes } from './pauses.ts';
import { createRecipients } from './recipient.ts';
import { createResend, type Resend } from './resend.ts';
import { createReturnedMessages, type ReturnedMessage } from './returned-messages.ts';
import { createRoomMirror } from './room-mirror.ts';
import { revisionAt } from './unread.ts';
import { performVisitorEvent } from './visitor-effects.ts';
import { createVisitorFiles, isFilePending } from './visitor-files.ts';
import { reportFailed } from './visitor-messages.ts';

/** Waits between the tries of one effect. */
export const MESSAGE_RETRY: RetryPolicy = { firstMs: 200, mostMs: 15_000 };
/** Lanes of different streams that run at the same time. */
export const XMPP_LANES_AT_ONCE = 256;

export const XMPP_FILTER: DestinationFilter = { name: 'xmpp', concerns: concernsXmpp };
const done: Outcome = { kind: 'done' };

/** Follows operators' sessions, to resend to an operator whose session has ended. */
export interface XmppLane extends CommitListener {
  readonly destination: Destination;
  /**
   * Call it when a visitor's session is new: messages that were taken and not delivered go out again, before anything
   * newer. It does nothing if another process owns the visitor.
   */
  resend(jid: string): void;
  /** As {@link Resend}. */
  afterResends(jid: string): Promise<void>;
  /** An operator's address returned a message of a visitor after it was taken. */
  returned(message: ReturnedMessage): void;
  /** The operator's client has these stanzas: what waits behind an opening can go on. */
  arrived(tenant: TenantId, visitor: VisitorKey, operator: Username, ids: readonly string[]): void;
}

interface XmppLaneOptions {
  readonly actors: Actors;
  readonly store: EventStore;
  readonly admin: EjabberdAdmin;
  readonly transport: VisitorTransport;
  readonly tenants: TenantDirectory;
  readonly personal: PersonalData;
  readonly names: Pick<OperatorNames, 'of'>;
  readonly removal: OperatorRemoval;
  readonly answers: Answers;
  readonly rooms: VisitorRooms;
  /** Default: no file is passed on. */
  readonly lookAtFile?: LookAtFile;
  readonly operatorSessions: Pick<OperatorSessions, 'compare'>;
  readonly ownership: Ownership;
  readonly now: () => number;
  readonly random: () => number;
  /** As {@link OpeningOptions} has it. */
  readonly pendingFrom: OpeningOptions['pendingFrom'];
  readonly logger: Logger;
  /** A failpoint of tests, between a stanza that was taken and its fact. */
  readonly afterTaken?: (messageId: string) => Promise<void>;
  /** True if nobody will report that this operator's client has a message: it counts as delivered when it was taken. */
  readonly isTakenAll?: (tenant: TenantId, operator: Username) => Promise<boolean>;
  /** Default: {@link createPauses}. */
  readonly pauseTimes?: PauseTimes;
}

/** Of some operators nobody reports that an opening has arrived. It is taken when its pause begins. */
function pausesOf({ now, pauseTimes, isTakenAll, logger }: XmppLaneOptions): Pauses {
  const pauses = createPauses(now, pauseTimes);
  return {
    ...pauses,
    begin(stream, operator, id) {
      pauses.begin(stream, operator, id);
      const actor = actorOf(stream);
      if (!actor) return;
      isTakenAll?.(actor.tenant, operator)
        .then((isAll) => isAll && pauses.arrived(stream, operator, [id]))
        .catch((error) => logger.debug({ reason: messageOf(error) }, 'an opening keeps its pause'));
    },
  };
}

/** What the functions below share. */
function partsOf(given: XmppLaneOptions) {
  const { lookAtFile = LOOKS_AT_NOTHING } = given;
  const options = { ...given, files: createVisitorFiles(lookAtFile) };
  const recipientOf = createRecipients(options.store);
  const onReturned = createReturnedMessages({
    ...options,
    resend: (jid, operator) => resend.resend(jid, operator),
  });
  const resend: Resend = createResend({
    ...options,
    recipientOf,
    onReturned,
    // It needs a delivery, which waits for resends.
    opening: {
      carriedBy: (...args) => opening.carriedBy(...args),
      isToCome: (...args) => opening.isToCome(...args),
      openedWith: (...args) => opening.openedWith(...args),
    },
  });
  const delivery = createDelivery({ ...options, afterResends: resend.afterResends });
  const pauses = pausesOf(options);
  const mirror = createRoomMirror(options);
  const opening = createOpening({ ...options, delivery, pauses });
  const broadcast = createBroadcast({ ...options, delivery, opening, pauses });
  const reading = { onReturned, recipientOf, resend };
  return { ...options, ...reading, delivery, pauses, opening, broadcast, mirror };
}
type Parts = ReturnType<typeof partsOf>;

async function performOperatorEvent(
  { answers, delivery, removal, operatorSessions, store }: Parts,
  tenant: Tenant,
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
  const answer = fact && (await answers.answerTo(tenant, username, fact, event.position));
  if (!answer) return done;
  if (answer.visitor === null) {
    const lines = answer.texts.map((text, index) =>
      lineOf(event, 0, index, { to: username, text }),
    );
    await delivery.sendFromDesk({ tenant, mayAct }, lines);
    return done;
  }
  // The answer stands behind what the visitor had said when the operator asked.
  const conversation = streamOf(visitorRef(tenant.id, answer.visitor));
  const revision = await revisionAt(store, conversation, event.metadata.at);
  const lines = answer.texts.map((text, index) =>
    lineOf(event, revision, index, { to: username, text }),
  );
  await delivery.sendLines({ tenant, key: answer.visitor, mayAct }, lines);
  return done;
}

async function perform(parts: Parts, event: RecordedEvent, again: boolean): Promise<Outcome> {
  const actor = actorOf(event.stream);
  const tenant = actor && parts.tenants.get(actor.tenant);
  if (!tenant) return withoutTenant(actor ? parts.tenants.standing(actor.tenant) : 'unknown');
  // The process that a person asks to send something again may send it.
  const mayAct = (): boolean => again || ownsStream(parts.ownership, event.stream);
  try {
    if (actor.kind === 'visitor') {
      const { name: key } = actor;
      const jid = visitorJid(tenant, key);
      const onReturned = (operator: Username, messageId: string, error: AppError): void =>
        parts.onReturned({ tenant: tenant.id, key, jid, messageId, operator, error });
      const sender = { tenant, key, mayAct, ...(!again && { onReturned }) };
      return await performVisitorEvent(parts, sender, event, again);
    }
    if (actor.kind === 'operator') {
      return await performOperatorEvent(parts, tenant, actor.name, event, mayAct);
    }
    return done;
  } catch (error) {
    if (isFilePending(error)) {
      return { kind: 'parked', reason: FILE_PENDING, lookMs: FILE_LOOK_MS };
    }
    if (isRefused(error)) return { kind: 'dead', reason: error.message };
    return { kind: 'retry', reason: messageOf(error), expected: isExpected(error) };
  }
}

/** The lane gave up a message: LHC hears that it failed. */
async function reportDeadLetter(parts: Parts, event: RecordedEvent, reason: string): Promise<void> {
  const actor = actorOf(event.stream);
  const fact = visitorFact(event);
  if (!fact || actor?.kind !== 'visitor') return;
  const { tenant, name } = actor;
  const addressed = addressedBy(fact);
  if (addressed) {
    const { messageId, operator } = addressed;
    const report = { type: 'ReportMessageFailed', messageId, reason, operator } as const;
    await parts.actors.visitor(tenant, name).send(report);
  } else if (fact.type === 'VisitorMessageSent') {
    await reportFailed(parts, tenant, name, fact.data.messageId, reason);
  }
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
    afterResends: parts.resend.afterResends,
    returned: parts.onReturned,
    arrived: (tenant, visitor, operator, ids) =>
      parts.pauses.arrived(streamOf(visitorRef(tenant, visitor)), operator, ids),
  };
}
