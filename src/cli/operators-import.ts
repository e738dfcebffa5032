/** Imports a file of operators: checks all of it, then sends its rows. */
import { AppError, hasCode } from '../errors.ts';
import { createLimiter } from '../kit/limiter.ts';
import { type Fault, readRows } from './operators-file.ts';
import { planImport, type Step } from './operators-plan.ts';
import type { OperatorsService } from './operators-service.ts';
import { counted } from './output/counted.ts';

export const CONCURRENT_ROWS = 4;
/** A wrong export has the same fault on every line. */
export const FAULTS_PRINTED = 100;

export interface Output {
  /** Prints a line of the result. */
  say(line: string): void;
  /** Prints a line about an error. */
  warn(line: string): void;
}

/**
 * @param options.dryRun say what would change, and change nothing
 * @returns true if every row is as the file has it; in a dry run, if every row can be sent
 * @throws {AppError} `invalid` with all faults of the file; then nothing was sent
 */
export async function importOperators(
  text: string,
  service: OperatorsService,
  { say, warn }: Output,
  { dryRun }: { readonly dryRun: boolean },
): Promise<boolean> {
  const { rows, faults: fileFaults } = readRows(text);
  const registered = await service.list({}).catch((error: unknown) => {
    refuseFaults(fileFaults); // they are known without the service
    throw error;
  });
  const { waves, faults } = planImport(rows, registered, fileFaults);
  refuseFaults(faults);
  if (dryRun) {
    const steps = waves.flat();
    for (const step of steps) if (step.kind !== 'unchanged') say(lineOf(step, 'planned'));
    say(summaryOf(steps, 'planned'));
    return true;
  }

  const done: Step[] = [];
  const failures: Fault[] = [];
  let away = false;
  const carryOut = async (step: Step): Promise<void> => {
    const { row, kind } = step;
    try {
      // The service was tried for long enough. Each further row would take as long.
      if (away) throw new AppError('unavailable', 'was not sent: the service is away');
      if (kind !== 'unchanged') {
        await service.put(row);
        say(lineOf(step, 'done'));
      }
      done.push(step);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      if (hasCode(error, 'unavailable')) away = true;
      failures.push({ line: row.line, field: row.username, reason: error.message });
    }
  };
  const limited = createLimiter(CONCURRENT_ROWS);
  for (const wave of waves) {
    await Promise.all(wave.map((step) => limited(() => carryOut(step))));
  }
  say(`${summaryOf(done, 'done')}, failed ${failures.length}`);
  for (const line of faultLines(failures.toSorted((a, b) => a.line - b.line))) warn(line);
  return failures.length === 0;
}

/** @throws {AppError} `invalid` with all faults, if there are any */
function refuseFaults(faults: readonly Fault[]): void {
  if (faults.length === 0) return;
  const head = `nothing was sent; ${counted(faults.length, 'fault')}:`;
  throw new AppError('invalid', [head, ...faultLines(faults)].join('\n'));
}

function faultLines(faults: readonly Fault[]): string[] {
  const lines = faults
    .slice(0, FAULTS_PRINTED)
    .map(({ line, field, reason }) => `line ${line}: ${field ? `${field}: ` : ''}${reason}`);
  const more = faults.length - lines.length;
  return more > 0 ? [...lines, `and ${more} more`] : lines;
}

type Tense = 'planned' | 'done';

const WORDS: Readonly<Record<Step['kind'], Readonly<Record<Tense, string>>>> = {
  create: { planned: 'would create', done: 'created' },
  change: { planned: 'would change', done: 'changed' },
  unchanged: { planned: 'unchanged', done: 'unchanged' },
};

function lineOf({ row, kind, changes }: Step, tense: Tense): string {
  const fields = changes.length > 0 ? `: ${changes.join(', ')}` : '';
  return `${WORDS[kind][tense]} ${row.username} (line ${row.line})${fields}`;
}

const summaryOf = (steps: readonly Step[], tense: Tense): string =>
  Object.entries(WORDS)
    .map(([kind, words]) => `${words[tense]} ${steps.filter((step) => step.kind === kind).length}`)
    .join(', ');
