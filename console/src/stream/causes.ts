/** What caused a fact and what it caused, from the tree of its trace. */
import type { Trace, TraceNode } from '../api/types.ts';

export interface Causes {
  /** From the beginning of the trace to what caused the fact. */
  readonly causes: readonly TraceNode[];
  /** What the fact caused, with how many steps lie between; in the order of the tree. */
  readonly caused: readonly { readonly node: TraceNode; readonly depth: number }[];
}

/** More are not shown beside a step; the page of the trace has all. */
export const MAX_CAUSED = 40;

/** @returns null if the trace does not have the fact */
export function causesOf({ nodes }: Trace, stream: string, revision: number): Causes | null {
  const own = nodes.find(
    (node) => node.kind === 'fact' && node.stream === stream && node.revision === revision,
  );
  if (!own) return null;
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const causes: TraceNode[] = [];
  // The number of nodes bounds it, should a tree ever be a circle.
  let parent = own.parent === null ? undefined : byId.get(own.parent);
  while (parent && causes.length < nodes.length) {
    causes.unshift(parent);
    parent = parent.parent === null ? undefined : byId.get(parent.parent);
  }

  const children = new Map<string, TraceNode[]>();
  for (const node of nodes) {
    if (node.parent === null) continue;
    const siblings = children.get(node.parent);
    if (siblings) siblings.push(node);
    else children.set(node.parent, [node]);
  }
  const caused: { node: TraceNode; depth: number }[] = [];
  const visit = (id: string, depth: number): void => {
    for (const node of children.get(id) ?? []) {
      if (caused.length >= MAX_CAUSED) return;
      caused.push({ node, depth });
      visit(node.id, depth + 1);
    }
  };
  visit(own.id, 0);
  return { causes, caused };
}
