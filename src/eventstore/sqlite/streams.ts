import type { DatabaseSync } from 'node:sqlite';
import { Lru } from '../../kit/lru.ts';
import { createFloors } from './floors.ts';

/** Where a stream is, as the writer knows it. The stream exists while `next` is past `base`. */
export interface StreamState {
  readonly id: number;
  /** The revision at which the stream began, or began again after a deletion. */
  readonly base: number;
  /** The revision of the next event. */
  next: number;
}

export interface Streams {
  find(name: string): StreamState | undefined;
  /** Finds the stream, or creates it. */
  ensure(name: string): StreamState;
  /** Drops one cached state, or all, after a rollback or a removal: the next look-up reads the file. */
  forget(name?: string): void;
}

/** Some 5 MB when full. A miss costs two index seeks. */
export const STREAMS_IN_MEMORY = 20_000;

/** The streams of a log. The most recently used ones are kept in memory. */
export const createStreams = (db: DatabaseSync): Streams => {
  const select = db.prepare(`
    SELECT id, base, max(first, ifnull((SELECT max(revision) + 1 FROM events WHERE stream_id = s.id), 0)) AS next
    FROM streams s WHERE name = ?`);
  const insert = db.prepare('INSERT INTO streams (name, base, first) VALUES (?1, ?2, ?2)');
  const floors = createFloors(db);
  let cache = new Lru<StreamState>(STREAMS_IN_MEMORY);

  const remember = (name: string, state: StreamState): StreamState => {
    cache.set(name, state);
    return state;
  };

  const create = (name: string): StreamState => {
    const base = floors.of(name);
    return { id: Number(insert.run(name, base).lastInsertRowid), base, next: base };
  };

  const find = (name: string): StreamState | undefined => {
    const cached = cache.get(name);
    if (cached !== undefined) return cached;
    const row = select.get(name);
    if (row === undefined) return undefined;
    return remember(name, { id: Number(row.id), base: Number(row.base), next: Number(row.next) });
  };

  return {
    find,
    ensure: (name) => find(name) ?? remember(name, create(name)),
    forget: (name) => {
      if (name === undefined) cache = new Lru(STREAMS_IN_MEMORY);
      else cache.delete(name);
    },
  };
};
