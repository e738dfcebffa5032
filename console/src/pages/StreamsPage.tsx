import { useId } from 'react';
import { usePages } from '../api/pages.ts';
import type { StreamRow } from '../api/types.ts';
import { to } from '../route.ts';
import { Link, setQuery, useQuery } from '../router.tsx';
import { Announcement, Empty, Failure, Loading, PageHeading } from '../ui/page.tsx';
import { type Column, VirtualTable } from '../ui/table.tsx';
import { Time } from '../ui/time.tsx';
import { Erased } from '../ui/words.tsx';
import { withQuery } from '../with-query.ts';

const CATEGORIES = ['visitor', 'operator', 'tenant', 'lane', 'letter', 'key', 'other'];
const FILTERS = ['category', 'tenant', 'text'] as const;
/** Rows of one answer. */
const PAGE_ROWS = 100;

const COLUMNS: readonly Column<StreamRow>[] = [
  {
    name: 'Stream',
    width: 'minmax(14rem, 3fr)',
    cell: ({ stream, erased }) => (
      <>
        <Link href={to.stream(stream)} className="mono">
          <bdi>{stream}</bdi>
        </Link>{' '}
        {erased && <Erased />}
      </>
    ),
  },
  { name: 'Kind', width: '5.5rem', cell: ({ category }) => category },
  { name: 'JID', width: 'minmax(8rem, 2fr)', cell: ({ jid }) => <bdi>{jid ?? ''}</bdi> },
  { name: 'Facts', width: '4.5rem', cell: ({ lastRevision }) => lastRevision + 1 },
  { name: 'Last fact', width: 'minmax(9rem, 1.5fr)', cell: ({ lastType }) => lastType },
  { name: 'When', width: '8rem', cell: ({ lastAt }) => <Time at={lastAt} /> },
];

const keyOf = ({ stream }: StreamRow): string => stream;

/** The streams of the log, those first in which something happened last. */
export function StreamsPage() {
  const query = useQuery();
  const filters = Object.fromEntries(FILTERS.map((name) => [name, query.get(name)]));
  const pages = usePages<StreamRow>(withQuery('/debug/streams', { ...filters, limit: PAGE_ROWS }));
  const id = useId();
  const isFiltered = FILTERS.some((name) => query.has(name));

  return (
    <>
      <PageHeading title="Streams">
        <search className="filters">
          <label htmlFor={`${id}-category`}>
            Kind
            <select
              id={`${id}-category`}
              value={query.get('category') ?? ''}
              onChange={({ target }) => setQuery({ category: target.value })}
            >
              <option value="">all</option>
              {CATEGORIES.map((each) => (
                <option key={each}>{each}</option>
              ))}
            </select>
          </label>
          <Filter name="tenant" label="Tenant" />
          <Filter name="text" label="Name or words" />
        </search>
        <button type="button" onClick={pages.reload}>
          Load again
        </button>
      </PageHeading>
      {pages.error && <Failure error={pages.error} what="the streams" retry={pages.reload} />}
      {pages.rows.length > 0 && (
        <VirtualTable
          label="Streams"
          columns={COLUMNS}
          rows={pages.rows}
          keyOf={keyOf}
          onNearEnd={pages.more}
        />
      )}
      {pages.loading && <Loading what="streams" />}
      {!pages.loading && !pages.error && pages.rows.length === 0 && (
        <Empty>
          {isFiltered
            ? 'No stream is like that. Take a filter away.'
            : 'The log is empty. Send a page view, and its visitor is here.'}
        </Empty>
      )}
      <Announcement text={pages.loading ? '' : `${pages.rows.length} streams`} />
    </>
  );
}

/** A field that filters when Enter is pressed or the focus leaves it. */
function Filter({
  name,
  label,
}: {
  readonly name: (typeof FILTERS)[number];
  readonly label: string;
}) {
  const id = useId();
  const value = useQuery().get(name) ?? '';
  return (
    <label htmlFor={id}>
      {label}
      <input
        // A new value in the address, such as by "back", fills the field anew.
        key={value}
        id={id}
        defaultValue={value}
        size={14}
        onBlur={({ target }) => setQuery({ [name]: target.value.trim() })}
        onKeyDown={(event) => {
          if (event.key === 'Enter') setQuery({ [name]: event.currentTarget.value.trim() });
        }}
      />
    </label>
  );
}
