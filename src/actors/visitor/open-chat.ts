/** Whether a command is about the open chat, and whether its operator may give it. */
import type { Username } from '../ids.ts';
import { refuse } from '../machine/decider.ts';
import type { Chat, VisitorContext } from './state.ts';

/** The open chat. @throws {AppError} `refused` if none is open, or another than `chatId` */
export const openChat = ({ chat }: VisitorContext, chatId: string | null): Chat => {
  if (chatId === null) return chat ?? refuse('this visitor has no open chat');
  if (chat === null) return refuse(`chat ${chatId} is not open`, { chatId });
  if (chat.id !== chatId) return refuse(`chat ${chat.id} is open, not ${chatId}`, { chatId });
  return chat;
};

/** The person in LHC who has a chat, in refusals. They stand in facts, so lines to operators have the name instead. */
export const SOMEBODY_IN_LHC = 'somebody in LHC';

/** Refuses the command of an operator who does not have the chat. @throws {AppError} `refused` */
export function refuseForeign({ operator, accepted, inLhc }: Chat): never {
  if (inLhc) {
    return refuse(
      accepted
        ? `${SOMEBODY_IN_LHC} has this chat; write !take to take it over`
        : `${SOMEBODY_IN_LHC} is asked to answer this chat; write !take to take it`,
    );
  }
  return refuse(
    accepted
      ? `this chat belongs to @${operator}`
      : `this chat is offered to @${operator}; write !take to take it`,
    { owner: operator },
  );
}

/** True if this operator has the chat, and has answered it. */
export const hasAnswered = ({ operator: owner, accepted }: Chat, operator: Username): boolean =>
  owner === operator && accepted;

/** True if another operator has the chat or is asked alone, or somebody in LHC. */
export const isForeign = ({ operator: owner, inLhc }: Chat, operator: Username): boolean =>
  inLhc !== null || (owner !== null && owner !== operator);
