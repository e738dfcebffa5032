/** The read model of operators: registration, sessions and chats of each operator. */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import type { ApplyOperatorFact, OpenedOperatorFact, Recorded } from './facts.ts';
import type { Model } from './model.ts';

export const OPERATORS: Model<ApplyOperatorFact> = {
  version: 4,
  // Sessions count before an operator is registered. Queries skip such a row.
  schema: `
    CREATE TABLE operators (
      tenant TEXT NOT NULL,
      username TEXT NOT NULL,
      registered INTEGER NOT NULL DEFAULT 0,
      lhc_user_id INTEGER,
      name TEXT,
      departments TEXT NOT NULL DEFAULT '[]',
      capacity INTEGER NOT NULL DEFAULT 0,
      tier INTEGER NOT NULL DEFAULT 1,
      tiers TEXT NOT NULL DEFAULT '{}',
      languages TEXT NOT NULL DEFAULT '[]',
      availability TEXT NOT NULL DEFAULT 'offline',
      online_since INTEGER,
      away INTEGER NOT NULL DEFAULT 0,
      revision INTEGER NOT NULL,
      updated_at INTEGER NOT NULL,
      PRIMARY KEY (tenant, username)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX operators_of_lhc_users ON operators (tenant, lhc_user_id);
    CREATE TABLE operator_sessions (
      tenant TEXT NOT NULL,
      username TEXT NOT NULL,
      session TEXT NOT NULL,
      resource TEXT NOT NULL,
      show TEXT,
      status TEXT,
      responsive INTEGER NOT NULL DEFAULT 1,
      priority INTEGER NOT NULL DEFAULT 0,
      PRIMARY KEY (tenant, username, session)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE operator_chats (
      tenant TEXT NOT NULL,
      username TEXT NOT NULL,
      chat_id TEXT NOT NULL,
      visitor TEXT NOT NULL,
      open INTEGER NOT NULL,
      at INTEGER NOT NULL,
      PRIMARY KEY (tenant, username, chat_id)
    ) STRICT, WITHOUT ROWID;
  `,
  tables: ['operators', 'operator_sessions', 'operator_chats'],
  apply: (db) => {
    const statements = prepare(db);
    return (fact, recorded) => apply(statements, fact, recorded);
  },
};

type Run = (recorded: Recorded, ...values: SQLInputValue[]) => void;

/** Statements whose first parameters name the operator. Their own parameters begin with ?3. */
function prepare(db: DatabaseSync) {
  const run = (sql: string): Run => {
    const statement = db.prepare(sql);
    return ({ tenant, name }, ...values) => {
      statement.run(tenant, name, ...values);
    };
  };
  return {
    upsert: run(
      `INSERT INTO operators (tenant, username, revision, updated_at) VALUES (?1, ?2, ?3, ?4)
       ON CONFLICT DO UPDATE SET revision = excluded.revision, updated_at = excluded.updated_at`,
    ),
    register: run(
      `UPDATE operators SET registered = 1, lhc_user_id = ?3, departments = ?4, capacity = ?5,
         name = ?6, tier = ?7, tiers = ?8, languages = ?9
       WHERE tenant = ?1 AND username = ?2`,
    ),
    remove: run(
      `UPDATE operators SET registered = 0, lhc_user_id = NULL, name = NULL, departments = '[]',
         capacity = 0, tier = 1, tiers = '{}', languages = '[]'
       WHERE tenant = ?1 AND username = ?2`,
    ),
    removeChats: run('DELETE FROM operator_chats WHERE tenant = ?1 AND username = ?2'),
    setAvailability: run(
      `UPDATE operators SET availability = ?3,
         online_since = iif(?3 = 'offline', NULL, coalesce(online_since, ?4))
       WHERE tenant = ?1 AND username = ?2`,
    ),
    setAway: run('UPDATE operators SET away = ?3 WHERE tenant = ?1 AND username = ?2'),
    openSession: run(
      `INSERT OR REPLACE INTO operator_sessions (tenant, username, session, resource)
       VALUES (?1, ?2, ?3, ?4)`,
    ),
    setPresence: run(
      `INSERT OR REPLACE INTO operator_sessions (tenant, username, session, resource, show, status,
         priority)
       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)`,
    ),
    closeSession: run(
      'DELETE FROM operator_sessions WHERE tenant = ?1 AND username = ?2 AND session = ?3',
    ),
    setResponsive: run(
      `UPDATE operator_sessions SET responsive = ?4
       WHERE tenant = ?1 AND username = ?2 AND resource = ?3`,
    ),
    putChat: run(
      `INSERT OR REPLACE INTO operator_chats (tenant, username, chat_id, visitor, open, at)
       VALUES (?1, ?2, ?3, ?4, ?5, ?6)`,
    ),
    releaseChat: run(
      'DELETE FROM operator_chats WHERE tenant = ?1 AND username = ?2 AND chat_id = ?3',
    ),
    removeSessions: run('DELETE FROM operator_sessions WHERE tenant = ?1 AND username = ?2'),
    restore: run(
      `UPDATE operators SET registered = ?3, lhc_user_id = ?4, name = ?5, departments = ?6,
         capacity = ?7, availability = ?8, online_since = ?9, away = ?10, tier = ?11, tiers = ?12,
         languages = ?13
       WHERE tenant = ?1 AND username = ?2`,
    ),
    restoreSession: run('INSERT INTO operator_sessions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)'),
  };
}

function apply(to: ReturnType<typeof prepare>, fact: OpenedOperatorFact, recorded: Recorded) {
  const { revision, at } = recorded;
  to.upsert(recorded, revision, at);
  switch (fact.type) {
    case 'OperatorRegistered': {
      const { lhcUserId, departments, capacity } = fact.data;
      const name = fact.personal?.name ?? null;
      const settings = [lhcUserId, JSON.stringify(departments), capacity, name];
      return to.register(recorded, ...settings, ...skillsOf(fact.data));
    }
    case 'OperatorRemoved':
      to.remove(recorded);
      return to.removeChats(recorded);
    case 'OperatorLoggedIn':
      to.openSession(recorded, fact.data.session, fact.data.resource);
      return to.setAvailability(recorded, fact.data.availability.to, at);
    case 'PresenceChanged': {
      const { session, resource, show, priority = 0, availability } = fact.data;
      to.setPresence(recorded, session, resource, show, fact.personal?.status ?? null, priority);
      return to.setAvailability(recorded, availability.to, at);
    }
    case 'OperatorLoggedOut':
      to.closeSession(recorded, fact.data.session);
      return to.setAvailability(recorded, fact.data.availability.to, at);
    case 'OperatorUnresponsive':
    case 'OperatorResponsive':
      to.setResponsive(recorded, fact.data.resource, fact.type === 'OperatorResponsive' ? 1 : 0);
      return to.setAvailability(recorded, fact.data.availability.to, at);
    case 'AvailabilitySet':
      to.setAway(recorded, fact.data.away ? 1 : 0);
      return to.setAvailability(recorded, fact.data.availability.to, at);
    case 'OperatorGone':
      return to.setAway(recorded, 0);
    case 'ChatReserved':
      return to.putChat(recorded, fact.data.chatId, fact.data.visitor, 0, at);
    case 'ChatConfirmed':
      return to.putChat(recorded, fact.data.chatId, fact.data.visitor, 1, at);
    case 'ChatReleased':
      return to.releaseChat(recorded, fact.data.chatId);
    case 'OperatorSummarised':
      return restore(to, fact, recorded);
    default:
      return;
  }
}

/** The columns `tier`, `tiers`, `languages`. */
const skillsOf = ({
  tier = 1,
  tiers = {},
  languages = [],
}: {
  readonly tier?: number;
  readonly tiers?: Readonly<Record<string, number>>;
  readonly languages?: readonly string[];
}): SQLInputValue[] => [tier, JSON.stringify(tiers), JSON.stringify(languages)];

/** The stream may begin with this fact: it replaces everything. */
function restore(
  to: ReturnType<typeof prepare>,
  { data, personal }: Extract<OpenedOperatorFact, { type: 'OperatorSummarised' }>,
  recorded: Recorded,
) {
  const { state, kept } = data;
  const { registered, lhcUserId, departments, capacity, cameOnlineAt, away } = kept;
  const since = state === 'offline' ? null : cameOnlineAt;
  const settings = [lhcUserId, personal?.name ?? null, JSON.stringify(departments), capacity];
  const standing = [state, since, away ? 1 : 0];
  to.restore(recorded, registered ? 1 : 0, ...settings, ...standing, ...skillsOf(kept));
  to.removeSessions(recorded);
  for (const [session, known] of Object.entries(kept.sessions)) {
    const { resource, show, responsive, priority = 0 } = known;
    const status = personal?.statuses[session] ?? null;
    to.restoreSession(recorded, session, resource, show, status, responsive ? 1 : 0, priority);
  }
  to.removeChats(recorded);
  for (const [chatId, { visitor, open, at }] of Object.entries(kept.chats)) {
    to.putChat(recorded, chatId, visitor, open ? 1 : 0, at);
  }
}
