/** All tenants in numbers. Only those are asked about that are on the screen, so a thousand tenants cost no more than twenty. */
import { type ReactNode, useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { pause } from '../api/backoff.ts';
import { ask } from '../api/client.ts';
import { asApiError } from '../api/load.ts';
import { to } from '../route.ts';
import { Link } from '../router.tsx';
import { type Column, VirtualTable } from '../ui/table.tsx';
import { Since } from '../ui/time.tsx';

/** How often the numbers of a tenant are asked for. */
const REFRESH_MS = 10_000;
/** Questions at the same time. */
const AT_ONCE = 4;
/** Between two groups of questions, and between two looks at what is old. */
const NEXT_MS = 100;
const LOOK_MS = 1_000;

interface Department {
  readonly waiting: number;
  readonly longestWaitingSince: number | null;
  readonly active: number;
  readonly chatsToday: number;
  readonly missedToday: number;
}

interface Numbers {
  readonly waiting: number;
  readonly longestSince: number | null;
  readonly active: number;
  readonly chatsToday: number;
  readonly missedToday: number;
}

/** Operators serve several departments, so their numbers cannot be added up; those of chats can. */
function numbersOf(departments: readonly Department[]): Numbers {
  const sum = (of: (one: Department) => number) =>
    departments.reduce((all, one) => all + of(one), 0);
  const since = departments.flatMap(({ longestWaitingSince }) => longestWaitingSince ?? []);
  return {
    waiting: sum(({ waiting }) => waiting),
    longestSince: since.length > 0 ? Math.min(...since) : null,
    active: sum(({ active }) => active),
    chatsToday: sum(({ chatsToday }) => chatsToday),
    missedToday: sum(({ missedToday }) => missedToday),
  };
}

interface Known {
  readonly numbers: Numbers | null;
  /** When it was asked for, by performance.now(). */
  readonly at: number;
  readonly fault: string;
}

async function knownOf(id: string, signal: AbortSignal): Promise<Known> {
  const at = performance.now();
  try {
    const path = `/v1/${encodeURIComponent(id)}/departments`;
    const { items } = await ask<{ items: readonly Department[] }>(path, { signal });
    return { numbers: numbersOf(items), at, fault: '' };
  } catch (error) {
    return { numbers: null, at, fault: asApiError(error).message };
  }
}

/** @param ids of all tenants, in the order of the rows */
function useNumbers(ids: readonly string[]) {
  const [known, setKnown] = useState<ReadonlyMap<string, Known>>(new Map());
  const range = useRef({ first: 0, last: 0 });
  const latest = useRef(known);
  latest.current = known;

  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    /** Asks for one after the other of those that are seen and whose numbers are old. */
    async function keepFresh(): Promise<void> {
      while (!signal.aborted) {
        const { first, last } = range.current;
        const due = performance.now() - REFRESH_MS;
        const old = document.hidden
          ? []
          : ids
              .slice(first, last + 1)
              .filter((id) => (latest.current.get(id)?.at ?? -Infinity) < due);
        const some = old.slice(0, AT_ONCE);
        const answers = await Promise.all(some.map((id) => knownOf(id, signal)));
        if (signal.aborted) return;
        if (some.length > 0) {
          setKnown((before) => {
            const all = new Map(before);
            for (const [i, id] of some.entries()) {
              const answer = answers[i];
              if (answer) all.set(id, answer);
            }
            latest.current = all;
            return all;
          });
        }
        await pause(old.length > AT_ONCE ? NEXT_MS : LOOK_MS, signal);
      }
    }
    void keepFresh();
    return () => controller.abort();
  }, [ids]);

  const onRange = useCallback((first: number, last: number) => {
    range.current = { first, last };
  }, []);
  return { known, onRange };
}

interface TenantLine {
  readonly id: string;
  readonly known: Known | undefined;
}

const shown = (of: (numbers: Numbers) => ReactNode) => (row: TenantLine) =>
  row.known?.numbers ? of(row.known.numbers) : '';

const COLUMNS: readonly Column<TenantLine>[] = [
  {
    name: 'Tenant',
    width: 'minmax(10rem, 2fr)',
    cell: ({ id }) => <Link href={to.board(id)}>{id}</Link>,
  },
  {
    name: 'Waiting',
    width: 'minmax(9rem, 1fr)',
    cell: shown(({ waiting, longestSince }) => (
      <span className={waiting > 0 ? 'chip warn' : ''}>
        {waiting}
        {longestSince !== null && (
          <>
            , longest <Since since={longestSince} />
          </>
        )}
      </span>
    )),
  },
  { name: 'In a chat', width: '7rem', cell: shown(({ active }) => active) },
  { name: 'Chats today', width: '8rem', cell: shown(({ chatsToday }) => chatsToday) },
  { name: 'Missed today', width: '9rem', cell: shown(({ missedToday }) => missedToday) },
  {
    name: 'State',
    width: 'minmax(6rem, 2fr)',
    cell: ({ known }) => (known === undefined ? 'asking …' : known.fault),
  },
];

const keyOf = ({ id }: TenantLine): string => id;

export function TenantsOverview({ ids }: { readonly ids: readonly string[] }) {
  const { known, onRange } = useNumbers(ids);
  const rows = useMemo(() => ids.map((id) => ({ id, known: known.get(id) })), [ids, known]);
  return (
    <>
      <p className="quiet lead">
        Choose a tenant to see its people live. These numbers are asked for every{' '}
        {REFRESH_MS / 1_000} s.
      </p>
      <VirtualTable label="Tenants" columns={COLUMNS} rows={rows} keyOf={keyOf} onRange={onRange} />
    </>
  );
}
