/** What operators' clients send beside messages: retractions and reactions, and what no visitor can be shown. */
import type { OperatorCommand } from '../actors/operator/decisions.ts';
import { BEING_REMOVED } from '../actors/tenant/configuration.ts';
import type { VisitorCommand } from '../actors/visitor/decisions.ts';
import { isRejected } from '../errors.ts';
import { emojisIn } from './emoji.ts';
import type { WebhookEventOf } from './events.ts';
import type { MessageParts } from './message-parts.ts';
import type { Ends } from './operator-commands/carry-out.ts';
import { conversationOf, giveBack, sendToOperator, sendToVisitor } from './people.ts';
import {
  RETRACTION,
  TOO_FAST,
  UNSUPPORTED,
  UNSUPPORTED_AT_DESK,
  UNSUPPORTED_OTHER,
} from './refusals.ts';
import { commandIdOf, isSaidAgain, saidBy } from './repeats.ts';

/** Content that no visitor can be shown: the operator reads why. */
export async function handleUnsupported(
  parts: MessageParts,
  event: WebhookEventOf<'unsupported'>,
): Promise<void> {
  const conversation = await conversationOf(parts, event);
  if (!conversation) return;
  const { place, operator: state } = conversation;
  const { operator, visitor } = place;
  const { id: messageId, what, at } = event;
  const commandId = commandIdOf(place, event);
  const said = saidBy(parts, place, event, what);
  if (state.seen.hasCommand(commandId) || isSaidAgain(conversation, said)) return;
  const charge = parts.budgets.charge(operator.tenant, operator.name, false, Date.parse(at));
  const unshown = visitor ? (UNSUPPORTED.get(what) ?? UNSUPPORTED_OTHER) : UNSUPPORTED_AT_DESK;
  if (charge === 'over') {
    return giveBack(parts, event, 'policy-violation', `Not delivered: ${unshown}.`);
  }
  const reason = charge === 'first' ? TOO_FAST : unshown;
  const command: OperatorCommand = {
    type: 'RefuseMessage',
    visitor: visitor?.name ?? null,
    messageId,
    reason,
    ...(what === RETRACTION && { retraction: true }),
  };
  await sendToOperator(parts, operator, command, { commandId, ...said });
}

/** What a client sends about an earlier message: it takes it back, or reacts to it. */
export async function handleAboutMessage(
  parts: MessageParts,
  event: WebhookEventOf<'retraction' | 'reaction'>,
): Promise<void> {
  const conversation = await conversationOf(parts, event);
  if (!conversation) return;
  const { place, operator: state } = conversation;
  const { operator, visitor } = place;
  const { id: messageId, at } = event;
  const isRetraction = event.type === RETRACTION;
  const commandId = commandIdOf(place, event);
  const hook = { queueId: event.queueId, seq: event.seq };
  const about = isRetraction
    ? ['retracts', event.retracts]
    : ['reacts', event.reactsTo, event.reactions];
  const said = saidBy(parts, place, event, JSON.stringify(about));
  if (state.seen.hasCommand(commandId) || isSaidAgain(conversation, said)) return;
  const refuse = (reason: string) =>
    sendToOperator(
      parts,
      operator,
      {
        type: 'RefuseMessage',
        visitor: visitor?.name ?? null,
        messageId,
        reason,
        ...(isRetraction && { retraction: true as const }),
      },
      { commandId, ...said },
    );
  if (!conversation.visitor?.seen.hasCommand(commandId)) {
    const charge = parts.budgets.charge(operator.tenant, operator.name, false, Date.parse(at));
    if (charge === 'over') {
      return giveBack(parts, event, 'policy-violation', `Not delivered: ${TOO_FAST}.`);
    }
    if (charge === 'first') return void (await refuse(TOO_FAST));
  }
  if (!visitor) return void (await refuse(UNSUPPORTED_AT_DESK));
  const command = commandAbout(parts, operator, event, place.room === true);
  if (command === null) return;
  if (typeof command === 'string') return void (await refuse(command));
  try {
    await sendToVisitor(parts, visitor, command, { commandId, hook, ...said });
  } catch (error) {
    if (!isRejected(error)) throw error;
    await refuse(error.message);
  }
}

/** @returns the command; a text if it is refused; null if there is nothing to do */
function commandAbout(
  { tenants }: MessageParts,
  { tenant, name: operator }: Ends['operator'],
  event: WebhookEventOf<'retraction' | 'reaction'>,
  isInRoom: boolean,
): VisitorCommand | string | null {
  const settings = tenants.get(tenant);
  if (settings?.removing) return BEING_REMOVED;
  // LHC's REST API and its older extension can neither remove a message nor show a reaction.
  const isAble = settings?.callbackFlavour === 'native';
  if (event.type === RETRACTION) {
    if (!isAble) return UNSUPPORTED.get(RETRACTION) ?? UNSUPPORTED_OTHER;
    const where = isInRoom && { room: true };
    return { type: 'RetractOperatorMessage', operator, messageId: event.retracts, ...where };
  }
  const reactions = emojisIn(event.reactions);
  if (isInRoom) {
    // People react to each other's words there too, and what LHC can show is no reason for a line.
    if (!isAble || (reactions.length === 0 && event.reactions.length > 0)) return null;
    const messageId = event.reactsTo;
    return { type: 'ReactToMessage', operator, messageId, reactions, room: true };
  }
  if (!isAble || (reactions.length === 0 && event.reactions.length > 0)) {
    if (event.reactions.length === 0) return null; // they were never shown
    return isAble ? 'visitors can be shown emojis alone' : (UNSUPPORTED.get('reaction') ?? null);
  }
  return { type: 'ReactToMessage', operator, messageId: event.reactsTo, reactions };
}
