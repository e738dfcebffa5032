import type { DatabaseSync } from 'node:sqlite';
import { messageOf } from '../../errors.ts';
import { SQLITE, sqliteCode } from '../../sqlite/open.ts';
import type { Answer, AppendJob } from './protocol.ts';
import { lastPosition } from './schema.ts';
import { createStreams, type StreamState } from './streams.ts';

/** The part of the log that appends; used by one connection, the only one that writes. */
export interface LogWriter {
  /** The last position given. */
  head(): number;
  /**
   * Appends a group in one transaction. A conflict spoils nothing but its own append.
   * @throws when the transaction failed: then nothing of it is acknowledged and the connection should be made anew
   */
  commit(jobs: readonly AppendJob[]): Answer[];
  /** Something else changed this stream. */
  forget(stream: string): void;
}

export const createLogWriter = (db: DatabaseSync): LogWriter => {
  const streams = createStreams(db);
  let head = lastPosition(db);
  const begin = db.prepare('BEGIN IMMEDIATE');
  const commitAll = db.prepare('COMMIT');
  const savepoint = db.prepare('SAVEPOINT append');
  const rollback = db.prepare('ROLLBACK TO append');
  const release = db.prepare('RELEASE append');
  const insert = db.prepare(
    'INSERT INTO events (position, stream_id, revision, event_id, type, body) VALUES (?, ?, ?, ?, ?, ?)',
  );
  const stored = db.prepare(
    'SELECT event_id, position FROM events WHERE stream_id = ? AND revision >= ? ORDER BY revision LIMIT ?',
  );
  const revisionOf = db.prepare('SELECT revision FROM events WHERE event_id = ? AND stream_id = ?');

  const write = (job: AppendJob): Answer => {
    const stream = streams.ensure(job.stream);
    let position = head;
    for (const { id, type, body } of job.events) {
      position += 1;
      insert.run(position, stream.id, stream.next, id, type, body);
      stream.next += 1;
    }
    head = position;
    return { kind: 'appended', revision: stream.next - 1, position };
  };

  /** All of an append or nothing: an event id that is in the log already fails it, maybe in the middle. */
  const writeAtomically = (job: AppendJob): Answer => {
    // A single insert is atomic by itself: it needs no savepoint.
    const several = job.events.length > 1;
    if (several) savepoint.run();
    try {
      const answer = write(job);
      if (several) release.run();
      return answer;
    } catch (error) {
      if (sqliteCode(error) !== SQLITE.constraint) throw error;
      streams.forget(job.stream);
      if (several) {
        rollback.run();
        release.run();
      }
      return { kind: 'duplicate' };
    }
  };

  /** The answer of the first time, when exactly these events are there from this revision on. */
  const repeated = (job: AppendJob, stream: StreamState, from: number): Answer | undefined => {
    if (from < stream.base) return undefined;
    const rows = stored.all(stream.id, from, job.events.length);
    const last = rows.at(-1);
    const same =
      rows.length === job.events.length &&
      rows.every((row, i) => row.event_id === job.events[i]?.id);
    return same && last !== undefined
      ? { kind: 'repeated', revision: from + rows.length - 1, position: Number(last.position) }
      : undefined;
  };

  const append = (job: AppendJob): Answer => {
    const { stream: name, expected } = job;
    const stream = streams.find(name);
    const actual = stream !== undefined && stream.next > stream.base ? stream.next - 1 : null;
    const wanted =
      expected === 'any' ||
      (expected === 'exists'
        ? actual !== null
        : actual === (expected === 'no-stream' ? null : expected));

    if (stream !== undefined && actual !== null) {
      const from = startOfRepeat(job, stream, wanted);
      const answer = from === undefined ? undefined : repeated(job, stream, from);
      if (answer !== undefined) return answer;
    }
    return wanted ? writeAtomically(job) : { kind: 'conflict', actual };
  };

  /** The revision at which this append would be, had it been made before. */
  const startOfRepeat = (
    job: AppendJob,
    stream: StreamState,
    wanted: boolean,
  ): number | undefined => {
    if (typeof job.expected === 'number') return wanted ? undefined : job.expected + 1;
    if (job.expected === 'no-stream') return stream.base;
    const row = revisionOf.get(job.events[0]?.id ?? '', stream.id);
    return row === undefined ? undefined : Number(row.revision);
  };

  return {
    head: () => head,
    forget: (stream) => streams.forget(stream),
    commit: (jobs) => {
      const before = head;
      begin.run();
      try {
        const answers = jobs.map(append);
        commitAll.run();
        return answers;
      } catch (error) {
        head = before;
        streams.forget();
        if (db.isTransaction) db.exec('ROLLBACK');
        throw new Error(`the log cannot be written: ${messageOf(error)}`, { cause: error });
      }
    },
  };
};
