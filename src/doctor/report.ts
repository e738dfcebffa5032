/** The doctor's report, for people and for programs. */
import type { Result, Status } from './check.ts';

export interface Report {
  /** The worst status of all results. */
  readonly status: Status;
  readonly counts: Readonly<Record<Status, number>>;
  readonly results: readonly Result[];
}

export function reportOf(results: readonly Result[]): Report {
  const counts = { ok: 0, warning: 0, problem: 0 };
  for (const { status } of results) counts[status] += 1;
  const status = counts.problem > 0 ? 'problem' : counts.warning > 0 ? 'warning' : 'ok';
  return { status, counts, results };
}

const LABELS: Record<Status, string> = { ok: 'ok      ', warning: 'WARNING ', problem: 'PROBLEM ' };

const number = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** Each finding on a line, with a second line for what to do. */
export function textOf({ counts, results }: Report): string {
  const lines = results.flatMap(({ check, status, message, advice }) => [
    // Texts of other programs may contain line breaks.
    `${LABELS[status]}${check}: ${message.replaceAll(/\s+/g, ' ').trim()}`,
    ...(advice ? [`        -> ${advice}`] : []),
  ]);
  const total = `${counts.ok} ok, ${number(counts.warning, 'warning')}, ${number(counts.problem, 'problem')}`;
  return [...lines, '', total].join('\n');
}
