/**
 * One lane: the facts of one stream, in order, and what they call for at one destination. It tries again with backoff,
 * gives up after 24 h, and writes down how far it came.
 */
import type { Logger } from 'pino';
import { isTransient, messageOf } from '../../errors.ts';
import type { EventStore, RecordedEvent } from '../../eventstore/port.ts';
import { backoff } from '../../kit/backoff.ts';
import type { Limiter } from '../../kit/limiter.ts';
import type { Destination, Outcome } from './destination.ts';
import type { LaneLog } from './log.ts';
import { LaneProgress } from './progress.ts';
import type { LaneTable } from './table.ts';

const GIVE_UP_AFTER_MS = 24 * 3600 * 1000;
const PARKED_LOOK_MS = 60_000;
const PAGE = 32;
/** Facts read at once: effects may lie far apart between page views. */
const SPAN = 512;

/** What all lanes share. */
export interface LaneEnvironment {
  readonly store: EventStore;
  readonly table: Pick<LaneTable, 'revisions' | 'done'>;
  readonly log: LaneLog;
  /** Aborted when the service stops. */
  readonly stopping: AbortSignal;
  /** Whether this process acts for a stream now. Asked before each effect: a lease ends by the clock. */
  readonly owns: (stream: string) => boolean;
  /** Keeps work that nobody waits for, so that a stop can. */
  readonly track: (work: Promise<void>) => void;
  /** Called when there is nothing left to remember. */
  readonly idle: (lane: Lane) => void;
  readonly now: () => number;
  readonly random: () => number;
  readonly logger: Logger;
}

export class Lane {
  readonly stream: string;
  readonly destination: Destination;
  readonly #limited: Limiter;
  readonly #env: LaneEnvironment;
  readonly #progress: LaneProgress;
  #working = false;
  #underWay: Promise<void> = Promise.resolve();
  #poked = false;
  #timer: NodeJS.Timeout | undefined;
  #attempts = 0;
  #failing: { since: number; reason: string } | null = null;
  /** Given up and not in the log yet: the lane does not go on before it is. */
  #dead: { event: RecordedEvent; reason: string } | null = null;
  /** Done up to this revision, in the log or not. */
  #doneRevision = -1;
  /** How often it was handed over: another process may have gone on with what was read before. */
  #handOvers = 0;

  constructor(stream: string, destination: Destination, limited: Limiter, env: LaneEnvironment) {
    this.stream = stream;
    this.destination = destination;
    this.#limited = limited;
    this.#env = env;
    this.#progress = new LaneProgress(stream, destination.name, env, () => this.#retire());
  }

  /** Why its head fails now; null when it does not. */
  get failing(): string | null {
    return this.#failing?.reason ?? null;
  }

  /** Something new is there to do. A lane that fails keeps to its backoff, however many facts come behind. */
  called(): void {
    if (this.#attempts === 0) this.serve();
  }

  /** Try now. */
  serve(): void {
    if (this.#isOver) return;
    this.#poked = true;
    if (this.#working) return;
    this.#working = true;
    this.#underWay = this.#work()
      .catch((error) => {
        // The log could not be read or written: without a timer nothing would come back to this lane.
        this.#env.logger.error({ lane: this.stream, err: error }, 'a lane stumbled; again later');
        this.#attempts++;
        if (!this.#isOver) this.#retryLater();
      })
      .finally(() => {
        this.#working = false;
        if (this.#poked && this.#timer === undefined) this.serve();
        else this.#retire();
      });
    this.#env.track(this.#underWay);
  }

  /** Nothing is begun any more. */
  get #isOver(): boolean {
    return this.#env.stopping.aborted || !this.#env.owns(this.stream);
  }

  /** No more tries: the service stops, or another process has it. */
  rest(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Waits for the effect under way and writes down how far it came, for the next owner; the lane is let go then. */
  async handOver(): Promise<void> {
    this.#handOvers++;
    this.rest();
    while (this.#working) await this.#underWay;
    await this.writeDown();
    if (!this.#isOver) return this.serve(); // it was given back meanwhile
    this.rest();
    this.#env.idle(this);
  }

  /** Writes down what is done and not in the log yet. */
  async writeDown(): Promise<void> {
    await this.#progress.save();
    if (this.#dead) await this.#bury(this.#dead).catch(() => undefined); // said when it was given up
  }

  async #work(): Promise<void> {
    do {
      this.#poked = false;
      this.rest();
      let more = true;
      while (more && !this.#isOver) {
        const before = this.#doneRevision;
        const finished = await this.#limited(() => this.#performPage());
        more = finished && this.#doneRevision > before;
      }
      // What it is parked for may have come meanwhile; one that fails keeps to its backoff.
    } while (this.#poked && this.#attempts === 0 && !this.#isOver);
  }

  /** @returns whether the lane may go on */
  async #performPage(): Promise<boolean> {
    const { store, table } = this.#env;
    if (this.#dead) await this.#bury(this.#dead);
    const name = this.destination.name;
    const handOvers = this.#handOvers;
    const waiting = table.revisions(this.stream, name, this.#doneRevision, PAGE);
    const from = waiting.at(0);
    if (from === undefined) return true;
    const revisions = waiting.filter((revision) => revision < from + SPAN);
    const last = revisions.at(-1) ?? from;
    const events = await store.readStream(this.stream, { from, limit: last - from + 1 });
    for (const event of events) {
      if (!revisions.includes(event.revision)) continue;
      if (handOvers !== this.#handOvers) {
        this.#poked = true; // it came back while an effect was under way: the table knows what was done meanwhile
        return true;
      }
      if (this.#isOver || !(await this.#performOne(event))) return false;
    }
    // A stream that was cut or deleted has nothing to do any more for what is gone.
    if (!events.some((event) => event.revision === last)) {
      this.#doneRevision = last;
      table.done(this.stream, name, last);
    }
    return true;
  }

  /** @returns whether to go on with the next effect */
  async #performOne(event: RecordedEvent): Promise<boolean> {
    const { stopping, logger, now } = this.#env;
    let outcome: Outcome;
    try {
      outcome = await this.destination.perform(event, stopping);
    } catch (error) {
      outcome = { kind: 'retry', reason: messageOf(error) };
    }
    if (stopping.aborted && outcome.kind !== 'done') return false;
    switch (outcome.kind) {
      case 'done':
        await this.#settle(event);
        return true;
      case 'dead':
        await this.#giveUp(event, outcome.reason);
        return true;
      case 'parked':
        // Waiting is no failure: the 24 h and the backoff begin anew.
        this.#attempts = 0;
        this.#failing = null;
        this.#timer = setTimeout(() => this.serve(), PARKED_LOOK_MS);
        return false;
      case 'retry': {
        this.#attempts++;
        this.#failing = { since: this.#failing?.since ?? now(), reason: outcome.reason };
        if (now() - this.#failing.since > GIVE_UP_AFTER_MS) {
          await this.#giveUp(event, `${outcome.reason} (tried for 24 h)`);
          return true;
        }
        const level = this.#attempts === 1 ? 'warn' : 'debug';
        logger[level]({ ...this.#about(event), reason: outcome.reason }, 'effect failed');
        this.#retryLater(outcome.afterMs);
        return false;
      }
    }
  }

  #retryLater(leastMs = 0): void {
    const wait = backoff(this.#attempts, this.destination.retry, this.#env.random);
    this.#timer = setTimeout(() => this.serve(), Math.max(wait, leastMs));
  }

  async #settle(event: RecordedEvent): Promise<void> {
    this.#attempts = 0;
    this.#failing = null;
    this.#doneRevision = event.revision;
    await this.#progress.done(event);
  }

  async #giveUp(event: RecordedEvent, reason: string): Promise<void> {
    this.#env.logger.error({ ...this.#about(event), reason }, 'dead letter');
    this.#dead = { event, reason };
    await this.#bury(this.#dead);
  }

  /** A dead letter is in the log before the lane goes on. @throws when it cannot be appended: it is tried again */
  async #bury({ event, reason }: { event: RecordedEvent; reason: string }): Promise<void> {
    try {
      await this.destination.gaveUp?.(event, reason);
    } catch (error) {
      if (isTransient(error)) throw error;
      this.#env.logger.error(
        { ...this.#about(event), err: error },
        'nobody was told of a dead letter',
      );
    }
    await this.#progress.dead(event, reason);
    this.#dead = null;
    this.#attempts = 0;
    this.#failing = null;
    this.#doneRevision = event.revision;
  }

  #retire(): void {
    if (this.#working || this.#dead || this.#timer || this.#progress.isPending) return;
    this.#env.idle(this);
  }

  #about(event: RecordedEvent) {
    const { stream, destination } = this;
    return { stream, destination: destination.name, event: event.id, type: event.type };
  }
}
