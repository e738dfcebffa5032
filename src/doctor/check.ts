/** What a check is, and how all of them are run: none holds up another, and each has its deadline. */
import { AppError, messageOf } from '../errors.ts';
import { createLimiter } from '../kit/limiter.ts';
import { within } from './within.ts';

export type Status = 'ok' | 'warning' | 'problem';

export interface Finding {
  readonly status: Status;
  /** What is so. Never a secret. */
  readonly message: string;
  /** What to do; only what is `ok` has none. */
  readonly advice?: string;
}

export interface Check {
  /** A part, and what of it: `ejabberd api`, `callback acme`. */
  readonly name: string;
  /**
   * May throw: that is a problem, too.
   * @param signal is aborted when the time is over; what was made outside has to be taken away all the same
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

export interface RunOptions {
  /** For each check; default 5,000. */
  readonly deadlineMs?: number;
  /** How long, at the end, checks whose time was over may still clean up; default 5,000. */
  readonly cleanupMs?: number;
  /** Checks at the same time; default 4. */
  readonly concurrency?: number;
}

/** Runs every check. @returns the findings in the order of the checks */
export async function runChecks(
  checks: readonly Check[],
  { deadlineMs = 5_000, cleanupMs = 5_000, concurrency = 4 }: RunOptions = {},
): Promise<readonly Result[]> {
  const limited = createLimiter(concurrency);
  const runs = await Promise.all(checks.map((check) => limited(() => runOne(check, deadlineMs))));
  await within(Promise.all(runs.map(({ ended }) => ended)), cleanupMs);
  return runs.flatMap(({ results }) => results);
}

/** @returns `ended` resolves when the check is done, which may be after its time */
async function runOne(
  check: Check,
  deadlineMs: number,
): Promise<{ results: readonly Result[]; ended: Promise<unknown> }> {
  const named = (findings: readonly Finding[]) =>
    findings.map((finding) => ({ check: check.name, ...finding }));
  const over = new AbortController();
  const running = check
    .run(over.signal)
    .catch((error: unknown) => [
      problem(
        messageOf(error),
        error instanceof AppError ? 'see the message' : 'this is a defect of the doctor: report it',
      ),
    ]);
  const findings = await within(running, deadlineMs);
  if (findings) return { results: named(findings), ended: Promise.resolve() };
  over.abort(new AppError('timeout', `not done within ${deadlineMs / 1000} s`));
  const message = `no answer within ${deadlineMs / 1000} s`;
  return {
    results: named([
      problem(message, 'find out why it is slow; all that this check asks was not answered'),
    ]),
    ended: running,
  };
}
