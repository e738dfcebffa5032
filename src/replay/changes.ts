/** What differs between two states: a structural diff of JSON. */
import type { JsonValue } from '../kit/json.ts';

/** A difference. `before` or `after` is absent where there was, or is, nothing. */
export interface Change {
  readonly path: readonly (string | number)[];
  readonly before?: JsonValue;
  readonly after?: JsonValue;
}

/** A timer that was armed, moved or cancelled. Times are ms since 1970; null: it did not run. */
export interface TimerChange {
  readonly id: string;
  readonly before: number | null;
  readonly after: number | null;
}

/** More differences within one value are told as one difference of the whole value. */
export const MAX_CHANGES_WITHIN = 50;

type Container = JsonValue[] | { [key: string]: JsonValue };

const isContainer = (value: JsonValue | undefined): value is Container =>
  typeof value === 'object' && value !== null;

/** The differences between two JSON values, in the order of their keys. Parts that are the same object are not looked into. */
export function changesBetween(
  before: JsonValue | undefined,
  after: JsonValue | undefined,
  path: readonly (string | number)[] = [],
): readonly Change[] {
  if (before === after) return [];
  const whole: Change = {
    path,
    ...(before !== undefined && { before }),
    ...(after !== undefined && { after }),
  };
  if (!isContainer(before) || !isContainer(after)) return [whole];
  if (Array.isArray(before) !== Array.isArray(after)) return [whole];
  const found =
    Array.isArray(before) && Array.isArray(after)
      ? changesInList(before, after, path)
      : changesInObject(before, after, path);
  return found.length > MAX_CHANGES_WITHIN ? [whole] : found;
}

function changesInObject(
  before: Container,
  after: Container,
  path: readonly (string | number)[],
): readonly Change[] {
  const old = new Map(Object.entries(before));
  const young = new Map(Object.entries(after));
  return [...new Set([...old.keys(), ...young.keys()])].flatMap((key) =>
    changesBetween(old.get(key), young.get(key), [...path, key]),
  );
}

const isSame = (a: JsonValue | undefined, b: JsonValue | undefined): boolean =>
  a === b || (isContainer(a) && isContainer(b) && JSON.stringify(a) === JSON.stringify(b));

/**
 * Lists grow at the end and lose entries at the front. What both have in the same order at either end is no difference.
 * Entries that went have their old index, entries that came their new one.
 */
function changesInList(
  before: readonly JsonValue[],
  after: readonly JsonValue[],
  path: readonly (string | number)[],
): readonly Change[] {
  const shorter = Math.min(before.length, after.length);
  if (before.length === after.length) {
    const found = before.flatMap((each, i) => changesBetween(each, after[i], [...path, i]));
    // A full list that dropped its first entry for a new one differs everywhere by index.
    const moved = before.findIndex((each) => isSame(each, after[0]));
    if (found.length <= 1 || moved <= 0) return found;
    if (!before.slice(moved).every((each, i) => isSame(each, after[i]))) return found;
    return [
      ...before.slice(0, moved).map((each, i) => ({ path: [...path, i], before: each })),
      ...after
        .slice(after.length - moved)
        .map((each, i) => ({ path: [...path, after.length - moved + i], after: each })),
    ];
  }
  let front = 0;
  while (front < shorter && isSame(before[front], after[front])) front += 1;
  let back = 0;
  while (back < shorter - front && isSame(before.at(-1 - back), after.at(-1 - back))) back += 1;
  return [
    ...before
      .slice(front, before.length - back)
      .map((each, i) => ({ path: [...path, front + i], before: each })),
    ...after
      .slice(front, after.length - back)
      .map((each, i) => ({ path: [...path, front + i], after: each })),
  ];
}

/** The timers that differ, by their ids. */
export function timerChangesBetween(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
): readonly TimerChange[] {
  if (before === after) return [];
  return [...new Set([...before.keys(), ...after.keys()])]
    .map((id) => ({ id, before: before.get(id) ?? null, after: after.get(id) ?? null }))
    .filter((each) => each.before !== each.after);
}
