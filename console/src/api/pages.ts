/** Lists of the API that come in pages. */
import { useCallback, useEffect, useRef, useState } from 'react';
import { withQuery } from '../with-query.ts';
import { type ApiError, ask } from './client.ts';
import { asApiError } from './load.ts';

/** Rows that a page of the console holds at most. */
export const MAX_ROWS = 10_000;

interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}

export interface Pages<T> {
  readonly rows: readonly T[];
  readonly error: ApiError | null;
  readonly loading: boolean;
  /** Whether there are more, and room for them. */
  readonly hasMore: boolean;
  more(): void;
  /** Asks anew from the first page. */
  reload(): void;
}

interface State<T> {
  readonly path: string;
  readonly rows: readonly T[];
  readonly next: string | null;
  readonly error: ApiError | null;
  readonly loading: boolean;
}

const nothing = <T>(path: string): State<T> => ({
  path,
  rows: [],
  next: null,
  error: null,
  loading: true,
});

/** @param path of the first page, with its filters */
export function usePages<T>(path: string): Pages<T> {
  const [state, setState] = useState<State<T>>(() => nothing(path));
  const controller = useRef(new AbortController());

  const load = useCallback(
    (cursor: string | null, keep: boolean) => {
      controller.current.abort();
      const mine = new AbortController();
      controller.current = mine;
      setState((before) =>
        before.path === path ? { ...before, error: null, loading: true } : nothing(path),
      );
      const address = cursor === null ? path : withCursor(path, cursor);
      ask<Page<T>>(address, { signal: mine.signal }).then(
        ({ items, next }) => {
          if (mine.signal.aborted) return;
          setState((before) => {
            const rows = keep ? [...before.rows, ...items].slice(0, MAX_ROWS) : items;
            return { path, rows, next, error: null, loading: false };
          });
        },
        (error: unknown) => {
          if (mine.signal.aborted) return;
          setState((before) => ({ ...before, error: asApiError(error), loading: false }));
        },
      );
    },
    [path],
  );

  useEffect(() => {
    load(null, false);
    return () => controller.current.abort();
  }, [load]);

  const isOf = state.path === path;
  const { rows, next, error, loading } = isOf ? state : nothing<T>(path);
  const hasMore = next !== null && rows.length < MAX_ROWS;
  const more = useCallback(() => {
    if (hasMore && !loading) load(next, true);
  }, [hasMore, loading, load, next]);
  const reload = useCallback(() => load(null, false), [load]);
  return { rows, error, loading, hasMore, more, reload };
}

const withCursor = (path: string, cursor: string): string =>
  `${path}${path.includes('?') ? '&' : '?'}${withQuery('', { cursor }).slice(1)}`;
