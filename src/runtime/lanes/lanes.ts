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
import type { TenantId } from '../../actors/ids.ts';
import type { EventStore, RecordedEvent } from '../../eventstore/port.ts';
import { createLineBudget } from '../../kit/line-budget.ts';
import { prepareLazily } from '../../sqlite/statements.ts';
import { keyOfStream, type Ownership, ownsStream, partitionOf } from '../leases/ownership.ts';
import type { CommitListener } from '../pending-work.ts';
import { removedTenant } from '../removed-tenant.ts';
import { type AwayPlaces, createAwayPlaces, EXPIRY_LOOK_MS } from './away-places.ts';
import type { Destination } from './destination.ts';
import { Gate, type GateListener } from './gate.ts';
import { Lane, type LaneEnvironment } from './lane.ts';
import { createLaneLog } from './log.ts';
import { type LaneTable, openLaneTable, tenantOfStream } from './pending-effects.ts';
import { createSweeps, type Sweeps } from './sweeps.ts';

/** How long a stop waits for effects that are running, by default. */
export const LANES_STOP_MS = 1_500;

/** A tenant's place that does not take what it should. */
export interface LaneFailure {
  readonly reason: string;
  /** ms since 1970 */
  readonly since: number;
  /** The place is away as a whole: one lane probes it, all others wait. */
  readonly away: boolean;
}

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
  /** Tenants with a lane to this destination that fails now, or whose place is away. */
  failures(destination: string): ReadonlyMap<string, LaneFailure>;
}

interface LanesOptions {
  readonly db: DatabaseSync;
  readonly store: EventStore;
  readonly destinations: readonly Destination[];
  readonly ownership: Ownership;
  /** ms since 1970 */
  readonly now: () => number;
  /** ms, never backwards */
  readonly monotonic: () => number;
  /** How old a time is, in ms, whatever the clock was set to since. */
  readonly age: (at: number) => number;
  readonly newId: () => string;
  readonly random: () => number;
  readonly logger: Logger;
  /** Default {@link EXPIRY_LOOK_MS}. */
  readonly expiryLookMs?: number;
}

interface State extends LanesOptions {
  /** Lanes that run, wait for a timer or have progress to write. */
  readonly lanes: Map<string, Lane>;
  /** One for each destination and tenant: an LHC that hangs holds up no other tenant. */
  readonly gates: Map<string, Gate>;
  /** By destination. */
  readonly sweeps: ReadonlyMap<string, Sweeps>;
  readonly table: LaneTable;
  readonly stopping: AbortController;
  /** Work that nobody awaits. */
  readonly running: Set<Promise<void>>;
  readonly env: LaneEnvironment;
  readonly away: AwayPlaces;
  started: boolean;
}

export function createLanes(options: LanesOptions): Lanes {
  const { ownership } = options;
  const state = stateOf(options);
  const { table } = state;
  return {
    onCommit: (events) => notify(state, events),
    start() {
      state.started = true;
      ownership.onHandOver(async (partitions) => {
        await Promise.all(lanesIn(state, partitions).map((lane) => lane.handOver()));
      });
      ownership.onChange((partition, owned) => {
        if (owned) sweepAll(state);
        else for (const lane of lanesIn(state, new Set([partition]))) void lane.handOver();
      });
      sweepAll(state);
      state.away.start();
    },
    poke: (stream, destination) => poke(state, stream, destination),
    stop: (withinMs = LANES_STOP_MS) => stop(state, withinMs),
    pending: table.pending,
    failures: (name) => failures(state, name),
  };
}

/** Whether a lane has a dead letter, as far as the table has come. */
function letterOf(db: DatabaseSync): (stream: string, destination: string) => boolean {
  const query = prepareLazily(db, {
    letter: 'SELECT 1 FROM dead_letters WHERE stream = ? AND destination = ? LIMIT 1',
  });
  return (stream, destination) => query('letter').get(stream, destination) !== undefined;
}

function stateOf(options: LanesOptions): State {
  const { db, store, ownership, now, monotonic, age, random, logger, destinations } = options;
  const lanes = new Map<string, Lane>();
  const gates = new Map<string, Gate>();
  const running = new Set<Promise<void>>();
  const stopping = new AbortController();
  const table = openLaneTable(db);
  const env: LaneEnvironment = {
    store,
    table,
    now,
    monotonic,
    age,
    random,
    logger,
    lines: createLineBudget(monotonic),
    log: createLaneLog({ ...options, hasLetter: letterOf(db) }),
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
  const state: State = {
    ...options,
    lanes,
    gates,
    sweeps: new Map(destinations.map(({ name }) => [name, sweepsOf(() => state)])),
    table,
    stopping,
    running,
    env,
    away: createAwayPlaces({
      table,
      env,
      gates,
      lookMs: options.expiryLookMs ?? EXPIRY_LOOK_MS,
      laneOf: (stream, gate) => laneOf(state, stream, gate),
    }),
    started: false,
  };
  return state;
}

const nameOf = (streamOrTenant: string, destination: string): string =>
  `${streamOrTenant}|${destination}`;

/** @param state made after the sweeps */
const sweepsOf = (state: () => State): Sweeps =>
  createSweeps({
    streams: ({ tenant, destination }, after, limit) =>
      state().table.streams(tenant, destination.name, after, limit),
    run: async (gate, stream) => {
      if (state().env.owns(stream)) await laneOf(state(), stream, gate).resume();
    },
  });

function laneOf(state: State, stream: string, gate: Gate): Lane {
  const name = nameOf(stream, gate.destination.name);
  const known = state.lanes.get(name);
  if (known) return known;
  const lane = new Lane(stream, gate, state.env);
  state.lanes.set(name, lane);
  return lane;
}

function gateOf(state: State, tenant: string, destination: Destination): Gate {
  const name = nameOf(tenant, destination.name);
  const known = state.gates.get(name);
  if (known) return known;
  const sweeps = state.sweeps.get(destination.name);
  const { logger, monotonic } = state;
  const about = { tenant, destination: destination.name };
  /** When the outage began, on the monotonic clock; null if the place only asked not to be called. */
  let awaySince: number | null = null;
  const listener: GateListener = {
    onRoom: () => sweeps?.goOn(),
    onMissed: (missed) => sweeps?.begin(missed),
    onProbe: (due) => state.env.track(state.away.probe(due)),
    onShut: ({ outage }) => {
      awaySince = outage && monotonic() - outage.forMs;
      if (outage) logger.warn({ ...about, reason: outage.reason }, 'away; its effects wait');
    },
    onOpen() {
      const away = awaySince !== null && {
        forSeconds: Math.round((monotonic() - awaySince) / 1_000),
      };
      logger.info({ ...about, ...away }, 'its effects go on');
    },
  };
  const gate = new Gate(tenant, destination, listener, state.monotonic);
  state.gates.set(name, gate);
  return gate;
}

const lanesIn = ({ lanes }: State, partitions: ReadonlySet<number>): Lane[] =>
  [...lanes.values()].filter(({ stream }) => partitions.has(partitionOf(keyOfStream(stream))));

function notify(state: State, events: readonly RecordedEvent[]): void {
  if (!state.started) return;
  for (const event of events) {
    const removed = removedTenant(event);
    if (removed !== null) forget(state, removed);
    for (const destination of state.destinations) {
      if (!destination.concerns(event) || !state.env.owns(event.stream)) continue;
      const gate = gateOf(state, tenantOfStream(event.stream), destination);
      // While the place is away the table alone remembers the fact.
      if (!gate.isShut) laneOf(state, event.stream, gate).notify(event);
    }
  }
}

/** The table has nothing of a tenant that was removed. So nothing waits for it, and no place of it is away. */
function forget({ lanes, gates, destinations }: State, tenant: TenantId): void {
  for (const [name, lane] of lanes) {
    if (tenantOfStream(lane.stream) !== tenant) continue;
    lane.cancelTimer();
    lanes.delete(name);
  }
  for (const destination of destinations) {
    const name = nameOf(tenant, destination.name);
    gates.get(name)?.stop();
    gates.delete(name);
    destination.breakers?.forget(tenant);
  }
}

function poke(state: State, stream: string, name: string): void {
  const destination = state.destinations.find((candidate) => candidate.name === name);
  if (!destination || !state.started || !state.env.owns(stream)) return;
  const gate = gateOf(state, tenantOfStream(stream), destination);
  if (!gate.isShut) laneOf(state, stream, gate).run();
}

/** Runs what the table has, in bounded portions. */
function sweepAll(state: State): void {
  for (const tenant of state.table.tenants()) {
    for (const destination of state.destinations) {
      const gate = gateOf(state, tenant, destination);
      state.sweeps.get(destination.name)?.begin(gate);
    }
  }
}

function failures({ lanes, gates }: State, name: string): ReadonlyMap<string, LaneFailure> {
  const all = new Map<string, LaneFailure>();
  for (const { destination, stream, failure } of lanes.values()) {
    if (destination.name !== name || failure === null) continue;
    const tenant = tenantOfStream(stream);
    const since = Math.min(failure.since, all.get(tenant)?.since ?? failure.since);
    all.set(tenant, { reason: failure.reason, since, away: false });
  }
  for (const { tenant, destination, outage } of gates.values()) {
    if (destination.name !== name || !outage) continue;
    all.set(tenant, { reason: outage.reason, since: outage.since, away: true });
  }
  return all;
}

async function stop(state: State, withinMs: number): Promise<void> {
  const { lanes, gates, sweeps, running, stopping, away } = state;
  stopping.abort();
  away.stop();
  for (const each of sweeps.values()) each.stop();
  for (const gate of gates.values()) gate.stop();
  for (const lane of lanes.values()) lane.cancelTimer();
  const late = new AbortController();
  const tooLate = delay(withinMs, false, { signal: late.signal }).catch(() => false);
  const ended = () => Promise.all(running).then(() => true);
  while (running.size > 0 && (await Promise.race([ended(), tooLate]))); // an append of progress may join them
  late.abort();
  await Promise.all([...lanes.values()].map((lane) => lane.flush()));
}
