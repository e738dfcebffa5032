/** Chats that are started, answered and closed on a real log, which read models follow. */
import type { VisitorCommand } from '../../src/actors/visitor/decisions.ts';
import type { ChatView } from '../../src/projections/chat-queries.ts';
import { username } from '../support/names.ts';
import { type Following, type Log, openTestLog } from './log.ts';

export const SECOND = 1000;
export const delays = {
  hardTimeout: 3_600_000,
  cleanupAfter: 3_600_000,
  invitationTimeout: 120_000,
  offerTimeout: 60_000,
  chatIdle: 86_400_000,
};

export const starts = (
  chatId: string,
  department: string | null = 'sales',
  nick?: string,
): VisitorCommand => ({ type: 'StartChat', chatId, department, nick, delays });
export const assigns = (chatId: string, operator: string): VisitorCommand => ({
  type: 'AssignChat',
  chatId,
  operator: username(operator),
  reservation: null,
  reason: 'least-loaded',
});
export const says = (messageId: string): VisitorCommand => ({
  type: 'SendMessage',
  messageId,
  chatId: null,
  body: 'words',
});
export const answers = (operator: string, messageId: string): VisitorCommand => ({
  type: 'ReceiveOperatorMessage',
  operator: username(operator),
  messageId,
  body: 'words',
});
export const closes = (chatId: string): VisitorCommand => ({
  type: 'CloseChat',
  chatId,
  by: 'visitor',
  reason: 'done',
});

export interface ChatScene {
  readonly log: Log;
  readonly live: Following;
  /** Runs these commands, one each second. */
  happens(visitor: string, ...commands: VisitorCommand[]): Promise<void>;
  /** @throws if there is no such chat */
  chatOf(chatId: string, visitor?: string): ChatView;
}

export async function openChatScene(): Promise<ChatScene> {
  const log = await openTestLog();
  const live = log.follow('live.db');
  return {
    log,
    live,
    happens: async (visitor, ...commands) => {
      for (const command of commands) {
        const done = await log.visitor(visitor, command);
        if (!done) throw new Error(`${command.type} was refused`);
        log.passes(SECOND);
      }
      await live.projections.waitFor(await log.head(), 5000);
    },
    chatOf: (chatId, visitor) => {
      const chat = live.projections.chats.get('acme', chatId, visitor);
      if (!chat) throw new Error(`chat ${chatId} has a row`);
      return chat;
    },
  };
}
