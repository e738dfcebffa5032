/** What one request caused, as rows of a tree. Pure, so that tests can ask it. */
import type { TraceNode } from './api/types.ts';

export interface TraceRow {
  readonly node: TraceNode;
  /** 0 for what nothing here caused. */
  readonly depth: number;
  /** When the whole trace began, ms since 1970. */
  readonly begin: number;
  /** Where the row begins and how long it lasts, as shares of the whole trace: 0 to 1. */
  readonly offset: number;
  readonly share: number;
}

/**
 * The nodes, each behind what caused it, and in the order of time among those of the same cause. A node whose parent is not
 * here (the trace was cut), or that would be its own ancestor, stands at the top.
 */
export function treeOf(nodes: readonly TraceNode[]): TraceRow[] {
  const ids = new Set(nodes.map(({ id }) => id));
  const children = Map.groupBy(nodes, ({ id, parent }) =>
    parent !== null && parent !== id && ids.has(parent) ? parent : null,
  );
  const start = Math.min(...nodes.map(({ at }) => at));
  const end = Math.max(...nodes.map(({ at, ms }) => at + (ms ?? 0)));
  const whole = Math.max(1, end - start);
  const rows: TraceRow[] = [];
  const seen = new Set<string>();

  function add(node: TraceNode, top: number): void {
    // A list of what is still to do, and no recursion: a chain of causes may be long.
    const open: { readonly node: TraceNode; readonly depth: number }[] = [{ node, depth: top }];
    for (let next = open.pop(); next; next = open.pop()) {
      const { node: one, depth } = next;
      if (seen.has(one.id)) continue;
      seen.add(one.id);
      rows.push({
        node: one,
        depth,
        begin: start,
        offset: (one.at - start) / whole,
        share: Math.min(1, (one.ms ?? 0) / whole),
      });
      // The last of them is taken first.
      const below = (children.get(one.id) ?? []).toSorted((a, b) => a.at - b.at).reverse();
      open.push(...below.map((child) => ({ node: child, depth: depth + 1 })));
    }
  }
  for (const node of children.get(null) ?? []) add(node, 0);
  for (const node of nodes) add(node, 0);
  return rows;
}

/** From the first node's beginning to the last one's end, in ms. */
export function lengthOf(nodes: readonly TraceNode[]): number {
  if (nodes.length === 0) return 0;
  const start = Math.min(...nodes.map(({ at }) => at));
  return Math.max(...nodes.map(({ at, ms }) => at + (ms ?? 0))) - start;
}
