/**
 * The read models: tables of visitors, chats, messages and operators, folded from the log into SQLite files, and the
 * queries on them. The files are disposable: if they are deleted, they are built again from the log, and nothing else
 * happens.
 *
 * The entry point is {@link createProjections}. models.ts lists the models; each has a file for its rows (such as
 * chats.ts) and one for its queries (chat-queries.ts). src/http reads them; of this folder it imports the queries' types
 * and this interface. The folder builds on src/fold, src/sqlite and the facts of src/actors.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from '../errors.ts';
import type { EventStore, Position } from '../eventstore/port.ts';
import type { FoldState } from '../fold/fold.ts';
import type { Build, BuildOptions } from './build.ts';
import { Builds, type Follower } from './builds.ts';
import { isBehind } from './catching-up.ts';
import { canQuery, type Queries, type Subject, type Versions } from './models.ts';

export interface BuildView {
  readonly number: number;
  /** The versions of its rows, by read model. */
  readonly versions: Versions;
  readonly complete: boolean;
  readonly position: Position | null;
  /** How the build follows the log; null for rows of an older version, which no longer change. */
  readonly following: FoldState | null;
}

export interface Projections extends Queries {
  /**
   * Resolves when the rows that queries see contain everything up to this position.
   * @throws {AppError} `timeout`; `invalid` for a position of another store
   */
  waitFor(position: Position, deadlineMs: number): Promise<void>;
  /** Resolves when there are complete rows, or after the deadline in ms. */
  ready(deadlineMs: number): Promise<void>;
  /** The rows contain everything up to this position; null without complete rows. */
  position(): Position | null;
  /** @returns 0 when live; otherwise the age of the last applied event in ms */
  lag(): number;
  state(): FoldState;
  /** The build that queries read, and the one that will replace it. */
  builds(): { readonly current: BuildView | null; readonly next: BuildView | null };
  /**
   * Builds the same rows again beside the current ones, and replaces them when the new build has caught up. If a build is
   * catching up already, this starts no other.
   * @throws {AppError} `unavailable` if the read models are not following the log
   */
  rebuild(): void;
  /** Calls the follower until the returned function is called. */
  follow(follower: Follower): () => void;
  /** Resolves if the log is being followed. @throws {AppError} `unavailable` with the failure */
  check(): Promise<void>;
  /** Resolves if no build is catching up. @throws {AppError} `unavailable` with its progress */
  settled(): Promise<void>;
  /** Follows the log. Resolves when the signal was aborted and the last transaction is done. */
  start(signal: AbortSignal): Promise<void>;
  /** To be called after `start` has resolved. */
  close(): void;
}

/** For callers whose query finds no complete rows. */
export const RETRY_AFTER_S = 5;

/**
 * Opens the read models. Rows of today's versions are continued. Without such rows a new build starts; meanwhile queries
 * read the older rows, as far as their versions allow it.
 * @param options.path the file's name; each build has a number behind it. A damaged file is deleted
 * @param options.vault opens personal data; data that it cannot open, because the person was erased, is null in the rows.
 *   It learns the data keys that are in the log before the data
 */
export function createProjections(
  options: Omit<BuildOptions, 'open' | 'learn' | 'forget'> & {
    readonly vault: Pick<BuildOptions, 'open' | 'learn' | 'forget'>;
  },
): Projections {
  const { store, vault, now = Date.now } = options;
  const { open, learn, forget } = vault;
  const builds = new Builds({ ...options, open, learn, forget });

  /** The fold that tells how fresh answers are. */
  const fold = () => {
    const found = builds.current?.fold ?? builds.next?.fold;
    if (!found) throw new Error('one of the two builds always has the versions of this program');
    return found;
  };
  const progress = (): string => progressOf(builds.next ?? builds.current, now());
  const queries = <S extends Subject>(subject: S): Queries[S] => {
    const { current } = builds;
    if (current?.complete() && canQuery(subject, current.versions)) {
      return current.queries(subject);
    }
    throw new AppError('unavailable', `the read models of ${subject} are being rebuilt`, {
      publicMessage: `the read model is being rebuilt: ${progress()}`,
      retryAfter: RETRY_AFTER_S,
    });
  };

  return {
    get visitors() {
      return queries('visitors');
    },
    get messages() {
      return queries('messages');
    },
    get operators() {
      return queries('operators');
    },
    get chats() {
      return queries('chats');
    },
    get queue() {
      return queries('queue');
    },
    get stats() {
      return queries('stats');
    },
    get departments() {
      return queries('departments');
    },
    get search() {
      return queries('search');
    },
    get streams() {
      return queries('streams');
    },
    waitFor: async (text, deadlineMs) =>
      waitFor(store, builds, store.parsePosition(text), deadlineMs),
    ready: async (deadlineMs) => {
      if (builds.current?.complete()) return;
      await Promise.race([builds.replaced, delay(deadlineMs, undefined, { ref: false })]);
    },
    position: () => completePosition(builds),
    lag: () => fold().state().lagMs,
    state: () => fold().state(),
    builds: () => ({ current: viewOf(builds.current), next: viewOf(builds.next) }),
    rebuild: () => builds.rebuild(),
    follow: (follower) => builds.follow(follower),
    check: async () => {
      const { failure } = fold().state();
      if (failure) {
        throw new AppError('unavailable', `read models do not follow the log: ${failure.reason}`);
      }
    },
    settled: async () => {
      if (builds.current?.complete() && !builds.next) return;
      throw new AppError('unavailable', `being rebuilt: ${progress()}`);
    },
    start: (signal) => builds.run(signal),
    close: () => builds.close(),
  };
}

const completePosition = ({ current }: Builds): Position | null =>
  current?.complete() ? current.position() : null;

async function waitFor(
  store: EventStore,
  builds: Builds,
  position: Position,
  deadlineMs: number,
): Promise<void> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const current = builds.current?.complete() ? builds.current : null;
    if (current && !isBehind(store, current, position)) return;
    const left = end - performance.now();
    if (left <= 0) {
      throw new AppError('timeout', `the rows did not reach that position in ${deadlineMs} ms`, {
        position: builds.current?.position() ?? null,
      });
    }
    // Rows of an older version never reach it. The build that replaces them may.
    const reached = current?.fold?.waitFor(position, left);
    reached?.catch(() => undefined); // After an exchange nobody awaits it any more.
    const late = delay(left, undefined, { ref: false });
    await Promise.race([reached ?? late, builds.replaced]);
  }
}

const viewOf = (build: Build | null): BuildView | null =>
  build && {
    number: build.number,
    versions: build.versions,
    complete: build.complete(),
    position: build.position(),
    following: build.fold?.state() ?? null,
  };

/** How far a build is, for people. */
function progressOf(build: Build | null, now: number): string {
  const state = build?.fold?.state();
  if (!state) return 'it has not begun';
  if (state.failure) return `it has stopped: ${state.failure.reason}`;
  const at = new Date(now - state.lagMs).toISOString();
  return `${state.eventsApplied} events so far, up to those of ${at}`;
}
