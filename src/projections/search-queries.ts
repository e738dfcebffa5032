/** The search of a tenant: messages and visitors by their words (docs/adr/0051). */
import type { DatabaseSync, SQLInputValue, SQLOutputValue } from 'node:sqlite';
import type { Username, VisitorKey } from '../actors/ids.ts';
import { type Phrase, phrasesOf } from '../kit/words.ts';
import { IN_LHC_SELECTED, type InLhc, withInLhc } from './in-lhc.ts';
import { decodeCursor, encodeCursor, type Order, type Page, type PageRequest } from './list.ts';
import { type FoundItem, type FoundMessage, type FoundVisitor, foundIn } from './search-hits.ts';
import { type DocumentKind, inShard } from './search-index.ts';
import { FOUND_FIELDS, type FoundProfile } from './search-profile.ts';
import type { VisitorView } from './visitor-queries.ts';

export interface SearchFilter extends PageRequest {
  readonly tenant: string;
  readonly in: DocumentKind;
  /** What somebody typed. All of its words have to be there; the last one may be the beginning of a word. */
  readonly q: string;
}

export interface SearchQueries {
  /**
   * A part of a page: it works for {@link SEARCH_PORTION_MS} and a bit, so a page may have several (`scanForPage`).
   * Messages, the newest first. Visitors who are not cleaned up, those who arrived last first; then closed chats by the
   * name that the visitor had, the latest first.
   * @throws {AppError} `invalid` for a cursor of another list
   */
  portion(filter: SearchFilter): Page<FoundItem>;
}

/** How long a portion looks into one shard after the other. The last one may take some ms more. */
export const SEARCH_PORTION_MS = 3;
/** Visitors that a portion looks at before it asks for the time: 3 ms if each of them may fit, mostly far less. */
const SCANNED_VISITORS = 200;

/** Visitors who are not cleaned up, those who arrived last first. */
const KNOWN: Order = {
  name: '-known',
  first: { sql: 'arrived_at', type: 'number' },
  ties: [{ sql: 'key', type: 'string' }],
};
/**
 * Documents, the newest first: shard and number, then the fact that it comes from. Read models that are built anew number
 * documents anew; then the fact says where to go on. At the beginning of a shard there is no document yet.
 */
const NEWEST: Order = {
  name: '-newest',
  first: { sql: 'shard', type: 'number' },
  ties: [
    { sql: 'document', type: 'number' },
    { sql: 'visitor', type: 'string' },
    { sql: 'revision', type: 'number' },
  ],
};

interface Place {
  readonly shard: number;
  readonly document: number;
}

/** A question for FTS5: phrases of words in quotes. No word has a quote. */
const matching = (phrases: readonly Phrase[], shard: number): string =>
  phrases
    .map(({ words, isOpen }) => {
      const phrase = words.map((plain) => inShard(shard, plain)).join(' ');
      return `"${phrase}"${isOpen ? ' *' : ''}`;
    })
    .join(' AND ');

/** @param portionMs {@link SEARCH_PORTION_MS}; less in tests */
export function searchQueries(db: DatabaseSync, portionMs = SEARCH_PORTION_MS): SearchQueries {
  const statements = prepare(db);
  return {
    portion: (filter) => {
      const phrases = phrasesOf(filter.q);
      if (phrases.length === 0) return { items: [], next: null };
      const { cursor } = filter;
      const isKnown = filter.in === 'visitors' && !isOf(cursor, NEWEST);
      const search = isKnown ? known : newest;
      return search(statements, phrases, filter, performance.now() + portionMs);
    },
  };
}

/** True for a cursor that names this order, whatever else is in it. */
function isOf(cursor: string | undefined, order: Order): boolean {
  if (cursor === undefined) return false;
  return Buffer.from(cursor, 'base64url').toString().startsWith(`["${order.name}"`);
}

function prepare(db: DatabaseSync) {
  return {
    shards: db.prepare(
      'SELECT shard FROM search_shards WHERE tenant = ? AND kind = ? AND shard <= ? ORDER BY shard DESC',
    ),
    at: db.prepare(
      'SELECT visitor, revision FROM search_documents WHERE shard = ? AND document = ? AND tenant = ?',
    ),
    place: db.prepare(
      'SELECT shard, document FROM search_documents WHERE tenant = ? AND visitor = ? AND revision = ?',
    ),
    // CROSS JOIN: SQLite begins with the words.
    found: db.prepare(
      `SELECT d.document, d.visitor, d.revision FROM search_words AS w
       CROSS JOIN search_documents AS d ON d.shard = ?1 AND d.document = w.rowid
       WHERE search_words MATCH ?2 AND w.rowid < ?3 ORDER BY w.rowid DESC LIMIT ?4`,
    ),
    message: db.prepare(
      `SELECT id, chat_id AS chatId, direction, kind, operator, ${IN_LHC_SELECTED}, body, at
       FROM messages WHERE tenant = ? AND visitor = ? AND revision = ?`,
    ),
    chat: db.prepare(
      `SELECT chat_id AS chatId, nick, started_at AS at FROM chats
       WHERE tenant = ? AND visitor = ? AND revision = ?`,
    ),
    scanned: db.prepare(
      `SELECT ${FOUND_FIELDS.join(', ')}, presence, arrived_at AS arrivedAt, last_seen AS at, revision,
         (SELECT count(*) FROM json_each(?4)
          WHERE ifnull(instr(lower(${PROFILE}), value), 0) = 0) = 0 OR ${PROFILE} GLOB '*[^ -~]*' AS mayFit
       FROM visitors INDEXED BY visitors_known
       WHERE tenant = ?1 AND presence <> 'cleanedUp' AND arrived_at <= ?2 AND (arrived_at < ?2 OR key > ?3)
       ORDER BY arrived_at DESC, key LIMIT ${SCANNED_VISITORS}`,
    ),
  };
}

/** All that a visitor is found by. json_each has a `key` too. */
const PROFILE = FOUND_FIELDS.map((field) => `ifnull(visitors.${field}, '')`).join(" || ' ' || ");

type Statements = ReturnType<typeof prepare>;

const FIRST: Place = { shard: Number.MAX_SAFE_INTEGER, document: Number.MAX_SAFE_INTEGER };
const beginningOf = (shard: number): string =>
  encodeCursor(NEWEST, [shard, Number.MAX_SAFE_INTEGER, '', -1]);

function placeOf({ at, place }: Statements, { cursor, tenant }: SearchFilter): Place {
  if (cursor === undefined) return FIRST;
  const [shard, document, visitor = '', revision = -1] = decodeCursor(cursor, NEWEST);
  const asked: Place = { shard: Number(shard), document: Number(document) };
  if (revision === -1) return asked;
  const row = at.get(asked.shard, asked.document, tenant);
  if (row?.visitor === visitor && row.revision === revision) return asked;
  const now = place.get(tenant, visitor, revision);
  return now ? { shard: Number(now.shard), document: Number(now.document) } : asked;
}

function newest(
  statements: Statements,
  phrases: readonly Phrase[],
  filter: SearchFilter,
  until: number,
): Page<FoundItem> {
  const { tenant, limit } = filter;
  const from = placeOf(statements, filter);
  const items: FoundItem[] = [];
  for (const { shard } of statements.shards.all(tenant, filter.in, from.shard)) {
    const number = Number(shard);
    if (items.length > 0 && items.length === limit) return { items, next: beginningOf(number) };
    if (number !== from.shard && performance.now() > until) {
      return { items, next: beginningOf(number) };
    }
    const before = number === from.shard ? from.document : Number.MAX_SAFE_INTEGER;
    const most = limit - items.length;
    const rows = statements.found.all(number, matching(phrases, number), before, most);
    for (const row of rows) {
      const item = itemOf(statements, phrases, tenant, row);
      if (item) items.push(item);
    }
    const last = rows.at(-1);
    if (last && rows.length === most) {
      const { document = 0, visitor = '', revision = -1 } = last;
      return { items, next: encodeCursor(NEWEST, [number, document, visitor, revision]) };
    }
  }
  return { items, next: null };
}

type Row = Readonly<Record<string, SQLOutputValue>>;

/** @returns null if not all phrases are there: words of two fields are no phrase */
function itemOf(
  { message, chat }: Statements,
  phrases: readonly Phrase[],
  tenant: string,
  row: Row,
): FoundItem | null {
  // Keys come from facts.
  const key = String(row.visitor) as VisitorKey;
  const revision = Number(row.revision);
  const place = { visitor: key, revision };
  const at: SQLInputValue[] = [tenant, key, revision];
  const said = message.get(...at);
  if (said) return messageOf(phrases, place, said);
  const named = chat.get(...at);
  if (!named) return null;
  const nick = String(named.nick);
  const found = foundIn(phrases, { nick });
  const chatId = String(named.chatId);
  return found && { kind: 'chat', ...place, at: Number(named.at), chatId, nick, found };
}

function messageOf(
  phrases: readonly Phrase[],
  place: Pick<FoundMessage, 'visitor' | 'revision'>,
  row: Row,
): FoundMessage | null {
  const found = foundIn(phrases, { body: String(row.body) });
  if (!found) return null;
  const { inLhc, ...rest } = withInLhc({ ...row }) as Row & { readonly inLhc: InLhc | null };
  return {
    kind: 'message',
    ...place,
    id: String(rest.id),
    chatId: rest.chatId === null ? null : String(rest.chatId),
    // The table is STRICT, and these columns have the words of the view.
    direction: rest.direction as FoundMessage['direction'],
    messageKind: rest.kind as FoundMessage['messageKind'],
    operator: rest.operator as Username | null,
    inLhc,
    at: Number(rest.at),
    found,
  };
}

/**
 * Visitors who are not cleaned up have no documents, because each page view would have to change them. Their rows are
 * looked through. A row in ASCII without one of the words is passed over by SQLite, which is ten times as fast.
 */
function known(
  { scanned, shards }: Statements,
  phrases: readonly Phrase[],
  { tenant, cursor, limit }: SearchFilter,
  until: number,
): Page<FoundItem> {
  const words = JSON.stringify(phrases.flatMap((phrase) => phrase.words));
  let [arrivedAt = 0, key = ''] =
    cursor === undefined ? [Number.MAX_SAFE_INTEGER] : decodeCursor(cursor, KNOWN);
  const items: FoundItem[] = [];
  for (;;) {
    const rows = scanned.all(tenant, arrivedAt, key, words);
    for (const row of rows) {
      const item = row.mayFit === 1 ? scannedVisitor(phrases, row) : null;
      if (item) items.push(item);
      if (items.length === limit) return { items, next: behind(row) };
    }
    const last = rows.at(-1);
    if (!last || rows.length < SCANNED_VISITORS) break;
    if (performance.now() > until) return { items, next: behind(last) };
    ({ arrivedAt = 0, key = '' } = last);
  }
  const [first] = shards.all(tenant, 'visitors', Number.MAX_SAFE_INTEGER);
  return { items, next: first ? beginningOf(Number(first.shard)) : null };
}

function scannedVisitor(phrases: readonly Phrase[], row: Row): FoundVisitor | null {
  // The columns of FOUND_FIELDS are among those of the row, and the table is STRICT.
  const profile = Object.fromEntries(
    FOUND_FIELDS.map((field) => [field, row[field]]),
  ) as FoundProfile;
  const found = foundIn(phrases, profile);
  return (
    found && {
      kind: 'visitor',
      visitor: String(row.key) as VisitorKey, // from facts
      revision: Number(row.revision),
      at: Number(row.at),
      nick: profile.nick ?? null,
      presence: row.presence as VisitorView['presence'], // as its read model writes it
      found,
    }
  );
}

const behind = ({ arrivedAt = 0, key = '' }: Row): string => encodeCursor(KNOWN, [arrivedAt, key]);
