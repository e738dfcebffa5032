/** A check of the doctor, what it finds, and how all checks run: at the same time, each with a deadline. */
import { AppError, messageOf } from '../errors.ts';
import { createLimiter } from '../kit/limiter.ts';
import { waitAtMost } from './wait-at-most.ts';

export type Status = 'ok' | 'warning' | 'problem';

export interface Finding {
  readonly status: Status;
  /** What is so. Never a secret. */
  readonly message: string;
  /** What to do. Only `ok` has none. */
  readonly advice?: string;
}

export interface Check {
  /** The part that is checked: `ejabberd api`, `callback acme`. */
  readonly name: string;
  /**
   * An error that it throws becomes a problem.
   * @param signal aborted after the deadline. The check then has to remove what it made outside.
   */
  run(signal: AbortSignal): Promise<readonly Finding[]>;
}

export interface Result extends Finding {
  readonly check: string;
}

export const ok = (message: string): Finding => ({ status: 'ok', message });
export const warning = (message: string, advice: string): Finding => ({
  status: 'warning',
  message,
  advice,
});
export const problem = (message: string, advice: string): Finding => ({
  status: 'problem',
  message,
  advice,
});

export const CHECK_DEADLINE_MS = 5_000;
/** After all checks: how long late ones have to remove what they made. */
export const CLEANUP_DEADLINE_MS = 5_000;
export const CONCURRENT_CHECKS = 4;

/** Runs every check. @returns the findings in the order of the checks */
export async function runChecks(
  checks: readonly Check[],
  {
    deadlineMs = CHECK_DEADLINE_MS,
    cleanupMs = CLEANUP_DEADLINE_MS,
    concurrency = CONCURRENT_CHECKS,
  } = {},
): Promise<readonly Result[]> {
  const limited = createLimiter(concurrency);
  const runs = await Promise.all(checks.map((check) => limited(() => runOne(check, deadlineMs))));
  await waitAtMost(Promise.all(runs.map(({ ended }) => ended)), cleanupMs);
  return runs.flatMap(({ results }) => results);
}

/** @returns `ended` resolves when the check has ended, perhaps after its deadline */
async function runOne(
  check: Check,
  deadlineMs: number,
): Promise<{ results: readonly Result[]; ended: Promise<unknown> }> {
  const deadline = new AbortController();
  const ended = check.run(deadline.signal).catch((error: unknown) => [unexpected(error)]);
  let findings = await waitAtMost(ended, deadlineMs);
  if (!findings) {
    const message = `no answer within ${deadlineMs / 1000} s`;
    deadline.abort(new AppError('timeout', message));
    findings = [problem(message, 'find out why it is slow: nothing of this check was answered')];
  }
  return { results: findings.map((finding) => ({ check: check.name, ...finding })), ended };
}

function unexpected(error: unknown): Finding {
  if (error instanceof AppError) return problem(error.message, 'see the message');
  const fromSystem = error instanceof Error && 'syscall' in error;
  return problem(
    messageOf(error),
    fromSystem
      ? 'run the doctor as the user of the service'
      : 'this is a defect of the doctor: report it',
  );
}
