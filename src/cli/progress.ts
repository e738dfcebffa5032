/** Progress of a long command: a line when a phase begins, then one every few seconds. */
export const PROGRESS_INTERVAL_MS = 3_000;

/**
 * @param write one line, for standard error
 * @param now in ms
 * @returns called as often as you like with the phase and how far it is
 */
export function createProgressLog(
  write: (line: string) => void,
  now: () => number = performance.now.bind(performance),
): (phase: string, state: string) => void {
  let lastPhase: string | undefined;
  let lastAt = 0;
  return (phase, state) => {
    const at = now();
    if (phase === lastPhase && at - lastAt < PROGRESS_INTERVAL_MS) return;
    lastPhase = phase;
    lastAt = at;
    write(`${phase}: ${state}`);
  };
}
