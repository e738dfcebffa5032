/**
 * Ordered effects. A lane is one stream and one destination: what the stream's facts call for there is done strictly
 * in order, and how far it came is a fact (`LaneAdvanced` in `lane-{stream}.{destination}`). So any process works out
 * what is pending from the log alone, and a dead destination holds up nothing but its own lanes.
 */
import type { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { EventStore } from '../../eventstore/port.ts';
import { createLimiter, type Limiter } from '../../kit/limiter.ts';
import { keyOfStream, type Ownership, ownsStream, partitionOf } from '../leases/ownership.ts';
import type { CommitListener } from '../pending-work.ts';
import type { Destination } from './destination.ts';
import { Lane, type LaneEnvironment } from './lane.ts';
import { createLaneLog } from './log.ts';
import { openLaneTable } from './table.ts';

const STOP_WITHIN_MS = 1500;

export interface Lanes extends CommitListener {
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
  const limiters = new Map<string, Limiter>();
  const stopping = new AbortController();
  const running = new Set<Promise<void>>();
  let started = false;

  const owns = (stream: string): boolean => ownsStream(ownership, stream);
  const lanesOf = (lost: ReadonlySet<number>): Lane[] =>
    [...lanes.values()].filter(({ stream }) => lost.has(partitionOf(keyOfStream(stream))));

  const table = openLaneTable(db);
  const env: LaneEnvironment = {
    store,
    table,
    now,
    random,
    logger,
    log: createLaneLog(options),
    stopping: stopping.signal,
    owns,
    track(work) {
      const settled = work.catch((error) => logger.error({ err: error }, 'a lane failed'));
      running.add(settled);
      settled.finally(() => running.delete(settled));
    },
    idle(lane) {
      const name = nameOf(lane.stream, lane.destination.name);
      if (lanes.get(name) === lane) lanes.delete(name);
    },
  };

  function limiterOf(stream: string, destination: Destination): Limiter {
    const name = nameOf(tenantOf(stream), destination.name);
    const known = limiters.get(name);
    if (known) return known;
    const made = createLimiter(destination.concurrency);
    limiters.set(name, made);
    return made;
  }

  function laneOf(stream: string, destination: Destination): Lane {
    const name = nameOf(stream, destination.name);
    const known = lanes.get(name);
    if (known) return known;
    const made = new Lane(stream, destination, limiterOf(stream, destination), env);
    lanes.set(name, made);
    return made;
  }

  function poke(stream: string, name: string): void {
    const destination = destinations.find((candidate) => candidate.name === name);
    if (destination && started && owns(stream)) laneOf(stream, destination).serve();
  }

  function pokeWaiting(partition?: number): void {
    for (const { stream, destination } of table.lanes()) {
      if (partition === undefined || partitionOf(keyOfStream(stream)) === partition) {
        poke(stream, destination);
      }
    }
  }

  return {
    onCommit(events) {
      if (!started) return;
      for (const event of events) {
        for (const destination of destinations) {
          if (!destination.concerns(event) || !owns(event.stream)) continue;
          laneOf(event.stream, destination).called();
        }
      }
    },
    start() {
      started = true;
      ownership.onHandOver(async (partitions) => {
        await Promise.all(lanesOf(partitions).map((lane) => lane.handOver()));
      });
      ownership.onChange((partition, owned) => {
        if (owned) pokeWaiting(partition);
        else for (const lane of lanesOf(new Set([partition]))) void lane.handOver();
      });
      pokeWaiting();
    },
    poke,
    async stop(withinMs = STOP_WITHIN_MS) {
      stopping.abort();
      for (const lane of lanes.values()) lane.rest();
      const late = new AbortController();
      const tooLate = delay(withinMs, false, { signal: late.signal }).catch(() => false);
      const ended = () => Promise.all(running).then(() => true);
      while (running.size > 0 && (await Promise.race([ended(), tooLate]))); // a flush may join them
      late.abort();
      await Promise.all([...lanes.values()].map((lane) => lane.writeDown()));
    },
    pending: table.pending,
    failing: (name) => {
      const failing = [...lanes.values()].flatMap(({ destination, stream, failing: reason }) =>
        destination.name === name && reason !== null ? [[tenantOf(stream), reason] as const] : [],
      );
      return new Map(failing);
    },
  };
}

const nameOf = (of: string, destination: string): string => `${of}|${destination}`;

const tenantOf = (stream: string): string => keyOfStream(stream).split('.', 1)[0] ?? '';
