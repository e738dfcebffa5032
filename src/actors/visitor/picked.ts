/** Who may write in a chat whose operators LHC picks, and who has it then (docs/adr/0037). */
import type { Username } from '../ids.ts';
import { refuse } from '../machine/decider.ts';
import { isPicked } from './addressed.ts';
import { chatAssigned } from './chat-facts.ts';
import type { VisitorFact } from './facts.ts';
import { refuseForeign } from './open-chat.ts';
import type { Chat, VisitorContext } from './state.ts';

/**
 * The facts by which an operator who writes has a chat that LHC gives out; none if they have it.
 * @param now ms since 1970
 * @throws {AppError} `refused` if somebody else has answered it and LHC has not picked them
 */
export function answerOfPicked(
  context: VisitorContext,
  chat: Chat,
  operator: Username,
  now: number,
): VisitorFact[] {
  if (chat.accepted) refuseUnpicked(context, chat, operator, now);
  if (chat.accepted && chat.operator === operator) return [];
  const chatId = chat.id;
  // Whoever LHC still addresses keeps getting the visitor's messages, and may write.
  const { operators = [] } = context.picked ?? {};
  const staying = chat.accepted ? operators : [];
  const opens = !operators.includes(operator);
  return [
    chatAssigned(chat, operator, 'answered', { staying, opens }),
    { type: 'ChatAccepted', data: { chatId, operator } },
  ];
}

/** @throws {AppError} `refused` if LHC has picked others */
export function refuseUnpicked(
  context: VisitorContext,
  chat: Chat,
  operator: Username,
  now: number,
): void {
  if (isPicked(context, operator, now)) return;
  if (chat.operator !== operator) refuseForeign(chat);
  const { operators } = context.picked ?? { operators: [] };
  const names = operators.map((each) => `@${each}`).join(', ');
  refuse(`LHC has given this chat to ${names}`, { owner: operators[0] });
}
