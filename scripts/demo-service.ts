/** The service of a demonstration, as a process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from '../src/errors.ts';

/** The time limit for the start of the service. */
const START_DEADLINE_MS = 30_000;

/** A file of settings, for the service and for the other commands of the command line (`node --env-file`). */
export const environmentText = (settings: Readonly<Record<string, string>>): string =>
  `${Object.entries(settings)
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join('\n')}\n`;

/**
 * It ends with this process, even when that is killed.
 * @param restarts whether it starts again when a file of `src/` changes
 */
export function startService(
  settings: Readonly<Record<string, string>>,
  restarts = false,
): ChildProcess {
  const source = join(import.meta.dirname, '../src');
  const watch = restarts ? ['--watch-preserve-output', `--watch-path=${source}`] : [];
  const ends = ['--import', join(import.meta.dirname, 'ends-with-starter.ts')];
  return spawn(process.execPath, [...watch, ...ends, join(source, 'cli.ts'), 'serve'], {
    stdio: ['pipe', 'inherit', 'inherit'],
    env: { ...process.env, ...settings },
  });
}

/** SIGTERM. Resolves when it has ended. */
export async function stopService(service: ChildProcess): Promise<void> {
  if (!isRunning(service)) return;
  const exit = new Promise((done) => service.once('exit', done));
  service.kill('SIGTERM');
  await exit;
}

export const isRunning = ({ exitCode, signalCode }: ChildProcess): boolean =>
  exitCode === null && signalCode === null;

/** @throws {AppError} `unavailable` if the service has ended, `timeout` if it does not answer */
export async function untilReady(url: string, service: ChildProcess): Promise<void> {
  const deadline = Date.now() + START_DEADLINE_MS;
  while (Date.now() < deadline) {
    if (!isRunning(service)) throw new AppError('unavailable', 'the service did not start');
    const answer = await fetch(`${url}/healthz`).catch(() => null);
    if (answer?.ok) return;
    await delay(100);
  }
  throw new AppError('timeout', `the service was not ready within ${START_DEADLINE_MS / 1000} s`);
}

/** Registers an operator. @throws {AppError} `unavailable` with the service's answer */
export async function putOperator(
  address: string,
  adminToken: string,
  wish: Readonly<Record<string, unknown>>,
): Promise<void> {
  const answer = await fetch(address, {
    method: 'PUT',
    headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify(wish),
  });
  if (!answer.ok) {
    throw new AppError('unavailable', `the operator was not created: ${await answer.text()}`);
  }
}
