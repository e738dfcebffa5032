/**
 * Processes with leases on one log, in simulated time. The store answers late, not at all, or with an error although it
 * has written. Processes pause, die and come back. Tables lag behind the log.
 */
import { AppError } from '../../../src/errors.ts';
import {
  type AppendResult,
  type EventStore,
  type NewEvent,
  type Position,
  type RecordedEvent,
  WrongExpectedRevision,
} from '../../../src/eventstore/port.ts';
import { createLeases, type Leases } from '../../../src/runtime/leases/leases.ts';
import { PARTITIONS } from '../../../src/runtime/leases/ownership.ts';
import type { Timers } from '../../../src/runtime/leases/partitions.ts';
import { applyLease, type LeaseState, parseLeaseFact } from '../../../src/runtime/leases/state.ts';
import { silent } from '../../support/rig.ts';

/** An adapter tries for so long. Then the outcome is unknown (src/eventstore/esdb/appends.ts). */
const GIVES_UP_MS = 15_000;

export const STORE_FAULTS = ['slow', 'frozen', 'stuck', 'lost', 'late', 'unknown'] as const;
export type StoreFault = (typeof STORE_FAULTS)[number];

interface Process {
  readonly name: string;
  /** Of the current start; null while the process is dead. */
  leases: Leases | null;
  /** Increases with each start. Pending actions of an earlier life never happen. */
  life: number;
  pausedUntil: number;
  /** How long its monotonic clock stood still. */
  slept: number;
  fault: { readonly kind: StoreFault; readonly until: number } | null;
  /** How far its tables are behind the log. */
  lagMs: number;
  /** How long its running effects take during a hand-over. */
  finishMs: number;
  /** Changes that were announced, in order. */
  changes: { readonly partition: number; readonly owned: boolean }[];
  /** Partitions that it does not own, although no loss was announced. */
  readonly dark: Set<number>;
  folded: number;
}

interface Due {
  readonly at: number;
  readonly n: number;
  readonly process: Process | null;
  readonly life: number;
  readonly action: () => void;
}

export type LeaseWorld = ReturnType<typeof leaseWorld>;

/** @param random in [0, 1), seeded */
export function leaseWorld(random: () => number) {
  let now = 0;
  let count = 0;
  let due: Due[] = [];
  let cutTo = 0;
  const log: { readonly event: RecordedEvent; readonly at: number }[] = [];
  const processes = new Map<string, Process>();
  /** Violations of what the leases promise. */
  const faults: string[] = [];
  const trace: string[] = [];

  function schedule(process: Process | null, ms: number, action: () => void): Due {
    const item = { at: now + ms, n: count++, process, life: process?.life ?? 0, action };
    due.push(item);
    return item;
  }
  const sleep = (process: Process, ms: number): Promise<void> =>
    new Promise((resolve) => schedule(process, ms, resolve));

  const positionOf = (revision: number): Position => String(revision) as Position; // of this store

  function write(events: readonly NewEvent[], expected: unknown): AppendResult {
    const first = log[expected === 'no-stream' ? 0 : Number(expected) + 1];
    const last = log.length - 1;
    if (first?.event.id === events[0]?.id && first) {
      const revision = first.event.revision + events.length - 1;
      return { revision, position: positionOf(revision) }; // a repeat
    }
    if (last !== (expected === 'no-stream' ? -1 : expected)) {
      throw new WrongExpectedRevision('lease-partitions', expected as number, last);
    }
    for (const event of events) {
      const revision = log.length;
      const position = positionOf(revision);
      log.push({ event: { ...event, stream: 'lease-partitions', revision, position }, at: now });
      trace.push(`${now} ${event.type} ${JSON.stringify(event.data)}`);
    }
    return { revision: log.length - 1, position: positionOf(log.length - 1) };
  }

  const away = () => new AppError('unavailable', 'the store is away');
  const faultOf = (process: Process): StoreFault | null =>
    process.fault && now < process.fault.until ? process.fault.kind : null;
  const usual = () => 1 + Math.floor(random() * 30);

  /** Performs a request on the server and brings back its answer, both as the fault allows. */
  async function request<T>(process: Process, action: () => T, writes: boolean): Promise<T> {
    const fault = faultOf(process);
    const { life } = process;
    const begun = now;
    if (fault === 'slow') await sleep(process, 500 + Math.floor(random() * 9_000));
    else await sleep(process, usual());
    if (fault === 'frozen' || (fault === 'stuck' && writes)) {
      // The answer comes when the store goes on, unless the adapter gives up before.
      const wait = Math.max(0, (process.fault?.until ?? now) - now) + usual();
      if (wait > GIVES_UP_MS) {
        await sleep(process, GIVES_UP_MS);
        throw away();
      }
      await sleep(process, wait);
    }
    if (writes && fault === 'late') {
      // The request reaches the server when nobody waits for it any more, even if its process is dead.
      const arrives = Math.floor(random() * 2 * GIVES_UP_MS);
      const { promise, resolve } = Promise.withResolvers<() => T>();
      schedule(null, arrives, () => {
        try {
          const result = action();
          resolve(() => result);
        } catch (error) {
          resolve(() => {
            throw error;
          });
        }
      });
      const answer = await Promise.race([promise, sleep(process, GIVES_UP_MS)]);
      if (process.life !== life) return new Promise(() => {}); // it is dead
      if (!answer) throw away();
      return answer();
    }
    if (fault === 'lost') {
      await sleep(process, GIVES_UP_MS - (now - begun));
      throw away();
    }
    const result = action();
    await sleep(process, usual());
    if (writes && fault === 'unknown') {
      await sleep(process, GIVES_UP_MS);
      throw away();
    }
    return result;
  }

  function storeOf(process: Process): EventStore {
    const unused = () => {
      throw new Error('leases do not use it');
    };
    return {
      id: 'simulated',
      append: (_stream, events, expected) => request(process, () => write(events, expected), true),
      readStream: (_stream, { from, limit = 500, direction } = {}) =>
        request(
          process,
          () => {
            const events = log.map(({ event }) => event).filter((each) => each.revision >= cutTo);
            const first = Math.max(0, (from ?? 0) - cutTo);
            return direction === 'backwards'
              ? events.slice(-limit).toReversed()
              : events.slice(first, first + limit);
          },
          false,
        ),
      truncateBefore: async (_stream, revision) => {
        cutTo = revision;
      },
      readAll: unused,
      subscribe: unused,
      head: unused,
      deleteStream: unused,
      compare: unused,
      parsePosition: unused,
      check: unused,
      close: unused,
    };
  }

  const foldedBy = (process: Process): number => {
    const seen = log.findLastIndex(({ at }) => at + process.lagMs <= now);
    process.folded = Math.max(process.folded, seen);
    return process.folded;
  };

  async function waitFor(process: Process, position: string, deadlineMs: number): Promise<void> {
    const until = now + deadlineMs;
    while (foldedBy(process) < Number(position)) {
      if (now >= until) throw new AppError('timeout', 'the table is not there yet');
      await sleep(process, 100);
    }
  }

  /** The last revision at which the log had a partition in other hands than these. */
  function lastWithOthers(owner: string, partition: number): number {
    let state: LeaseState = new Map();
    let last = -1;
    for (const { event } of log) {
      const fact = parseLeaseFact(event.type, event.data);
      if (fact) state = applyLease(state, fact, 0);
      for (const holder of state.values()) {
        if (holder.owner !== owner && holder.partitions.includes(partition)) last = event.revision;
      }
    }
    return last;
  }

  function start(name: string): void {
    const process = processes.get(name) ?? {
      name,
      leases: null,
      life: 0,
      pausedUntil: 0,
      slept: 0,
      fault: null,
      lagMs: 0,
      finishMs: 0,
      folded: -1,
      changes: [],
      dark: new Set(),
    };
    processes.set(name, process);
    if (process.leases) return;
    process.life++;
    process.changes = [];
    process.dark.clear();
    const { life } = process;
    const lives = () => process.life === life;
    const timers: Timers = {
      delay: (ms) => sleep(process, ms),
      every(ms, action) {
        let goesOn = true;
        const tick = () => {
          if (!goesOn) return;
          action();
          schedule(process, ms, tick);
        };
        schedule(process, ms, tick);
        return () => {
          goesOn = false;
        };
      },
    };
    const leases = createLeases({
      store: storeOf(process),
      owner: name,
      name: `${name}:${life}`,
      logger: silent,
      random,
      timers,
      newId: () => `${name}-${count++}`,
      now: () => now,
      monotonic: () => now - process.slept,
      waitFor: (position, deadlineMs) => waitFor(process, position, deadlineMs),
      follows: () => true,
    });
    leases.onHandOver(() => sleep(process, process.finishMs));
    leases.onChange((partition, owned) => {
      process.changes.push({ partition, owned });
      process.dark.delete(partition);
      if (!owned || !lives()) return;
      const others = lastWithOthers(name, partition);
      if (foldedBy(process) < others) {
        faults.push(`${now}: ${name} acts for ${partition}, and has not seen what others did`);
      }
    });
    process.leases = leases;
    const begin = (): void => {
      if (!lives()) return;
      // A process whose start fails ends, and a supervisor starts it again.
      leases.start().catch(() => {
        if (!lives()) return;
        process.leases = null;
        process.life++;
        schedule(null, 1_000, () => start(name));
      });
    };
    begin();
  }

  function owners(): string[][] {
    return Array.from({ length: PARTITIONS }, (_, partition) =>
      [...processes.values()].flatMap(({ name, leases }) =>
        leases?.owns(partition) ? [name] : [],
      ),
    );
  }

  function check(): void {
    for (const [partition, of] of owners().entries()) {
      if (of.length > 1) faults.push(`${now}: ${of.join(' and ')} act for ${partition}`);
      for (const { name, changes, dark } of processes.values()) {
        if (!of.includes(name)) {
          if (changes.findLast((each) => each.partition === partition)?.owned) dark.add(partition);
        } else if (dark.has(partition)) {
          faults.push(`${now}: ${name} owns ${partition} again, and no change was announced`);
        }
      }
    }
  }

  async function passes(ms: number): Promise<void> {
    const until = now + ms;
    while (faults.length === 0) {
      let next: Due | undefined;
      for (const each of due) {
        if (!next || each.at < next.at || (each.at === next.at && each.n < next.n)) next = each;
      }
      if (!next || next.at > until) break;
      const item = next;
      due = due.filter((each) => each !== item);
      now = Math.max(now, item.at);
      const { process } = item;
      if (process && process.life !== item.life) continue;
      if (process && now < process.pausedUntil) {
        due.push({ ...item, at: process.pausedUntil });
        continue;
      }
      item.action();
      await new Promise(setImmediate);
      check();
    }
    now = until;
    check();
  }

  const each = (name: string): Process | undefined => processes.get(name);
  return {
    faults,
    trace,
    start,
    passes,
    owners,
    kill(name: string) {
      const process = each(name);
      if (!process) return;
      process.life++;
      process.leases = null;
      process.pausedUntil = 0;
      process.slept = 0;
    },
    /** Resolves when the process has ended. @returns how long that took, in ms */
    async stop(name: string): Promise<number> {
      const begun = now;
      const process = each(name);
      const leases = process?.leases;
      if (!process || !leases) return 0;
      const { life } = process;
      const over = () => {
        if (process.life !== life) return;
        process.life++;
        process.leases = null;
      };
      schedule(process, 9_500, over); // the service ends then in any case
      await leases.stop(1_500);
      over();
      return now - begun;
    },
    /** @param sleeps its monotonic clock stands still during the pause */
    pause(name: string, ms: number, sleeps: boolean) {
      const process = each(name);
      if (!process) return;
      process.pausedUntil = now + ms;
      if (sleeps) process.slept += ms;
    },
    disturb(name: string, kind: StoreFault, ms: number) {
      const process = each(name);
      if (process) process.fault = { kind, until: now + ms };
    },
    disturbAll(kind: StoreFault, ms: number) {
      for (const process of processes.values()) process.fault = { kind, until: now + ms };
    },
    lag(name: string, lagMs: number, finishMs: number) {
      const process = each(name);
      if (process) Object.assign(process, { lagMs, finishMs });
    },
    heal() {
      for (const process of processes.values()) {
        Object.assign(process, { fault: null, lagMs: 0, finishMs: 0 });
        process.pausedUntil = Math.min(process.pausedUntil, now);
      }
    },
    running: () => [...processes.values()].flatMap(({ name, leases }) => (leases ? name : [])),
    types: () => log.map(({ event }) => event.type),
  };
}
