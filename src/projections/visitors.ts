/** The read model of visitors: presence, conversation and profile, one row for each visitor. */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import {
  FACETS,
  type Facet,
  PROFILE_FIELDS,
  type Profile,
  type ProfileField,
  tells,
} from '../actors/visitor/profile.ts';
import type { Chat } from '../actors/visitor/state.ts';
import type { ApplyVisitorFact, OpenedVisitorFact, Recorded, RecordedOfVisitor } from './facts.ts';
import { IN_LHC_COLUMNS } from './in-lhc.ts';
import type { Model } from './model.ts';

const TYPES: { readonly [F in ProfileField]?: string } = { visits: 'INTEGER' };

export const VISITORS: Model<ApplyVisitorFact> = {
  version: 5,
  // The department of the chat has a column of its own, because page views change the other during a chat.
  // Partial indexes: few of many visitors are online, and fewer are in a conversation.
  schema: `
    CREATE TABLE visitors (
      tenant TEXT NOT NULL,
      key TEXT NOT NULL,
      presence TEXT NOT NULL,
      conversation TEXT NOT NULL DEFAULT 'none',
      chat_id TEXT,
      operator TEXT,
      ${IN_LHC_COLUMNS}
      department TEXT,
      chat_department TEXT,
      ${PROFILE_FIELDS.map((field) => `${field} ${TYPES[field] ?? 'TEXT'},`).join('\n      ')}
      logged_in INTEGER NOT NULL DEFAULT 0,
      arrived_at INTEGER NOT NULL,
      last_seen INTEGER NOT NULL,
      revision INTEGER NOT NULL,
      updated_at INTEGER NOT NULL,
      PRIMARY KEY (tenant, key)
    ) STRICT, WITHOUT ROWID;
  `,
  indexes: {
    visitors_by_arrival: `ON visitors (tenant, arrived_at DESC, key)`,
    visitors_online: `ON visitors (tenant, arrived_at DESC, key) WHERE presence = 'online'`,
    visitors_known: `ON visitors (tenant, arrived_at DESC, key) WHERE presence <> 'cleanedUp'`,
    visitors_conversing: `ON visitors (tenant, arrived_at DESC, key) WHERE conversation <> 'none'`,
    visitors_by_last_seen: `ON visitors (tenant, last_seen DESC, key)`,
    visitors_of_operators: `ON visitors (tenant, operator) WHERE operator IS NOT NULL`,
  },
  tables: ['visitors'],
  apply: (db) => {
    const statements = prepare(db);
    return (fact, recorded) => apply(statements, fact, recorded);
  },
};

const facetOf = new Map<ProfileField, Facet>(
  // The keys and fields of that constant.
  (Object.entries(FACETS) as [Facet, readonly ProfileField[]][]).flatMap(([facet, fields]) =>
    fields.map((field): [ProfileField, Facet] => [field, facet]),
  ),
);

/** For each field whether it is written, and its value. What the profile does not tell of the visitor stays. */
const profileValues = (profile: Profile): SQLInputValue[] =>
  PROFILE_FIELDS.flatMap((field) => {
    const facet = facetOf.get(field);
    return [!facet || tells(profile, facet) ? 1 : 0, profile[field] ?? null];
  });

/** Conversation, chat id, department and operator of the chat; who has it in LHC. @param name of that person */
function chatValues(chat: Chat | null, name?: string): SQLInputValue[] {
  if (!chat) return ['none', null, null, null, null, null];
  const { accepted, id, department, operator, inLhc } = chat;
  const person = inLhc ? [inLhc.lhcUserId, name ?? null] : [null, null];
  return [accepted ? 'chatting' : 'waiting', id, department, operator, ...person];
}

type Update = (recorded: Recorded, ...values: SQLInputValue[]) => void;

function prepare(db: DatabaseSync) {
  const update = (columns: string): Update => {
    const statement = db.prepare(
      `UPDATE visitors SET ${columns}${columns && ', '}revision = ?, updated_at = ?
       WHERE tenant = ? AND key = ?`,
    );
    return ({ revision, at, tenant, name }, ...values) => {
      statement.run(...values, revision, at, tenant, name);
    };
  };
  const profile = PROFILE_FIELDS.map((column) => `${column} = iif(?, ?, ${column})`).join(', ');
  const chat = `conversation = ?, chat_id = ?, chat_department = ?, operator = ?,
    lhc_user_id = ?, lhc_name = ?`;
  return {
    arrive: db.prepare(
      `INSERT INTO visitors (tenant, key, presence, arrived_at, last_seen, department, revision, updated_at)
       VALUES (?, ?, 'online', ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET presence = 'online', arrived_at = excluded.arrived_at,
         last_seen = excluded.last_seen, department = ifnull(excluded.department, department),
         revision = excluded.revision, updated_at = excluded.updated_at`,
    ),
    viewPage: update(`${profile}, department = ifnull(?, department), last_seen = ?`),
    setSession: update('logged_in = ?'),
    invite: update(`conversation = 'invited', operator = ?`),
    endInvitation: update(`conversation = 'none', operator = NULL`),
    startChat: update(`${chat}, nick = ifnull(?, nick), last_seen = ?`),
    changeChat: update(chat),
    setLastSeen: update('last_seen = ?'),
    timeOut: update(
      `presence = 'timedOut', last_seen = ?,
       operator = iif(conversation = 'invited', NULL, operator),
       conversation = iif(conversation = 'invited', 'none', conversation)`,
    ),
    // The stream may be truncated before CleanedUp. The row depends on this fact alone, so that a rebuild gives the same.
    cleanUp: db.prepare(
      `INSERT OR REPLACE INTO visitors
         (tenant, key, presence, arrived_at, last_seen, revision, updated_at, logged_in)
       VALUES (?, ?, 'cleanedUp', ?, ?, ?, ?, ?)`,
    ),
    forget: db.prepare('DELETE FROM visitors WHERE tenant = ? AND key = ?'),
    setRevision: update(''),
  };
}

function apply(
  statements: ReturnType<typeof prepare>,
  fact: OpenedVisitorFact,
  recorded: RecordedOfVisitor,
) {
  const { tenant, name, revision, at, chat } = recorded;
  switch (fact.type) {
    case 'VisitorArrived': {
      const { department, digest } = fact.data;
      statements.arrive.run(tenant, name, at, at, department, revision, at);
      // A visitor who starts a chat without a page view has no profile.
      if (digest === null) return;
      return statements.viewPage(recorded, ...profileValues(fact.personal ?? {}), department, at);
    }
    case 'PageViewed': {
      const { department } = fact.data;
      return statements.viewPage(recorded, ...profileValues(fact.personal ?? {}), department, at);
    }
    case 'LoggedIn':
      return statements.setSession(recorded, 1);
    case 'LoggedOut':
    case 'SessionFailed':
      return statements.setSession(recorded, 0);
    case 'Invited':
      return statements.invite(recorded, fact.data.operator);
    case 'InvitationExpired':
      return statements.endInvitation(recorded);
    case 'ChatStarted': {
      const nick = fact.personal?.nick ?? null;
      return statements.startChat(recorded, ...chatValues(chat), nick, at);
    }
    case 'ChatAssigned':
    case 'ChatAccepted':
    case 'ChatUnassigned':
    case 'ChatTransferred':
    case 'ChatClosed':
      return statements.changeChat(recorded, ...chatValues(chat));
    case 'ChatTakenInLhc':
      return statements.changeChat(recorded, ...chatValues(chat, fact.personal?.name));
    case 'VisitorMessageSent':
      return statements.setLastSeen(recorded, at);
    case 'TimedOut':
      return statements.timeOut(recorded, fact.data.lastSeen);
    case 'CleanedUp': {
      const { lastSeen, silent } = fact.data;
      const loggedIn = silent?.loggedIn ? 1 : 0;
      statements.cleanUp.run(tenant, name, lastSeen, lastSeen, revision, at, loggedIn);
      return;
    }
    case 'RetentionApplied':
      if (fact.data.generation === undefined) return statements.setRevision(recorded);
      statements.forget.run(tenant, name);
      return;
    case 'PersonalDataErased':
      statements.forget.run(tenant, name);
      return;
    default:
      return statements.setRevision(recorded);
  }
}
