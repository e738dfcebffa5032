/** A tenant's operators as candidates for chats: read for each pass, and kept true while it gives chats to them. */
import { operatorRef, type TenantId, type Username } from '../actors/ids.ts';
import { load, operatorState } from '../actors/operator-decisions.ts';
import type { Candidate } from '../actors/selection.ts';
import type { ActorHost } from '../runtime/host.ts';
import type { Waiting } from './routing-tables.ts';

export interface Pool {
  /** Everybody who is registered. */
  candidates(): readonly Candidate[];
  /** Whether somebody may be free for this chat: a quick look that spares loading the visitor. */
  mayServe(chat: Waiting): boolean;
  /** Counts a chat that is about to be given, before the operator's stream has it. */
  hold(username: string, department: string | null, at: number): void;
  /** Takes what the operator's stream says now. */
  refresh(username: Username): Promise<void>;
}

/** Reads the streams of these operators, most of which are in memory. */
export async function createPool(
  host: Pick<ActorHost, 'load'>,
  tenant: TenantId,
  operators: readonly Username[],
): Promise<Pool> {
  const pool = new Map<string, Candidate>();

  async function refresh(username: Username): Promise<void> {
    const state = await host.load(operatorRef(tenant, username));
    if (!state) return;
    const { availability, context } = operatorState(state.core);
    const loadOf: Record<string, number> = Object.create(null); // by names that people chose
    for (const { department } of Object.values(context.chats)) {
      if (department !== null) loadOf[department] = (loadOf[department] ?? 0) + 1;
    }
    pool.set(username, {
      ...{ username, availability, loadOf, load: load(context) },
      registered: context.registered,
      departments: context.departments,
      capacity: context.capacity,
      lastChatAt: context.lastChatAt,
    });
    free = null;
  }

  /** Departments in which somebody is free (null: somebody serves all), and who is free. */
  let free: { departments: Set<string | null>; operators: Set<string> } | null = null;
  function whoIsFree() {
    if (free) return free;
    free = { departments: new Set(), operators: new Set() };
    for (const each of pool.values()) {
      if (!each.registered || each.availability !== 'available') continue;
      if (each.load >= each.capacity) continue;
      free.operators.add(each.username);
      if (each.departments.length === 0) free.departments.add(null);
      for (const department of each.departments) free.departments.add(department);
    }
    return free;
  }

  for (const username of operators) await refresh(username);

  return {
    candidates: () => [...pool.values()],
    mayServe({ department, persons }) {
      const { departments, operators: someone } = whoIsFree();
      if (someone.size === 0) return false;
      if (department === null || departments.has(null) || departments.has(department)) return true;
      return persons.some((person) => someone.has(person));
    },
    hold(username, department, at) {
      const known = pool.get(username);
      if (!known) return;
      const { load: before, loadOf } = known;
      const counted = department === null ? loadOf : withOne(loadOf, department);
      pool.set(username, { ...known, load: before + 1, loadOf: counted, lastChatAt: at });
      if (before + 1 >= known.capacity) free = null;
    },
    refresh,
  };
}

const withOne = (counts: Readonly<Record<string, number>>, name: string) =>
  Object.assign(Object.create(null), counts, { [name]: (counts[name] ?? 0) + 1 });
