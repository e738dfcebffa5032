/**
 * What the log has of LHC's chats, for tenants whose LHC is read (docs/adr/0047): the newest message of each chat that is a
 * fact. LHC's ids of messages and chats grow, so everything above has to be read still.
 */
import type { DatabaseSync } from 'node:sqlite';
import { actorOf, type TenantId, type VisitorKey } from '../../actors/ids.ts';
import type { WorkTable } from '../../runtime/pending-work.ts';
import { forgetsByTenant } from '../../runtime/removed-tenant.ts';
import { prepareLazily } from '../../sqlite/statements.ts';

/** Chats of one tenant that are kept: the newest. Older ones are looked at no more. */
export const KNOWN_CHATS_KEPT = 10_000;
/** The older ones go when a chat comes whose id divides by this. */
const PRUNED_EVERY = 256;

/** Ids of LHC's messages here. The extension for LHC gives the same. */
export const messageIdOf = (id: number): string => `lhc-${id}`;

export interface KnownChat {
  readonly visitor: VisitorKey;
  /** LHC's id of the newest message that is a fact; 0 for none. */
  readonly last: number;
  /** Whether the chat is open here. */
  readonly isOpen: boolean;
}

const TABLE = 'lhc_chats';

export const KNOWN_CHATS_TABLE: WorkTable = {
  name: TABLE,
  version: 1,
  schema: `
    CREATE TABLE lhc_chats (
      tenant TEXT NOT NULL,
      chat INTEGER NOT NULL,
      visitor TEXT NOT NULL,
      last INTEGER NOT NULL,
      open INTEGER NOT NULL,
      PRIMARY KEY (tenant, chat)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX lhc_chats_open ON lhc_chats (tenant, chat) WHERE open = 1;
  `,
  tables: [TABLE],
  apply: (db) => {
    const start = db.prepare(
      `INSERT INTO lhc_chats (tenant, chat, visitor, last, open) VALUES (?, ?, ?, 0, 1)
       ON CONFLICT (tenant, chat) DO UPDATE SET visitor = excluded.visitor, open = 1`,
    );
    const write = db.prepare(
      'UPDATE lhc_chats SET last = max(last, ?) WHERE tenant = ? AND chat = ?',
    );
    const close = db.prepare('UPDATE lhc_chats SET open = 0 WHERE tenant = ? AND chat = ?');
    const prune = db.prepare(
      `DELETE FROM lhc_chats WHERE tenant = ?1 AND open = 0 AND chat < (
         SELECT chat FROM lhc_chats WHERE tenant = ?1 ORDER BY chat DESC LIMIT 1 OFFSET ${KNOWN_CHATS_KEPT})`,
    );
    return ({ stream, type, data }) => {
      if (!CONCERNED.has(type) || !stream.startsWith('visitor-')) return;
      const chat = numberIn(CHAT, data.chatId);
      const actor = chat === null ? null : actorOf(stream);
      if (chat === null || actor?.kind !== 'visitor') return;
      const { tenant, name } = actor;
      if (type === 'ChatStarted') {
        start.run(tenant, chat, name);
        if (chat % PRUNED_EVERY === 0) prune.run(tenant);
      } else if (type === 'ChatClosed') {
        close.run(tenant, chat);
      } else {
        const message = numberIn(MESSAGE, data.messageId);
        if (message !== null) write.run(message, tenant, chat);
      }
    };
  },
  forget: (db) => forgetsByTenant(db, [TABLE]),
};

const CONCERNED: ReadonlySet<string> = new Set([
  'ChatStarted',
  'ChatClosed',
  'VisitorMessageSent',
  'MessageWrittenInLhc',
]);
const CHAT = /^(\d{1,15})$/;
const MESSAGE = /^lhc-(\d{1,15})$/;

function numberIn(form: RegExp, text: unknown): number | null {
  const found = typeof text === 'string' ? form.exec(text)?.[1] : undefined;
  return found === undefined ? null : Number(found);
}

export interface KnownChats {
  get(tenant: TenantId, chat: number): KnownChat | null;
  /** The chats that are open here. */
  open(tenant: TenantId): readonly number[];
  /** The ids of the oldest and the newest chat that is kept; null for a tenant without chats. */
  range(tenant: TenantId): { readonly oldest: number; readonly newest: number } | null;
}

/** Reads the table. */
export function openKnownChats(db: DatabaseSync): KnownChats {
  const query = prepareLazily(db, {
    get: 'SELECT visitor, last, open FROM lhc_chats WHERE tenant = ? AND chat = ?',
    open: 'SELECT chat FROM lhc_chats INDEXED BY lhc_chats_open WHERE tenant = ? AND open = 1',
    range: 'SELECT min(chat) AS oldest, max(chat) AS newest FROM lhc_chats WHERE tenant = ?',
  });
  // The casts: the columns of the statements above, which only `apply` writes.
  return {
    get(tenant, chat) {
      const row = query('get').get(tenant, chat) as
        | { visitor: VisitorKey; last: number; open: number }
        | undefined;
      return row ? { visitor: row.visitor, last: row.last, isOpen: row.open === 1 } : null;
    },
    open: (tenant) =>
      query('open')
        .all(tenant)
        .map(({ chat }) => Number(chat)),
    range(tenant) {
      const { oldest, newest } = query('range').get(tenant) as {
        oldest: number | null;
        newest: number | null;
      };
      return oldest === null || newest === null ? null : { oldest, newest };
    },
  };
}
