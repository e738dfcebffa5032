/**
 * One lane: the effects of one stream's facts at one destination, in order. It tries again with backoff, gives up what is
 * 24 h old, and writes its progress to the log.
 */
import type { Logger } from 'pino';
import { isTransient, messageOf } from '../../errors.ts';
import { type EventStore, isStoreAway, type RecordedEvent } from '../../eventstore/port.ts';
import { backoff } from '../../kit/backoff.ts';
import type { LineBudget } from '../../kit/line-budget.ts';
import { traceIdOf } from '../../kit/trace-context.ts';
import { causedBy } from '../cause.ts';
import type { Destination, Outcome } from './destination.ts';
import type { Gate } from './gate.ts';
import type { LaneLog } from './log.ts';
import type { LaneTable } from './pending-effects.ts';
import { LaneProgress } from './progress.ts';

/** An effect that fails becomes a dead letter when its fact is so old … */
export const GIVE_UP_AFTER_MS = 24 * 3600 * 1000;
/** … and this process has seen it, or its place, fail for so long. So nothing is given up because the service was down. */
export const GIVE_UP_LEAST_MS = 3600 * 1000;
/** A parked lane looks by itself whether it can go on. */
export const PARKED_LOOK_MS = 60_000;
/** A failure that is expected is told in the log from this try on: some 3 s after the first one. */
export const EXPECTED_TRIES = 5;
/** Effects performed in one turn at the gate, so that the lanes of a tenant take turns. */
const PAGE_EFFECTS = 32;
/** Facts read at once. Effects may lie far apart between page views. */
const SPAN_FACTS = 512;

/** What all lanes share. */
export interface LaneEnvironment {
  readonly store: EventStore;
  readonly table: Pick<LaneTable, 'revisions' | 'remove'>;
  readonly log: LaneLog;
  /** Aborted when the service stops. */
  readonly stopping: AbortSignal;
  /** True if this process acts for the stream now. Asked before each effect: a lease ends by the clock. */
  readonly owns: (stream: string) => boolean;
  /** Registers work that nobody awaits, so that a stop can wait for it. */
  readonly track: (work: Promise<void>) => void;
  /** Called when the lane has nothing left to remember. */
  readonly idle: (lane: Lane) => void;
  /** ms since 1970 */
  readonly now: () => number;
  /** ms, never backwards */
  readonly monotonic: () => number;
  /** How old a time is, in ms, whatever the clock was set to since. */
  readonly age: (at: number) => number;
  readonly random: () => number;
  readonly logger: Logger;
  /** For lines that all lanes of a place may cause at the same time. */
  readonly lines: LineBudget;
}

/**
 * What a run is for. `turn`: everything, in turns at the gate. `probe`: the first effect, to learn whether the place is
 * back. `expire`: only what has to be given up, without another try.
 */
type Purpose = 'turn' | 'probe' | 'expire';

interface Failure {
  readonly reason: string;
  /** ms since 1970 */
  readonly since: number;
  /** ms of the monotonic clock */
  readonly monotonic: number;
}

export class Lane {
  readonly stream: string;
  readonly destination: Destination;
  readonly #gate: Gate;
  readonly #env: LaneEnvironment;
  readonly #progress: LaneProgress;
  #isRunning = false;
  #purpose: Purpose = 'turn';
  /** Settles when the current run, or the last one, has ended. */
  #lastRun: Promise<void> = Promise.resolve();
  /** Something may have changed since the current run read the table. */
  #runAgain = false;
  #timer: NodeJS.Timeout | undefined;
  /** The timer is for another try. */
  #backsOff = false;
  /** Tries of the current effect that failed. */
  #attempts = 0;
  /** The log has a warning about the current effect. */
  #isTold = false;
  #failure: Failure | null = null;
  /** Steps of the effect of this revision that are done, when its later steps failed. */
  #steps: { readonly revision: number; readonly done: number } | null = null;
  /** Until when the lane was parked, ms since 1970: waiting is no failure. */
  #parkedUntil = 0;
  #isParked = false;
  /** An effect that was given up. The lane stops until the log has it. */
  #dead: { event: RecordedEvent; reason: string } | null = null;
  /** All effects up to this revision are done, whether the log has that or not. */
  #doneRevision = -1;
  /** The fact that the lane was called for last. A read of the log took a tenth of a message's way. */
  #newest: RecordedEvent | null = null;
  /** Counts hand-overs: after one, another process may have gone on from what this lane has read. */
  #handOvers = 0;

  constructor(stream: string, gate: Gate, env: LaneEnvironment) {
    this.stream = stream;
    this.destination = gate.destination;
    this.#gate = gate;
    this.#env = env;
    this.#progress = new LaneProgress(stream, this.destination.name, env, () => this.#retire());
  }

  /** Why the current effect fails, and since when; null if it does not. */
  get failure(): Pick<Failure, 'reason' | 'since'> | null {
    return this.#failure;
  }

  /** A new fact calls for an effect. A lane that fails keeps its backoff, however many facts follow. */
  notify(fact: RecordedEvent): void {
    if (this.#attempts > 0) return;
    this.#newest = fact;
    this.run();
  }

  /** A sweep found the lane. Resolves when it has nothing to do or has to wait. */
  resume(): Promise<void> {
    if (this.#timer === undefined) this.run();
    return this.#lastRun;
  }

  /** Tries the first effect while the gate is shut. @returns when that is over */
  probe(): Promise<void> {
    return this.#runFor('probe');
  }

  /** Gives up what is too old while the gate is shut. @returns when that is over */
  expire(): Promise<void> {
    return this.#runFor('expire');
  }

  async #runFor(purpose: Purpose): Promise<void> {
    while (this.#isRunning) await this.#lastRun;
    this.run(purpose);
    await this.#lastRun;
  }

  /** Performs what is pending, now. */
  run(purpose: Purpose = 'turn'): void {
    if (this.#isOver) return;
    this.#runAgain ||= purpose === 'turn';
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#purpose = purpose;
    this.#lastRun = this.#performAll()
      .catch((error) => {
        // The log could not be read or written. Without a timer nothing would start this lane again.
        // That the event store is away is in the log once (src/eventstore/open.ts), and not once for each lane.
        const level = isStoreAway(error) ? 'debug' : 'error';
        this.#env.logger[level]({ lane: this.stream, err: error }, 'lane failed; trying again');
        this.#attempts++;
        if (!this.#isOver) this.#retryLater();
      })
      .finally(() => {
        this.#isRunning = false;
        if (this.#runAgain && this.#timer === undefined) this.run();
        else this.#retire();
      });
    this.#env.track(this.#lastRun);
  }

  /** The lane begins no further effect. */
  get #isOver(): boolean {
    return this.#env.stopping.aborted || !this.#env.owns(this.stream);
  }

  /** Cancels the next try. */
  cancelTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#backsOff) this.#gate.backedOff();
    this.#backsOff = false;
  }

  /** Waits for the effect that is running, writes the progress for the next owner, and forgets the lane. */
  async handOver(): Promise<void> {
    this.#handOvers++;
    this.cancelTimer();
    while (this.#isRunning) await this.#lastRun;
    await this.flush();
    if (!this.#isOver) return this.run(); // the partition came back meanwhile
    this.cancelTimer();
    this.#env.idle(this);
  }

  /** Writes the progress that the log does not have yet. */
  async flush(): Promise<void> {
    await this.#progress.save();
    if (this.#dead) await this.#bury(this.#dead).catch(() => undefined); // logged when it was given up
  }

  async #performAll(): Promise<void> {
    if (this.#purpose !== 'turn') {
      this.cancelTimer();
      await this.#performPage();
      return;
    }
    do {
      this.#runAgain = false;
      this.cancelTimer();
      let more = true;
      while (more && !this.#isOver) {
        const before = this.#doneRevision;
        const finished = await this.#gate.turn(() => this.#performPage());
        if (finished === null) return; // a sweep finds this lane again
        more = finished && this.#doneRevision > before;
      }
      // What the lane is parked for may have come meanwhile. A lane that fails keeps its backoff.
    } while (this.#runAgain && this.#attempts === 0 && !this.#isOver);
  }

  /** @returns whether the lane may go on */
  async #performPage(): Promise<boolean> {
    const { store, table } = this.#env;
    if (this.#dead) await this.#bury(this.#dead);
    const name = this.destination.name;
    const handOvers = this.#handOvers;
    const pending = table.revisions(this.stream, name, this.#doneRevision, PAGE_EFFECTS);
    const from = pending.at(0);
    if (from === undefined) return true;
    const revisions = pending.filter((revision) => revision < from + SPAN_FACTS);
    const last = revisions.at(-1) ?? from;
    const newest = this.#newest;
    this.#newest = null;
    const events =
      newest?.revision === from && last === from
        ? [newest] // it is all that is pending
        : await store.readStream(this.stream, { from, limit: last - from + 1 });
    for (const event of events) {
      if (!revisions.includes(event.revision)) continue;
      if (handOvers !== this.#handOvers) {
        this.#runAgain = true; // the lane came back: the table knows what another process did meanwhile
        return true;
      }
      if (this.#isOver || !(await this.#performOne(event))) return false;
    }
    // If the stream was cut or deleted, there is nothing to do for the facts that are gone.
    if (!events.some((event) => event.revision === last)) {
      this.#doneRevision = last;
      table.remove(this.stream, name, last);
    }
    return true;
  }

  /** @returns whether to go on with the next effect */
  async #performOne(event: RecordedEvent): Promise<boolean> {
    if (this.#purpose === 'expire') return this.#expireOne(event);
    const { stopping } = this.#env;
    const steps = this.#steps?.revision === event.revision ? this.#steps.done : 0;
    let outcome: Outcome;
    try {
      outcome = await causedBy(event, () =>
        this.destination.perform(event, stopping, false, steps),
      );
    } catch (error) {
      outcome = { kind: 'retry', reason: messageOf(error) };
    }
    if (stopping.aborted && outcome.kind !== 'done') return false;
    this.#noteParking(outcome);
    switch (outcome.kind) {
      case 'done':
        await this.#settle(event, outcome.unknownAgain ?? false);
        if (outcome.idle) return true;
        this.#gate.succeeded();
        return this.#purpose === 'turn';
      case 'dead':
        await this.#giveUp(event, outcome.reason);
        return true;
      case 'parked':
        return this.#park(outcome);
      case 'retry':
        return this.#fail(event, outcome);
    }
  }

  #noteParking({ kind }: Outcome): void {
    if (this.#isParked) this.#parkedUntil = this.#env.now();
    this.#isParked = kind === 'parked';
  }

  /** Waiting is no failure: the 24 h and the backoff begin again. */
  #park({ all = false, lookMs = PARKED_LOOK_MS }: Extract<Outcome, { kind: 'parked' }>): false {
    this.#attempts = 0;
    this.#isTold = false;
    this.#failure = null;
    if (all && this.#gate.breaker) this.#gate.breaker.hold(PARKED_LOOK_MS);
    else this.#timer = setTimeout(() => this.run(), lookMs);
    return false;
  }

  /** @returns whether to go on with the next effect */
  async #fail(
    event: RecordedEvent,
    { reason, afterMs, away, expected, steps = 0 }: Extract<Outcome, { kind: 'retry' }>,
  ): Promise<boolean> {
    const { logger, lines, now, monotonic } = this.#env;
    if (steps > 0) this.#steps = { revision: event.revision, done: steps };
    this.#attempts++;
    const since = this.#failure ?? { since: now(), monotonic: monotonic() };
    this.#failure = { ...since, reason };
    this.#gate.failed(this.stream, { reason, away, afterMs });
    if (this.#isTooLate(event)) {
      await this.#giveUp(event, `${reason} (tried for 24 h)`);
      return !this.#gate.isShut;
    }
    const isNews = !this.#isTold && this.#attempts >= (expected ? EXPECTED_TRIES : 1);
    this.#isTold ||= isNews;
    const { name } = this.destination;
    const budget =
      isNews && this.#purpose === 'turn' ? lines(`${name} ${this.#gate.tenant}`) : null;
    logger[budget ? 'warn' : 'debug'](
      { ...this.#about(event), reason, ...budget },
      'effect failed',
    );
    // While the gate is shut this lane has no timer: the sweep after it finds the lane.
    if (!this.#gate.isShut) this.#retryLater(afterMs);
    return false;
  }

  /** @returns whether to go on with the next effect */
  async #expireOne(event: RecordedEvent): Promise<boolean> {
    const { outage } = this.#gate;
    if (!outage || !this.#isTooLate(event)) return false;
    await this.#giveUp(event, `${outage.reason} (tried for 24 h)`);
    return true;
  }

  /** Counted from the fact, so a restart or another owner does not begin anew. */
  #isTooLate({ metadata }: RecordedEvent): boolean {
    const { age, monotonic } = this.#env;
    const failingFor = Math.max(
      this.#failure ? monotonic() - this.#failure.monotonic : 0,
      this.#gate.outage?.forMs ?? 0,
    );
    const waited = age(Math.max(metadata.at, this.#parkedUntil));
    return waited > GIVE_UP_AFTER_MS && failingFor >= GIVE_UP_LEAST_MS;
  }

  #retryLater(leastMs = 0): void {
    const wait = backoff(this.#attempts, this.destination.retry, this.#env.random);
    const spaced = this.#gate.backsOff();
    this.#backsOff = true;
    this.#timer = setTimeout(() => this.run(), Math.max(wait, leastMs, spaced));
  }

  async #settle(event: RecordedEvent, atOnce: boolean): Promise<void> {
    this.#attempts = 0;
    this.#isTold = false;
    this.#failure = null;
    this.#steps = null;
    this.#doneRevision = event.revision;
    await this.#progress.advance(event, atOnce);
  }

  async #giveUp(event: RecordedEvent, reason: string): Promise<void> {
    this.#env.logger.error({ ...this.#about(event), reason }, 'dead letter');
    this.#dead = { event, reason };
    await this.#bury(this.#dead);
  }

  /** Appends the dead letter; only then the lane goes on. @throws when the append fails: the lane tries again */
  async #bury({ event, reason }: { event: RecordedEvent; reason: string }): Promise<void> {
    try {
      await causedBy(event, () => this.destination.reportFailure?.(event, reason));
    } catch (error) {
      if (isTransient(error)) throw error;
      this.#env.logger.error({ ...this.#about(event), err: error }, 'dead letter not reported');
    }
    await this.#progress.bury(event, reason);
    this.#dead = null;
    this.#attempts = 0;
    this.#isTold = false;
    this.#failure = null;
    this.#steps = null;
    this.#doneRevision = event.revision;
  }

  #retire(): void {
    if (this.#isRunning || this.#dead || this.#timer || this.#progress.isPending) return;
    if (this.#steps && !this.#isOver) return; // a repeat would begin the effect at its first step
    this.#env.idle(this);
  }

  #about(event: RecordedEvent) {
    const { stream, destination } = this;
    const traceId = traceIdOf(event.metadata);
    return { stream, destination: destination.name, event: event.id, type: event.type, traceId };
  }
}
