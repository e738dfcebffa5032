/** Programs of this machine that the rig starts. Each is ended by its id. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { waitFor } from '../support/wait.ts';
import { Missing } from './client.ts';

const END_DEADLINE_MS = 10_000;
/** Of what a program prints. */
const MAX_OUTPUT_CHARACTERS = 64 * 1024 * 1024;

/** @throws {Missing} naming the package if the program is not there */
export function needProgram(program: string, debianPackage: string): void {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const isThere = folders.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  if (!isThere) throw new Missing(`not installed: apt-get install ${debianPackage}`);
}

/** Runs a program to its end. @returns what it printed @throws if it fails */
export async function run(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const { stdout } = await promisify(execFile)(program, [...args], {
    env,
    timeout: 60_000,
    maxBuffer: MAX_OUTPUT_CHARACTERS,
  });
  return stdout;
}

export interface Program {
  readonly pid: number;
  /** What it printed, also to standard error. */
  output(): string;
  ended(): boolean;
  /** Ends the program and all that it started, at once. */
  kill(): Promise<void>;
}

/** Starts a program as the leader of a group of processes, with low priority. */
export function startProgram(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Program {
  const child: ChildProcess = spawn('nice', ['-n', '10', program, ...args], {
    env,
    detached: true, // a group of its own
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const take = (chunk: string) => {
    output = (output + chunk).slice(-MAX_OUTPUT_CHARACTERS);
  };
  child.stdout?.setEncoding('utf8').on('data', take);
  child.stderr?.setEncoding('utf8').on('data', take);
  child.on('error', (error) => take(String(error)));
  const ended = () => child.exitCode !== null || child.signalCode !== null;
  const pid = child.pid ?? 0;
  const killGroup = () => {
    if (pid === 0) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // There is nobody left in it.
    }
  };
  process.once('exit', killGroup);
  return {
    pid,
    output: () => output,
    ended,
    async kill() {
      killGroup();
      process.off('exit', killGroup);
      await waitFor(() => pid === 0 || ended(), {
        deadlineMs: END_DEADLINE_MS,
        what: `the end of ${program}`,
      });
    },
  };
}
