/** Measures how long contacts look absent to an operator's client. */
import { cpuWaitMeter } from './cpu-wait.ts';
import type { Operator } from './operator.ts';
import type { Service } from './service.ts';

interface Absence {
  /** The longest one of the contact, in ms. An absence that has not ended counts until now. */
  readonly ms: number;
  /** The same without the time in which this process and the services waited for a CPU. */
  readonly idleMachineMs: number;
}

export interface Absences {
  /** Ends the measurement. @returns the longest absence of each contact that was absent at all */
  end(): ReadonlyMap<string, Absence>;
}

const CHECK_EVERY_MS = 2;

/** Checks every few ms from now on. */
export function watchAbsences(
  operator: Operator,
  jids: readonly string[],
  services: readonly Service[],
): Absences {
  const cpuWait = cpuWaitMeter(() => services.map(({ pid }) => pid));
  const since = new Map<string, { readonly at: number; readonly waited: number }>();
  const longest = new Map<string, Absence>();
  const record = (jid: string): void => {
    const begin = since.get(jid);
    if (!begin) return;
    const ms = performance.now() - begin.at;
    const idleMachineMs = Math.max(0, ms - (cpuWait() - begin.waited));
    const before = longest.get(jid) ?? { ms: 0, idleMachineMs: 0 };
    longest.set(jid, {
      ms: Math.max(before.ms, ms),
      idleMachineMs: Math.max(before.idleMachineMs, idleMachineMs),
    });
  };
  const check = (): void => {
    for (const jid of jids) {
      if (!operator.presences.get(jid)?.available) {
        if (!since.has(jid)) since.set(jid, { at: performance.now(), waited: cpuWait() });
      } else if (since.has(jid)) {
        record(jid);
        since.delete(jid);
      }
    }
  };
  const timer = setInterval(check, CHECK_EVERY_MS);
  return {
    end() {
      clearInterval(timer);
      check();
      for (const jid of since.keys()) record(jid);
      return longest;
    },
  };
}
