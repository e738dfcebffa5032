/**
 * Ordered effects (docs/adr/0003). A lane is one stream and one destination. It performs what the stream's facts call for
 * there, strictly in order, and its progress is a fact (`LaneAdvanced` in `lane-{stream}.{destination}`). So any process
 * works out from the log alone what is pending, and a dead destination holds up only its own lanes.
 *
 * {@link createLanes} is the entry point. Reactors implement a {@link Destination} each; src/service makes the lanes.
 */
import type { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { EventStore, RecordedEvent } from '../../eventstore/port.ts';
import { createLimiter, type Limiter } from '../../kit/limiter.ts';
import { keyOfStream, type Ownership, ownsStream, partitionOf } from '../leases/ownership.ts';
import type { CommitListener } from '../pending-work.ts';
import type { Destination } from './destination.ts';
import { Lane, type LaneEnvironment } from './lane.ts';
import { createLaneLog } from './log.ts';
import { type LaneTable, openLaneTable } from './pending-effects.ts';

/** How long a stop waits for effects that are running, by default. */
export const LANES_STOP_MS = 1_500;

export interface Lanes extends CommitListener {
  start(): void;
  /** Runs a lane now: what it waits for may have come. */
  poke(stream: string, destination: string): void;
  /**
   * Stops after the effects that are running, and appends the progress.
   * @param withinMs an effect that takes longer, at an LHC that hangs, is repeated later with the same id
   */
  stop(withinMs?: number): Promise<void>;
  pending(): { destination: string; effects: number }[];
  /** Tenants with a lane to this destination that fails now, with the reason of one such lane. */
  failures(destination: string): ReadonlyMap<string, string>;
}

interface LanesOptions {
  readonly db: DatabaseSync;
  readonly store: EventStore;
  readonly destinations: readonly Destination[];
  readonly ownership: Ownership;
  readonly now: () => number;
  readonly newId: () => string;
  readonly random: () => number;
  readonly logger: Logger;
}

interface State extends LanesOptions {
  /** Lanes that run, wait for a timer or have progress to write. */
  readonly lanes: Map<string, Lane>;
  /** One for each destination and tenant: an LHC that hangs holds up no other tenant. */
  readonly limiters: Map<string, Limiter>;
  readonly table: LaneTable;
  readonly stopping: AbortController;
  /** Work that nobody awaits. */
  readonly running: Set<Promise<void>>;
  readonly env: LaneEnvironment;
  started: boolean;
}

export function createLanes(options: LanesOptions): Lanes {
  const { ownership } = options;
  const state = stateOf(options);
  const { lanes, table } = state;
  return {
    onCommit: (events) => notify(state, events),
    start() {
      state.started = true;
      ownership.onHandOver(async (partitions) => {
        await Promise.all(lanesIn(state, partitions).map((lane) => lane.handOver()));
      });
      ownership.onChange((partition, owned) => {
        if (owned) pokePending(state, partition);
        else for (const lane of lanesIn(state, new Set([partition]))) void lane.handOver();
      });
      pokePending(state);
    },
    poke: (stream, destination) => poke(state, stream, destination),
    stop: (withinMs = LANES_STOP_MS) => stop(state, withinMs),
    pending: table.pending,
    failures: (name) =>
      new Map(
        [...lanes.values()].flatMap(({ destination, stream, failure }) =>
          destination.name === name && failure !== null ? [[tenantOf(stream), failure]] : [],
        ),
      ),
  };
}

function stateOf(options: LanesOptions): State {
  const { db, store, ownership, now, random, logger } = options;
  const lanes = new Map<string, Lane>();
  const running = new Set<Promise<void>>();
  const stopping = new AbortController();
  const table = openLaneTable(db);
  const env: LaneEnvironment = {
    store,
    table,
    now,
    random,
    logger,
    log: createLaneLog(options),
    stopping: stopping.signal,
    owns: (stream) => ownsStream(ownership, stream),
    track(work) {
      const settled = work.catch((error) => logger.error({ err: error }, 'lane failed'));
      running.add(settled);
      settled.finally(() => running.delete(settled));
    },
    idle(lane) {
      const name = nameOf(lane.stream, lane.destination.name);
      if (lanes.get(name) === lane) lanes.delete(name);
    },
  };
  return {
    ...options,
    lanes,
    limiters: new Map(),
    table,
    stopping,
    running,
    env,
    started: false,
  };
}

const nameOf = (streamOrTenant: string, destination: string): string =>
  `${streamOrTenant}|${destination}`;

const tenantOf = (stream: string): string => keyOfStream(stream).split('.', 1)[0] ?? '';

function laneOf(state: State, stream: string, destination: Destination): Lane {
  const name = nameOf(stream, destination.name);
  const known = state.lanes.get(name);
  if (known) return known;
  const lane = new Lane(stream, destination, limiterOf(state, stream, destination), state.env);
  state.lanes.set(name, lane);
  return lane;
}

function limiterOf({ limiters }: State, stream: string, destination: Destination): Limiter {
  const name = nameOf(tenantOf(stream), destination.name);
  const known = limiters.get(name);
  if (known) return known;
  const limiter = createLimiter(destination.concurrency);
  limiters.set(name, limiter);
  return limiter;
}

const lanesIn = ({ lanes }: State, partitions: ReadonlySet<number>): Lane[] =>
  [...lanes.values()].filter(({ stream }) => partitions.has(partitionOf(keyOfStream(stream))));

function notify(state: State, events: readonly RecordedEvent[]): void {
  if (!state.started) return;
  for (const event of events) {
    for (const destination of state.destinations) {
      if (!destination.concerns(event) || !state.env.owns(event.stream)) continue;
      laneOf(state, event.stream, destination).notify();
    }
  }
}

function poke(state: State, stream: string, name: string): void {
  const destination = state.destinations.find((candidate) => candidate.name === name);
  if (!destination || !state.started || !state.env.owns(stream)) return;
  laneOf(state, stream, destination).run();
}

/** @param partition default all partitions */
function pokePending(state: State, partition?: number): void {
  for (const { stream, destination } of state.table.lanes()) {
    if (partition !== undefined && partitionOf(keyOfStream(stream)) !== partition) continue;
    poke(state, stream, destination);
  }
}

async function stop({ lanes, running, stopping }: State, withinMs: number): Promise<void> {
  stopping.abort();
  for (const lane of lanes.values()) lane.cancelTimer();
  const late = new AbortController();
  const tooLate = delay(withinMs, false, { signal: late.signal }).catch(() => false);
  const ended = () => Promise.all(running).then(() => true);
  while (running.size > 0 && (await Promise.race([ended(), tooLate]))); // an append of progress may join them
  late.abort();
  await Promise.all([...lanes.values()].map((lane) => lane.flush()));
}
