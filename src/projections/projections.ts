/** The read models, in disposable SQLite files: deleted, they are built again from the log, and nothing else happens. */
import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from '../errors.ts';
import type { EventStore, Position, Sealed, SubscriptionBatch } from '../eventstore/port.ts';
import type { FoldState } from '../fold/fold.ts';
import type { JsonObject } from '../kit/json.ts';
import { type Build, type BuildOptions, openBuilds, startBuild } from './build.ts';
import { catchesUp, isBehind } from './catching-up.ts';
import { answersAbout, type Queries, type Subject, type Versions } from './models.ts';

/** Who goes along with the read models. */
export interface Follower {
  /** These events, and all before, are in the rows that queries see. */
  applied(batch: SubscriptionBatch): void;
  /** Other rows are shown from now on: events between the two positions were told to nobody. */
  swapped(): void;
}

export interface BuildView {
  readonly number: number;
  /** What its rows mean, by read model. */
  readonly versions: Versions;
  readonly complete: boolean;
  readonly position: Position | null;
  /** Null for rows of an older version, which stand still until the new ones take their place. */
  readonly following: FoldState | null;
}

export interface Projections extends Queries {
  /**
   * Resolves when everything up to this position is in the rows that queries see.
   * @throws {AppError} `timeout`; `invalid` for a position of another store
   */
  waitFor(position: Position, deadlineMs: number): Promise<void>;
  /** Resolves when there are rows to show, or the time (ms) is over. */
  ready(deadlineMs: number): Promise<void>;
  /** Everything up to here is in the rows; null before the first batch. */
  position(): Position | null;
  /** 0 when live; else how old the last applied event is, in ms. */
  lag(): number;
  state(): FoldState;
  /** The rows that queries see, and those that are being built to take their place. */
  builds(): { readonly shown: BuildView | null; readonly building: BuildView | null };
  /**
   * Builds the same rows anew, beside those that are shown, which they replace when they have caught up. While one is
   * being built it is not begun again.
   * @throws {AppError} `unavailable` when the read models are not following the log
   */
  rebuild(): void;
  /** Told until the returned function is called. */
  follow(follower: Follower): () => void;
  /** Resolves while the log is being followed. @throws {AppError} `unavailable` with what stops it */
  check(): Promise<void>;
  /** Resolves while nothing is being built. @throws {AppError} `unavailable` with how far it is */
  settled(): Promise<void>;
  /** Follows the log; resolves when the signal was aborted and the last transaction is done. */
  start(signal: AbortSignal): Promise<void>;
  /** Only after `start` has resolved. */
  close(): void;
}

/** Before a build that could not be marked complete is tried again, in ms. */
const AGAIN_MS = 1000;
/** What a caller who meets half-built rows is told to wait, in seconds. */
const RETRY_AFTER = 5;

/**
 * Opens the read models. Rows of the version that this program builds are followed on; where there are none they are
 * built beside the older ones, which answer meanwhile where they can.
 * @param options.path the file's name; builds have a number behind it. One that is damaged is deleted
 * @param options.vault opens personal data; what it can no longer open (an erased person) is null in the rows
 */
export function createProjections(
  options: Omit<BuildOptions, 'open'> & {
    readonly store: EventStore;
    readonly vault: { open(sealed: Sealed): Promise<JsonObject | null> };
  },
): Projections {
  const { store, vault, now = Date.now } = options;
  const buildOptions: BuildOptions = { ...options, open: (sealed) => vault.open(sealed) };
  const followers = new Set<Follower>();
  const told = {
    applied: (build: Build, batch: SubscriptionBatch) => {
      if (build === shown) for (const follower of followers) follower.applied(batch);
    },
    dropped: (build: Build) => {
      if (build === shown) begin(() => settle(build));
    },
  };
  let { shown, building, last } = openBuilds(buildOptions, told);
  if (!shown?.fold && !building) building = startBuild(buildOptions, ++last, told);

  let running: AbortSignal | null = null;
  /** Of each build that is followed: ends it. */
  const stops = new Map<Build, () => Promise<void>>();
  const works = new Set<Promise<void>>();
  let change = Promise.withResolvers<void>();

  const changed = (): void => {
    change.resolve();
    change = Promise.withResolvers<void>();
    for (const follower of followers) follower.swapped();
  };

  const begin = (work: () => Promise<void>): void => {
    const promise: Promise<void> = work().finally(() => works.delete(promise));
    works.add(promise);
  };

  const run = (build: Build, signal: AbortSignal): void => {
    const { fold } = build;
    if (!fold) return;
    const ending = new AbortController();
    const done = fold.run(AbortSignal.any([signal, ending.signal]));
    begin(() => done);
    stops.set(build, async () => {
      ending.abort();
      await done;
      stops.delete(build);
    });
  };

  const behind = (build: Build, position: Position | null): boolean =>
    isBehind(store, build, position);

  /** Waits until a build is whole and shows it; the one that was shown before is deleted. */
  const settle = async (build: Build): Promise<void> => {
    const shownAt = () => shown?.position() ?? null;
    if (!running || !(await catchesUp(store, build, shownAt, running))) return;
    try {
      build.markComplete();
    } catch {
      // A full disk, say. It is not whole on disk, so it is not shown.
      await delay(AGAIN_MS, undefined, { signal: running }).catch(() => {});
      return settle(build);
    }
    const old = build === shown ? null : shown;
    shown = build;
    if (build === building) building = null;
    changed();
    if (!old) return;
    await stops.get(old)?.();
    try {
      old.remove();
    } catch {
      // The next start deletes what is older than the build that is shown.
    }
  };

  const viewOf = (build: Build): BuildView => ({
    number: build.number,
    versions: build.versions,
    complete: build.complete(),
    position: build.position(),
    following: build.fold?.state() ?? null,
  });

  /** How far a build is, for a person. */
  const progress = (): string => {
    const build = building ?? shown;
    const state = build?.fold?.state();
    if (!state) return 'it has not begun';
    if (state.failure) return `it does not go on: ${state.failure.reason}`;
    const at = new Date(now() - state.lagMs).toISOString();
    return `${state.eventsApplied} events so far, up to those of ${at}`;
  };

  const about = <S extends Subject>(subject: S): Queries[S] => {
    if (shown?.complete() && answersAbout(subject, shown.versions)) return shown.queries(subject);
    throw new AppError('unavailable', `the read models of ${subject} are being rebuilt`, {
      publicMessage: `the read model is being rebuilt: ${progress()}`,
      retryAfter: RETRY_AFTER,
    });
  };

  /** What follows the log for those who ask how fresh answers are. */
  const following = () => {
    const fold = shown?.fold ?? building?.fold;
    if (!fold) throw new Error('one of the two builds is always of this version');
    return fold;
  };

  return {
    get visitors() {
      return about('visitors');
    },
    get messages() {
      return about('messages');
    },
    get operators() {
      return about('operators');
    },
    get chats() {
      return about('chats');
    },
    get queue() {
      return about('queue');
    },
    get stats() {
      return about('stats');
    },
    get departments() {
      return about('departments');
    },
    waitFor: async (text, deadlineMs) => {
      const position = store.parsePosition(text);
      const end = performance.now() + deadlineMs;
      while (!shown?.complete() || behind(shown, position)) {
        const left = end - performance.now();
        if (left <= 0) {
          throw new AppError('timeout', `not at that position within ${deadlineMs} ms`, {
            position: shown?.position() ?? null,
          });
        }
        // Rows of an older version never get there; those that take their place may.
        const moved = shown?.complete() ? shown.fold?.waitFor(position, left) : undefined;
        moved?.catch(() => undefined); // after a swap nobody asks it any more
        const late = delay(left, undefined, { ref: false });
        await Promise.race([moved ?? late, change.promise]);
      }
    },
    ready: async (deadlineMs) => {
      if (shown?.complete()) return;
      await Promise.race([change.promise, delay(deadlineMs, undefined, { ref: false })]);
    },
    position: () => (shown?.complete() ? shown.position() : null),
    lag: () => following().state().lagMs,
    state: () => following().state(),
    builds: () => ({
      shown: shown && viewOf(shown),
      building: building && viewOf(building),
    }),
    rebuild: () => {
      if (!running || running.aborted) {
        throw new AppError('unavailable', 'the read models are not following the log');
      }
      if (building) return;
      const fresh = startBuild(buildOptions, ++last, told);
      building = fresh;
      run(fresh, running);
      begin(() => settle(fresh));
    },
    follow: (follower) => {
      followers.add(follower);
      return () => followers.delete(follower);
    },
    check: async () => {
      const { failure } = following().state();
      if (failure) {
        throw new AppError('unavailable', `read models are not following: ${failure.reason}`);
      }
    },
    settled: async () => {
      if (shown?.complete() && !building) return;
      throw new AppError('unavailable', `being rebuilt: ${progress()}`);
    },
    start: async (signal) => {
      running = signal;
      const fresh = building;
      if (shown) run(shown, signal);
      if (fresh) {
        run(fresh, signal);
        begin(() => settle(fresh));
      }
      while (!signal.aborted || works.size > 0) {
        await (signal.aborted
          ? Promise.all(works)
          : new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true })));
      }
    },
    close: () => {
      shown?.close();
      building?.close();
    },
  };
}
