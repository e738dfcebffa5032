/** The read model of messages between visitors and operators, in the order of the visitor's stream. */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import type { ApplyVisitorFact, OpenedVisitorFact, Recorded } from './facts.ts';
import { IN_LHC_COLUMNS } from './in-lhc.ts';
import type { MessageKind } from './message-queries.ts';
import type { Model } from './model.ts';

/** Reads the visitor's row, so apply a fact to the visitors first. */
export const MESSAGES: Model<ApplyVisitorFact> = {
  version: 6,
  schema: `
    CREATE TABLE messages (
      tenant TEXT NOT NULL,
      visitor TEXT NOT NULL,
      revision INTEGER NOT NULL,
      id TEXT NOT NULL,
      chat_id TEXT,
      direction TEXT NOT NULL,
      kind TEXT NOT NULL,
      operator TEXT,
      ${IN_LHC_COLUMNS}
      body TEXT,
      at INTEGER NOT NULL,
      state TEXT NOT NULL,
      reason TEXT,
      displayed_at INTEGER,
      replaces TEXT,
      corrected_at INTEGER,
      corrected_by INTEGER,
      body_before TEXT,
      retracted_at INTEGER,
      retracted_by INTEGER,
      reactions TEXT,
      PRIMARY KEY (tenant, visitor, revision)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX messages_by_id ON messages (tenant, visitor, id);
    CREATE INDEX messages_corrected ON messages (tenant, visitor, corrected_by) WHERE corrected_by IS NOT NULL;
    CREATE INDEX messages_retracted ON messages (tenant, visitor, retracted_by) WHERE retracted_by IS NOT NULL;
    CREATE INDEX messages_unseen ON messages (tenant, visitor, direction, revision)
      WHERE displayed_at IS NULL;
  `,
  tables: ['messages'],
  apply: (db) => {
    const statements = prepare(db);
    return (fact, recorded) => apply(statements, fact, recorded);
  },
};

interface OperatorMessage {
  readonly id: string;
  readonly chatId: string | null;
  readonly kind: MessageKind;
  readonly operator: string;
  readonly body: string | null;
  readonly replaces?: string | undefined;
}

function prepare(db: DatabaseSync) {
  const insert = (values: string) =>
    db.prepare(
      `INSERT OR REPLACE INTO messages
         (tenant, visitor, revision, id, chat_id, at, body, direction, kind, state, operator, replaces)
       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ${values})`,
    );
  return {
    insertVisitorMessage: insert(
      `'visitor', 'chat', 'sent', (SELECT operator FROM visitors WHERE tenant = ?1 AND key = ?2), NULL`,
    ),
    insertOperatorMessage: insert(`'operator', ?8, 'received', ?9, ?10`),
    insertMessageInLhc: db.prepare(
      `INSERT OR REPLACE INTO messages
         (tenant, visitor, revision, id, chat_id, at, body, direction, kind, state, operator, lhc_user_id, lhc_name)
       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'operator', 'chat', 'received', ?8, ?9, ?10)`,
    ),
    setDisplayed: db.prepare(
      `UPDATE messages SET displayed_at = ?4 WHERE tenant = ?1 AND visitor = ?2 AND direction = ?3
         AND displayed_at IS NULL AND revision <=
           (SELECT max(revision) FROM messages
            WHERE tenant = ?1 AND visitor = ?2 AND direction = ?3 AND id = ?5)`,
    ),
    setOperator: db.prepare(
      `UPDATE messages SET operator = ?4 WHERE tenant = ?1 AND visitor = ?2 AND chat_id = ?3
         AND operator IS NULL AND state IN ('sent', 'taken')`,
    ),
    // A message has at most one final outcome, and that never changes.
    setState: db.prepare(
      `UPDATE messages SET state = ?4, reason = ?5 WHERE tenant = ?1 AND visitor = ?2 AND id = ?3
         AND state IN ('sent', 'taken')`,
    ),
    forgetBefore: db.prepare(
      'DELETE FROM messages WHERE tenant = ? AND visitor = ? AND revision < ?',
    ),
    // Ids of operators' messages are not unique.
    setRefused: db.prepare(
      `UPDATE messages SET state = 'failed', reason = ?4 WHERE tenant = ?1 AND visitor = ?2 AND revision = ?3
         AND direction = 'operator'`,
    ),
    // The newest text stands at the place of the first one. The log has all of them.
    correct: db.prepare(
      `UPDATE messages SET body_before = body, body = ?4, corrected_at = ?5, corrected_by = ?6
         WHERE tenant = ?1 AND visitor = ?2 AND revision = ?3`,
    ),
    retract: db.prepare(
      `UPDATE messages SET retracted_at = ?4, retracted_by = ?5 WHERE tenant = ?1 AND visitor = ?2 AND revision = ?3`,
    ),
    // LHC has refused the correction or the retraction: the visitor has what they had before.
    takeBackCorrection: db.prepare(
      `UPDATE messages SET body = body_before, corrected_at = NULL, corrected_by = NULL
         WHERE tenant = ?1 AND visitor = ?2 AND corrected_by = ?3`,
    ),
    takeBackRetraction: db.prepare(
      `UPDATE messages SET retracted_at = NULL, retracted_by = NULL
         WHERE tenant = ?1 AND visitor = ?2 AND retracted_by = ?3`,
    ),
    react: db.prepare(
      `UPDATE messages SET reactions = ?4 WHERE tenant = ?1 AND visitor = ?2 AND id = ?3 AND direction = 'visitor'`,
    ),
    reactToOperator: db.prepare(
      'UPDATE messages SET reactions = ?4 WHERE tenant = ?1 AND visitor = ?2 AND revision = ?3',
    ),
    erase: db.prepare('DELETE FROM messages WHERE tenant = ? AND visitor = ?'),
  };
}

type Statements = ReturnType<typeof prepare>;

function insertOperatorMessage(
  { insertOperatorMessage: insert }: Statements,
  { tenant, name, revision, at }: Recorded,
  { id, chatId, kind, operator, body, replaces = undefined }: OperatorMessage,
) {
  const row: SQLInputValue[] = [tenant, name, revision, id, chatId, at, body, kind, operator];
  insert.run(...row, replaces ?? null);
}

/** JSON; null if there are none, or the person was erased. */
const reactionsOf = (personal: { reactions: string[] } | null | undefined): string | null =>
  personal?.reactions.length ? JSON.stringify(personal.reactions) : null;

function apply(statements: Statements, fact: OpenedVisitorFact, recorded: Recorded) {
  const { tenant, name, revision, at } = recorded;
  const setState = (ids: readonly string[], state: string, reason: string | null): void => {
    for (const id of ids) statements.setState.run(tenant, name, id, state, reason);
  };
  switch (fact.type) {
    case 'VisitorMessageSent': {
      const { chatId, messageId } = fact.data;
      const body = fact.personal?.body ?? null;
      statements.insertVisitorMessage.run(tenant, name, revision, messageId, chatId, at, body);
      return;
    }
    case 'OperatorMessageReceived': {
      const { operator, chatId, messageId: id, invitation, replaces, corrects } = fact.data;
      const kind = invitation ? 'invitation' : 'chat';
      const body = fact.personal?.body ?? null;
      if (corrects !== undefined) {
        statements.correct.run(tenant, name, corrects, body, at, revision);
        return;
      }
      const message = { id, chatId, kind, operator, body, replaces } as const;
      return insertOperatorMessage(statements, recorded, message);
    }
    case 'OperatorMessageRetracted':
      statements.retract.run(tenant, name, fact.data.revision, at, revision);
      return;
    case 'MessageReacted':
      statements.react.run(tenant, name, fact.data.messageId, reactionsOf(fact.personal));
      return;
    case 'OperatorMessageReacted':
      statements.reactToOperator.run(tenant, name, fact.data.revision, reactionsOf(fact.personal));
      return;
    case 'NoteAdded': {
      const { operator, chatId, noteId: id } = fact.data;
      const body = fact.personal?.body ?? null;
      const message = { id, chatId, kind: 'note', operator, body } as const;
      return insertOperatorMessage(statements, recorded, message);
    }
    case 'OperatorCommandSent': {
      const { operator, chatId, messageId: id } = fact.data;
      const body = fact.personal?.text ?? null;
      const message = { id, chatId, kind: 'command', operator, body } as const;
      return insertOperatorMessage(statements, recorded, message);
    }
    case 'MessageWrittenInLhc': {
      const { chatId, messageId, lhcUserId, operator } = fact.data;
      const { body = null, name: author = null } = fact.personal ?? {};
      const row = [tenant, name, revision, messageId, chatId, at, body];
      statements.insertMessageInLhc.run(...row, operator ?? null, lhcUserId, author);
      return;
    }
    // These two name the last displayed message, and mean all messages before it too.
    case 'MessageDisplayed':
      statements.setDisplayed.run(tenant, name, 'visitor', at, fact.data.messageId);
      return;
    case 'OperatorMessageDisplayed':
      statements.setDisplayed.run(tenant, name, 'operator', at, fact.data.messageId);
      return;
    case 'ChatTransferred':
    case 'ChatAssigned':
      statements.setOperator.run(tenant, name, fact.data.chatId, fact.data.operator);
      return;
    case 'MessageTaken':
      return setState(fact.data.messageIds, 'taken', null);
    case 'MessageDelivered':
      return setState(fact.data.messageIds, 'delivered', null);
    case 'MessageFailed':
      return setState([fact.data.messageId], 'failed', fact.data.reason);
    case 'RetentionApplied':
      statements.forgetBefore.run(tenant, name, fact.data.before);
      return;
    case 'LhcRefused':
      statements.setRefused.run(tenant, name, fact.data.revision, fact.data.code);
      statements.takeBackCorrection.run(tenant, name, fact.data.revision);
      statements.takeBackRetraction.run(tenant, name, fact.data.revision);
      return;
    case 'PersonalDataErased':
      statements.erase.run(tenant, name);
      return;
    default:
      return;
  }
}
