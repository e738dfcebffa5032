import type { DatabaseSync } from 'node:sqlite';
import { messageOf } from '../../errors.ts';
import { SQLITE, sqliteCode } from '../../sqlite/open.ts';
import type { Answer, AppendJob } from './protocol.ts';
import { lastPosition } from './schema.ts';
import { createStreams, type StreamState, type Streams } from './streams.ts';

/** The part of the log that appends. Only the one connection that writes uses it. */
export interface LogWriter {
  /** The last position that was assigned. */
  head(): number;
  /**
   * Appends a group in one transaction. A conflict affects no other append of the group.
   * @throws if the transaction failed: then no append of it is acknowledged, and the caller should open a new connection
   */
  commit(jobs: readonly AppendJob[]): Answer[];
  /** The revision of the last event of a stream; null if it is missing. */
  last(stream: string): number | null;
  /** To be called when something else changed this stream. */
  forget(stream: string): void;
}

interface State {
  readonly db: DatabaseSync;
  readonly streams: Streams;
  readonly statements: ReturnType<typeof prepare>;
  /** The last position that was assigned. */
  head: number;
}

export const createLogWriter = (db: DatabaseSync): LogWriter => {
  const streams = createStreams(db);
  const state: State = { db, streams, statements: prepare(db), head: lastPosition(db) };
  return {
    head: () => state.head,
    last: (stream) => lastOf(streams.find(stream)),
    forget: (stream) => streams.forget(stream),
    commit: (jobs) => commit(state, jobs),
  };
};

const prepare = (db: DatabaseSync) => ({
  begin: db.prepare('BEGIN IMMEDIATE'),
  commit: db.prepare('COMMIT'),
  savepoint: db.prepare('SAVEPOINT append'),
  rollback: db.prepare('ROLLBACK TO append'),
  release: db.prepare('RELEASE append'),
  insert: db.prepare(
    'INSERT INTO events (position, stream_id, revision, event_id, type, body) VALUES (?, ?, ?, ?, ?, ?)',
  ),
  eventsFrom: db.prepare(
    'SELECT event_id, position FROM events WHERE stream_id = ? AND revision >= ? ORDER BY revision LIMIT ?',
  ),
  revisionOf: db.prepare('SELECT revision FROM events WHERE event_id = ? AND stream_id = ?'),
});

const commit = (state: State, jobs: readonly AppendJob[]): Answer[] => {
  const { db, streams, statements } = state;
  const before = state.head;
  statements.begin.run();
  try {
    const answers = jobs.map((job) => append(state, job));
    statements.commit.run();
    return answers;
  } catch (error) {
    state.head = before;
    streams.forget();
    if (db.isTransaction) db.exec('ROLLBACK');
    throw new Error(`the log cannot be written: ${messageOf(error)}`, { cause: error });
  }
};

const lastOf = (stream: StreamState | undefined): number | null =>
  stream !== undefined && stream.next > stream.base ? stream.next - 1 : null;

const append = (state: State, job: AppendJob): Answer => {
  const { stream: name, expected } = job;
  const stream = state.streams.find(name);
  const actual = lastOf(stream);
  const fits =
    expected === 'any' ||
    (expected === 'exists'
      ? actual !== null
      : actual === (expected === 'no-stream' ? null : expected));

  if (stream !== undefined && actual !== null) {
    const from = startOfRepeat(state, job, stream, fits);
    const answer = from === undefined ? undefined : repeatedAt(state, job, stream, from);
    if (answer !== undefined) return answer;
  }
  return fits ? writeAtomically(state, job) : { kind: 'conflict', actual };
};

/** The first revision of this append, if it is a repeat. */
const startOfRepeat = (
  { statements }: State,
  job: AppendJob,
  stream: StreamState,
  fits: boolean,
): number | undefined => {
  if (typeof job.expected === 'number') return fits ? undefined : job.expected + 1;
  if (job.expected === 'no-stream') return stream.base;
  const row = statements.revisionOf.get(job.events[0]?.id ?? '', stream.id);
  return row === undefined ? undefined : Number(row.revision);
};

/** The first answer to this append, if the stream has exactly its events from this revision on. */
const repeatedAt = (
  { statements }: State,
  { events }: AppendJob,
  stream: StreamState,
  from: number,
): Answer | undefined => {
  if (from < stream.base) return undefined;
  const rows = statements.eventsFrom.all(stream.id, from, events.length);
  const last = rows.at(-1);
  const same =
    rows.length === events.length && rows.every((row, i) => row.event_id === events[i]?.id);
  return same && last !== undefined
    ? { kind: 'repeated', revision: from + rows.length - 1, position: Number(last.position) }
    : undefined;
};

/** Writes all of an append, or nothing if the log already has one of its event ids. */
const writeAtomically = (state: State, job: AppendJob): Answer => {
  const { savepoint, rollback, release } = state.statements;
  // A single insert is atomic by itself and needs no savepoint.
  const several = job.events.length > 1;
  if (several) savepoint.run();
  try {
    const answer = write(state, job);
    if (several) release.run();
    return answer;
  } catch (error) {
    if (sqliteCode(error) !== SQLITE.constraint) throw error;
    state.streams.forget(job.stream);
    if (several) {
      rollback.run();
      release.run();
    }
    return { kind: 'duplicate' };
  }
};

const write = (state: State, job: AppendJob): Answer => {
  const { insert } = state.statements;
  const stream = state.streams.ensure(job.stream);
  let position = state.head;
  for (const { id, type, body } of job.events) {
    position += 1;
    insert.run(position, stream.id, stream.next, id, type, body);
    stream.next += 1;
  }
  state.head = position;
  return { kind: 'appended', revision: stream.next - 1, position };
};
