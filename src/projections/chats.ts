/**
 * The read model of chats: one row for each time a chat was started, and one for each of its operators. A chat id may come
 * again, for the same visitor or another one, so the revision of ChatStarted is part of the key.
 */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { openOffersOf } from '../actors/visitor/chat.ts';
import type { Chat } from '../actors/visitor/state.ts';
import type { ChatState } from './chat-queries.ts';
import type { ApplyVisitorFact, OpenedVisitorFact, Recorded, RecordedOfVisitor } from './facts.ts';
import { IN_LHC_COLUMNS } from './in-lhc.ts';
import type { Model } from './model.ts';

/** Reads the visitor's row, so apply a fact to the visitors first. */
export const CHATS: Model<ApplyVisitorFact> = {
  version: 7,
  // `overflowed`: JSON, the departments in which it waited too long. `revision` is that of ChatStarted. `waiting_since` is null in an active or closed chat, and where LHC picks the operators or somebody in LHC is asked. `left_at`: the visitor timed out while it waited. `offer_open` is 1 while an offer
  // to the operator is open. `started_at` of an operator is that of the chat, for statistics. Indexes with many columns have
  // everything that statistics read, so that a day of many chats is one range of the index.
  schema: `
    CREATE TABLE chats (
      tenant TEXT NOT NULL,
      visitor TEXT NOT NULL,
      chat_id TEXT NOT NULL,
      revision INTEGER NOT NULL,
      nick TEXT,
      department TEXT,
      language TEXT,
      overflowed TEXT NOT NULL DEFAULT '[]',
      notified TEXT,
      state TEXT NOT NULL,
      operator TEXT,
      ${IN_LHC_COLUMNS}
      invited_by TEXT,
      started_at INTEGER NOT NULL,
      waiting_since INTEGER,
      left_at INTEGER,
      assigned_at INTEGER,
      accepted_at INTEGER,
      answered_at INTEGER,
      closed_at INTEGER,
      closed_by TEXT,
      reason TEXT,
      visitor_messages INTEGER NOT NULL DEFAULT 0,
      operator_messages INTEGER NOT NULL DEFAULT 0,
      transfers INTEGER NOT NULL DEFAULT 0,
      missed_offers INTEGER NOT NULL DEFAULT 0,
      PRIMARY KEY (tenant, visitor, chat_id, revision)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE chat_operators (
      tenant TEXT NOT NULL,
      visitor TEXT NOT NULL,
      chat_id TEXT NOT NULL,
      revision INTEGER NOT NULL,
      operator TEXT NOT NULL,
      started_at INTEGER NOT NULL,
      offer_open INTEGER NOT NULL DEFAULT 0,
      asked_at INTEGER,
      accepted_at INTEGER,
      answered_at INTEGER,
      messages INTEGER NOT NULL DEFAULT 0,
      missed INTEGER NOT NULL DEFAULT 0,
      declined INTEGER NOT NULL DEFAULT 0,
      PRIMARY KEY (tenant, visitor, chat_id, revision, operator)
    ) STRICT, WITHOUT ROWID;
  `,
  indexes: {
    chats_by_start: `ON chats (tenant, started_at DESC, visitor, revision, department, state, accepted_at, answered_at, overflowed)`,
    chats_by_id: `ON chats (tenant, chat_id, started_at)`,
    chats_by_department: `ON chats (tenant, department, started_at DESC, visitor, revision)`,
    chats_by_operator: `ON chats (tenant, operator, started_at DESC, visitor, revision) WHERE operator IS NOT NULL`,
    chats_open: `ON chats (tenant, started_at DESC, visitor, revision) WHERE state <> 'closed'`,
    chats_missed: `ON chats (tenant, started_at DESC, visitor, revision) WHERE state = 'closed' AND accepted_at IS NULL`,
    chats_waiting: `ON chats (tenant, waiting_since, visitor, revision) WHERE waiting_since IS NOT NULL`,
    chats_by_acceptance: `ON chats (tenant, department, accepted_at, started_at) WHERE accepted_at IS NOT NULL`,
    chat_operators_by_start: `ON chat_operators (tenant, started_at DESC, visitor, revision, operator, asked_at, accepted_at, answered_at, messages, missed, declined)`,
  },
  tables: ['chats', 'chat_operators'],
  apply: (db) => {
    const statements = prepare(db);
    return (fact, recorded) => apply(statements, fact, recorded);
  },
};

/** The chat of a fact: the last one with this id of this visitor. */
const KEY = 'tenant = ?1 AND visitor = ?2 AND chat_id = ?3';
const LAST = `${KEY} AND revision = (SELECT max(revision) FROM chats WHERE ${KEY})`;

type Run = (recorded: Recorded, chatId: string, ...values: SQLInputValue[]) => void;

/** Statements whose first parameters name the chat. Their own parameters begin with ?4. */
function prepare(db: DatabaseSync) {
  const run = (sql: string): Run => {
    const statement = db.prepare(sql);
    return ({ tenant, name }, chatId, ...values) => {
      statement.run(tenant, name, chatId, ...values);
    };
  };
  const chat = (columns: string) => run(`UPDATE chats SET ${columns} WHERE ${LAST}`);
  const operators = (columns: string, more = '') =>
    run(`UPDATE chat_operators SET ${columns} WHERE ${LAST} ${more}`);
  /** Inserts or updates the row of operator ?4. */
  const operator = (columns: string, values: string, update: string) =>
    run(`INSERT INTO chat_operators (tenant, visitor, chat_id, revision, started_at, operator, ${columns})
      SELECT tenant, visitor, chat_id, revision, started_at, ?4, ${values} FROM chats WHERE ${LAST}
      ON CONFLICT DO UPDATE SET ${update}`);
  return {
    // The visitor's row has the nick that the chat was started with, or an earlier one.
    start: run(`INSERT OR REPLACE INTO chats
        (tenant, visitor, chat_id, revision, department, invited_by, started_at, waiting_since, language, state, nick)
      SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'waiting',
        (SELECT nick FROM visitors WHERE tenant = ?1 AND key = ?2)`),
    rename: db.prepare(
      `UPDATE chats SET nick = ? WHERE tenant = ? AND visitor = ? AND state <> 'closed'`,
    ),
    // ?4 is the state and ?5 the operator of the open chat.
    /** ?6 is when it began to wait; null if LHC picks its operators. */
    offer: chat('state = ?4, operator = ?5, waiting_since = iif(?6 IS NULL, NULL, waiting_since)'),
    assign: chat('state = ?4, operator = ?5, assigned_at = ifnull(assigned_at, ?6)'),
    accept: chat(`state = ?4, operator = ?5, accepted_at = ifnull(accepted_at, ?6),
      waiting_since = NULL`),
    unassign: chat(`state = ?4, operator = ?5, waiting_since = ifnull(waiting_since, ?6),
      missed_offers = missed_offers + ?7`),
    transfer: chat(`state = ?4, operator = ?5, waiting_since = ifnull(waiting_since, ?6),
      assigned_at = iif(?5 IS NULL, assigned_at, ifnull(assigned_at, ?6)), transfers = transfers + 1`),
    /** ?7 is the department in which it waited too long. */
    overflow: chat(`state = ?4, operator = ?5, waiting_since = ifnull(waiting_since, ?6),
      overflowed = json_insert(overflowed, '$[#]', ?7)`),
    setNotified: chat('notified = ?4'),
    /** ?6 is when the person in LHC answered; null if they have not. ?7 is 1 if an operator had the chat. */
    takeInLhc: chat(`state = ?4, operator = ?5, accepted_at = ifnull(accepted_at, ?6),
      waiting_since = NULL, transfers = transfers + ?7`),
    setInLhc: chat('lhc_user_id = ?4, lhc_name = ?5'),
    forgetBefore: ['chats', 'chat_operators'].map((table) =>
      db.prepare(`DELETE FROM ${table} WHERE tenant = ? AND visitor = ? AND revision < ?`),
    ),
    setDepartment: chat('department = ?4'),
    setLeft: db.prepare(
      `UPDATE chats SET left_at = ? WHERE tenant = ? AND visitor = ? AND state <> 'closed'`,
    ),
    close: chat(`state = 'closed', operator = ifnull(?4, operator), closed_at = ?5, closed_by = ?6,
      reason = ?7, waiting_since = NULL`),
    /** The row stays, for statistics. */
    erase: db.prepare(
      'UPDATE chats SET nick = NULL, lhc_name = NULL, reason = NULL WHERE tenant = ? AND visitor = ?',
    ),
    countVisitorMessage: chat('visitor_messages = visitor_messages + 1'),
    countOperatorMessage: chat(
      'operator_messages = operator_messages + 1, answered_at = ifnull(answered_at, ?4)',
    ),
    /** ?5 is when the offer was made; null for an operator who took the chat without an offer. */
    addOffer: operator('asked_at', '?5', 'asked_at = ifnull(?5, asked_at)'),
    /** ?4 has the operators with an open offer, as JSON. */
    setOffers: operators('offer_open = operator IN (SELECT value FROM json_each(?4))'),
    countOffer: operators('missed = missed + ?5, declined = declined + ?6', 'AND operator = ?4'),
    setAccepted: operator(
      'accepted_at',
      '?5',
      'accepted_at = ifnull(accepted_at, excluded.accepted_at)',
    ),
    addMessage: operator(
      'messages, answered_at',
      '1, ?5',
      'messages = messages + 1, answered_at = ifnull(answered_at, excluded.answered_at)',
    ),
  };
}

type Statements = ReturnType<typeof prepare>;

function stateOf(chat: Chat): ChatState {
  if (chat.accepted) return 'active';
  return openOffersOf(chat).length > 0 || chat.inLhc ? 'offered' : 'waiting';
}

/** Sets open offers, state and operator from the open chat. Further values are ?6 and on. */
function update(
  { setOffers }: Statements,
  run: Run,
  recorded: RecordedOfVisitor,
  ...values: SQLInputValue[]
) {
  const { chat } = recorded;
  if (!chat) return;
  setOffers(recorded, chat.id, JSON.stringify(openOffersOf(chat)));
  run(recorded, chat.id, stateOf(chat), chat.operator, ...values);
}

/** What LHC gives out itself waits in no queue of ours (docs/adr/0037). */
const waitsSince = ({ chat, at }: RecordedOfVisitor): number | null => (chat?.byLhc ? null : at);

function apply(to: Statements, fact: OpenedVisitorFact, recorded: RecordedOfVisitor) {
  const { revision, at } = recorded;
  switch (fact.type) {
    case 'ChatStarted': {
      const { chatId, department, invitedBy, language = null } = fact.data;
      const since = waitsSince(recorded);
      return to.start(recorded, chatId, revision, department, invitedBy, at, since, language);
    }
    case 'TimedOut':
      to.setLeft.run(at, recorded.tenant, recorded.name);
      return;
    case 'VisitorArrived':
    case 'PageViewed': {
      if (fact.type === 'VisitorArrived') to.setLeft.run(null, recorded.tenant, recorded.name);
      const nick = fact.personal?.nick;
      if (nick !== undefined) to.rename.run(nick, recorded.tenant, recorded.name);
      return;
    }
    case 'ChatOffered': {
      const { chatId, operators } = fact.data;
      for (const operator of operators) to.addOffer(recorded, chatId, operator, at);
      return update(to, to.offer, recorded, waitsSince(recorded));
    }
    case 'ChatAssigned': {
      const { chatId, operator, reason } = fact.data;
      const withoutOffer = reason === 'answered' || reason === 'taken';
      to.addOffer(recorded, chatId, operator, withoutOffer ? null : at);
      to.setInLhc(recorded, chatId, null, null);
      return update(to, to.assign, recorded, at);
    }
    case 'ChatAccepted':
      to.setAccepted(recorded, fact.data.chatId, fact.data.operator, at);
      return update(to, to.accept, recorded, at);
    case 'ChatUnassigned': {
      const { chatId, operators, reason } = fact.data;
      const [missed, declined] = [reason === 'missed' ? 1 : 0, reason === 'declined' ? 1 : 0];
      for (const operator of operators) to.countOffer(recorded, chatId, operator, missed, declined);
      return update(to, to.unassign, recorded, waitsSince(recorded), missed * operators.length);
    }
    case 'ChatTransferred': {
      const { chatId, operator, department, fromDepartment } = fact.data;
      if (fromDepartment !== undefined) {
        update(to, to.overflow, recorded, at, fromDepartment);
        return to.setDepartment(recorded, chatId, department);
      }
      if (operator !== null) to.addOffer(recorded, chatId, operator, at);
      to.setInLhc(recorded, chatId, null, null);
      update(to, to.transfer, recorded, at);
      if (department !== null) to.setDepartment(recorded, chatId, department);
      return;
    }
    case 'VisitorNotified':
      return to.setNotified(recorded, fact.data.chatId, fact.data.reason);
    case 'ChatTakenInLhc': {
      const { chatId, lhcUserId, accepted, operator, from } = fact.data;
      to.setInLhc(recorded, chatId, lhcUserId, fact.personal?.name ?? null);
      if (accepted && operator !== undefined) to.setAccepted(recorded, chatId, operator, at);
      return update(to, to.takeInLhc, recorded, accepted ? at : null, from === null ? 0 : 1);
    }
    case 'ChatClosed': {
      const { chatId, operator, by, reason } = fact.data;
      to.setOffers(recorded, chatId, '[]');
      return to.close(recorded, chatId, operator, at, by, fact.personal?.reason ?? reason);
    }
    case 'RetentionApplied':
      for (const each of to.forgetBefore) {
        each.run(recorded.tenant, recorded.name, fact.data.before);
      }
      return;
    case 'VisitorMessageSent':
      return to.countVisitorMessage(recorded, fact.data.chatId);
    case 'OperatorMessageReceived': {
      const { chatId, operator, invitation } = fact.data;
      if (chatId === null || invitation) return;
      to.addMessage(recorded, chatId, operator, at);
      return to.countOperatorMessage(recorded, chatId, at);
    }
    case 'MessageWrittenInLhc': {
      const { chatId, lhcUserId, operator } = fact.data;
      if (lhcUserId < 1) return; // not a person
      if (operator !== undefined) to.addMessage(recorded, chatId, operator, at);
      return to.countOperatorMessage(recorded, chatId, at);
    }
    case 'PersonalDataErased':
      to.erase.run(recorded.tenant, recorded.name);
      return;
    default:
      return;
  }
}
