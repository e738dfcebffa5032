import type { TenantId, Username, VisitorKey } from '../../actors/ids.ts';
import type { VisitorFacts } from '../../actors/visitor/facts.ts';
import type { VisitorState } from '../../actors/visitor/state.ts';
import type { EventStore, RecordedEvent } from '../../eventstore/port.ts';
import type { Outcome } from '../../runtime/lanes/destination.ts';
import type { Actors, ActorView } from '../../runtime/ports.ts';
import type { Answers } from '../answers/answers.ts';
import type { OperatorNames } from '../operator-names.ts';
import type { PersonalData } from '../personal-data.ts';
import type { Broadcast } from './broadcast.ts';
import type { Delivery, Sender } from './delivery.ts';
import type { Opened, Opening } from './opening.ts';
import { behindOpening, type Pauses } from './pauses.ts';
import type { RecipientOf } from './recipient.ts';
import { isReturned } from './returned-messages.ts';
import type { RoomEffectParts } from './room-effects.ts';
import { firstAskedAt, wasAskedOnlyAfter } from './unread.ts';
import type { VisitorFiles } from './visitor-files.ts';
import { shownOf } from './words.ts';

export const NO_OPERATOR = 'no operator took the chat';

const done: Outcome = { kind: 'done' };
/** The lane stops at this fact until a later fact of the stream gives the chat an operator. */
const unowned: Outcome = { kind: 'parked', reason: 'no operator has the chat' };

export interface VisitorEffectParts extends RoomEffectParts {
  readonly actors: Pick<Actors, 'visitor'>;
  readonly store: Pick<EventStore, 'readStream'>;
  readonly personal: Pick<
    PersonalData,
    'of' | 'reasonOf' | 'bodyOf' | 'reactionsOf' | 'profileOf' | 'ownerInLhc'
  >;
  readonly files: VisitorFiles;
  readonly names: Pick<OperatorNames, 'of'>;
  readonly answers: Pick<Answers, 'confirmationsOf' | 'saidBefore'>;
  readonly recipientOf: RecipientOf;
  readonly delivery: Delivery;
  readonly opening: Opening;
  readonly broadcast: Broadcast;
  readonly pauses: Pauses;
  /** True if nobody will report that this operator's client has a message. */
  readonly isTakenAll?: (tenant: TenantId, operator: Username) => Promise<boolean>;
  /** A failpoint of tests, between a stanza that was taken and its fact. */
  readonly afterTaken?: (messageId: string) => Promise<void>;
}

/** LHC hears that a message failed. */
export const reportFailed = (
  { actors }: VisitorEffectParts,
  tenant: TenantId,
  key: VisitorKey,
  messageId: string,
  reason: string,
) => actors.visitor(tenant, key).send({ type: 'ReportMessageFailed', messageId, reason });

/**
 * The operator's address returned this message for a reason of its own.
 * @returns a dead letter; nothing if this was one too many, and the message goes on to somebody else with the chat
 */
export async function messageRefused(
  { actors }: VisitorEffectParts,
  { tenant, key }: Sender,
  operator: Username,
  messageId: string,
  reason: string,
): Promise<Outcome> {
  const visitor = actors.visitor(tenant.id, key);
  await visitor.send({ type: 'ReportMessageTaken', messageIds: [messageId] });
  await visitor.send({ type: 'ReportMessageFailed', messageId, reason, operator });
  const { openMessages = [] } = (await visitor.state())?.context ?? {};
  return openMessages.some(({ id }) => id === messageId) ? done : { kind: 'dead', reason };
}

/** Shows the message in the chat's room, before the private window: whoever is there reads it there, and once. */
export async function showInRoom(
  { mirror, ...parts }: VisitorEffectParts,
  sender: Sender,
  state: VisitorState,
  event: RecordedEvent,
  id: string,
): Promise<void> {
  const room = mirror.roomOf(state, event.revision);
  if (!room) return;
  const { openMessages, chat } = state.context;
  const open = openMessages.find((each) => each.id === id);
  // What somebody has in LHC was never on its way here.
  if (open ? open.taken : chat?.inLhc == null) return;
  const shown = await shownOf(parts, sender.tenant, event);
  if (shown) await mirror.say(sender, state, room, { id, ...shown });
}

/** @param again a person sends it again, out of order */
export async function sendVisitorMessage(
  parts: VisitorEffectParts,
  sender: Sender,
  state: ActorView<VisitorState>,
  event: RecordedEvent,
  { messageId: id, chatId }: VisitorFacts['VisitorMessageSent'],
  again: boolean,
): Promise<Outcome> {
  const { actors, recipientOf, delivery, opening, broadcast, pauses, mirror } = parts;
  const { tenant, key } = sender;
  const { openMessages, chat, firstWaiting } = state.context;
  const open = openMessages.find((each) => each.id === id);
  if (!again) await showInRoom(parts, sender, state, event, id);
  if (!again && (!open || open.taken)) return done;
  const operator = await recipientOf(event, chatId, state);
  if (operator === undefined && !again) await mirror.showWaiting(sender, state, event.revision);
  if (operator === undefined && !chat?.offeredTo.length) return unowned;
  const shown = await shownOf(parts, tenant, event);
  if (operator === null || shown === null) {
    const reason = shown === null ? 'the visitor was erased' : NO_OPERATOR;
    await reportFailed(parts, tenant.id, key, id, reason);
    return done;
  }
  if (operator === undefined) {
    const lookMs = await broadcast.show(sender, state);
    return lookMs > 0 ? behindOpening(lookMs) : unowned; // it is received when the chat's owner has it
  }
  const current = chat?.id === chatId ? chat : null;
  const before = current && { round: current.searchRevision, own: event.revision };
  let opened: Opened | null = null;
  if (before && !again && before.own < before.round) {
    // The message is from before the current search for an operator, so it is part of the opening. So is what was said in
    // LHC since, until the place where the opening would stand without it.
    const asked = await firstAskedAt(
      parts.store,
      { stream: event.stream, chat: current },
      operator,
    );
    const end = Math.min(firstWaiting ?? Number.POSITIVE_INFINITY, asked ?? before.round);
    opened = await opening.open(sender, state, [operator], end);
  } else if (before && firstWaiting === before.own) {
    // A person sends it again: then it is among the words, and must not be in the opening too.
    const through = again ? before.own : before.own + 1;
    opened = await opening.open(sender, state, [operator], through);
  } else if (current && before && !again) {
    // Somebody else got the messages before this one, and the operator has taken the chat from them since.
    const at = { revision: before.own, head: state.revision };
    if (
      await wasAskedOnlyAfter(parts.store, { stream: event.stream, chat: current }, operator, at)
    ) {
      opened = await opening.open(sender, state, [operator], before.own + 1);
    }
  }
  if (opened && opened.waitMs > 0) return behindOpening(opened.waitMs);
  const reason = opened?.refusals.get(id);
  if (reason !== undefined) return messageRefused(parts, sender, operator, id, reason);
  const isTakenAll = (await parts.isTakenAll?.(tenant.id, operator)) ?? false;
  // What went out to all operators of a broadcast goes out again to the owner: mod_lhc drops it, and reports the delivery.
  // Where the older modules are, nobody drops it.
  const isShown =
    isTakenAll && !again && broadcast.wasShown(event.stream, state, operator, event.revision);
  if (again || !(isShown || opened?.sent.get(operator)?.has(id))) {
    const lookMs = again ? 0 : pauses.leftFor(event.stream, state, [operator]);
    if (lookMs > 0) return behindOpening(lookMs);
    try {
      await delivery.send(sender, operator, { id, ...shown });
    } catch (error) {
      if (again || !isReturned(error)) throw error;
      return messageRefused(parts, sender, operator, id, error.message);
    }
  }
  await parts.afterTaken?.(id);
  const visitor = actors.visitor(tenant.id, key);
  await visitor.send({ type: 'ReportMessageTaken', messageIds: [id] });
  if (isTakenAll) {
    const messageIds = [id];
    await visitor.send({ type: 'ReportMessageDelivered', messageIds, by: 'taken', operator });
  }
  return done;
}
