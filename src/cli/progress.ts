/** How far a migration is: a bar on a terminal, a line every few seconds elsewhere. */
import type { Phase, Progress } from '../eventstore/migration/migrate.ts';
import type { Position } from '../eventstore/port.ts';

export interface ProgressDisplay {
  update(progress: Progress): void;
  /** Ends the line. */
  done(): void;
}

export interface ProgressOptions {
  readonly out: Pick<NodeJS.WriteStream, 'write' | 'isTTY'>;
  /** In ms. */
  readonly now: () => number;
}

const WIDTH = 30;
const EVERY_MS = { terminal: 100, file: 3_000 };
/** Before that a rate would be a guess. */
const SOON_MS = 500;
const NAMES: Record<Phase, string> = {
  checking: 'checking what is there',
  copying: 'copying',
  verifying: 'verifying',
};

export const createProgressDisplay = ({ out, now }: ProgressOptions): ProgressDisplay => {
  const every = out.isTTY ? EVERY_MS.terminal : EVERY_MS.file;
  let phase: Phase | undefined;
  let begun = 0;
  let shown = 0;
  let open = false;

  const done = (): void => {
    if (open) out.write('\n');
    open = false;
  };
  return {
    update: (progress) => {
      const at = now();
      if (progress.phase !== phase) {
        done();
        phase = progress.phase;
        begun = at;
        shown = at - every;
      }
      if (at - shown < every) return;
      shown = at;
      const line = `${NAMES[phase]} ${describe(progress, at - begun)}`;
      out.write(out.isTTY ? `\r\x1b[K${line}` : `${line}\n`);
      open = out.isTTY;
    },
    done,
  };
};

const describe = ({ events, from, at, end }: Progress, ms: number): string => {
  if (ms < SOON_MS) return '…';
  const rate = Math.round((events * 1000) / ms);
  const done = `${events} events, ${rate}/s`;
  const share = shareOf(from, at, end);
  if (share === null || share <= 0) return done;
  const filled = Math.round(share * WIDTH);
  const bar = `[${'#'.repeat(filled)}${'.'.repeat(WIDTH - filled)}]`;
  const total = Math.round(events / share);
  const left = clock((ms / share) * (1 - share));
  return `${bar} ${Math.floor(share * 100)} % of some ${total}, ${done}, ${left} left`;
};

/**
 * An estimate for the display alone: positions are opaque, but those of both stores end in a number that grows with
 * the log. null where one does not.
 */
const shareOf = (from: Position | undefined, at: Position, end: Position): number | null => {
  const number = (position: Position): number => Number(/(\d+)\D*$/.exec(position)?.[1]);
  const start = from === undefined ? 0 : number(from);
  const share = (number(at) - start) / (number(end) - start);
  return Number.isFinite(share) ? Math.min(share, 1) : null;
};

const clock = (ms: number): string => {
  const seconds = Math.ceil(ms / 1000);
  const rest = String(seconds % 60).padStart(2, '0');
  return `${Math.floor(seconds / 60)}:${rest}`;
};
