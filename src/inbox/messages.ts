/** What operators write to visitors: messages and commands. `about-messages.ts` has what else their clients send. */
import { onlyChatOf } from '../actors/ids.ts';
import type { Hook } from '../actors/machine/idempotency.ts';
import type { OperatorCommand } from '../actors/operator/decisions.ts';
import { BEING_REMOVED } from '../actors/tenant/configuration.ts';
import { lhcCommandsOf } from '../actors/tenant/lhc-commands.ts';
import type { Tenant } from '../actors/tenant/tenant.ts';
import type { VisitorCommand } from '../actors/visitor/decisions.ts';
import { KEEPS_MESSAGE } from '../actors/visitor/room.ts';
import { whisperIn } from '../actors/visitor/whisper-form.ts';
import { writtenMessage } from '../actors/visitor/written.ts';
import { AppError, isRejected } from '../errors.ts';
import type { WebhookEventOf } from './events.ts';
import type { MessageParts } from './message-parts.ts';
import type { CommandPlace } from './operator-commands/carry-out.ts';
import { readWritten, type Written } from './operator-commands/read.ts';
import { isBlank } from './operator-commands/words.ts';
import { isAction, textOf, unreadable, visibleText, withoutAction } from './operator-text.ts';
import {
  type Conversation,
  conversationOf,
  endsOf,
  giveBack,
  knownVisitor,
  registeredOperator,
  sendToOperator,
  sendToVisitor,
} from './people.ts';
import { NO_QUOTATION, refusal, SET_ASIDE, TOO_FAST, UNSUPPORTED } from './refusals.ts';
import { commandIdOf, isSaidAgain, saidBy } from './repeats.ts';

/** The event's number in its queue; or the command id of a message that a person sends again. */
interface MessageOrigin {
  readonly hook?: Hook;
  readonly commandId?: string;
}

/** An operator's message: a text for the visitor, or a command. To the desk all are commands. @returns whether LHC gets it as a message */
export async function handleMessage(
  parts: MessageParts,
  event: WebhookEventOf<'message'>,
  { hook, commandId: given }: MessageOrigin,
): Promise<boolean> {
  const conversation = await conversationOf(parts, event);
  if (!conversation) return false;
  const { place } = conversation;
  const { operator, visitor } = place;
  const { id: messageId, receipt, markable, replaces, replyTo } = event;
  const sent = textOf(event.body);
  // Some clients send an empty body with a chat state. It must neither accept a chat nor invite a visitor.
  if (sent === '') return false;
  const { quotation, own } = splitReply(sent, event);
  const quoted = visibleText(quotation);
  const body = visibleText(own);
  const settings = parts.tenants.get(operator.tenant);
  const written = writtenIn(place, body, settings);
  const commandId = given ?? commandIdOf(place, event);
  // A person who sends a message again means it.
  const said = given === undefined ? saidBy(parts, place, event, sent) : {};
  // The message was refused before. The visitor's state may have changed since, but the answer stays. The number in the
  // queue does not tell: later events of this operator may be done before a message is set aside.
  if (conversation.operator.seen.hasCommand(commandId)) return false;
  if (isSaidAgain(conversation, said)) return false;
  const refuse = refusal(parts, place, messageId, { commandId, ...said }, written);
  // The event is among the dead letters. If it were taken now, it would arrive twice once it is sent again from there.
  if (hook && (await parts.setAside.has(hook.queueId, hook.seq))) return refuse(SET_ASIDE);
  const isRepeat = conversation.visitor?.seen.hasCommand(commandId) === true;
  if (settings?.removing && !isRepeat) return refuse(BEING_REMOVED);
  if (hook && !isRepeat) {
    const isQuestion = written.kind === 'question';
    const at = Date.parse(event.at);
    const charge = parts.budgets.charge(operator.tenant, operator.name, isQuestion, at);
    if (charge === 'first') return refuse(TOO_FAST);
    if (charge === 'over') {
      giveBack(parts, event, 'policy-violation', `Not delivered: ${TOO_FAST}.`);
      return false;
    }
  }
  if (isBlank(body)) return refuse('there is nothing to read in it');
  const isCommand = (text: string) =>
    writtenIn(place, visibleText(text), settings).kind !== 'message';
  if (endsInCommand(quotation, own, isCommand)) return refuse(NO_QUOTATION);
  try {
    if (written.kind !== 'message') {
      if (replaces !== undefined && hasMessage(conversation, replaces)) {
        return refuse(KEEPS_MESSAGE);
      }
      const corrects = replaces !== undefined && { replaces };
      const origin = { messageId, commandId, hook, ...said, receipt, markable, ...corrects };
      await parts.carryOut(written, place, origin);
      return written.kind === 'canned' && written.do === 'use';
    }
    if (!visitor) {
      await sendToOperator(parts, operator, askDesk(messageId), { commandId, hook, ...said });
      return false;
    }
    // As it was written: an action is another text (see below).
    const whisper = whisperIn(`${quoted}${written.body}`);
    if (whisper !== null) return refuse(whisper);
    const unshown = UNSUPPORTED.get(unreadable(body) ?? '');
    if (unshown !== undefined) return refuse(unshown);
    const words = isAction(written.body)
      ? withoutAction(written.body, await parts.operatorName(operator))
      : written.body;
    const onlyChat = onlyChatOf(visitor.name);
    const command: VisitorCommand = {
      type: 'ReceiveOperatorMessage',
      operator: operator.name,
      messageId,
      body: `${quoted}${words}`,
      receipt,
      markable,
      ...(replaces !== undefined && { replaces }),
      ...(replyTo !== undefined && { reply: { to: replyTo, plain: words } }),
      ...(place.room && { room: true }),
      ...(onlyChat !== null && { onlyChat }),
    };
    await sendToVisitor(parts, visitor, command, { commandId, hook, ...said });
    return true;
  } catch (error) {
    if (!isRejected(error)) throw error;
    return refuse(error.message);
  }
}

/** The text is a command, or not, by where it was written. */
export const writtenIn = (
  { visitor }: Pick<CommandPlace, 'visitor'>,
  body: string,
  tenant?: Tenant,
): Written =>
  readWritten(body, tenant ? lhcCommandsOf(tenant) : [], visitor ? 'conversation' : 'desk');

/** A text to the desk that is no command: a line explains the desk. */
const askDesk = (messageId: string): OperatorCommand => ({
  type: 'AskQuestion',
  visitor: null,
  messageId,
  command: 'desk',
  argument: null,
});

/** The quotation before a reply, and the text itself, as the client says where it is (XEP-0461). */
function splitReply(
  sent: string,
  { replyTo, quote }: WebhookEventOf<'message'>,
): { quotation: string; own: string } {
  const whole = { quotation: '', own: sent };
  // In the middle of a text it is no quotation before a reply, and people read it as a part of the text.
  if (replyTo === undefined || quote?.[0] !== 0) return whole;
  const characters = [...sent]; // XEP-0426 counts characters of Unicode
  const own = characters.slice(quote[1]).join('');
  return isBlank(own) ? whole : { quotation: characters.slice(0, quote[1]).join(''), own };
}

/**
 * True if a quotation ends, as the client says, within what reads as a command. The client has counted wrong then. A command
 * must not reach the visitor, and the visitor's words must not be one.
 */
function endsInCommand(
  quotation: string,
  own: string,
  isCommand: (text: string) => boolean,
): boolean {
  if (quotation === '') return false;
  const line = quotation.slice(quotation.lastIndexOf('\n') + 1);
  const isWithinLine = line !== '' && !own.startsWith('\n');
  if (isWithinLine && (isCommand(own) || isCommand(`${line}${own}`))) return true;
  return quotation.startsWith('>') && !isCommand(own) && isCommand(`${quotation}${own}`);
}

/** True if this operator's message with this id is with the visitor. */
function hasMessage({ place, visitor }: Conversation, id: string): boolean {
  const known = visitor && writtenMessage(visitor.context, id, place.operator.name);
  if (!known || known.whisper || known.retracted !== undefined) return false;
  return known.operator === place.operator.name;
}

/** A person sends a message again, out of order. */
export async function sendAgain(
  parts: MessageParts,
  event: WebhookEventOf<'message'>,
  commandId: string,
): Promise<void> {
  const ends = endsOf(parts, event);
  const operator = ends && (await registeredOperator(parts, ends.operator));
  const visitor = ends && (await knownVisitor(parts, ends.visitor));
  if (!operator) throw new AppError('refused', 'its sender is not a registered operator');
  if (!visitor) throw new AppError('refused', 'its receiver is not known');
  // It was carried out after all, after it had been given up.
  if (visitor.seen.hasCommand(commandIdOf(ends, event))) return;
  await handleMessage(parts, event, { commandId });
}
