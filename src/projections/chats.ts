/**
 * Chats, from the first word to the last: one row for each time a chat was begun, and one for each operator who had to
 * do with it. A chat id may come again, at the same visitor or another one: the fact that began it is part of the key.
 */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { askedOf } from '../actors/visitor/chat.ts';
import type { Chat } from '../actors/visitor/facts.ts';
import type { OpenedVisitorFact, Recorded, RecordedOfVisitor } from './facts.ts';

export const CHATS_VERSION = 1;
export const CHATS_TABLES = ['chats', 'chat_operators'];

// `revision`: of ChatStarted. `waiting_since`: since when nobody has answered; null in an active or closed chat.
// Of an operator `asked`: an offer of its that is open; `started_at` is the chat's, for statistics.
// Indexes that end in many columns have all that statistics read, so that a day of many chats is one range of them.
export const CHATS_SCHEMA = `
  CREATE TABLE chats (
    tenant TEXT NOT NULL,
    visitor TEXT NOT NULL,
    chat_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    nick TEXT,
    department TEXT,
    state TEXT NOT NULL,
    operator TEXT,
    invited_by TEXT,
    started_at INTEGER NOT NULL,
    waiting_since INTEGER,
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
  CREATE INDEX chats_by_start ON chats (tenant, started_at DESC, visitor, revision, department, state,
    accepted_at, answered_at);
  CREATE INDEX chats_by_id ON chats (tenant, chat_id, started_at);
  CREATE INDEX chats_by_department ON chats
    (tenant, department, started_at DESC, visitor, revision);
  CREATE INDEX chats_by_operator ON chats (tenant, operator, started_at DESC, visitor, revision)
    WHERE operator IS NOT NULL;
  CREATE INDEX chats_open ON chats (tenant, started_at DESC, visitor, revision)
    WHERE state <> 'closed';
  CREATE INDEX chats_missed ON chats (tenant, started_at DESC, visitor, revision)
    WHERE state = 'closed' AND accepted_at IS NULL;
  CREATE INDEX chats_waiting ON chats (tenant, waiting_since, visitor, revision)
    WHERE waiting_since IS NOT NULL;
  CREATE INDEX chats_by_acceptance ON chats (tenant, department, accepted_at, started_at)
    WHERE accepted_at IS NOT NULL;
  CREATE TABLE chat_operators (
    tenant TEXT NOT NULL,
    visitor TEXT NOT NULL,
    chat_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    operator TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    asked INTEGER NOT NULL DEFAULT 0,
    asked_at INTEGER,
    accepted_at INTEGER,
    answered_at INTEGER,
    messages INTEGER NOT NULL DEFAULT 0,
    missed INTEGER NOT NULL DEFAULT 0,
    declined INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, visitor, chat_id, revision, operator)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX chat_operators_by_start ON chat_operators (tenant, started_at DESC, visitor, revision,
    operator, asked_at, accepted_at, answered_at, messages, missed, declined);
`;

/** The chat that a fact means: the last one of this id at this visitor. */
const KEY = 'tenant = ?1 AND visitor = ?2 AND chat_id = ?3';
const LAST = `${KEY} AND revision = (SELECT max(revision) FROM chats WHERE ${KEY})`;

type Run = (recorded: Recorded, chatId: string, ...values: SQLInputValue[]) => void;

/** Statements whose first parameters name the chat; further ones are ?4 and on. */
function statements(db: DatabaseSync) {
  const run = (sql: string): Run => {
    const statement = db.prepare(sql);
    return ({ tenant, name }, chatId, ...values) => {
      statement.run(tenant, name, chatId, ...values);
    };
  };
  const chat = (columns: string) => run(`UPDATE chats SET ${columns} WHERE ${LAST}`);
  const operators = (columns: string, more = '') =>
    run(`UPDATE chat_operators SET ${columns} WHERE ${LAST} ${more}`);
  /** The row of operator ?4, made where it is missing, and this of it. */
  const operator = (columns: string, values: string, update: string) =>
    run(`INSERT INTO chat_operators (tenant, visitor, chat_id, revision, started_at, operator, ${columns})
      SELECT tenant, visitor, chat_id, revision, started_at, ?4, ${values} FROM chats WHERE ${LAST}
      ON CONFLICT DO UPDATE SET ${update}`);
  return {
    // The name by which the visitor is known, where the chat has none of its own. Reads what visitors were moved to.
    start: run(`INSERT OR REPLACE INTO chats
        (tenant, visitor, chat_id, revision, department, invited_by, started_at, waiting_since, state, nick)
      SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, 'waiting', ifnull(?8,
        (SELECT ifnull(chat_nick, nick) FROM visitors WHERE tenant = ?1 AND key = ?2))`),
    // ?4 is the state and ?5 the operator, as the open chat has them.
    offer: chat('state = ?4, operator = ?5'),
    assign: chat('state = ?4, operator = ?5, assigned_at = ifnull(assigned_at, ?6)'),
    accept: chat(`state = ?4, operator = ?5, accepted_at = ifnull(accepted_at, ?6),
      waiting_since = NULL`),
    unassign: chat(`state = ?4, operator = ?5, waiting_since = ifnull(waiting_since, ?6),
      missed_offers = missed_offers + ?7`),
    transfer: chat(`state = ?4, operator = ?5, waiting_since = ifnull(waiting_since, ?6),
      assigned_at = iif(?5 IS NULL, assigned_at, ifnull(assigned_at, ?6)), transfers = transfers + 1`),
    department: chat('department = ?4'),
    close: chat(`state = 'closed', operator = ifnull(?4, operator), closed_at = ?5, closed_by = ?6,
      reason = ?7, waiting_since = NULL`),
    visitorWrote: chat('visitor_messages = visitor_messages + 1'),
    operatorWrote: chat(
      'operator_messages = operator_messages + 1, answered_at = ifnull(answered_at, ?4)',
    ),
    /** ?5: since when an answer is expected; null for an operator who came unasked. */
    ask: operator('asked_at', '?5', 'asked_at = ifnull(?5, asked_at)'),
    /** Those who are asked now, as JSON. */
    asking: operators('asked = operator IN (SELECT value FROM json_each(?4))'),
    passed: operators('missed = missed + ?5, declined = declined + ?6', 'AND operator = ?4'),
    accepted: operator(
      'accepted_at',
      '?5',
      'accepted_at = ifnull(accepted_at, excluded.accepted_at)',
    ),
    wrote: operator(
      'messages, answered_at',
      '1, ?5',
      'messages = messages + 1, answered_at = ifnull(answered_at, excluded.answered_at)',
    ),
  };
}

const stateOf = (chat: Chat) =>
  chat.accepted ? 'active' : askedOf(chat).length > 0 ? 'offered' : 'waiting';

/** Moves a visitor's chats by one fact. Reads the visitor's row: apply to visitors first. */
export function applyToChats(db: DatabaseSync) {
  const to = statements(db);
  /** Who is asked, the state and the operator, from the open chat; further values are ?6 and on. */
  function move(run: Run, recorded: RecordedOfVisitor, ...values: SQLInputValue[]): void {
    const { chat } = recorded;
    if (!chat) return;
    to.asking(recorded, chat.id, JSON.stringify(askedOf(chat)));
    run(recorded, chat.id, stateOf(chat), chat.operator, ...values);
  }
  return (fact: OpenedVisitorFact, recorded: RecordedOfVisitor) => {
    const { revision, at } = recorded;
    switch (fact.type) {
      case 'ChatStarted': {
        const { chatId, department, invitedBy } = fact.data;
        const nick = fact.personal?.nick ?? null;
        return to.start(recorded, chatId, revision, department, invitedBy, at, nick);
      }
      case 'ChatOffered': {
        const { chatId, operators } = fact.data;
        for (const operator of operators) to.ask(recorded, chatId, operator, at);
        return move(to.offer, recorded);
      }
      case 'ChatAssigned': {
        const { chatId, operator, reason } = fact.data;
        const unasked = reason === 'answered' || reason === 'taken';
        to.ask(recorded, chatId, operator, unasked ? null : at);
        return move(to.assign, recorded, at);
      }
      case 'ChatAccepted':
        to.accepted(recorded, fact.data.chatId, fact.data.operator, at);
        return move(to.accept, recorded, at);
      case 'ChatUnassigned': {
        const { chatId, operators, reason } = fact.data;
        const [missed, declined] = [reason === 'missed' ? 1 : 0, reason === 'declined' ? 1 : 0];
        for (const operator of operators) to.passed(recorded, chatId, operator, missed, declined);
        return move(to.unassign, recorded, at, missed * operators.length);
      }
      case 'ChatTransferred': {
        const { chatId, operator, department } = fact.data;
        if (operator !== null) to.ask(recorded, chatId, operator, at);
        move(to.transfer, recorded, at);
        if (department !== null) to.department(recorded, chatId, department);
        return;
      }
      case 'ChatClosed': {
        const { chatId, operator, by, reason } = fact.data;
        to.asking(recorded, chatId, '[]');
        return to.close(recorded, chatId, operator, at, by, reason);
      }
      case 'VisitorMessageSent':
        return to.visitorWrote(recorded, fact.data.chatId);
      case 'OperatorMessageReceived': {
        const { chatId, operator, invitation } = fact.data;
        if (chatId === null || invitation) return;
        to.wrote(recorded, chatId, operator, at);
        return to.operatorWrote(recorded, chatId, at);
      }
      default:
        return;
    }
  };
}
