/** The desired state of visitors in XMPP, folded from the log: who should be online, and whose account should go. */
import type { DatabaseSync } from 'node:sqlite';
import { actorOf, type TenantId, type VisitorKey } from '../../actors/ids.ts';
import type { WorkTable } from '../../runtime/pending-work.ts';
import { forgetsByTenant } from '../../runtime/removed-tenant.ts';
import { prepareLazily } from '../../sqlite/statements.ts';

export interface Visitor {
  readonly tenant: TenantId;
  readonly key: VisitorKey;
}

export interface DesiredVisitor extends Visitor {
  /** Online or in a conversation. */
  readonly online: boolean;
  /** Cleaned up, so the account has to go. */
  readonly gone: boolean;
}

export interface DesiredVisitors {
  get(visitor: Visitor): DesiredVisitor | null;
  /** All visitors who should be online, and all whose account should go. */
  pending(tenant: TenantId): IterableIterator<DesiredVisitor>;
  /** Visitors who were not cleaned up, as far as the table has come; some of them. */
  notGone(tenant: TenantId, limit: number): readonly VisitorKey[];
  /** The account of a visitor who is gone was removed, so nothing is left to do. */
  accountRemoved(visitor: Visitor): void;
  /** How many visitors should be online. */
  online(tenant: TenantId): number;
  /**
   * Visitors with a chat first, and of them those whose chat an operator has, or is asked about; then the most recently active.
   * null if all fit into the limit.
   */
  mostRecent(tenant: TenantId, limit: number): ReadonlySet<VisitorKey> | null;
}

const QUERIES = {
  get: 'SELECT * FROM desired_visitors WHERE tenant = ? AND key = ?',
  pending: 'SELECT * FROM desired_visitors WHERE tenant = ? AND (online = 1 OR gone = 1)',
  notGone: 'SELECT key FROM desired_visitors WHERE tenant = ? AND gone = 0 LIMIT ?',
  removed: 'DELETE FROM desired_visitors WHERE tenant = ? AND key = ? AND gone = 1',
  count: 'SELECT count(*) AS n FROM desired_visitors WHERE tenant = ? AND online = 1',
  recent: `SELECT key FROM desired_visitors WHERE tenant = ? AND online = 1
    ORDER BY chat DESC, seen DESC, key LIMIT ?`,
} as const;

interface Stored {
  tenant: TenantId;
  key: VisitorKey;
  online: number;
  gone: number;
}

const toRow = (row: Stored): DesiredVisitor => ({
  tenant: row.tenant,
  key: row.key,
  online: row.online === 1,
  gone: row.gone === 1,
});

/** What a fact makes of the column `chat`: who is in a conversation has to be seen, and then who is asked about. */
const IN_CHAT: Readonly<Record<string, number>> = {
  ChatAssigned: 2,
  ChatOffered: 2,
  ChatAccepted: 3,
  ChatUnassigned: 1,
  ChatTakenInLhc: 1,
};

export const DESIRED_VISITORS_TABLE: WorkTable = {
  name: 'desired_visitors',
  version: 5,
  schema: `
    CREATE TABLE desired_visitors (
      tenant TEXT NOT NULL,
      key TEXT NOT NULL,
      online INTEGER NOT NULL,
      here INTEGER NOT NULL, -- not timed out
      chat INTEGER NOT NULL, -- 1: a chat; 2: operators are asked about it; 3: one has accepted it
      gone INTEGER NOT NULL,
      seen INTEGER NOT NULL,
      PRIMARY KEY (tenant, key)
    ) STRICT, WITHOUT ROWID;
    -- Without the columns that a page view changes (3.7 us a row with them, 1.9 without). Visitors are sorted once a second.
    CREATE INDEX desired_visitors_online ON desired_visitors (tenant, online);
  `,
  tables: ['desired_visitors'],
  apply: (file) => {
    const arrive = file.prepare(
      `INSERT INTO desired_visitors VALUES (?, ?, 1, 1, 0, 0, ?) ON CONFLICT (tenant, key) DO UPDATE
       SET online = 1, here = 1, gone = 0, seen = excluded.seen`,
    );
    const see = file.prepare('UPDATE desired_visitors SET seen = ? WHERE tenant = ? AND key = ?');
    const chat = file.prepare(
      `UPDATE desired_visitors SET chat = ?1, online = max(here, ?1), seen = ?2
       WHERE tenant = ?3 AND key = ?4`,
    );
    const leave = file.prepare(
      'UPDATE desired_visitors SET here = 0, online = min(chat, 1) WHERE tenant = ? AND key = ?',
    );
    const ask = file.prepare(
      'UPDATE desired_visitors SET chat = ? WHERE tenant = ? AND key = ? AND chat > 0',
    );
    const go = file.prepare(
      `INSERT INTO desired_visitors VALUES (?, ?, 0, 0, 0, 1, 0) ON CONFLICT (tenant, key) DO UPDATE
       SET online = 0, here = 0, chat = 0, gone = 1`,
    );
    const forget = file.prepare(
      'DELETE FROM desired_visitors WHERE tenant = ? AND key = ? AND gone = 1',
    );
    return ({ stream, type, data, metadata: { at } }) => {
      if (!stream.startsWith('visitor-')) return;
      const actor = actorOf(stream);
      if (actor?.kind !== 'visitor') return;
      const { tenant, name } = actor;
      if (type === 'VisitorArrived') arrive.run(tenant, name, at);
      // An invitation may be of somebody whom operators do not see yet: its lines come from that contact.
      else if (type === 'PageViewed' || type === 'Invited') see.run(at, tenant, name);
      else if (type === 'ChatStarted') chat.run(1, at, tenant, name);
      else if (type === 'ChatClosed') chat.run(0, at, tenant, name);
      else if (Object.hasOwn(IN_CHAT, type)) ask.run(IN_CHAT[type] ?? 1, tenant, name);
      else if (type === 'ChatTransferred') ask.run(data.operator ? 2 : 1, tenant, name);
      else if (type === 'TimedOut') leave.run(tenant, name);
      else if (type === 'CleanedUp' && data.silent === undefined) go.run(tenant, name);
      else if (type === 'RetentionApplied' && data.generation !== undefined) {
        forget.run(tenant, name);
      }
    };
  },
  forget: (file) => forgetsByTenant(file, ['desired_visitors']),
};

export function createDesiredVisitors(db: DatabaseSync): DesiredVisitors {
  const query = prepareLazily(db, QUERIES);
  const online = (tenant: TenantId): number => Number(query('count').get(tenant)?.n);

  return {
    get({ tenant, key }) {
      const row = query('get').get(tenant, key);
      return row ? toRow(row as unknown as Stored) : null; // the columns of the table above
    },
    *pending(tenant) {
      // The same columns.
      for (const row of query('pending').all(tenant)) yield toRow(row as unknown as Stored);
    },
    notGone(tenant, limit) {
      // The column of the statement above.
      const rows = query('notGone').all(tenant, limit) as unknown as Pick<Stored, 'key'>[];
      return rows.map(({ key }) => key);
    },
    accountRemoved({ tenant, key }) {
      query('removed').run(tenant, key);
    },
    online,
    mostRecent(tenant, limit) {
      if (online(tenant) <= limit) return null;
      // The column of the statement above.
      const rows = query('recent').all(tenant, limit) as unknown as Pick<Stored, 'key'>[];
      return new Set(rows.map(({ key }) => key));
    },
  };
}
