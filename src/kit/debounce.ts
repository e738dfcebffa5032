/** What is asked for many times in a moment is done once. */
export interface Debounced {
  ask(): void;
  /** Nothing that was asked for is done any more. */
  stop(): void;
}

/** Does it when nobody has asked for `quietMs`, and at most `mostMs` after the first who did. */
export function debounce(deed: () => void, quietMs: number, mostMs = quietMs): Debounced {
  let timer: NodeJS.Timeout | undefined;
  let latest = 0;
  return {
    ask() {
      const now = performance.now();
      if (timer === undefined) latest = now + mostMs;
      clearTimeout(timer);
      timer = setTimeout(
        () => {
          timer = undefined;
          deed();
        },
        Math.max(0, Math.min(quietMs, latest - now)),
      ).unref();
    },
    stop: () => clearTimeout(timer),
  };
}
