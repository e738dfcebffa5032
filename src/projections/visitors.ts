/** Who visits: presence, conversation and what their browser told, one row for each visitor. */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import type { Chat } from '../actors/visitor/facts.ts';
import { PROFILE_FIELDS, type Profile, type ProfileField } from '../actors/visitor/profile.ts';
import type { OpenedVisitorFact, Recorded, RecordedOfVisitor } from './facts.ts';

export const VISITORS_VERSION = 1;
export const VISITORS_TABLES = ['visitors'];

const TYPES: { readonly [F in ProfileField]?: string } = { visits: 'INTEGER' };

// The chat's own department and nick stand beside those of the page views, which go on during a chat.
// Partial indexes: few visitors of many are online, fewer in a conversation.
export const VISITORS_SCHEMA = `
  CREATE TABLE visitors (
    tenant TEXT NOT NULL,
    key TEXT NOT NULL,
    presence TEXT NOT NULL,
    conversation TEXT NOT NULL DEFAULT 'none',
    chat_id TEXT,
    operator TEXT,
    department TEXT,
    chat_department TEXT,
    ${PROFILE_FIELDS.map((field) => `${field} ${TYPES[field] ?? 'TEXT'},`).join('\n    ')}
    chat_nick TEXT,
    logged_in INTEGER NOT NULL DEFAULT 0,
    arrived_at INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, key)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX visitors_by_arrival ON visitors (tenant, arrived_at DESC, key);
  CREATE INDEX visitors_online ON visitors (tenant, arrived_at DESC, key) WHERE presence = 'online';
  CREATE INDEX visitors_conversing ON visitors (tenant, arrived_at DESC, key)
    WHERE conversation <> 'none';
  CREATE INDEX visitors_by_last_seen ON visitors (tenant, last_seen DESC, key);
  CREATE INDEX visitors_of_operators ON visitors (tenant, operator) WHERE operator IS NOT NULL;
`;

const NO_PROFILE: Profile = {};

/** In the order of PROFILE_FIELDS. */
const profileColumns = (profile: Profile): SQLInputValue[] =>
  PROFILE_FIELDS.map((field) => profile[field] ?? null);

/** Conversation, chat id, the chat's department and operator. */
const columnsOf = (chat: Chat | null): SQLInputValue[] =>
  chat
    ? [chat.accepted ? 'chatting' : 'waiting', chat.id, chat.department, chat.operator]
    : ['none', null, null, null];

/** Moves a visitor's row by one fact. */
export function applyToVisitors(db: DatabaseSync) {
  const set = (columns: string) => {
    const statement = db.prepare(
      `UPDATE visitors SET ${columns}${columns && ', '}revision = ?, updated_at = ?
       WHERE tenant = ? AND key = ?`,
    );
    return ({ revision, at, tenant, name }: Recorded, ...values: SQLInputValue[]): void => {
      statement.run(...values, revision, at, tenant, name);
    };
  };
  const profile = PROFILE_FIELDS.map((column) => `${column} = ?`).join(', ');
  const arrive = db.prepare(
    `INSERT INTO visitors (tenant, key, presence, arrived_at, last_seen, department, revision, updated_at)
     VALUES (?, ?, 'online', ?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET presence = 'online', arrived_at = excluded.arrived_at,
       last_seen = excluded.last_seen, department = ifnull(excluded.department, department),
       revision = excluded.revision, updated_at = excluded.updated_at`,
  );
  const view = set(`${profile}, department = ifnull(?, department), last_seen = ?`);
  const touch = set('');
  const loggedIn = set('logged_in = ?');
  const invite = set(`conversation = 'invited', operator = ?`);
  const uninvite = set(`conversation = 'none', operator = NULL`);
  const inChat = 'conversation = ?, chat_id = ?, chat_department = ?, operator = ?';
  const startChat = set(`${inChat}, chat_nick = ?, last_seen = ?`);
  const moveChat = set(inChat);
  const seen = set('last_seen = ?');
  const timeOut = set(
    `presence = 'timedOut', last_seen = ?,
     operator = iif(conversation = 'invited', NULL, operator),
     conversation = iif(conversation = 'invited', 'none', conversation)`,
  );
  // A stream may be cut before CleanedUp: the row after it is made of this fact alone, so that a rebuild agrees.
  const cleanUp = db.prepare(
    `INSERT OR REPLACE INTO visitors
       (tenant, key, presence, arrived_at, last_seen, revision, updated_at)
     VALUES (?, ?, 'cleanedUp', ?, ?, ?, ?)`,
  );

  return (fact: OpenedVisitorFact, recorded: RecordedOfVisitor) => {
    const { tenant, name, revision, at } = recorded;
    switch (fact.type) {
      case 'VisitorArrived':
        arrive.run(tenant, name, at, at, fact.data.department, revision, at);
        // A chat that begins with no page view has a visitor with nothing to tell.
        if (fact.data.digest !== null) {
          view(recorded, ...profileColumns(fact.personal ?? NO_PROFILE), fact.data.department, at);
        }
        return;
      case 'PageViewed':
        return view(
          recorded,
          ...profileColumns(fact.personal ?? NO_PROFILE),
          fact.data.department,
          at,
        );
      case 'LoggedIn':
        return loggedIn(recorded, 1);
      case 'LoggedOut':
      case 'SessionFailed':
        return loggedIn(recorded, 0);
      case 'Invited':
        return invite(recorded, fact.data.operator);
      case 'InvitationExpired':
        return uninvite(recorded);
      case 'ChatStarted': {
        const nick = fact.personal?.nick ?? null;
        return startChat(recorded, ...columnsOf(recorded.chat), nick, at);
      }
      case 'ChatAssigned':
      case 'ChatAccepted':
      case 'ChatUnassigned':
      case 'ChatTransferred':
      case 'ChatClosed':
        return moveChat(recorded, ...columnsOf(recorded.chat));
      case 'VisitorMessageSent':
        return seen(recorded, at);
      case 'TimedOut':
        return timeOut(recorded, fact.data.lastSeen);
      case 'CleanedUp': {
        const { lastSeen } = fact.data;
        cleanUp.run(tenant, name, lastSeen, lastSeen, revision, at);
        return;
      }
      default:
        return touch(recorded);
    }
  };
}
