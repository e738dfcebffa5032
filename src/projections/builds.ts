/** The builds of the read models: the one that queries read, and the one that will replace it (docs/adr/0015). */
import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from '../errors.ts';
import type { SubscriptionBatch } from '../eventstore/port.ts';
import {
  type Build,
  type BuildListener,
  type BuildOptions,
  openBuilds,
  startBuild,
} from './build.ts';
import { catchesUp } from './catching-up.ts';
import { nextTurn } from './turns.ts';

/** Follows the read models. */
export interface Follower {
  /** The rows that queries see contain these events, and all events before them. */
  onApplied(batch: SubscriptionBatch): void;
  /** Queries read another build from now on. No follower was told of the events between the two positions. */
  onReplaced(): void;
}

/** The wait before a build that could not be marked complete is marked again. */
export const MARK_RETRY_MS = 1000;

/** Owns the files. It exchanges the current build when the next one has caught up, and deletes the old one. */
export class Builds {
  /** Queries read this build. */
  current: Build | null;
  /** This build is catching up, and will become the current one. */
  next: Build | null;
  readonly #options: BuildOptions;
  readonly #listener: BuildListener;
  readonly #followers = new Set<Follower>();
  #lastNumber: number;
  #running: AbortSignal | null = null;
  /** Ends the fold of a build, by build. */
  readonly #stops = new Map<Build, () => Promise<void>>();
  /** Tells that a build has applied facts, by build. */
  readonly #applied = new Map<Build, () => void>();
  readonly #tasks = new Set<Promise<void>>();
  #replaced = Promise.withResolvers<void>();

  constructor(options: BuildOptions) {
    this.#options = options;
    this.#listener = {
      onApplied: (build, batch) => {
        this.#applied.get(build)?.();
        if (build !== this.current) return;
        for (const follower of this.#followers) follower.onApplied(batch);
      },
      onDropped: (build) => {
        if (build === this.current) this.#track(this.#finish(build));
      },
    };
    const { current, next, lastNumber } = openBuilds(options, this.#listener);
    this.#lastNumber = lastNumber;
    this.current = current;
    this.next = current?.fold ? next : (next ?? this.#start());
  }

  /** Resolves the next time that queries get another build, or that the current one is complete again. */
  get replaced(): Promise<void> {
    return this.#replaced.promise;
  }

  follow(follower: Follower): () => void {
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }

  /** Starts a build of the same versions, unless one is catching up. @throws {AppError} `unavailable` if not following */
  rebuild(): void {
    if (!this.#running || this.#running.aborted) {
      throw new AppError('unavailable', 'the read models are not following the log');
    }
    if (this.next) return;
    this.next = this.#start();
    this.#run(this.next, this.#running);
    this.#track(this.#finish(this.next));
  }

  /** Follows the log. Resolves when the signal was aborted and the last transaction is done. */
  async run(signal: AbortSignal): Promise<void> {
    this.#running = signal;
    const { current, next } = this;
    if (current) this.#run(current, signal);
    if (next) {
      this.#run(next, signal);
      this.#track(this.#finish(next));
    }
    while (!signal.aborted || this.#tasks.size > 0) {
      await (signal.aborted
        ? Promise.all(this.#tasks)
        : new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true })));
    }
  }

  close(): void {
    this.current?.close();
    this.next?.close();
  }

  #start(): Build {
    this.#lastNumber += 1;
    return startBuild(this.#options, this.#lastNumber, this.#listener);
  }

  #run(build: Build, signal: AbortSignal): void {
    const { fold } = build;
    if (!fold) return;
    const ending = new AbortController();
    const until = AbortSignal.any([signal, ending.signal]);
    const done = Promise.all([fold.run(until), this.#tidy(build, until)]).then(() => {});
    this.#track(done);
    this.#stops.set(build, async () => {
      ending.abort();
      await done;
      this.#stops.delete(build);
    });
  }

  /** Removes the words that facts have left behind, at the start and after each batch. */
  async #tidy(build: Build, signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.#applied.get(build)?.(), { once: true });
    while (!signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#applied.set(build, resolve);
      try {
        while (!signal.aborted && build.tidy()) await nextTurn();
      } catch {
        // The disk may be full. The fold says so, and the next batch tries it again.
      }
      await promise;
    }
    this.#applied.delete(build);
  }

  /** Waits until a build has caught up, and makes it the current one. The old one is deleted. */
  async #finish(build: Build): Promise<void> {
    const signal = this.#running;
    if (!signal) return;
    const currentPosition = () => this.current?.position() ?? null;
    const catchUp = () => catchesUp(this.#options.store, build, currentPosition, signal);
    if (!(await catchUp())) return;
    try {
      await build.addIndexes();
      if (!(await catchUp())) return; // the log and the current build have moved on meanwhile
      build.markComplete();
    } catch {
      // The disk may be full. Without the mark on disk, queries must not read the build.
      await delay(MARK_RETRY_MS, undefined, { signal }).catch(() => {});
      return this.#finish(build);
    }
    const old = build === this.current ? null : this.current;
    this.current = build;
    if (build === this.next) this.next = null;
    this.#replaced.resolve();
    this.#replaced = Promise.withResolvers();
    for (const follower of this.#followers) follower.onReplaced();
    if (!old) return;
    await this.#stops.get(old)?.();
    try {
      old.remove();
    } catch {
      // The next start deletes builds that are older than the current one.
    }
  }

  #track(task: Promise<void>): void {
    const tracked: Promise<void> = task.finally(() => this.#tasks.delete(tracked));
    this.#tasks.add(tracked);
  }
}
