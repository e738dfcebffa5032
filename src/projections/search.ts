/** The read model of the search: which documents there are (search-index.ts). */
import type { DatabaseSync } from 'node:sqlite';
import type { ApplyVisitorFact, OpenedVisitorFact, Recorded } from './facts.ts';
import type { Model } from './model.ts';
import { documentWriter, SEARCH_SCHEMA, SEARCH_TABLES } from './search-index.ts';

/**
 * Removes documents before the other models drop their texts, and adds documents after they have them. So there are two
 * functions.
 */
export interface ApplyToSearch {
  readonly before: ApplyVisitorFact;
  readonly after: ApplyVisitorFact;
}

/** Reads the rows of messages and chats. */
export const SEARCH: Model<ApplyToSearch> = {
  version: 3,
  schema: SEARCH_SCHEMA,
  tables: SEARCH_TABLES,
  apply: (db) => {
    const remove = remover(db);
    const add = adder(db);
    return {
      before: (fact, recorded) => removeBefore(remove, fact, recorded),
      after: (fact, recorded) => addAfter(add, fact, recorded),
    };
  },
  hide: (db) => {
    const shards = db.prepare('DELETE FROM search_shards WHERE tenant = ?');
    return (tenant) => void shards.run(tenant);
  },
  forget: (db) => remover(db).some,
};

type Remove = ReturnType<typeof remover>;

/** The text of a document. Messages and chats do not change theirs any more when they are documents. */
const TEXT = `coalesce(
  (SELECT body FROM messages AS m WHERE m.tenant = d.tenant AND m.visitor = d.visitor AND m.revision = d.revision),
  (SELECT nick FROM chats AS c WHERE c.tenant = d.tenant AND c.visitor = d.visitor AND c.revision = d.revision),
  '')`;

function remover(db: DatabaseSync) {
  /** Their words are removed later, little by little. */
  const remove = (which: string) => {
    const queue = db.prepare(
      `INSERT INTO search_removals SELECT document, shard, ${TEXT} FROM search_documents AS d WHERE ${which}`,
    );
    const drop = db.prepare(`DELETE FROM search_documents WHERE ${which}`);
    return (...values: (string | number)[]): number => {
      queue.run(...values);
      return Number(drop.run(...values).changes);
    };
  };
  return {
    some: remove(
      `(shard, document) IN (SELECT shard, document FROM search_documents WHERE tenant = ? LIMIT ?)`,
    ),
    ofVisitor: remove('tenant = ? AND visitor = ?'),
    before: remove('tenant = ? AND visitor = ? AND revision < ?'),
  };
}

function removeBefore(remove: Remove, fact: OpenedVisitorFact, { tenant, name }: Recorded) {
  switch (fact.type) {
    case 'PersonalDataErased':
      remove.ofVisitor(tenant, name);
      return;
    case 'RetentionApplied':
      if (fact.data.generation === undefined) remove.before(tenant, name, fact.data.before);
      else remove.ofVisitor(tenant, name);
      return;
    default:
      return;
  }
}

type Add = ReturnType<typeof adder>;

function adder(db: DatabaseSync) {
  const write = documentWriter(db);
  const message = db.prepare(
    'SELECT body FROM messages WHERE tenant = ? AND visitor = ? AND revision = ?',
  );
  const chat = db.prepare(
    `SELECT revision, nick FROM chats WHERE tenant = ? AND visitor = ? AND chat_id = ?
     ORDER BY revision DESC LIMIT 1`,
  );
  return {
    message({ tenant, name, revision }: Recorded): void {
      const body = message.get(tenant, name, revision)?.body;
      if (typeof body !== 'string') return;
      write({ kind: 'messages', tenant, visitor: name, revision, text: body });
    },
    chat({ tenant, name }: Recorded, chatId: string): void {
      const row = chat.get(tenant, name, chatId);
      if (typeof row?.nick !== 'string') return;
      const revision = Number(row.revision);
      write({ kind: 'visitors', tenant, visitor: name, revision, text: row.nick });
    },
  };
}

function addAfter(add: Add, fact: OpenedVisitorFact, recorded: Recorded) {
  switch (fact.type) {
    case 'VisitorMessageSent':
    case 'OperatorMessageReceived':
    case 'NoteAdded':
    case 'OperatorCommandSent':
    case 'MessageWrittenInLhc':
      return add.message(recorded);
    case 'ChatClosed':
      return add.chat(recorded, fact.data.chatId);
    default:
      return;
  }
}
