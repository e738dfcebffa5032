/** What a file of operators would change, compared with those that are registered; and in which order. */
import type { Fault, Row } from './operators-file.ts';

export interface Listed {
  readonly username: string;
  readonly lhcUserId: number;
  readonly name: string | null;
  readonly departments: readonly string[];
  readonly capacity: number;
}

export interface Step {
  readonly row: Row;
  readonly kind: 'create' | 'change' | 'unchanged';
  /** Of what the row says, what is different; a password always counts, nobody knows the one that is set. */
  readonly changes: readonly string[];
}

export interface Plan {
  /** One after the other; the steps of each in any order, or at once. */
  readonly waves: readonly (readonly Step[])[];
  readonly faults: readonly Fault[];
}

const sameSet = (one: readonly string[], other: readonly string[]): boolean =>
  one.length === other.length && one.every((each) => other.includes(each));

function stepOf(row: Row, known: Listed | undefined): Step {
  const { lhcUserId, name, departments, capacity, password } = row.wish;
  if (!known) return { row, kind: 'create', changes: [] };
  const changes = [
    ...(lhcUserId !== undefined && lhcUserId !== known.lhcUserId ? ['lhcUserId'] : []),
    ...(name !== undefined && name !== known.name ? ['name'] : []),
    ...(departments && !sameSet(departments, known.departments) ? ['departments'] : []),
    ...(capacity !== undefined && capacity !== known.capacity ? ['capacity'] : []),
    ...(password !== undefined ? ['password'] : []),
  ];
  return { row, kind: changes.length > 0 ? 'change' : 'unchanged', changes };
}

function faultOf({ row: { line, wish }, kind }: Step): Fault | null {
  if (kind !== 'create') return null;
  if (wish.lhcUserId === undefined) {
    return { line, field: 'lhcUserId', reason: 'is required for a new operator' };
  }
  return wish.password === undefined && !wish.adopt
    ? { line, field: 'password', reason: 'is required for a new operator' }
    : null;
}

/** Compares rows with the operators that are registered. Where there are faults there is nothing to send. */
export function planOf(rows: readonly Row[], listed: readonly Listed[]): Plan {
  const known = new Map(listed.map((each) => [each.username, each]));
  const holders = new Map(listed.map((each) => [each.lhcUserId, each.username]));
  const steps = new Map<string, Step>();
  const faults: Fault[] = [];
  for (const row of rows) {
    const step = stepOf(row, known.get(row.username));
    steps.set(row.username, step);
    const fault = faultOf(step);
    if (fault) faults.push(fault);
  }

  /** Who has to give its LHC user away before this row can be sent. */
  const before = ({ row }: Step): string | undefined => {
    const holder = row.wish.lhcUserId === undefined ? undefined : holders.get(row.wish.lhcUserId);
    return holder === row.username ? undefined : holder;
  };
  /** By username, after how many others; infinite for one that cannot be sent at all. */
  const waves = new Map<string, number>();
  for (const step of steps.values()) {
    // Each waits for one other at most: a chain, to one that waits for nobody, or whose place is known.
    const chain = new Set<Step>();
    let each = step;
    let reason: string | undefined;
    while (!waves.has(each.row.username)) {
      chain.add(each);
      const holder = before(each);
      if (holder === undefined) break;
      const next = steps.get(holder);
      if (!next?.changes.includes('lhcUserId')) reason = `belongs to operator ${holder}`;
      else if (chain.has(next)) reason = `is exchanged in a circle with that of ${holder}`;
      if (!next || reason) break;
      each = next;
    }
    // Said once, of the one that stops the others.
    if (reason) faults.push({ line: each.row.line, field: 'lhcUserId', reason });
    let wave = reason ? Number.POSITIVE_INFINITY : (waves.get(each.row.username) ?? -1);
    for (const one of [...chain].toReversed()) {
      wave += 1;
      waves.set(one.row.username, wave);
    }
  }
  if (faults.length > 0) {
    return { waves: [], faults: faults.toSorted((a, b) => a.line - b.line) };
  }
  const ordered: Step[][] = [];
  for (const step of steps.values()) {
    const wave = waves.get(step.row.username) ?? 0;
    for (let at = ordered.length; at <= wave; at++) ordered.push([]);
    ordered[wave]?.push(step);
  }
  return { waves: ordered, faults };
}
