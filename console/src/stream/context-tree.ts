/** A value as a tree, with what a step changed in it. What is gone stands where it was. */
import type { Change, Json, JsonObject } from '../api/debugger.ts';

export type Mark = 'added' | 'removed' | 'changed';

export interface TreeNode {
  /** The name or the place in its parent; null at the root. */
  readonly key: string | number | null;
  /** The value now, or the last one of a part that is gone. */
  readonly value: Json;
  readonly mark: Mark | null;
  /** The value of before, of a part that has changed. */
  readonly before?: Json;
  /** It or a part of it was changed. */
  readonly isTouched: boolean;
  /** Parts of an object or a list; null for a plain value. */
  readonly parts: readonly TreeNode[] | null;
}

/** Changes by the first step of their path. */
function byKey(changes: readonly Change[], depth: number): Map<string | number, Change[]> {
  const groups = new Map<string | number, Change[]>();
  for (const change of changes) {
    const key = change.path[depth];
    if (key === undefined) continue;
    const group = groups.get(key);
    if (group) group.push(change);
    else groups.set(key, [change]);
  }
  return groups;
}

/** @param changes from the value of before to `value` */
export function treeOf(value: Json, changes: readonly Change[]): TreeNode {
  return nodeOf(null, value, changes, 0);
}

function nodeOf(
  key: string | number | null,
  value: Json,
  changes: readonly Change[],
  depth: number,
): TreeNode {
  const own = changes.find(({ path }) => path.length === depth);
  if (own) return markedNode(key, value, own);
  const entries = entriesOf(value);
  if (!entries) return { key, value, mark: null, isTouched: false, parts: null };
  // What is gone is not in the value any more. In a list, another entry may have its place now.
  const isGone = ({ path, after }: Change) => path.length === depth + 1 && after === undefined;
  const gone = changes
    .filter(isGone)
    .map((change) => markedNode(change.path[depth] ?? null, change.before ?? null, change));
  const groups = byKey(
    changes.filter((change) => !isGone(change)),
    depth,
  );
  const parts = entries.map(([name, part]) =>
    nodeOf(name, part, groups.get(name) ?? [], depth + 1),
  );
  const place = Array.isArray(value)
    ? Math.min(...gone.map((each) => Number(each.key)))
    : parts.length;
  parts.splice(place, 0, ...gone);
  return { key, value, mark: null, isTouched: changes.length > 0, parts };
}

function markedNode(key: string | number | null, value: Json, change: Change): TreeNode {
  const isNew = change.before === undefined;
  const isGone = change.after === undefined;
  return {
    key,
    value: isGone ? (change.before ?? null) : value,
    mark: isNew ? 'added' : isGone ? 'removed' : 'changed',
    ...(!isNew && !isGone && { before: change.before }),
    isTouched: true,
    parts: plainParts(isGone ? (change.before ?? null) : value),
  };
}

const plainParts = (value: Json): TreeNode[] | null =>
  entriesOf(value)?.map(([name, part]) => nodeOf(name, part, [], 0)) ?? null;

function entriesOf(value: Json): [string | number, Json][] | null {
  if (value === null || typeof value !== 'object') return null;
  return Array.isArray(value) ? [...value.entries()] : Object.entries(value as JsonObject);
}

/** A value on one line, cut where it gets long. */
export function lineOf(value: Json, maxCharacters: number): string {
  const text = JSON.stringify(value) ?? 'undefined';
  return text.length <= maxCharacters ? text : `${text.slice(0, maxCharacters - 1)}…`;
}

/** `chat.offeredTo[0]` */
export const pathText = (path: readonly (string | number)[]): string =>
  path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    const isName = /^[A-Za-z_$][\w$]*$/.test(part);
    if (!isName) return `${text}[${JSON.stringify(part)}]`;
    return text === '' ? part : `${text}.${part}`;
  }, '');
