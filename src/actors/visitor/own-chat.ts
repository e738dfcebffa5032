/** The chat that an operator may close, or write notes and commands in. */
import type { Username } from '../ids.ts';
import { isByLhc } from './addressed.ts';
import { isForeign, openChat, refuseForeign } from './open-chat.ts';
import { refuseUnpicked } from './picked.ts';
import type { Chat, VisitorContext } from './state.ts';

/** The open chat, if this operator has it or nobody has. @param now ms since 1970 @throws {AppError} `refused` */
export function ownChat(
  context: VisitorContext,
  operator: Username,
  now: number,
  chatId: string | null = null,
): Chat {
  const chat = openChat(context, chatId);
  if (isByLhc(context)) {
    if (chat.accepted) refuseUnpicked(context, chat, operator, now);
    return chat;
  }
  return isForeign(chat, operator) ? refuseForeign(chat) : chat;
}
