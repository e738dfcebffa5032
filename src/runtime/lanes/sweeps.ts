/**
 * Finds lanes with pending effects in the table and lets them run: at the start, when a partition was gained, when a place
 * is back. A few lanes at a time, and the tenants in turn, however many lanes one of them has.
 */
import type { Gate } from './gate.ts';

/** Lanes of one destination that run at the same time because a sweep found them. Lanes with new facts do not count. */
export const SWEPT_LANES_AT_ONCE = 32;
/** Names of lanes read from the table at once. */
export const SWEEP_PAGE_LANES = 100;

export interface SweptLanes {
  /** Streams of this gate's lanes with pending effects, in order. @param after exclusive */
  streams(gate: Gate, after: string, limit: number): readonly string[];
  /** Runs a lane. Resolves when it has nothing to do or has to wait. */
  run(gate: Gate, stream: string): Promise<void>;
}

interface Sweep {
  readonly gate: Gate;
  after: string;
  found: string[];
  /** Lanes were turned away after the sweep had passed them. */
  again: boolean;
}

export interface Sweeps {
  /** Begins a sweep, or has the running one go round once more. */
  begin(gate: Gate): void;
  /** Goes on where there is room. */
  goOn(): void;
  stop(): void;
}

export function createSweeps(lanes: SweptLanes): Sweeps {
  const sweeps = new Map<Gate, Sweep>();
  /** Sweeps with a turn; the others wait for their place. */
  let turns: Sweep[] = [];
  let running = 0;
  let stopped = false;

  /** @returns null when the sweep is over */
  function next(sweep: Sweep): string | null {
    for (;;) {
      const stream = sweep.found.shift();
      if (stream !== undefined) return stream;
      sweep.found = [...lanes.streams(sweep.gate, sweep.after, SWEEP_PAGE_LANES)];
      sweep.after = sweep.found.at(-1) ?? '';
      if (sweep.found.length > 0) continue;
      if (!sweep.again) return null;
      sweep.again = false;
    }
  }

  function run(gate: Gate, stream: string): void {
    running++;
    lanes.run(gate, stream).finally(() => {
      running--;
      goOn();
    });
  }

  function goOn(): void {
    let withoutRoom = 0;
    while (!stopped && running < SWEPT_LANES_AT_ONCE && withoutRoom < turns.length) {
      const sweep = turns.shift();
      if (!sweep) return;
      if (sweep.gate.isShut) continue; // it begins anew when the gate opens
      turns.push(sweep);
      if (!sweep.gate.hasRoom) {
        withoutRoom++;
        continue;
      }
      withoutRoom = 0;
      const stream = next(sweep);
      if (stream !== null) {
        run(sweep.gate, stream);
        continue;
      }
      turns = turns.filter((each) => each !== sweep);
      sweeps.delete(sweep.gate);
    }
  }

  return {
    begin(gate) {
      const known = sweeps.get(gate);
      if (known) known.again = true;
      const sweep = known ?? { gate, after: '', found: [], again: false };
      sweeps.set(gate, sweep);
      if (!turns.includes(sweep)) turns.push(sweep);
      goOn();
    },
    goOn,
    stop() {
      stopped = true;
    },
  };
}
