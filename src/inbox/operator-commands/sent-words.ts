/** Commands that send words to a visitor: a canned text, an invitation. */
import { onlyChatOf, type VisitorKey } from '../../actors/ids.ts';
import { refuse } from '../../actors/machine/decider.ts';
import type { CannedName } from '../../actors/tenant/canned-texts.ts';
import { KEEPS_WHISPER } from '../../actors/visitor/room.ts';
import { writtenMessage } from '../../actors/visitor/written.ts';
import { isAction, visibleText, withoutAction } from '../operator-text.ts';
import type { CarryOutOptions, CommandPlace, Ends } from './carry-out.ts';
import { type CommandOrigin, originOf, withoutNumber } from './origin.ts';
import { filledIn } from './placeholders.ts';
import { isBlank } from './words.ts';

/** Words that come by a command, as a message has them for the visitor. */
export async function readable(
  { operatorName }: CarryOutOptions,
  operator: Ends['operator'],
  words: string,
): Promise<string> {
  const text = visibleText(words);
  return isAction(text) ? withoutAction(text, await operatorName(operator)) : text;
}

/** Sends a canned text to the visitor, as if the operator had written it. */
export async function sendCanned(
  options: CarryOutOptions,
  name: CannedName,
  { operator, visitor, room = false }: CommandPlace,
  origin: CommandOrigin,
): Promise<void> {
  const { actors, canned, operatorName, visitorName } = options;
  if (!visitor) return refuse('write it in the conversation with the visitor who is to get it');
  const { messageId, receipt = false, markable = false, replaces } = origin;
  const sent = originOf(origin);
  const actor = actors.visitor(visitor.tenant, visitor.name);
  const state = await actor.state();
  if (state?.seen.hasCommand(origin.commandId)) return;
  const corrected =
    replaces === undefined ? null : state && writtenMessage(state.context, replaces);
  if (corrected?.whisper) return refuse(KEEPS_WHISPER);
  const text = await canned.get(operator.tenant, name);
  if (!text) return refuse(`there is no canned text ${name}; !canned lists all of them`);
  const words = filledIn(text.text, {
    operator: (await operatorName(operator)) ?? operator.name,
    visitor: await visitorName(visitor),
  });
  if (isBlank(words)) return refuse(`there is nothing to read in the canned text ${name}`);
  const onlyChat = onlyChatOf(visitor.name);
  await actor.send(
    {
      type: 'ReceiveOperatorMessage',
      operator: operator.name,
      messageId,
      body: await readable(options, operator, words),
      receipt,
      markable,
      ...(room && { room, canned: true }),
      ...(onlyChat !== null && { onlyChat }),
    },
    sent,
  );
}

/** Writes to a visitor without a chat, which invites them. */
export async function invite(
  { actors }: CarryOutOptions,
  { tenant, name: operator }: Ends['operator'],
  visitor: VisitorKey,
  body: string,
  origin: CommandOrigin,
): Promise<void> {
  const actor = actors.visitor(tenant, visitor);
  const state = await actor.latest();
  if (state?.seen.hasCommand(origin.commandId)) return;
  const chat = state?.context.chat;
  if (chat?.operator === operator) {
    return refuse('you have a chat with this visitor; write to them there');
  }
  if (chat) {
    return refuse('this visitor has a chat already; to take it, write !take in their conversation');
  }
  const { messageId } = origin;
  const onlyChat = onlyChatOf(visitor);
  const { replaces } = origin;
  const corrects = replaces !== undefined && state && writtenMessage(state.context, replaces);
  await actor.send(
    {
      type: 'ReceiveOperatorMessage',
      operator,
      messageId,
      body,
      // They would stand in another conversation than the message.
      receipt: false,
      markable: false,
      ...(corrects && { replaces }),
      ...(onlyChat !== null && { onlyChat }),
    },
    withoutNumber(origin),
  );
}
