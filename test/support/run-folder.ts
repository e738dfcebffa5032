/**
 * One folder for all temporary folders of a test run, in memory if possible. Vitest removes it at the end, and folders of
 * runs that were killed.
 */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Its name ends with the process id of the run. */
const PREFIX = 'xmpp-chat-tests-';

const memory = '/dev/shm';
const parent = existsSync(memory) ? memory : tmpdir();

/** Workers and their processes inherit the variable. */
const VARIABLE = 'TEST_RUN_FOLDER';

/** The folder of this run; without Vitest the folder that all runs share. */
export const runFolder = (): string => process.env[VARIABLE] ?? parent;

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // The process of somebody else runs too.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function removeEndedRuns(): void {
  for (const name of readdirSync(parent)) {
    if (!name.startsWith(PREFIX) || isRunning(Number(name.slice(PREFIX.length)))) continue;
    rmSync(join(parent, name), { recursive: true, force: true });
  }
}

/** A global set-up of Vitest. @returns the end of the run */
export default function setup(): () => void {
  removeEndedRuns();
  const folder = join(parent, `${PREFIX}${process.pid}`);
  mkdirSync(folder, { recursive: true });
  process.env[VARIABLE] = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}
