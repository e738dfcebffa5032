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
  version: 4,
  schema: SEARCH_SCHEMA,
  tables: SEARCH_TABLES,
  apply: (db) => {
    const remove = remover(db);
    const add = adder(db);
    const changed = changedBy(db);
    /** The message that has its earlier text again, because LHC has refused a correction or a retraction of it. */
    let restored: number | null = null;
    return {
      before: (fact, recorded) => {
        const { tenant, name } = recorded;
        restored = fact.type === 'LhcRefused' ? changed(tenant, name, fact.data.revision) : null;
        if (restored !== null) remove.one(tenant, name, restored);
        removeBefore(remove, fact, recorded);
      },
      after: (fact, recorded) => {
        if (restored !== null) add.message(recorded, restored);
        addAfter(add, fact, recorded);
      },
    };
  },
  hide: (db) => {
    const shards = db.prepare('DELETE FROM search_shards WHERE tenant = ?');
    return (tenant) => void shards.run(tenant);
  },
  forget: (db) => remover(db).some,
};

type Remove = ReturnType<typeof remover>;

/** The text of a document. A message whose text changes is taken out before. */
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
    one: remove('tenant = ? AND visitor = ? AND revision = ?'),
  };
}

function removeBefore(remove: Remove, fact: OpenedVisitorFact, { tenant, name }: Recorded) {
  switch (fact.type) {
    case 'OperatorMessageReceived':
      if (fact.data.corrects !== undefined) remove.one(tenant, name, fact.data.corrects);
      return;
    case 'OperatorMessageRetracted':
      remove.one(tenant, name, fact.data.revision);
      return;
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

/** @returns the revision of the message that was corrected or taken back by the fact at `revision`; null if there is none */
function changedBy(db: DatabaseSync) {
  const row = (column: 'corrected_by' | 'retracted_by') =>
    db.prepare(
      `SELECT revision FROM messages WHERE tenant = ? AND visitor = ? AND ${column} = ? AND ${column} IS NOT NULL`,
    );
  const [corrected, retracted] = [row('corrected_by'), row('retracted_by')];
  return (tenant: string, visitor: string, revision: number): number | null => {
    const found =
      corrected.get(tenant, visitor, revision) ?? retracted.get(tenant, visitor, revision);
    return found ? Number(found.revision) : null;
  };
}

type Add = ReturnType<typeof adder>;

function adder(db: DatabaseSync) {
  const write = documentWriter(db);
  const message = db.prepare(
    `SELECT body FROM messages WHERE tenant = ? AND visitor = ? AND revision = ? AND retracted_at IS NULL`,
  );
  const chat = db.prepare(
    `SELECT revision, nick FROM chats WHERE tenant = ? AND visitor = ? AND chat_id = ?
     ORDER BY revision DESC LIMIT 1`,
  );
  return {
    message({ tenant, name }: Recorded, revision: number): void {
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
    case 'NoteAdded':
    case 'OperatorCommandSent':
    case 'MessageWrittenInLhc':
      return add.message(recorded, recorded.revision);
    case 'OperatorMessageReceived':
      return add.message(recorded, fact.data.corrects ?? recorded.revision);
    case 'ChatClosed':
      return add.chat(recorded, fact.data.chatId);
    default:
      return;
  }
}
