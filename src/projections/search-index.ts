/**
 * The words of messages, and of the names that visitors had in chats, in an FTS5 table (docs/adr/0051). A text in it is a
 * *document*. It is in a *shard* of one tenant and one kind, and each of its words has the shard's number in front. So a
 * search reads words of its tenant alone, and one shard after the other, the newest first.
 */
import type { DatabaseSync } from 'node:sqlite';
import { wordsOf } from '../kit/words.ts';

/** `visitors`: the names that they had in chats. */
export const DOCUMENT_KINDS = ['visitors', 'messages'] as const;
export type DocumentKind = (typeof DOCUMENT_KINDS)[number];

/**
 * Documents of a shard. A search for a common beginning of words collects all of a shard before it answers: some 2 ms. A
 * search for a rare word asks each shard: some 30 µs.
 */
export const SHARD_DOCUMENTS = 4096;
/** Words of a document that can be found. */
export const MAX_DOCUMENT_WORDS = 2_000;

/**
 * `content=''`: the texts are in other tables. `columnsize=0`: nobody asks for ranks. The tokenizer takes everything but
 * blanks for a word, because the words are made by src/kit/words.ts.
 *
 * `secure-delete`: what is deleted is gone, and does not wait for a merge. `automerge` 2: few segments, because a deletion
 * looks into each: half of the default's time.
 */
export const SEARCH_SCHEMA = `
  CREATE TABLE search_shards (
    shard INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    documents INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX search_shards_of ON search_shards (tenant, kind, shard);
  CREATE TABLE search_documents (
    shard INTEGER NOT NULL,
    document INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    visitor TEXT NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (shard, document)
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX search_documents_of ON search_documents (tenant, visitor, revision);
  CREATE TABLE search_removals (
    document INTEGER PRIMARY KEY,
    shard INTEGER NOT NULL,
    text TEXT NOT NULL
  ) STRICT;
  CREATE TABLE search_counter (last INTEGER NOT NULL) STRICT;
  INSERT INTO search_counter VALUES (0);
  CREATE VIRTUAL TABLE search_words USING fts5 (words, content='', columnsize=0, tokenize='ascii');
  INSERT INTO search_words (search_words, rank) VALUES ('secure-delete', 1), ('automerge', 2);
`;
export const SEARCH_TABLES = [
  'search_shards',
  'search_documents',
  'search_removals',
  'search_counter',
  'search_words',
];

/** Between the number of a shard and a word. It is in no word. */
const MARK = '\u00b7';

/** A word as the table has it. */
export const inShard = (shard: number, plain: string): string =>
  `${shard.toString(36)}${MARK}${plain}`;

const indexed = (shard: number, text: string): string =>
  wordsOf(text.normalize('NFC'), MAX_DOCUMENT_WORDS)
    .map(({ plain }) => inShard(shard, plain))
    .join(' ');

export interface NewDocument {
  readonly kind: DocumentKind;
  readonly tenant: string;
  readonly visitor: string;
  /** Of the fact that it comes from. */
  readonly revision: number;
  readonly text: string;
}

/** Adds documents, in order of the log. */
export function documentWriter(db: DatabaseSync) {
  const newest = db.prepare(
    'SELECT shard, documents FROM search_shards WHERE tenant = ? AND kind = ? ORDER BY shard DESC LIMIT 1',
  );
  const next = db.prepare('UPDATE search_counter SET last = last + 1 RETURNING last');
  const addShard = db.prepare('INSERT INTO search_shards (shard, tenant, kind) VALUES (?, ?, ?)');
  const count = db.prepare('UPDATE search_shards SET documents = documents + 1 WHERE shard = ?');
  const add = db.prepare('INSERT OR IGNORE INTO search_documents VALUES (?, ?, ?, ?, ?)');
  const addWords = db.prepare('INSERT INTO search_words (rowid, words) VALUES (?, ?)');
  const number = (): number => Number(next.get()?.last);

  function shardOf({ kind, tenant }: NewDocument): number {
    const last = newest.get(tenant, kind);
    if (last && Number(last.documents) < SHARD_DOCUMENTS) return Number(last.shard);
    const shard = number();
    addShard.run(shard, tenant, kind);
    return shard;
  }
  return (document: NewDocument): void => {
    const { tenant, visitor, revision, text } = document;
    const shard = shardOf(document);
    const words = indexed(shard, text);
    if (words === '') return;
    const id = number();
    if (add.run(shard, id, tenant, visitor, revision).changes === 0) return;
    addWords.run(id, words);
    count.run(shard);
  };
}

/** True if words wait for their removal. */
export const hasRemovals = (db: DatabaseSync): boolean =>
  db.prepare('SELECT 1 FROM search_removals LIMIT 1').get() !== undefined;

/** Documents whose words are removed in one go: 1 to 5 ms. */
export const REMOVED_AT_ONCE = 10;

/**
 * Removes words of documents that are gone, {@link REMOVED_AT_ONCE} at most. No search finds them meanwhile. To remove the
 * words of one document takes 0.1 ms or more, and a tenant may have millions.
 * @returns true if there are more
 */
export function removeWords(db: DatabaseSync): boolean {
  const gone = db
    .prepare('SELECT document, shard, text FROM search_removals LIMIT ?')
    .all(REMOVED_AT_ONCE);
  const remove = db.prepare(
    `INSERT INTO search_words (search_words, rowid, words) VALUES ('delete', ?, ?)`,
  );
  const done = db.prepare('DELETE FROM search_removals WHERE document = ?');
  // A shard that is not full gets more documents.
  const closeShard = db.prepare(
    `DELETE FROM search_shards WHERE shard = ?1 AND documents >= ?2
       AND NOT EXISTS (SELECT 1 FROM search_documents WHERE shard = ?1)`,
  );
  for (const { document, shard, text } of gone) {
    remove.run(Number(document), indexed(Number(shard), String(text)));
    done.run(Number(document));
    closeShard.run(Number(shard), SHARD_DOCUMENTS);
  }
  return hasRemovals(db);
}
