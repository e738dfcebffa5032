/** The open chat of each visitor, folded as in the domain. The models of visitors, messages and chats use it. */
import type { DatabaseSync } from 'node:sqlite';
import type { TenantId, VisitorKey } from '../actors/ids.ts';
import { chatAfter, isChatEvent, VISITOR_FOLD } from '../actors/visitor/chat.ts';
import type { VisitorEvent } from '../actors/visitor/facts.ts';
import type { Chat } from '../actors/visitor/state.ts';
import type { Model } from './model.ts';

/** @returns the open chat after a fact of a chat; null without one, and for every other fact */
type ApplyToOpenChat = (tenant: TenantId, visitor: VisitorKey, fact: VisitorEvent) => Chat | null;

export const OPEN_CHATS: Model<ApplyToOpenChat> = {
  version: VISITOR_FOLD,
  // A table of its own: visitors view pages during a chat, and each page view would write the chat's JSON.
  schema: `
    CREATE TABLE open_chats (
      tenant TEXT NOT NULL,
      visitor TEXT NOT NULL,
      chat TEXT NOT NULL,
      PRIMARY KEY (tenant, visitor)
    ) STRICT, WITHOUT ROWID;
  `,
  tables: ['open_chats'],
  apply: (db) => {
    const statements = prepare(db);
    return (tenant, visitor, fact) => {
      if (!isChatEvent(fact)) return null;
      const row = statements.read.get(tenant, visitor);
      // Only this function writes the column.
      const before = row ? (JSON.parse(String(row.chat)) as Chat) : null;
      const after = chatAfter(before, fact);
      if (after === before) return after; // most arrivals
      if (after) statements.write.run(tenant, visitor, JSON.stringify(after));
      else statements.remove.run(tenant, visitor);
      return after;
    };
  },
};

const prepare = (db: DatabaseSync) => ({
  read: db.prepare('SELECT chat FROM open_chats WHERE tenant = ? AND visitor = ?'),
  write: db.prepare('INSERT OR REPLACE INTO open_chats VALUES (?, ?, ?)'),
  remove: db.prepare('DELETE FROM open_chats WHERE tenant = ? AND visitor = ?'),
});
