import { useEffect } from 'react';
import { LiveBoardView } from '../board/LiveBoardView.tsx';
import { TenantsOverview } from '../board/TenantsOverview.tsx';
import { useTenants } from '../board/use-tenants.ts';
import { setQuery, useQuery } from '../router.tsx';
import { Empty, Failure, Loading, PageHeading } from '../ui/page.tsx';

/** The choice of all tenants, in the address. No tenant can have this name. */
const ALL = '*';

/** Who is there now: one tenant live, or all of them in numbers. */
export function BoardPage() {
  const tenants = useTenants();
  const wish = useQuery().get('tenant');
  const only = tenants.ids.length === 1 ? tenants.ids[0] : undefined;
  const shown = wish ?? only ?? ALL;

  // "back" to the board is to the same tenant.
  useEffect(() => {
    if (wish === null && only !== undefined) setQuery({ tenant: only });
  }, [wish, only]);

  return (
    <>
      <PageHeading title="Live board">
        {tenants.ids.length > 0 && (
          <label className="filters">
            Tenant
            <select
              value={shown}
              onChange={({ target }) => setQuery({ tenant: target.value }, { replace: false })}
            >
              <option value={ALL}>all ({tenants.ids.length})</option>
              {tenants.ids.map((id) => (
                <option key={id}>{id}</option>
              ))}
              {shown !== ALL && !tenants.ids.includes(shown) && <option>{shown}</option>}
            </select>
          </label>
        )}
      </PageHeading>
      {tenants.error && <Failure error={tenants.error} what="the tenants" retry={tenants.reload} />}
      {tenants.loading && tenants.ids.length === 0 && <Loading what="the tenants" />}
      {!tenants.loading && !tenants.error && tenants.ids.length === 0 && wish === null && (
        <Empty>
          There is no tenant yet. Make one with <code>PUT /v1/tenants/…</code>, or in{' '}
          <code>TENANTS_FILE</code>.
        </Empty>
      )}
      {shown === ALL ? (
        tenants.ids.length > 0 && <TenantsOverview ids={tenants.ids} />
      ) : (
        <LiveBoardView key={shown} tenant={shown} />
      )}
    </>
  );
}
