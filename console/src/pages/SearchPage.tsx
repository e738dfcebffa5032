import { useLoad } from '../api/load.ts';
import type { Found } from '../api/types.ts';
import { Link, useQuery } from '../router.tsx';
import { addressOf, groupsOf } from '../search/groups.ts';
import { Announcement, Empty, Failure, Loading, PageHeading } from '../ui/page.tsx';
import { Time } from '../ui/time.tsx';
import { withQuery } from '../with-query.ts';

const RESULTS = 100;

/** All results of a search, by kind. */
export function SearchPage() {
  const q = useQuery().get('q')?.trim() ?? '';
  const found = useLoad<{ items: readonly Found[] }>(
    q === '' ? null : withQuery('/debug/search', { q, limit: RESULTS }),
  );
  const items = found.data?.items ?? [];
  return (
    <>
      <PageHeading title={q === '' ? 'Search' : `Search: ${q}`} />
      {q === '' && (
        <Empty>
          Press <kbd>/</kbd> and type a visitor’s key or JID, a chat id, an operator, a correlation
          or trace id, an event id, or words that somebody wrote.
        </Empty>
      )}
      {found.error && <Failure error={found.error} what="the results" retry={found.reload} />}
      {found.loading && <Loading what="results" />}
      {found.data && items.length === 0 && (
        <Empty>
          Nothing found. Words are found from their beginnings; what was erased, or is older than
          the tenant’s retention, is gone.
        </Empty>
      )}
      {groupsOf(items).map(({ kind, name, items: ofKind }) => (
        <section key={kind} aria-labelledby={`found-${kind}`}>
          <h2 id={`found-${kind}`}>
            {name} <span className="quiet">{ofKind.length}</span>
          </h2>
          <ul className="found">
            {ofKind.map((one) => (
              <li key={`${one.stream} ${one.revision} ${one.title}`}>
                <Link href={addressOf(one)}>
                  <bdi>{one.title}</bdi>
                </Link>{' '}
                <bdi className="quiet">{one.detail}</bdi>{' '}
                <span className="quiet">
                  {one.tenant} <Time at={one.at} />
                </span>
              </li>
            ))}
          </ul>
        </section>
      ))}
      <Announcement text={found.data ? `${items.length} results` : ''} />
    </>
  );
}
