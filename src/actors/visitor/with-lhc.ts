/** Decisions about what an operator tells LHC beside messages, and what LHC answers: notes, LHC's commands, refusals. */
import type { Username } from '../ids.ts';
import { type DecisionContext, refuse } from '../machine/decider.ts';
import { invitationExpired } from './chat-facts.ts';
import type { RefusedByLhc, VisitorFact } from './facts.ts';
import { ownChat } from './own-chat.ts';
import type { VisitorContext, VisitorState } from './state.ts';
import { isLikeWhisper, LIKE_WHISPER, whisperIn } from './whisper-form.ts';

export type LhcCommand =
  /** A note for LHC. The visitor does not see it. */
  | { type: 'AddNote'; operator: Username; noteId: string; body: string }
  /** A command that LHC carries out. */
  | {
      type: 'SendOperatorCommand';
      operator: Username;
      messageId: string;
      command: string;
      text: string;
    }
  /** LHC itself says something to an operator. @param notice the code of what it says */
  | { type: 'AnswerOperator'; operator: Username; text: string | null; notice?: string }
  /**
   * LHC will not do what the fact at this revision told it.
   * @param chatId null for an invitation
   * @param text LHC's own words
   * @param invites the fact is the first message of an invitation
   */
  | {
      type: 'ReportLhcRefusal';
      operator: Username;
      revision: number;
      refused: RefusedByLhc;
      chatId: string | null;
      code: string;
      text: string | null;
      invites?: boolean;
    };

type CommandOf<T extends LhcCommand['type']> = Extract<LhcCommand, { type: T }>;

function addNote(
  context: VisitorContext,
  command: CommandOf<'AddNote'>,
  { now }: DecisionContext,
): VisitorFact[] {
  const { operator, noteId, body } = command;
  const { id: chatId } = ownChat(context, operator, now);
  return [{ type: 'NoteAdded', data: { chatId, operator, noteId }, personal: { body } }];
}

function sendCommand(
  context: VisitorContext,
  wish: CommandOf<'SendOperatorCommand'>,
  { now }: DecisionContext,
): VisitorFact[] {
  const { operator, messageId, command, text } = wish;
  // LHC may write what it does not know to the visitor.
  const whisper = isLikeWhisper(command) ? LIKE_WHISPER : whisperIn(text);
  if (whisper !== null) return refuse(whisper);
  const { id: chatId } = ownChat(context, operator, now);
  const data = { chatId, operator, messageId, command };
  return [{ type: 'OperatorCommandSent', data, personal: { text } }];
}

/** An invitation that LHC has refused stands nowhere. */
function refusedByLhc(
  { conversation, context }: VisitorState,
  command: CommandOf<'ReportLhcRefusal'>,
): VisitorFact[] {
  const { operator, revision, refused, chatId, code, text, invites } = command;
  const stands = conversation === 'invited' && context.inviter === operator;
  return [
    {
      type: 'LhcRefused',
      data: { operator, revision, code, chatId, ...refused },
      personal: text === null ? undefined : { text },
    },
    ...(invites && stands ? [invitationExpired(context, 'refused')] : []),
  ];
}

/** The facts that a command causes. @throws {AppError} `refused` with the reason */
export function decideWithLhc(
  state: VisitorState,
  command: LhcCommand,
  decision: DecisionContext,
): VisitorFact[] {
  switch (command.type) {
    case 'AddNote':
      return addNote(state.context, command, decision);
    case 'SendOperatorCommand':
      return sendCommand(state.context, command, decision);
    case 'AnswerOperator': {
      const { operator, text, notice } = command;
      const data = { operator, ...(notice !== undefined && { notice }) };
      return [{ type: 'LhcAnswered', data, personal: text === null ? undefined : { text } }];
    }
    case 'ReportLhcRefusal':
      return refusedByLhc(state, command);
  }
}
