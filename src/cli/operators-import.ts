/** Sends what a file of operators says: all of it checked first, then several at once, and told what came of each. */
import { AppError, messageOf } from '../errors.ts';
import { createLimiter } from '../kit/limiter.ts';
import { type Fault, readRows } from './operators-file.ts';
import { planOf, type Step } from './operators-plan.ts';
import type { OperatorsService } from './operators-service.ts';

const AT_ONCE = 4;
/** A wrong export has the same fault on every line. */
const FAULTS_SHOWN = 100;

export interface Output {
  /** A line of the result. */
  say(line: string): void;
  /** A line about what went wrong. */
  warn(line: string): void;
}

const faultLines = (faults: readonly Fault[]): string[] => {
  const shown = faults
    .slice(0, FAULTS_SHOWN)
    .map(
      ({ line, field, reason }) =>
        `line ${line}: ${field === undefined ? '' : `${field}: `}${reason}`,
    );
  const more = faults.length - shown.length;
  return more > 0 ? [...shown, `and ${more} more`] : shown;
};

/** @throws {AppError} `invalid`, naming every fault, when there is one */
function refuse(faults: readonly Fault[]): void {
  if (faults.length === 0) return;
  const head = `nothing was sent; ${faults.length} ${faults.length === 1 ? 'fault' : 'faults'}:`;
  throw new AppError('invalid', [head, ...faultLines(faults)].join('\n'));
}

const told = ({ row: { username, line }, kind, changes }: Step, would: boolean): string => {
  const deed = kind === 'create' ? (would ? 'create' : 'created') : would ? 'change' : 'changed';
  const what = changes.length > 0 ? `: ${changes.join(', ')}` : '';
  return `${would ? 'would ' : ''}${deed} ${username} (line ${line})${what}`;
};

/**
 * @param options.dryRun say what would change, and change nothing
 * @returns whether every row is as the file has it now (or could be, of a dry run)
 * @throws {AppError} `invalid` with all faults of the file, and nothing was sent
 */
export async function importOperators(
  text: string,
  service: OperatorsService,
  { say, warn }: Output,
  { dryRun }: { readonly dryRun: boolean },
): Promise<boolean> {
  const { rows, faults } = readRows(text);
  refuse(faults);
  const { items, position } = await service.list({});
  const plan = planOf(rows, items);
  refuse(plan.faults);
  const steps = plan.waves.flat();
  const count = { create: 0, change: 0, unchanged: 0 };
  if (dryRun) {
    for (const step of steps) {
      count[step.kind] += 1;
      if (step.kind !== 'unchanged') say(told(step, true));
    }
    say(`would create ${count.create}, would change ${count.change}, unchanged ${count.unchanged}`);
    return true;
  }

  const failed: Fault[] = [];
  let away = false;
  const send = async (step: Step): Promise<void> => {
    const { row, kind } = step;
    if (kind === 'unchanged') {
      count.unchanged += 1;
      return;
    }
    if (away) {
      failed.push({
        line: row.line,
        field: row.username,
        reason: 'was not sent: the service is away',
      });
      return;
    }
    try {
      await service.put(row, position ?? '');
      count[kind] += 1;
      say(told(step, false));
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      // It was tried for long enough: the rows behind would each wait as long.
      if (error.code === 'unavailable') away = true;
      failed.push({ line: row.line, field: row.username, reason: messageOf(error) });
    }
  };
  const limited = createLimiter(AT_ONCE);
  for (const wave of plan.waves) {
    await Promise.all(wave.map((step) => limited(() => send(step))));
  }
  say(
    `created ${count.create}, changed ${count.change}, unchanged ${count.unchanged}, failed ${failed.length}`,
  );
  for (const line of faultLines(failed.toSorted((a, b) => a.line - b.line))) warn(line);
  return failed.length === 0;
}
