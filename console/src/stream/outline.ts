/** The facts of a stream by revision, time and type: enough for a list, a slider and a jump, whatever is loaded besides. */

/** An answer of `/debug/streams/{stream}/outline`: columns, because a stream may have tens of thousands of facts. */
export interface OutlinePage {
  readonly stream: string;
  /** Of the stream; null if it has no facts. */
  readonly first: number | null;
  readonly last: number | null;
  readonly types: readonly string[];
  /** Revision of the first item. The others follow without gaps. */
  readonly from: number;
  /** Time of each fact, in ms since 1970. */
  readonly at: readonly number[];
  /** Type of each fact, as a place in `types`. */
  readonly type: readonly number[];
  readonly next: number | null;
}

export interface Outline {
  /** Revision of the first fact. */
  readonly first: number;
  readonly at: readonly number[];
  readonly type: readonly number[];
  readonly types: readonly string[];
}

export const EMPTY: Outline = { first: 0, at: [], type: [], types: [] };

/** Revision of the last fact; -1 before any is known. */
export const lastOf = ({ first, at }: Outline): number => first + at.length - 1;

/** An outline with a further page. A page that does not follow (the stream was cut meanwhile) begins a new one. */
export function extend(outline: Outline, page: OutlinePage): Outline {
  if (page.at.length === 0) return outline;
  const follows = outline.at.length > 0 && page.from === lastOf(outline) + 1;
  const before = follows ? outline : { ...EMPTY, first: page.from };
  const types = [...before.types];
  const places = page.types.map((type) => {
    const known = types.indexOf(type);
    return known >= 0 ? known : types.push(type) - 1;
  });
  return {
    first: before.first,
    types,
    at: [...before.at, ...page.at],
    type: [...before.type, ...page.type.map((place) => places[place] ?? 0)],
  };
}

export const typeAt = (outline: Outline, revision: number): string | undefined =>
  outline.types[outline.type[revision - outline.first] ?? -1];

export const timeAt = (outline: Outline, revision: number): number | undefined =>
  outline.at[revision - outline.first];

/** How many facts of each type there are, the most frequent first. */
export function countsOf({ types, type }: Outline): { type: string; count: number }[] {
  const counts = types.map((name) => ({ type: name, count: 0 }));
  for (const place of type) {
    const entry = counts[place];
    if (entry) entry.count += 1;
  }
  return counts.sort((a, b) => b.count - a.count || a.type.localeCompare(b.type));
}

/** The facts that a list shows, as revisions in order. `at(index)` instead of an array: without a filter there is none. */
export interface Shown {
  readonly count: number;
  revisionAt(index: number): number;
  /** The place of this revision, or of the last one shown before it; -1 if all are after it. */
  indexOf(revision: number): number;
}

/** @param only types to show; empty shows all */
export function shownOf(outline: Outline, only: ReadonlySet<string>): Shown {
  const { first, at, type, types } = outline;
  if (only.size === 0) {
    return {
      count: at.length,
      revisionAt: (index) => first + index,
      indexOf: (revision) => Math.min(revision - first, at.length - 1),
    };
  }
  const wanted = types.map((name) => only.has(name));
  const revisions: number[] = [];
  for (const [index, place] of type.entries()) if (wanted[place]) revisions.push(first + index);
  return {
    count: revisions.length,
    revisionAt: (index) => revisions[index] ?? first,
    indexOf: (revision) =>
      firstWhere(revisions.length, (index) => (revisions[index] ?? 0) > revision) - 1,
  };
}

/**
 * The first fact at or after a time.
 * @param at ms since 1970. Times within a stream do not decrease, unless a clock was wrong
 * @returns its revision; null if all facts are before it
 */
export function firstAtOrAfter(outline: Outline, at: number): number | null {
  const index = firstWhere(outline.at.length, (place) => (outline.at[place] ?? 0) >= at);
  return index < outline.at.length ? outline.first + index : null;
}

/** The last fact at or before a time: what held then. @returns its revision; null if all facts are after it */
export function lastAtOrBefore(outline: Outline, at: number): number | null {
  const index = firstWhere(outline.at.length, (place) => (outline.at[place] ?? 0) > at) - 1;
  return index >= 0 ? outline.first + index : null;
}

/** The first place where `holds` is true, if it is true from there on; `count` if there is none. */
function firstWhere(count: number, holds: (index: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
