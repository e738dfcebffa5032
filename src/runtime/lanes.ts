/**
 * Ordered effects. A lane is one stream and one destination: what the stream's facts call for there is done strictly
 * in order, and how far it came is a fact (`LaneAdvanced` in `lane-{stream}.{destination}`). So any process works out
 * what is pending from the log alone, and a dead destination holds up nothing but its own lanes.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { Logger } from 'pino';
import { messageOf } from '../errors.ts';
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
const PAGE = 32;

interface Lane {
  readonly stream: string;
  readonly destination: Destination;
  working: boolean;
  poked: boolean;
  timer: NodeJS.Timeout | undefined;
  attempts: number;
  failingSince: number | null;
  /** Done and not in the log yet. */
  through: { id: string; revision: number } | null;
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
  /** Stops after the effects under way and appends the progress. */
  stop(): Promise<void>;
  pending(): { destination: string; effects: number }[];
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
  const slots = new Map(destinations.map((d) => [d.name, new Semaphore(d.concurrency)]));
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
        through: null,
        sinceProgress: 0,
        doneRevision: -1,
        flush: undefined,
      };
      lanes.set(name, lane);
    }
    return lane;
  }

  /** Appends how far the lane came. What cannot be appended now is tried with the next progress. */
  async function progress(lane: Lane, dead?: string): Promise<void> {
    clearTimeout(lane.flush);
    lane.flush = undefined;
    const { through } = lane;
    if (!through) return;
    lane.through = null;
    lane.sinceProgress = 0;
    try {
      await log.advance(lane.stream, lane.destination.name, through, dead);
      // The fold will do the same when it comes to the fact; until then it must not be taken for pending.
      table.done(lane.stream, lane.destination.name, through.revision);
      retire(lane);
    } catch (error) {
      lane.through ??= through;
      logger.warn({ lane: lane.stream, reason: messageOf(error) }, 'lane progress not appended');
      if (!stopping.signal.aborted) lane.flush = setTimeout(() => track(progress(lane)), 1000);
      if (dead !== undefined) throw error; // a dead letter must be in the log before the lane goes on
    }
  }

  /** Lets go of a lane that has nothing to remember. */
  function retire(lane: Lane): void {
    if (lane.working || lane.through || lane.flush || lane.timer) return;
    lanes.delete(nameOf(lane.stream, lane.destination.name));
  }

  function track(work: Promise<void>): void {
    const settled = work.catch((error) => logger.error({ err: error }, 'a lane stumbled'));
    running.add(settled);
    settled.finally(() => running.delete(settled));
  }

  async function settle(lane: Lane, event: RecordedEvent, dead?: string): Promise<void> {
    lane.attempts = 0;
    lane.failingSince = null;
    lane.doneRevision = event.revision;
    lane.through = { id: event.id, revision: event.revision };
    lane.sinceProgress++;
    if (dead !== undefined || lane.sinceProgress >= PROGRESS_EVERY) await progress(lane, dead);
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
        lane.timer = setTimeout(() => serve(lane), PARKED_LOOK_MS);
        return false;
      case 'retry': {
        lane.attempts++;
        lane.failingSince ??= now();
        if (now() - lane.failingSince > GIVE_UP_AFTER_MS) {
          await giveUp(lane, event, `${outcome.reason} (tried for 24 h)`);
          return true;
        }
        const wait = Math.max(
          backoff(lane.attempts, destination.retry, random),
          outcome.afterMs ?? 0,
        );
        const level = lane.attempts === 1 ? 'warn' : 'debug';
        logger[level]({ ...about(lane, event), reason: outcome.reason, wait }, 'effect failed');
        lane.timer = setTimeout(() => serve(lane), wait);
        return false;
      }
    }
  }

  async function giveUp(lane: Lane, event: RecordedEvent, reason: string): Promise<void> {
    logger.error({ ...about(lane, event), reason }, 'dead letter');
    await lane.destination.gaveUp?.(event, reason);
    await settle(lane, event, reason);
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
    if (!events.some((event) => event.revision === last)) lane.doneRevision = last;
    return true;
  }

  async function work(lane: Lane): Promise<void> {
    const slot = slots.get(lane.destination.name);
    if (!slot) return;
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
      work(lane).finally(() => {
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
    async stop() {
      stopping.abort();
      for (const lane of lanes.values()) clearTimeout(lane.timer);
      await Promise.all(running);
      for (const lane of lanes.values()) await progress(lane).catch(() => undefined);
      for (const lane of lanes.values()) clearTimeout(lane.flush);
    },
    pending: table.pending,
  };

  function pokeWaiting(): void {
    for (const { stream, destination } of table.lanes()) poke(stream, destination);
  }
}
