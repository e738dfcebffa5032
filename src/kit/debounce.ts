export interface Debounced {
  /** Asks for the action soon. Many calls within the quiet time lead to one action. */
  trigger(): void;
  /** Cancels an action that waits. */
  stop(): void;
}

/**
 * Runs an action once after a burst of triggers.
 * @param quietMs the action runs when there was no trigger for so long
 * @param mostMs the action runs at the latest so long after the first trigger of a burst
 */
export function debounce(action: () => void, quietMs: number, mostMs = quietMs): Debounced {
  let timer: NodeJS.Timeout | undefined;
  let latest = 0;
  return {
    trigger() {
      const now = performance.now();
      if (timer === undefined) latest = now + mostMs;
      clearTimeout(timer);
      timer = setTimeout(
        () => {
          timer = undefined;
          action();
        },
        Math.max(0, Math.min(quietMs, latest - now)),
      ).unref();
    },
    stop: () => clearTimeout(timer),
  };
}
