/**
 * The time in which processes could have run but had no CPU. A bound that is promised for an idle machine is measured
 * without this time, so that the load of the machine does not count. On an idle machine it is a few milliseconds.
 */
import { readFileSync } from 'node:fs';

/** @returns ms since the start of the process, or null if the process has ended or the system has no such counter */
function waitedMs(pid: number): number | null {
  try {
    // The second number of /proc/PID/schedstat: ns that the main thread spent on a run queue. Linux only.
    const [, ns] = readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ');
    return Number(ns) / 1e6;
  } catch {
    return null;
  }
}

/**
 * Counts from now on, for this process and the ones named.
 * @param pids called at each reading, because processes are started and killed meanwhile
 * @returns the longest wait of one process so far, in ms; it never falls. A sum would count a time twice in which two
 *   processes wait
 */
export function cpuWaitMeter(pids: () => readonly (number | undefined)[]): () => number {
  const counted = new Map<number, { readonly from: number; last: number }>();
  const read = (isNew: (waited: number) => number): number => {
    for (const pid of [process.pid, ...pids()]) {
      const waited = pid === undefined ? null : waitedMs(pid);
      if (pid === undefined || waited === null) continue;
      const known = counted.get(pid);
      if (known) known.last = waited;
      else counted.set(pid, { from: isNew(waited), last: waited });
    }
    return Math.max(...counted.values().map(({ from, last }) => last - from));
  };
  read((waited) => waited);
  return () => read(() => 0); // a process that came later has waited since the meter began
}
