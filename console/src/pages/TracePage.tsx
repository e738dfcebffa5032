import { useMemo } from 'react';
import { useLoad } from '../api/load.ts';
import type { Trace, TraceNode } from '../api/types.ts';
import { to } from '../route.ts';
import { Link } from '../router.tsx';
import { absolute, duration, offset } from '../times.ts';
import { lengthOf, type TraceRow, treeOf } from '../trace-tree.ts';
import { Empty, Failure, Loading, PageHeading } from '../ui/page.tsx';
import { type Column, VirtualTable } from '../ui/table.tsx';
import { Moment } from '../ui/time.tsx';
import { Said } from '../ui/words.tsx';
import { withQuery } from '../with-query.ts';

/** Deeper levels are not moved in any further. */
const MAX_INDENT = 12;

/** A line as high as those with a text. */
const NO_TEXT = '\u00a0';

const COLUMNS: readonly Column<TraceRow>[] = [
  {
    name: 'What',
    width: 'minmax(16rem, 3fr)',
    cell: ({ node, depth }) => (
      <span style={{ paddingInlineStart: `${Math.min(depth, MAX_INDENT) * 1.1}rem` }}>
        <span className={`kind ${node.kind}`}>{node.kind}</span> <Name node={node} />
      </span>
    ),
  },
  {
    name: 'Outcome',
    width: '7rem',
    cell: ({ node: { outcome } }) => <Outcome outcome={outcome} />,
  },
  {
    name: 'Time',
    width: '9rem',
    cell: ({ node: { at }, begin }) => <Moment at={at} begin={begin} />,
  },
  {
    name: 'After',
    width: '8rem',
    cell: ({ node: { at }, begin }) => <span className="moment">{offset(at - begin)}</span>,
  },
  {
    name: 'Took',
    width: 'minmax(8rem, 1.5fr)',
    cell: ({ node: { ms }, offset, share }) => (
      <span className="took">
        <span className="took-text">{ms === null ? NO_TEXT : duration(ms)}</span>
        <span className="took-track" aria-hidden="true">
          <span style={{ insetInlineStart: `${offset * 100}%`, inlineSize: `${share * 100}%` }} />
        </span>
      </span>
    ),
  },
  {
    name: 'Detail',
    width: 'minmax(8rem, 2fr)',
    cell: ({ node: { detail } }) => (detail === null ? '' : <Said text={detail} />),
  },
];

const keyOf = ({ node }: TraceRow): string => node.id;

/** It leads to the fact that it is, or is about. */
function Name({ node: { name, stream, revision } }: { readonly node: TraceNode }) {
  return (
    <>
      <Link href={to.stream(stream, revision)}>{name}</Link>{' '}
      <bdi className="quiet">{`${stream} ${revision}`}</bdi>
    </>
  );
}

function Outcome({ outcome }: { readonly outcome: string | null }) {
  if (outcome === null) return null;
  const isBad = /^(dead|failed|refused|error|timeout)/.test(outcome);
  return <span className={isBad ? 'chip bad' : 'chip'}>{outcome}</span>;
}

/** Everything that one request caused, across streams. @param props.id of the request, the trace, a command or an event */
export function TracePage({ id }: { readonly id: string }) {
  const trace = useLoad<Trace>(withQuery(`/debug/traces/${encodeURIComponent(id)}`));
  const rows = useMemo(() => treeOf(trace.data?.nodes ?? []), [trace.data]);
  return (
    <>
      <PageHeading title={`Trace ${id}`}>
        {trace.data && rows.length > 0 && (
          <p className="quiet">
            {rows.length} steps in {duration(lengthOf(trace.data.nodes))}, from{' '}
            {absolute(rows[0]?.begin ?? Number.NaN, { millis: true })}
            {trace.data.traceId !== null && (
              <>
                , trace id <code>{trace.data.traceId}</code>
              </>
            )}
          </p>
        )}
        <button type="button" onClick={trace.reload}>
          Load again
        </button>
      </PageHeading>
      {trace.error && <Failure error={trace.error} what="the trace" retry={trace.reload} />}
      {trace.data?.truncated && (
        <p className="note">There is more than this: only the first steps are shown.</p>
      )}
      {rows.length > 0 && (
        <VirtualTable label="Steps of the trace" columns={COLUMNS} rows={rows} keyOf={keyOf} />
      )}
      {trace.loading && !trace.data && <Loading what="the trace" />}
      {trace.data && rows.length === 0 && (
        <Empty>Nothing of this request is kept. Retention may have cut it.</Empty>
      )}
    </>
  );
}
