import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { waitFor } from './wait.ts';

export interface Child {
  readonly process: ChildProcess;
  /** The lines of its standard output so far. The list grows. */
  readonly lines: readonly string[];
  /** Resolves when the process has printed this many lines. Rejects if it ended before. */
  until(lines: number): Promise<void>;
  /** Sends SIGKILL. Resolves when the process has ended. */
  kill(): Promise<void>;
  /** Resolves when the process has ended. Rejects if it ended with an error. */
  ended(): Promise<void>;
}

/** Runs a TypeScript file in a Node process that a test can kill. */
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
