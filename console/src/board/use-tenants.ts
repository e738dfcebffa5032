/** The tenants of the service. */
import { useEffect, useState } from 'react';
import { type ApiError, ask } from '../api/client.ts';
import { asApiError } from '../api/load.ts';
import { withQuery } from '../with-query.ts';

const PAGE_ROWS = 200;
/** Tenants that the console offers at most. */
const MAX_TENANTS = 5_000;

interface TenantRow {
  readonly id: string;
  /** `*` is a template: nobody is in it. */
  readonly instance: string | null;
}

interface Tenants {
  readonly ids: readonly string[];
  readonly loading: boolean;
  readonly error: ApiError | null;
}

async function allTenants(signal: AbortSignal): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | null = null;
  do {
    const page: { items: TenantRow[]; next: string | null } = await ask(
      withQuery('/v1/tenants', { cursor, limit: PAGE_ROWS }),
      { signal },
    );
    ids.push(...page.items.filter(({ instance }) => instance !== '*').map(({ id }) => id));
    cursor = page.next;
  } while (cursor !== null && ids.length < MAX_TENANTS);
  return ids;
}

export function useTenants(): Tenants & { reload(): void } {
  const [state, setState] = useState<Tenants>({ ids: [], loading: true, error: null });
  const [turn, setTurn] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new turn asks again
  useEffect(() => {
    const controller = new AbortController();
    setState((before) => ({ ...before, loading: true }));
    allTenants(controller.signal).then(
      (ids) => setState({ ids, loading: false, error: null }),
      (error: unknown) => {
        if (controller.signal.aborted) return;
        setState((before) => ({ ...before, loading: false, error: asApiError(error) }));
      },
    );
    return () => controller.abort();
  }, [turn]);
  return { ...state, reload: () => setTurn((before) => before + 1) };
}
