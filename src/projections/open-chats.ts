/** The open chat of each visitor, as the domain folds it: visitors, messages and chats are told of it. */
import type { DatabaseSync } from 'node:sqlite';
import type { TenantId, VisitorKey } from '../actors/ids.ts';
import { chatAfter, isChatEvent } from '../actors/visitor/chat.ts';
import type { Chat, VisitorEvent } from '../actors/visitor/facts.ts';

export const OPEN_CHATS_TABLES = ['open_chats'];

// A table of its own: page views go on during a chat, and would write the chat's JSON each time.
export const OPEN_CHATS_SCHEMA = `
  CREATE TABLE open_chats (
    tenant TEXT NOT NULL,
    visitor TEXT NOT NULL,
    chat TEXT NOT NULL,
    PRIMARY KEY (tenant, visitor)
  ) STRICT, WITHOUT ROWID;
`;

/** Moves a visitor's open chat by one fact. @returns the chat after it; null when none is open, or for another fact */
export function applyToOpenChats(db: DatabaseSync) {
  const read = db.prepare('SELECT chat FROM open_chats WHERE tenant = ? AND visitor = ?');
  const write = db.prepare('INSERT OR REPLACE INTO open_chats VALUES (?, ?, ?)');
  const remove = db.prepare('DELETE FROM open_chats WHERE tenant = ? AND visitor = ?');
  return (tenant: TenantId, visitor: VisitorKey, fact: VisitorEvent): Chat | null => {
    if (!isChatEvent(fact)) return null;
    const row = read.get(tenant, visitor);
    // Written below and nowhere else.
    const before = row ? (JSON.parse(String(row.chat)) as Chat) : null;
    const after = chatAfter(before, fact);
    if (after) write.run(tenant, visitor, JSON.stringify(after));
    else remove.run(tenant, visitor);
    return after;
  };
}
