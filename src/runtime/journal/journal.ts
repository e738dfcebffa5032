/**
 * The journal: attempts of effects, requests that caused facts, callbacks. It is in a file of its own, `journal.db`, which
 * is a cache: nothing depends on it, and it may be deleted at any time. Entries wait in a bounded queue and are written
 * together. What does not fit is dropped and counted, so that the journal slows nothing down (docs/adr/0052).
 */
import type { Logger } from 'pino';
import { messageOf } from '../../errors.ts';
import type { RecordedEvent } from '../../eventstore/port.ts';
import { Lru } from '../../kit/lru.ts';
import { transaction } from '../../sqlite/open.ts';
import { rangeOfStreams, removedTenant } from '../removed-tenant.ts';
import {
  type JournalEntry,
  type JournalReader,
  type JournalWriter,
  MAX_ENTRIES_READ,
  type RequestEntry,
} from './entries.ts';
import {
  entryOf,
  isDamage,
  madeAnew,
  openStatements,
  rowOf,
  type Statements,
  tenantOf,
  trimAll,
  trimTenant,
} from './file.ts';

/** Entries that wait to be written. */
export const MAX_QUEUED_ENTRIES = 8_192;
/** How long they wait. */
export const WRITE_EVERY_MS = 500;
/** Entries that are written at once, so that nobody waits for more than some milliseconds. */
const WRITTEN_AT_ONCE = 128;
/** The pause before the next ones, if more wait. */
const WRITE_PAUSE_MS = 10;
/** A tenant may have so much more than its bound, before it is counted again. */
const TENANT_SLACK = 0.02;
/** Entries of one tenant. The oldest go first. */
export const MAX_ENTRIES_OF_TENANT = 50_000;
/** Entries of all tenants. */
export const MAX_ENTRIES = 500_000;
/** Entries that are older go. */
export const ENTRY_AGE_MS = 14 * 86_400_000;
/** How often too old ones are looked for, and too many of all. While there are, each write removes some. */
export const TRIM_EVERY_MS = 60_000;
/** Visitors whose erasure is remembered, for what was on its way then. That ends within a minute. */
const FORGOTTEN_REMEMBERED = 1_000;

export interface JournalCounts {
  /** Entries that were written since the start. */
  written: number;
  /** Entries that did not fit into the queue, or that could not be written. */
  dropped: number;
}

export interface Journal extends JournalWriter, JournalReader {
  readonly counts: Readonly<JournalCounts>;
  /**
   * Forgets what these facts erase, what their retention ends, and the tenants that they remove; in the file too. If that
   * fails the whole file goes. Call it before anything notes that the facts were seen: after a crash they come again. Does not throw.
   */
  forget(events: readonly RecordedEvent[]): void;
  /** Writes what waits, and closes the file. */
  close(): void;
}

interface Options {
  readonly path: string;
  readonly now: () => number;
  readonly logger: Logger;
  /** Bounds; for tests. */
  readonly bounds?: Partial<Bounds>;
}

interface Bounds {
  readonly queued: number;
  readonly ofTenant: number;
  readonly all: number;
  readonly ageMs: number;
}

const BOUNDS: Bounds = {
  queued: MAX_QUEUED_ENTRIES,
  ofTenant: MAX_ENTRIES_OF_TENANT,
  all: MAX_ENTRIES,
  ageMs: ENTRY_AGE_MS,
};

/** @throws {AppError} `unavailable` if the file cannot be opened. A damaged one is made anew */
export function createJournal(options: Options): Journal {
  const { path, now, logger } = options;
  const bounds = { ...BOUNDS, ...options.bounds };
  const counts: JournalCounts = { written: 0, dropped: 0 };
  let file = openStatements(path);
  let queue: JournalEntry[] = [];
  let timer: NodeJS.Timeout | undefined;
  let trimAt = 0;
  /** By tenant: entries that were added since they were counted last. */
  const added = new Map<string, number>();
  const forgottenAt = new Lru<number>(FORGOTTEN_REMEMBERED);
  let isTold = false;
  let closed = false;

  /** @returns undefined if the file fails: what it had to do is not done */
  function attempt<T>(work: (statements: Statements) => T): T | undefined {
    try {
      const result = work(file);
      isTold = false;
      return result;
    } catch (error) {
      logger[isTold ? 'debug' : 'warn'](
        { reason: messageOf(error) },
        'the journal cannot be read or written; its entries are dropped',
      );
      isTold = true;
      if (isDamage(error)) beginAnew();
      return undefined;
    }
  }

  /** Drops the file and what it has. */
  function beginAnew(): void {
    try {
      if (file.db.isOpen) file.db.close();
      file = madeAnew(path);
    } catch (error) {
      // What follows fails as well, and is dropped.
      logger.error({ reason: messageOf(error) }, 'the journal cannot be made anew');
    }
  }

  /** Counting a tenant's entries takes milliseconds, so it is done once for many. */
  function trimTenants(statements: Statements, entries: readonly JournalEntry[]): void {
    for (const [tenant, { length }] of Map.groupBy(entries, tenantOf)) {
      const more = (added.get(tenant) ?? 0) + length;
      const isMany = more >= bounds.ofTenant * TENANT_SLACK;
      if (isMany) trimTenant(statements, tenant, bounds);
      added.set(tenant, isMany ? 0 : more);
    }
  }

  /** Writes some of what waits, or all. */
  function write(most = WRITTEN_AT_ONCE): void {
    clearTimeout(timer);
    timer = undefined;
    const entries = queue.slice(0, most);
    queue = queue.slice(most);
    if (queue.length > 0) timer = setTimeout(() => write(), WRITE_PAUSE_MS).unref();
    if (entries.length === 0) return;
    const done = attempt((statements) =>
      transaction(statements.db, () => {
        for (const entry of entries) statements.add.run(...rowOf(entry));
        trimTenants(statements, entries);
        if (now() >= trimAt) {
          const isLeft = trimAll(statements, bounds, now());
          trimAt = isLeft ? now() : now() + TRIM_EVERY_MS;
          if (added.size > bounds.queued) added.clear();
        }
        return true;
      }),
    );
    if (done) counts.written += entries.length;
    else counts.dropped += entries.length;
  }

  return {
    counts,
    record(entry) {
      if (closed || queue.length >= bounds.queued) {
        counts.dropped += 1;
        return;
      }
      const forgotten = forgottenAt.peek(entry.stream);
      // What was on its way at an erasure may be answered with the words that it had.
      const isOlder = forgotten !== undefined && entry.at <= forgotten;
      queue.push(isOlder ? { ...entry, reason: null } : entry);
      timer ??= setTimeout(() => write(), WRITE_EVERY_MS).unref();
    },
    of(facts) {
      write(bounds.queued);
      const places = JSON.stringify(facts.map(({ stream, revision }) => [stream, revision]));
      const rows = attempt(({ ofFacts }) => ofFacts.all(places, MAX_ENTRIES_READ)) ?? [];
      return rows.map(entryOf);
    },
    requests(id) {
      write(bounds.queued);
      const rows = attempt(({ ofRequest }) => ofRequest.all(id, MAX_ENTRIES_READ)) ?? [];
      return rows.map(entryOf).filter((entry): entry is RequestEntry => entry.kind === 'request');
    },
    forget(events) {
      const gone = events.flatMap(goneWith);
      if (gone.length === 0 || closed) return;
      for (const { stream, type } of events) {
        if (type === 'PersonalDataErased') forgottenAt.set(stream, now());
      }
      write(bounds.queued);
      const done = attempt(({ db, forgetStream, forgetRange }) => {
        for (const each of gone) {
          if ('before' in each) forgetStream.run(each.stream, each.before);
          else forgetRange.run(...each.range);
        }
        db.exec('PRAGMA wal_checkpoint(TRUNCATE)'); // so that no file has the words any more
        return true;
      });
      if (!done) beginAnew();
    },
    close() {
      if (closed) return;
      write(bounds.queued);
      closed = true;
      file.db.close();
    },
  };
}

type Gone =
  | { readonly stream: string; readonly before: number }
  | { readonly range: readonly [from: string, to: string] };

/** What this fact says is over: facts of its visitor before a revision, or all streams of the tenant that it removed. */
function goneWith(event: RecordedEvent): Gone[] {
  const { stream, type, revision, data } = event;
  if (type === 'PersonalDataErased') return [{ stream, before: revision }];
  if (type === 'RetentionApplied') {
    const before = data.generation === undefined ? Number(data.before) : revision + 1;
    return [{ stream, before }];
  }
  const tenant = removedTenant(event);
  if (tenant === null) return [];
  return [
    { range: rangeOfStreams(`visitor-${tenant}`) },
    { range: rangeOfStreams(`operator-${tenant}`) },
    { stream: `tenant-${tenant}`, before: Number.MAX_SAFE_INTEGER },
  ];
}
