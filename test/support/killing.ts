import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { waitFor } from './wait.ts';

export interface Child {
  readonly process: ChildProcess;
  /** What it has written to its standard output, line by line; grows. */
  readonly lines: readonly string[];
  /** Resolves when it has written so many lines; rejects when it ended before. */
  until(lines: number): Promise<void>;
  /** kill -9; resolves when it is gone. */
  kill(): Promise<void>;
  /** Resolves when it is gone; rejects when it ended with an error of its own. */
  ended(): Promise<void>;
}

/** Runs a TypeScript file in a Node process of its own, to be killed. */
export const startChild = (file: URL, args: readonly string[]): Child => {
  const child = spawn(process.execPath, [file.pathname, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  let partial = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (data: string) => {
    const [first = '', ...more] = data.split('\n');
    partial += first;
    for (const next of more) {
      lines.push(partial);
      partial = next;
    }
  });
  child.stderr.on('data', (data) => {
    errors += String(data);
  });
  const closed = once(child, 'close');
  return {
    process: child,
    lines,
    until: async (n) => {
      await waitFor(() => lines.length >= n || child.exitCode !== null, {
        every: 1,
        deadlineMs: 10_000,
      });
      if (lines.length < n) throw new Error(`the child ended with ${child.exitCode}: ${errors}`);
    },
    kill: async () => {
      child.kill('SIGKILL');
      await closed;
    },
    ended: async () => {
      await closed;
      if (child.signalCode !== 'SIGKILL' && child.exitCode !== 0) {
        throw new Error(`the child ended with ${child.exitCode}: ${errors}`);
      }
    },
  };
};

/** Numbers that look random and are the same for the same seed (mulberry32): from 0 to below 1. */
export const seeded = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
};
