import type { DatabaseSync } from 'node:sqlite';

/** Where a stream is, as the writer knows it. It exists while `next` is past `base`. */
export interface StreamState {
  readonly id: number;
  /** Where it began, or began again after a deletion. */
  readonly base: number;
  next: number;
}

export interface Streams {
  find(name: string): StreamState | undefined;
  /** The same, made when it is missing. */
  ensure(name: string): StreamState;
  /** What was remembered may be wrong (a rollback, a removal): look it up again. */
  forget(name?: string): void;
}

/** Some 5 MB when full; a look-up that misses costs two index seeks. */
const REMEMBERED = 20_000;

/** The streams of a log, the most recently used ones in memory. */
export const createStreams = (db: DatabaseSync): Streams => {
  const select = db.prepare(`
    SELECT id, base, max(first, ifnull((SELECT max(revision) + 1 FROM events WHERE stream_id = s.id), 0)) AS next
    FROM streams s WHERE name = ?`);
  const insert = db.prepare('INSERT INTO streams (name) VALUES (?)');
  const known = new Map<string, StreamState>();

  const remember = (name: string, state: StreamState): StreamState => {
    if (known.size >= REMEMBERED) {
      // A Map keeps the order of insertion: the first key is the oldest.
      const oldest = known.keys().next();
      if (!oldest.done) known.delete(oldest.value);
    }
    known.set(name, state);
    return state;
  };

  const find = (name: string): StreamState | undefined => {
    const found = known.get(name);
    if (found !== undefined) return found;
    const row = select.get(name);
    if (row === undefined) return undefined;
    return remember(name, { id: Number(row.id), base: Number(row.base), next: Number(row.next) });
  };

  return {
    find,
    ensure: (name) =>
      find(name) ??
      remember(name, { id: Number(insert.run(name).lastInsertRowid), base: 0, next: 0 }),
    forget: (name) => (name === undefined ? known.clear() : known.delete(name)),
  };
};
