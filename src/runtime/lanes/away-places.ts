/**
 * Places that are away: one lane probes each of them now and then, and effects that are too old are given up without a
 * try.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Gate } from './gate.ts';
import { GIVE_UP_AFTER_MS, GIVE_UP_LEAST_MS, type Lane, type LaneEnvironment } from './lane.ts';
import type { LaneTable } from './pending-effects.ts';
import { SWEEP_PAGE_LANES } from './sweeps.ts';

/** How often effects that are too old are looked for, at places that are away. */
export const EXPIRY_LOOK_MS = 60_000;
/** Lanes that give up effects before the next pause. */
export const EXPIRY_LANES = 32;
/** The pause, so that 50,000 dead letters of one tenant cost others nothing that they notice. */
export const EXPIRY_PAUSE_MS = 1_000;

export interface AwayPlaces {
  /** Begins to look for effects that are too old. */
  start(): void;
  /** One lane tries whether the place is back. */
  probe(gate: Gate): Promise<void>;
  stop(): void;
}

interface AwayOptions {
  readonly table: LaneTable;
  readonly env: LaneEnvironment;
  readonly gates: ReadonlyMap<string, Gate>;
  readonly laneOf: (stream: string, gate: Gate) => Lane;
  /** As {@link EXPIRY_LOOK_MS}. */
  readonly lookMs: number;
}

export function createAwayPlaces(options: AwayOptions): AwayPlaces {
  const { env, laneOf, lookMs } = options;
  /** By gate: the stream that was probed last, so that the lanes take turns. A callback that LHC refuses shuts out no other. */
  const probed = new Map<Gate, string>();
  let timer: NodeJS.Timeout | undefined;

  function lookLater(): void {
    timer = setTimeout(() => {
      const looking = expireAll(options).finally(() => {
        if (!env.stopping.aborted) lookLater();
      });
      env.track(looking);
    }, lookMs).unref();
  }

  return {
    start: lookLater,
    async probe(gate) {
      const { breaker } = gate;
      if (!breaker || env.stopping.aborted) return;
      const stream = streamToProbe(options, gate, probed.get(gate) ?? '');
      if (stream === null) return breaker.rest(); // nothing waits for it here
      if (!breaker.probe()) return;
      probed.set(gate, stream);
      await laneOf(stream, gate).probe();
      breaker.probeAgain(); // unless the lane has learnt something
    },
    stop: () => clearTimeout(timer),
  };
}

/** @param last the stream that was probed last, '' for none. @returns null if nothing is pending here */
function streamToProbe({ table, env }: AwayOptions, gate: Gate, last: string): string | null {
  const { tenant, destination } = gate;
  for (const from of last === '' ? [''] : [last, '']) {
    for (let after = from; ; ) {
      const found = table.streams(tenant, destination.name, after, SWEEP_PAGE_LANES);
      const own = found.find(env.owns);
      if (own !== undefined) return own;
      const end = found.at(-1);
      if (end === undefined) break;
      after = end;
    }
  }
  return null;
}

/**
 * Gives up what is too old. A lane may keep what only looks too old because the clock was set, so each lane is looked at
 * once before any is looked at again.
 */
async function expireAll({ table, env, gates, laneOf }: AwayOptions): Promise<void> {
  const { stopping, now, owns } = env;
  let lanes = 0;
  for (const gate of gates.values()) {
    if ((gate.outage?.forMs ?? 0) < GIVE_UP_LEAST_MS) continue;
    const { tenant, destination } = gate;
    for (let after = ''; gate.isShut && !stopping.aborted; ) {
      const before = now() - GIVE_UP_AFTER_MS;
      const streams = table.overdue(tenant, destination.name, { before, after }, EXPIRY_LANES);
      for (const stream of streams.filter(owns)) {
        if (stopping.aborted) return;
        await laneOf(stream, gate).expire();
        lanes++;
        if (lanes % EXPIRY_LANES > 0) continue;
        await delay(EXPIRY_PAUSE_MS, undefined, { signal: stopping, ref: false }).catch(() => null);
      }
      const last = streams.at(-1);
      if (last === undefined) break;
      after = last;
    }
  }
}
