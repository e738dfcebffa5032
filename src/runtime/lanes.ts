/**
 * Ordered effects. A lane is one stream and one destination: what the stream's facts call for there is done strictly
 * in order, and how far it came is a fact (`LaneAdvanced` in `lane-{stream}.{destination}`). So any process works out
 * what is pending from the log alone, and a dead destination holds up nothing but its own lanes.
 */
import type { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { AppError, messageOf } from '../errors.ts';
import type { EventStore, RecordedEvent } from '../eventstore/port.ts';
import { backoff } from './backoff.ts';
import type { Destination, Outcome } from './destination.ts';
import { createLaneLog } from './lane-log.ts';
import { createLaneTable } from './lane-table.ts';
import { keyOfStream, type Ownership, partitionOf } from './ownership.ts';
import { Semaphore } from './semaphore.ts';
import type { WorkPart } from './work.ts';

const GIVE_UP_AFTER_MS = 24 * 3600 * 1000;
const PARKED_LOOK_MS = 60_000;
/** Progress is appended for so many effects, or after so long. */
const PROGRESS_EVERY = 32;
const PROGRESS_WITHIN_MS = 250;
const PROGRESS_RETRY_MS = 1000;
const PAGE = 32;
const STOP_WITHIN_MS = 1500;

interface Lane {
  readonly stream: string;
  readonly destination: Destination;
  working: boolean;
  poked: boolean;
  timer: NodeJS.Timeout | undefined;
  attempts: number;
  failingSince: number | null;
  /** Why, when it fails. */
  reason: string;
  /** Done and not in the log yet. */
  through: { id: string; revision: number } | null;
  /** Given up and not in the log yet: the lane does not go on before it is. */
  dead: { event: RecordedEvent; reason: string } | null;
  /** Appends under way. */
  saving: number;
  sinceProgress: number;
  /** Done up to this revision, in the log or not. */
  doneRevision: number;
  flush: NodeJS.Timeout | undefined;
}

export interface Lanes {
  readonly part: WorkPart;
  start(): void;
  /** Try now: something a lane of this stream waited for may be there. */
  poke(stream: string, destination: string): void;
  /**
   * Stops after the effects under way and appends the progress.
   * @param withinMs one that takes longer (an LHC that hangs) is not waited for: it is repeated with the same id
   */
  stop(withinMs?: number): Promise<void>;
  pending(): { destination: string; effects: number }[];
  /** Tenants with a lane to this destination that fails now, with the reason of one of them. */
  failing(destination: string): ReadonlyMap<string, string>;
}

export function createLanes(options: {
  db: DatabaseSync;
  store: EventStore;
  destinations: readonly Destination[];
  ownership: Ownership;
  now: () => number;
  newId: () => string;
  random: () => number;
  logger: Logger;
}): Lanes {
  const { db, store, destinations, ownership, now, random, logger } = options;
  const lanes = new Map<string, Lane>();
  /** For each destination and tenant: one tenant's LHC that hangs holds up no other's. */
  const slots = new Map<string, Semaphore>();
  const log = createLaneLog(options);
  const stopping = new AbortController();
  const running = new Set<Promise<void>>();
  let started = false;
  const nameOf = (stream: string, destination: string): string => `${stream}|${destination}`;

  function laneOf(stream: string, destination: Destination): Lane {
    const name = nameOf(stream, destination.name);
    let lane = lanes.get(name);
    if (!lane) {
      lane = {
        stream,
        destination,
        working: false,
        poked: false,
        timer: undefined,
        attempts: 0,
        failingSince: null,
        reason: '',
        through: null,
        dead: null,
        saving: 0,
        sinceProgress: 0,
        doneRevision: -1,
        flush: undefined,
      };
      lanes.set(name, lane);
    }
    return lane;
  }

  async function append(
    lane: Lane,
    through: { id: string; revision: number },
    dead?: string,
  ): Promise<void> {
    lane.saving++;
    try {
      await log.advance(lane.stream, lane.destination.name, through, dead);
      // The fold will do the same when it comes to the fact; until then it must not be taken for pending.
      table.done(lane.stream, lane.destination.name, through.revision);
    } finally {
      lane.saving--;
    }
  }

  /** Appends how far the lane came. What cannot be appended now is tried with the next progress. */
  async function progress(lane: Lane): Promise<void> {
    clearTimeout(lane.flush);
    lane.flush = undefined;
    const { through } = lane;
    if (!through) return retire(lane);
    lane.through = null;
    lane.sinceProgress = 0;
    try {
      await append(lane, through);
    } catch (error) {
      lane.through ??= through;
      logger.warn({ lane: lane.stream, reason: messageOf(error) }, 'lane progress not appended');
      if (!stopping.signal.aborted) {
        lane.flush ??= setTimeout(() => track(progress(lane)), PROGRESS_RETRY_MS);
      }
    }
    retire(lane);
  }

  /** Lets go of a lane that has nothing to remember. */
  function retire(lane: Lane): void {
    if (lane.working || lane.saving > 0 || lane.dead) return;
    if (lane.through || lane.flush || lane.timer) return;
    const name = nameOf(lane.stream, lane.destination.name);
    if (lanes.get(name) === lane) lanes.delete(name);
  }

  function track(work: Promise<void>): void {
    const settled = work.catch((error) => logger.error({ err: error }, 'a lane failed'));
    running.add(settled);
    settled.finally(() => running.delete(settled));
  }

  async function settle(lane: Lane, event: RecordedEvent): Promise<void> {
    lane.attempts = 0;
    lane.failingSince = null;
    lane.doneRevision = event.revision;
    lane.through = { id: event.id, revision: event.revision };
    lane.sinceProgress++;
    if (stopping.signal.aborted) return; // stop() writes it down, or it is repeated
    if (lane.sinceProgress >= PROGRESS_EVERY) await progress(lane);
    else lane.flush ??= setTimeout(() => track(progress(lane)), PROGRESS_WITHIN_MS);
  }

  /** @returns whether to go on with the next effect */
  async function performOne(lane: Lane, event: RecordedEvent): Promise<boolean> {
    const { destination } = lane;
    let outcome: Outcome;
    try {
      outcome = await destination.perform(event, stopping.signal);
    } catch (error) {
      outcome = { kind: 'retry', reason: messageOf(error) };
    }
    if (stopping.signal.aborted && outcome.kind !== 'done') return false;
    switch (outcome.kind) {
      case 'done':
        await settle(lane, event);
        return true;
      case 'dead':
        await giveUp(lane, event, outcome.reason);
        return true;
      case 'parked':
        // Waiting is no failure: the 24 h and the backoff begin anew.
        lane.attempts = 0;
        lane.failingSince = null;
        lane.timer = setTimeout(() => serve(lane), PARKED_LOOK_MS);
        return false;
      case 'retry': {
        lane.attempts++;
        lane.failingSince ??= now();
        lane.reason = outcome.reason;
        if (now() - lane.failingSince > GIVE_UP_AFTER_MS) {
          await giveUp(lane, event, `${outcome.reason} (tried for 24 h)`);
          return true;
        }
        const level = lane.attempts === 1 ? 'warn' : 'debug';
        logger[level]({ ...about(lane, event), reason: outcome.reason }, 'effect failed');
        retryLater(lane, outcome.afterMs);
        return false;
      }
    }
  }

  function retryLater(lane: Lane, leastMs = 0): void {
    const wait = Math.max(backoff(lane.attempts, lane.destination.retry, random), leastMs);
    lane.timer = setTimeout(() => serve(lane), wait);
  }

  async function giveUp(lane: Lane, event: RecordedEvent, reason: string): Promise<void> {
    logger.error({ ...about(lane, event), reason }, 'dead letter');
    lane.dead = { event, reason };
    await bury(lane, lane.dead);
  }

  /** A dead letter is in the log before the lane goes on. @throws when it cannot be appended: it is tried again */
  async function bury(
    lane: Lane,
    { event, reason }: { event: RecordedEvent; reason: string },
  ): Promise<void> {
    try {
      await lane.destination.gaveUp?.(event, reason);
    } catch (error) {
      if (isPassing(error)) throw error;
      logger.error({ ...about(lane, event), err: error }, 'nobody was told of a dead letter');
    }
    await append(lane, { id: event.id, revision: event.revision }, reason);
    lane.dead = null;
    lane.through = null;
    lane.sinceProgress = 0;
    lane.attempts = 0;
    lane.failingSince = null;
    lane.doneRevision = event.revision;
  }

  const about = (lane: Lane, event: RecordedEvent) => ({
    stream: lane.stream,
    destination: lane.destination.name,
    event: event.id,
    type: event.type,
  });

  /** @returns whether the lane has done all that is known */
  async function performPage(lane: Lane): Promise<boolean> {
    const { stream, destination } = lane;
    if (lane.dead) await bury(lane, lane.dead);
    const revisions = table.revisions(stream, destination.name, lane.doneRevision, PAGE);
    const from = revisions.at(0);
    const last = revisions.at(-1);
    if (from === undefined || last === undefined) return true;
    const events = await store.readStream(stream, { from, limit: last - from + 1 });
    for (const event of events) {
      if (!revisions.includes(event.revision)) continue;
      if (stopping.signal.aborted || !(await performOne(lane, event))) return false;
    }
    // A stream that was cut or deleted has nothing to do any more for what is gone.
    if (!events.some((event) => event.revision === last)) {
      lane.doneRevision = last;
      table.done(stream, destination.name, last);
    }
    return true;
  }

  function slotOf({ stream, destination }: Lane): Semaphore {
    const name = nameOf(keyOfStream(stream).split('.', 1)[0] ?? '', destination.name);
    const known = slots.get(name);
    if (known) return known;
    const made = new Semaphore(destination.concurrency);
    slots.set(name, made);
    return made;
  }

  async function work(lane: Lane): Promise<void> {
    const slot = slotOf(lane);
    do {
      lane.poked = false;
      clearTimeout(lane.timer);
      lane.timer = undefined;
      let more = true;
      while (more && !stopping.signal.aborted) {
        const before = lane.doneRevision;
        const finished = await slot.use(() => performPage(lane));
        more = finished && lane.doneRevision > before;
      }
      // What it is parked for may have come meanwhile; one that fails keeps to its backoff.
    } while (lane.poked && lane.attempts === 0 && !stopping.signal.aborted);
  }

  function serve(lane: Lane): void {
    if (!started || stopping.signal.aborted) return;
    if (!ownership.owns(partitionOf(keyOfStream(lane.stream)))) return;
    lane.poked = true;
    if (lane.working) return;
    lane.working = true;
    track(
      work(lane)
        .catch((error) => {
          // The log could not be read or written: without a timer nothing would come back to this lane.
          logger.error({ lane: lane.stream, err: error }, 'a lane stumbled; again later');
          lane.attempts++;
          if (!stopping.signal.aborted) retryLater(lane);
        })
        .finally(() => {
          lane.working = false;
          if (lane.poked && lane.timer === undefined) serve(lane);
          else retire(lane);
        }),
    );
  }

  function poke(stream: string, name: string): void {
    const destination = destinations.find((candidate) => candidate.name === name);
    if (destination) serve(laneOf(stream, destination));
  }

  const table = createLaneTable(db, destinations, (stream, destination) => {
    if (!started) return;
    const lane = laneOf(stream, destination);
    // A lane that fails keeps to its backoff, however many facts come behind.
    if (lane.attempts === 0) serve(lane);
  });

  return {
    part: table.part,
    start() {
      started = true;
      ownership.onChange((_partition, owned) => {
        if (owned) pokeWaiting();
      });
      pokeWaiting();
    },
    poke,
    async stop(withinMs = STOP_WITHIN_MS) {
      stopping.abort();
      for (const lane of lanes.values()) clearTimeout(lane.timer);
      const late = new AbortController();
      const tooLate = delay(withinMs, false, { signal: late.signal }).catch(() => false);
      const ended = () => Promise.all(running).then(() => true);
      while (running.size > 0 && (await Promise.race([ended(), tooLate]))); // a flush may join them
      late.abort();
      await Promise.all(
        [...lanes.values()].map(async (lane) => {
          await progress(lane);
          if (lane.dead) await bury(lane, lane.dead).catch(() => undefined); // said when it was given up
        }),
      );
    },
    pending: table.pending,
    failing: (destination) => {
      const failing = [...lanes.values()].filter(
        (lane) => lane.destination.name === destination && lane.failingSince !== null,
      );
      return new Map(failing.map(({ stream, reason }) => [tenantOf(stream), reason]));
    },
  };

  function pokeWaiting(): void {
    for (const { stream, destination } of table.lanes()) poke(stream, destination);
  }
}

const tenantOf = (stream: string): string =>
  stream.slice(stream.indexOf('-') + 1).split('.', 1)[0] ?? '';

const isPassing = (error: unknown): boolean =>
  error instanceof AppError && ['unavailable', 'overloaded', 'timeout'].includes(error.code);
