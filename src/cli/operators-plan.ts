/** What an import would change, compared with the registered operators, and in which order. */
import { isDeepStrictEqual } from 'node:util';
import type { Fault, Row } from './operators-file.ts';

export interface RegisteredOperator {
  readonly username: string;
  readonly lhcUserId: number | null;
  readonly name: string | null;
  readonly departments: readonly string[];
  readonly capacity: number;
  readonly tier: number;
  readonly tiers: Readonly<Record<string, number>>;
  readonly languages: readonly string[];
}

export interface Step {
  readonly row: Row;
  readonly kind: 'create' | 'change' | 'unchanged';
  /** What differs. A password always counts, because nobody knows the present one. */
  readonly changes: readonly string[];
}

export interface Plan {
  /** To be sent one wave after the other, in any order within a wave. Empty with faults: then nothing is sent. */
  readonly waves: readonly (readonly Step[])[];
  readonly faults: readonly Fault[];
}

/** Columns that say who has which LHC user. */
const IDENTITY = ['username', 'lhcUserId'];

/**
 * Compares the rows of a file with the registered operators.
 * @param fileFaults what is wrong with the file itself; then nothing is sent. Who takes whose LHC user is judged only if
 *   every row says it, once
 */
export function planImport(
  rows: readonly Row[],
  registered: readonly RegisteredOperator[],
  fileFaults: readonly Fault[] = [],
): Plan {
  const byUsername = new Map(registered.map((operator) => [operator.username, operator]));
  const steps = rows.map((row) => stepOf(row, byUsername.get(row.username)));
  const unsure = fileFaults.some(({ field }) => !field || IDENTITY.includes(field));
  const ordered = unsure ? { waves: [], faults: [] } : inOrder(steps, registered);
  const faults = [...fileFaults, ...steps.flatMap(missingSettings), ...ordered.faults];
  return {
    waves: faults.length > 0 ? [] : ordered.waves,
    faults: faults.toSorted((a, b) => a.line - b.line),
  };
}

function stepOf(row: Row, known: RegisteredOperator | undefined): Step {
  if (!known) return { row, kind: 'create', changes: [] };
  const { lhcUserId, name, departments, capacity, tier, tiers, languages, password } = row.settings;
  const differs = {
    lhcUserId: lhcUserId !== undefined && lhcUserId !== known.lhcUserId,
    name: name !== undefined && name !== known.name,
    departments: departments !== undefined && !sameSet(departments, known.departments),
    capacity: capacity !== undefined && capacity !== known.capacity,
    tier: tier !== undefined && tier !== known.tier,
    tiers: tiers !== undefined && !isDeepStrictEqual({ ...tiers }, { ...known.tiers }),
    languages: languages !== undefined && !sameSet(languages, known.languages),
    password: password !== undefined,
  };
  const changes = Object.entries(differs).flatMap(([field, changed]) => (changed ? [field] : []));
  return { row, kind: changes.length > 0 ? 'change' : 'unchanged', changes };
}

const sameSet = (one: readonly string[], other: readonly string[]): boolean =>
  one.length === other.length && one.every((each) => other.includes(each));

function missingSettings({ row: { line, settings, wrong }, kind }: Step): Fault[] {
  if (kind !== 'create') return [];
  const hasNone = (field: 'lhcUserId' | 'password'): boolean =>
    settings[field] === undefined && !wrong.has(field);
  const missing = [
    ...(hasNone('lhcUserId') ? ['lhcUserId'] : []),
    ...(hasNone('password') && !settings.adopt && !wrong.has('adopt') ? ['password'] : []),
  ];
  return missing.map((field) => ({ line, field, reason: 'is required for a new operator' }));
}

/**
 * An operator has to give up their LHC user before another one can take it. Each row takes one LHC user and gives up one
 * at most, so rows that wait for each other form chains. A circle cannot be sent.
 */
function inOrder(steps: readonly Step[], registered: readonly RegisteredOperator[]): Plan {
  const owners = new Map(registered.map(({ lhcUserId, username }) => [lhcUserId, username]));
  const byUsername = new Map<string, Step>(steps.map((step) => [step.row.username, step]));
  const faults: Fault[] = [];
  const beginnings: Step[] = [];
  /** By the step that gives the LHC user up. */
  const takers = new Map<Step, Step>();
  for (const step of steps) {
    const { username, settings } = step.row;
    const owner = owners.get(settings.lhcUserId ?? Number.NaN) ?? username;
    const giver = byUsername.get(owner);
    if (owner !== username && giver?.changes.includes('lhcUserId')) {
      takers.set(giver, step);
      continue;
    }
    beginnings.push(step);
    if (owner !== username) faults.push(lhcUserFault(step, `belongs to operator ${owner}`));
  }

  const waves: Step[][] = [];
  const unplaced = new Set(steps);
  for (const beginning of beginnings) {
    for (const [wave, step] of chainFrom(beginning, takers).entries()) {
      waves[wave] ??= [];
      waves[wave].push(step);
      unplaced.delete(step);
    }
  }
  for (const step of unplaced) {
    const circle = chainFrom(step, takers);
    for (const each of circle) unplaced.delete(each);
    const reason = `is exchanged in a circle with that of ${step.row.username}`;
    faults.push(lhcUserFault(circle[1] ?? step, reason));
  }
  return { waves, faults };
}

/** The steps from one on, each before the one that waits for it; once around a circle. */
function chainFrom(beginning: Step, takers: ReadonlyMap<Step, Step>): Step[] {
  const chain = new Set<Step>();
  let step: Step | undefined = beginning;
  while (step && !chain.has(step)) {
    chain.add(step);
    step = takers.get(step);
  }
  return [...chain];
}

const lhcUserFault = ({ row: { line } }: Step, reason: string): Fault => ({
  line,
  field: 'lhcUserId',
  reason,
});
