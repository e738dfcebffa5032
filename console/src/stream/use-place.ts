/** Which fact is looked at: in the address, so that it can be shared, and moved by keys. */
import { useCallback, useEffect, useRef, useState } from 'react';
import { setQuery, useQuery } from '../router.tsx';

/** The address follows so long after the last move: browsers allow some changes of it a second only. */
const ADDRESS_DELAY_MS = 200;

export interface Place {
  /** As it was chosen; null: the newest fact. */
  readonly revision: number | null;
  go(revision: number): void;
}

const revisionIn = (query: URLSearchParams): number | null => {
  const text = query.get('revision');
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null;
};

export function usePlace(): Place {
  const asked = revisionIn(useQuery());
  const [revision, setRevision] = useState(asked);
  const written = useRef(asked);

  useEffect(() => {
    // A link or the browser's history, not this hook.
    if (asked !== written.current) {
      written.current = asked;
      setRevision(asked);
    }
  }, [asked]);

  useEffect(() => {
    if (revision === null || revision === written.current) return;
    const timer = window.setTimeout(() => {
      written.current = revision;
      setQuery({ revision });
    }, ADDRESS_DELAY_MS);
    return () => window.clearTimeout(timer);
  }, [revision]);

  const go = useCallback((next: number) => setRevision(next), []);
  return { revision, go };
}

export type Move = 'previous' | 'next' | 'page-up' | 'page-down' | 'first' | 'last';

const MOVES: Readonly<Record<string, Move>> = {
  ArrowLeft: 'previous',
  k: 'previous',
  ArrowRight: 'next',
  j: 'next',
  PageUp: 'page-up',
  PageDown: 'page-down',
  Home: 'first',
  End: 'last',
};

/** In a list, the arrows up and down move as well. */
const IN_LIST: Readonly<Record<string, Move>> = { ArrowUp: 'previous', ArrowDown: 'next' };

/** Where keys have a meaning of their own. */
const OWN_KEYS = 'input:not([type=range]):not([type=checkbox]), textarea, select, [data-own-keys]';

/** Calls `move` for the keys of the page, wherever the focus is, except where somebody types or scrolls. */
export function useMoveKeys(move: (move: Move) => void): void {
  const latest = useRef(move);
  latest.current = move;
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      const target = event.target instanceof Element ? event.target : null;
      if (target?.closest(OWN_KEYS)) return;
      const inList = target?.closest('[role=listbox]') ? IN_LIST[event.key] : undefined;
      const found = inList ?? MOVES[event.key];
      if (!found) return;
      event.preventDefault();
      latest.current(found);
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, []);
}

/**
 * The value, once it has not changed for a while: what costs a request waits until somebody stops. The first change after a
 * pause counts at once.
 */
export function useSettled<T>(value: T, ms: number): T {
  const [settled, setSettled] = useState(value);
  const changedAt = useRef(Number.NEGATIVE_INFINITY);
  useEffect(() => {
    const now = performance.now();
    const isFirst = now - changedAt.current > ms;
    changedAt.current = now;
    const timer = window.setTimeout(() => setSettled(value), isFirst ? 0 : ms);
    return () => window.clearTimeout(timer);
  }, [value, ms]);
  return settled;
}
