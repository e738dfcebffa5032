/** Child processes of a benchmark. They end when the benchmark ends, in whatever way. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const STOP_DEADLINE_MS = 12_000;
const alive = new Set<ChildProcess>();

process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});
// Without a handler, a signal ends the process without `exit`.
process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));

function keep(child: ChildProcess): ChildProcess {
  alive.add(child);
  child.once('exit', () => alive.delete(child));
  return child;
}

/** A child process that answers each message with one message. */
export interface Child<Ask, Answer> {
  ask(message: Ask): Promise<Answer>;
  stop(): Promise<void>;
}

/** Runs a file of this folder with Node. It calls {@link answerParent}. */
export function startChild<Ask extends object, Answer>(
  file: string,
  execArgv: readonly string[] = [],
): Child<Ask, Answer> {
  const child = keep(fork(join(import.meta.dirname, file), { execArgv: [...execArgv] }));
  const ended = once(child, 'exit').then(() => {
    throw new Error(`${file} ended before it answered`);
  });
  ended.catch(() => undefined); // Perhaps nobody waits for an answer.
  return {
    async ask(message) {
      const answered = new AbortController();
      const answer = once(child, 'message', { signal: answered.signal });
      child.send(message);
      try {
        const [value] = await Promise.race([answer, ended]);
        return value; // The file answers with this type.
      } finally {
        answer.catch(() => undefined);
        answered.abort();
      }
    },
    stop: () => stop(child),
  };
}

/** In a child process: answers each message of the parent. */
export function answerParent<Ask, Answer>(answer: (message: Ask) => Promise<Answer>): void {
  process.on('message', async (message: Ask) => {
    process.send?.(await answer(message));
  });
  process.once('disconnect', () => process.exit(0));
}

/** Starts the service. Its log is dropped. */
export function startService(env: NodeJS.ProcessEnv, execArgv: readonly string[]): ChildProcess {
  const cli = join(import.meta.dirname, '../src/cli.ts');
  return keep(
    spawn(process.execPath, [...execArgv, cli, 'serve'], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env,
    }),
  );
}

/** Sends SIGTERM, and SIGKILL if the process does not end in time. */
export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_DEADLINE_MS);
  child.kill('SIGTERM');
  await ended;
  clearTimeout(late);
}
