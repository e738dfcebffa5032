/** What a page shows of one address of the API. */
import { useCallback, useEffect, useRef, useState } from 'react';
import { ApiError, ask } from './client.ts';

export interface Loaded<T> {
  /** The last answer, also while it is asked again. */
  readonly data: T | undefined;
  readonly error: ApiError | null;
  readonly loading: boolean;
  /** Asks again; the data stay until the answer is here. */
  reload(): void;
}

interface State<T> {
  readonly path: string | null;
  readonly data: T | undefined;
  readonly error: ApiError | null;
  readonly loading: boolean;
}

export const asApiError = (error: unknown): ApiError =>
  error instanceof ApiError ? error : new ApiError(0, 'defect', String(error));

/**
 * Asks for the path, and again when it changes. Answers to a path of before are dropped.
 * @param path null asks for nothing
 */
export function useLoad<T>(path: string | null): Loaded<T> {
  const [state, setState] = useState<State<T>>({
    path,
    data: undefined,
    error: null,
    loading: path !== null,
  });
  const [turn, setTurn] = useState(0);
  const last = useRef<AbortController | null>(null);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new turn asks again
  useEffect(() => {
    if (path === null) return;
    const controller = new AbortController();
    last.current = controller;
    setState((before) =>
      before.path === path
        ? { ...before, loading: true }
        : { path, data: undefined, error: null, loading: true },
    );
    ask<T>(path, { signal: controller.signal }).then(
      (data) => {
        if (!controller.signal.aborted) setState({ path, data, error: null, loading: false });
      },
      (error: unknown) => {
        if (controller.signal.aborted) return;
        setState((before) => ({
          path,
          data: before.path === path ? before.data : undefined,
          error: asApiError(error),
          loading: false,
        }));
      },
    );
    return () => controller.abort();
  }, [path, turn]);

  const reload = useCallback(() => setTurn((before) => before + 1), []);
  const isOf = state.path === path;
  return {
    data: isOf ? state.data : undefined,
    error: isOf ? state.error : null,
    loading: path !== null && (isOf ? state.loading : true),
    reload,
  };
}
