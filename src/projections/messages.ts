/** What was said: a visitor's messages and those of operators to it, in the order of the visitor's stream. */
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import type { OpenedVisitorFact, Recorded } from './facts.ts';
import { Conditions, type Order, type Page, type PageRequest, readPage } from './list.ts';

export const MESSAGES_VERSION = 1;
export const MESSAGES_TABLES = ['messages'];

export const MESSAGES_SCHEMA = `
  CREATE TABLE messages (
    tenant TEXT NOT NULL,
    visitor TEXT NOT NULL,
    revision INTEGER NOT NULL,
    id TEXT NOT NULL,
    chat_id TEXT,
    direction TEXT NOT NULL,
    kind TEXT NOT NULL,
    operator TEXT,
    body TEXT,
    at INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    displayed_at INTEGER,
    replaces TEXT,
    PRIMARY KEY (tenant, visitor, revision)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX messages_by_id ON messages (tenant, visitor, id);
  CREATE INDEX messages_unseen ON messages (tenant, visitor, direction, revision)
    WHERE displayed_at IS NULL;
`;

/** Of an operator's: an invitation or an answer; a line for LHC; a command for LHC. A visitor's: chat. */
export const MESSAGE_KINDS = ['chat', 'invitation', 'note', 'command'] as const;
export type MessageKind = (typeof MESSAGE_KINDS)[number];

export interface MessageView {
  readonly id: string;
  readonly chatId: string | null;
  readonly direction: 'visitor' | 'operator';
  readonly kind: MessageKind;
  /** Who wrote it, or had the chat when the visitor wrote it; null while nobody has. */
  readonly operator: string | null;
  /** null when the person was erased. */
  readonly body: string | null;
  /** ms since 1970 */
  readonly at: number;
  /** A visitor's message: sent, taken by ejabberd, delivered to the operator's client, failed. */
  readonly state: 'sent' | 'taken' | 'delivered' | 'failed' | 'received';
  /** Why it failed. */
  readonly reason: string | null;
  /** When the other side is known to have seen it, in ms since 1970. */
  readonly displayedAt: number | null;
  /** The id of the operator's message that this one corrects. */
  readonly replaces: string | null;
  /** Of the visitor's stream: the order of the conversation. */
  readonly revision: number;
}

export interface MessageFilter extends PageRequest {
  readonly tenant: string;
  readonly visitor: string;
  readonly chatId?: string | undefined;
  /** Default: what the visitor has seen or written, `chat` and `invitation`. */
  readonly kinds?: readonly MessageKind[] | undefined;
}

export interface MessageQueries {
  /** The oldest first. */
  list(filter: MessageFilter): Page<MessageView>;
  /** The message of this fact of the visitor's stream. */
  at(tenant: string, visitor: string, revision: number): MessageView | null;
  /** The messages with this id, as the visitor's browser or the operator's client named it; most often one. */
  byId(tenant: string, visitor: string, id: string): readonly MessageView[];
}

/** Moves the messages of a visitor by one fact. Reads the visitor's row: apply to visitors first. */
export function applyToMessages(db: DatabaseSync) {
  const insert = (values: string) =>
    db.prepare(
      `INSERT OR REPLACE INTO messages
         (tenant, visitor, revision, id, chat_id, at, body, direction, kind, state, operator, replaces)
       VALUES (?, ?, ?, ?, ?, ?, ?, ${values})`,
    );
  const send = insert(
    `'visitor', 'chat', 'sent', (SELECT operator FROM visitors WHERE tenant = ? AND key = ?), NULL`,
  );
  const receive = insert(`'operator', ?, 'received', ?, ?`);
  const seen = db.prepare(
    `UPDATE messages SET displayed_at = ? WHERE tenant = ? AND visitor = ? AND direction = ?
       AND displayed_at IS NULL AND revision <=
         (SELECT max(revision) FROM messages WHERE tenant = ? AND visitor = ? AND id = ?)`,
  );
  const assign = db.prepare(
    `UPDATE messages SET operator = ? WHERE tenant = ? AND visitor = ? AND chat_id = ?
       AND operator IS NULL AND state IN ('sent', 'taken')`,
  );
  // A message has at most one final outcome: what is no longer open stays as it is.
  const outcome = db.prepare(
    `UPDATE messages SET state = ?, reason = ? WHERE tenant = ? AND visitor = ? AND id = ?
       AND state IN ('sent', 'taken')`,
  );

  return (fact: OpenedVisitorFact, { tenant, name, revision, at }: Recorded) => {
    const settle = (ids: readonly string[], state: string, reason: string | null) => {
      for (const id of ids) outcome.run(state, reason, tenant, name, id);
    };
    switch (fact.type) {
      case 'VisitorMessageSent': {
        const { chatId, messageId } = fact.data;
        const body = fact.personal?.body ?? null;
        send.run(tenant, name, revision, messageId, chatId, at, body, tenant, name);
        return;
      }
      case 'OperatorMessageReceived': {
        const { operator, chatId, messageId, invitation, replaces = null } = fact.data;
        const body = fact.personal?.body ?? null;
        const kind = invitation ? 'invitation' : 'chat';
        const row = [tenant, name, revision, messageId, chatId, at, body, kind, operator];
        receive.run(...row, replaces);
        return;
      }
      case 'NoteAdded': {
        const { operator, chatId, noteId } = fact.data;
        const body = fact.personal?.body ?? null;
        receive.run(tenant, name, revision, noteId, chatId, at, body, 'note', operator, null);
        return;
      }
      case 'OperatorCommandSent': {
        const { operator, chatId, messageId } = fact.data;
        const body = fact.personal?.text ?? null;
        receive.run(tenant, name, revision, messageId, chatId, at, body, 'command', operator, null);
        return;
      }
      // Both name the last one that was seen, and mean all before it.
      case 'MessageDisplayed':
        seen.run(at, tenant, name, 'visitor', tenant, name, fact.data.messageId);
        return;
      case 'OperatorMessageDisplayed':
        seen.run(at, tenant, name, 'operator', tenant, name, fact.data.messageId);
        return;
      case 'ChatTransferred':
      case 'ChatAssigned':
        assign.run(fact.data.operator, tenant, name, fact.data.chatId);
        return;
      case 'MessageTaken':
        return settle(fact.data.messageIds, 'taken', null);
      case 'MessageDelivered':
        return settle(fact.data.messageIds, 'delivered', null);
      case 'MessageFailed':
        return settle([fact.data.messageId], 'failed', fact.data.reason);
      default:
        return;
    }
  };
}

const ORDER: Order = { name: 'revision', first: { sql: 'revision', type: 'number' } };

const VISIBLE: readonly MessageKind[] = ['chat', 'invitation'];

const COLUMNS = `id, chat_id AS chatId, direction, kind, operator, body, at, state, reason,
  displayed_at AS displayedAt, replaces, revision`;

// The columns above are the view by name, and the table's types are strict.
const viewOf = (row: Record<string, SQLOutputValue>) => ({ ...row }) as unknown as MessageView;

export function messageQueries(db: DatabaseSync): MessageQueries {
  const at = db.prepare(
    `SELECT ${COLUMNS} FROM messages WHERE tenant = ? AND visitor = ? AND revision = ?`,
  );
  const byId = db.prepare(
    `SELECT ${COLUMNS} FROM messages WHERE tenant = ? AND visitor = ? AND id = ? ORDER BY revision`,
  );
  return {
    at: (tenant, visitor, revision) => {
      const row = at.get(tenant, visitor, revision);
      return row ? viewOf(row) : null;
    },
    byId: (tenant, visitor, id) => byId.all(tenant, visitor, id).map(viewOf),
    list: ({ tenant, visitor, chatId, kinds = VISIBLE, ...request }) => {
      const range = new Conditions();
      range.add('tenant = ?', tenant);
      range.add('visitor = ?', visitor);
      range.add(`kind IN (${kinds.map(() => '?').join(', ')})`, ...kinds);
      if (chatId) range.add('chat_id = ?', chatId);
      return readPage(
        db,
        { columns: COLUMNS, from: 'messages', range, order: ORDER },
        request,
        viewOf,
        ({ revision }) => [revision],
      );
    },
  };
}
