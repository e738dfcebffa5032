/** The branch of a stream: kept in the tab until it is closed, and worked out by the service. */
import { useCallback, useEffect, useState } from 'react';
import { type ApiError, ask } from '../../api/client.ts';
import { asApiError } from '../../api/load.ts';
import { type Branch, type BranchResult, decode, encode } from './branch.ts';

const keyOf = (stream: string): string => `xmpp-chat-branch:${stream}`;

export interface BranchHandle {
  readonly branch: Branch | null;
  /** Of this branch; the last one while the next is worked out. */
  readonly result: BranchResult | null;
  readonly error: ApiError | null;
  readonly isWorking: boolean;
  /** null closes it. */
  set(branch: Branch | null): void;
}

export function useBranch(stream: string): BranchHandle {
  const [branch, setBranch] = useState(() => decode(sessionStorage.getItem(keyOf(stream)) ?? ''));
  const [result, setResult] = useState<BranchResult | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [isWorking, setWorking] = useState(false);

  const set = useCallback(
    (next: Branch | null) => {
      if (next) sessionStorage.setItem(keyOf(stream), encode(next));
      else sessionStorage.removeItem(keyOf(stream));
      setBranch(next);
      if (!next) setResult(null);
    },
    [stream],
  );

  useEffect(() => {
    if (!branch) return;
    const controller = new AbortController();
    setWorking(true);
    ask<BranchResult>(`/debug/streams/${encodeURIComponent(stream)}/what-if`, {
      method: 'POST',
      body: { at: { revision: branch.revision }, actions: branch.actions },
      signal: controller.signal,
    }).then(
      (next) => {
        setResult(next);
        setError(null);
        setWorking(false);
      },
      (failure: unknown) => {
        if (controller.signal.aborted) return;
        setError(asApiError(failure));
        setWorking(false);
      },
    );
    return () => controller.abort();
  }, [branch, stream]);

  return { branch, result, error, isWorking, set };
}
