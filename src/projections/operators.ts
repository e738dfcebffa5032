/** Who answers: registration, sessions and chats of each operator. */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import type { Change } from '../actors/operator/machine.ts';
import type { OpenedOperatorFact, Recorded } from './facts.ts';

export const OPERATORS_VERSION = 1;
export const OPERATORS_TABLES = ['operators', 'operator_sessions', 'operator_chats'];

// Sessions count before an operator is registered: such a row is there and not shown.
export const OPERATORS_SCHEMA = `
  CREATE TABLE operators (
    tenant TEXT NOT NULL,
    username TEXT NOT NULL,
    registered INTEGER NOT NULL DEFAULT 0,
    lhc_user_id INTEGER,
    name TEXT,
    departments TEXT NOT NULL DEFAULT '[]',
    capacity INTEGER NOT NULL DEFAULT 0,
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
`;

/** Moves an operator's rows by one fact. */
export function applyToOperators(db: DatabaseSync) {
  const upsert = db.prepare(
    `INSERT INTO operators (tenant, username, revision, updated_at) VALUES (?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET revision = excluded.revision, updated_at = excluded.updated_at`,
  );
  /** A statement whose first parameters name the operator. */
  const of = (sql: string) => {
    const statement = db.prepare(sql);
    return ({ tenant, name }: Recorded, ...values: SQLInputValue[]): void => {
      statement.run(tenant, name, ...values);
    };
  };
  const register = of(
    `UPDATE operators SET registered = 1, lhc_user_id = ?3, departments = ?4, capacity = ?5,
       name = ?6
     WHERE tenant = ?1 AND username = ?2`,
  );
  const remove = of(
    `UPDATE operators SET registered = 0, lhc_user_id = NULL, name = NULL, departments = '[]',
       capacity = 0
     WHERE tenant = ?1 AND username = ?2`,
  );
  const removeChats = of('DELETE FROM operator_chats WHERE tenant = ?1 AND username = ?2');
  const becomes = of(
    `UPDATE operators SET availability = ?3, online_since = iif(?3 = 'offline', NULL, coalesce(online_since, ?4))
     WHERE tenant = ?1 AND username = ?2`,
  );
  const available = (recorded: Recorded, { to }: Change): void =>
    becomes(recorded, to, recorded.at);
  const isAway = of('UPDATE operators SET away = ?3 WHERE tenant = ?1 AND username = ?2');
  const openSession = of(
    `INSERT OR REPLACE INTO operator_sessions (tenant, username, session, resource)
     VALUES (?1, ?2, ?3, ?4)`,
  );
  const changePresence = of(
    `INSERT OR REPLACE INTO operator_sessions (tenant, username, session, resource, show, status)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6)`,
  );
  const closeSession = of(
    'DELETE FROM operator_sessions WHERE tenant = ?1 AND username = ?2 AND session = ?3',
  );
  const respond = of(
    `UPDATE operator_sessions SET responsive = ?4
     WHERE tenant = ?1 AND username = ?2 AND resource = ?3`,
  );
  const putChat = of(
    `INSERT OR REPLACE INTO operator_chats (tenant, username, chat_id, visitor, open, at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6)`,
  );
  const releaseChat = of(
    'DELETE FROM operator_chats WHERE tenant = ?1 AND username = ?2 AND chat_id = ?3',
  );

  return (fact: OpenedOperatorFact, recorded: Recorded) => {
    const { tenant, name, revision, at } = recorded;
    upsert.run(tenant, name, revision, at);
    switch (fact.type) {
      case 'OperatorRegistered': {
        const { lhcUserId, departments, capacity } = fact.data;
        const known = fact.personal?.name ?? null;
        return register(recorded, lhcUserId, JSON.stringify(departments), capacity, known);
      }
      case 'OperatorRemoved':
        remove(recorded);
        return removeChats(recorded);
      case 'OperatorLoggedIn':
        openSession(recorded, fact.data.session, fact.data.resource);
        return available(recorded, fact.data.availability);
      case 'PresenceChanged': {
        const { session, resource, show, availability } = fact.data;
        changePresence(recorded, session, resource, show, fact.personal?.status ?? null);
        return available(recorded, availability);
      }
      case 'OperatorLoggedOut':
        closeSession(recorded, fact.data.session);
        return available(recorded, fact.data.availability);
      case 'OperatorUnresponsive':
      case 'OperatorResponsive':
        respond(recorded, fact.data.resource, fact.type === 'OperatorResponsive' ? 1 : 0);
        return available(recorded, fact.data.availability);
      case 'AvailabilitySet':
        isAway(recorded, fact.data.away ? 1 : 0);
        return available(recorded, fact.data.availability);
      case 'OperatorGone':
        return isAway(recorded, 0);
      case 'ChatReserved':
        return putChat(recorded, fact.data.chatId, fact.data.visitor, 0, at);
      case 'ChatConfirmed':
        return putChat(recorded, fact.data.chatId, fact.data.visitor, 1, at);
      case 'ChatReleased':
        return releaseChat(recorded, fact.data.chatId);
      default:
        return;
    }
  };
}
