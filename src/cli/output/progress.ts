/** A line at the bottom of a terminal that says how far a long command is. Nothing of it is written to a file or a pipe. */
import type { Screen } from './screen.ts';

/** Often enough for people. */
const EVERY_MS = 100;
const BAR_CELLS = 24;

export interface Progress {
  /** @param done so far. @param share of the whole, from 0 to 1, if it is known */
  tick(done: number, share?: number): void;
  done(): void;
}

const bar = (share: number): string => {
  const full = Math.round(Math.min(1, share) * BAR_CELLS);
  return `[${'#'.repeat(full)}${'-'.repeat(BAR_CELLS - full)}] ${Math.floor(Math.min(1, share) * 100)} %`;
};

/** @param what is counted, such as `events` */
export function createProgress(screen: Screen, what: string): Progress {
  let at = Number.NEGATIVE_INFINITY;
  const began = screen.now();
  return {
    tick(done, share) {
      if (!screen.isWatched) return;
      const now = screen.now();
      if (now - at < EVERY_MS) return;
      at = now;
      const seconds = Math.max(0.001, (now - began) / 1_000);
      const rate = `${done} ${what}, ${Math.round(done / seconds)}/s`;
      screen.status(share === undefined ? rate : `${bar(share)}  ${rate}`);
    },
    done: () => screen.status(''),
  };
}
