/** The context behind a step, with what the fact changed. */
import { useMemo } from 'react';
import type { Change, Json } from '../api/debugger.ts';
import { treeOf } from './context-tree.ts';
import { Fold, Parts } from './Value.tsx';

export function ContextSection({
  context,
  changes,
}: {
  readonly context: Json;
  readonly changes: readonly Change[];
}) {
  const { parts } = useMemo(() => treeOf(context, changes), [context, changes]);
  return (
    <section aria-labelledby="context-heading" className="panel">
      <h2 id="context-heading">
        Context <span className="quiet">{countOf(changes.length)}</span>
      </h2>
      {/* A new step is a new tree: what was opened in the one before has no place in it. */}
      {parts && <Parts parts={parts} folding="changes" />}
      <Fold summary="As JSON">
        <pre>
          <bdi>{JSON.stringify(context, null, 2)}</bdi>
        </pre>
      </Fold>
    </section>
  );
}

const countOf = (count: number): string =>
  count === 0 ? 'nothing changed' : count === 1 ? '1 change' : `${count} changes`;
