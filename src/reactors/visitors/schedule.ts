/**
 * When each visitor has to be reconciled. A visitor has one entry, and its earliest time counts. Tenants take turns: the
 * visitors of one tenant, however many, never keep another tenant's visitor waiting for more than one of theirs.
 */
import type { TenantId } from '../../actors/ids.ts';
import type { Visitor } from './desired.ts';

/** One visitor's presence is sent at most once in this time. The last state is never dropped. */
export const PRESENCE_INTERVAL_MS = 2_000;

export interface Entry {
  readonly visitor: Visitor;
  /** Not before this time, ms since 1970. */
  at: number;
  /** Only the status text may have changed. */
  refresh: boolean;
}

export const idOf = ({ tenant, key }: Visitor): string => `${tenant}.${key}`;

export interface Schedule {
  /** Visitors in work, by id. Others leave them alone. */
  readonly busy: Set<string>;
  /** Schedules a visitor, whatever failed before. */
  add(visitor: Visitor, at: number, refresh?: boolean): void;
  /**
   * A change of the visitor calls for a look. A visitor whose last try failed keeps its backoff, unless the next try is
   * running: it may have missed the change.
   */
  change(visitor: Visitor, at?: number, refresh?: boolean): void;
  /** A page view changes the status text at most, and waits for the end of {@link PRESENCE_INTERVAL_MS}. */
  pageView(visitor: Visitor): void;
  /**
   * Takes entries that are due, one of each tenant in turn, as long as `mayTake` says yes; `null` stops, and the next
   * call goes on with the tenant whose turn it was. Taken visitors are busy.
   */
  take(mayTake: (entry: Entry) => boolean | null): Visitor[];
  /** The visitor's presence was sent now. */
  presenceSent(visitor: Visitor): void;
  presenceEnded(visitor: Visitor): void;
  succeeded(visitor: Visitor): void;
  /**
   * @param keepsBackoff false: changes do not wait for the next try, because what failed is about something else
   * @returns how often the visitor has failed in a row
   */
  failed(visitor: Visitor, keepsBackoff?: boolean): number;
  /** Replaces the entry of a visitor that failed. */
  retry(visitor: Visitor, at: number): void;
  /** Forgets everything about these visitors. */
  forget(isForgotten: (id: string) => boolean): void;
  /** Entries, busy ones included. */
  size(): number;
}

/** @param keeps true if this process looks after the visitor, though it may have to wait before it acts */
export function createSchedule(now: () => number, keeps: (visitor: Visitor) => boolean): Schedule {
  /** By tenant, in the order of their turns, then by id. No tenant is without entries. */
  const tenants = new Map<TenantId, Map<string, Entry>>();
  const busy = new Set<string>();
  const failures = new Map<string, number>();
  /** Visitors of `failures` whose changes do not wait. */
  const open = new Set<string>();
  const presenceSentAt = new Map<string, number>();

  function set(entry: Entry): void {
    const { tenant } = entry.visitor;
    const entries = tenants.get(tenant) ?? new Map<string, Entry>();
    tenants.set(tenant, entries);
    entries.set(idOf(entry.visitor), entry);
  }

  function remove(tenant: TenantId, id: string): void {
    const entries = tenants.get(tenant);
    entries?.delete(id);
    if (entries?.size === 0) tenants.delete(tenant);
  }

  /** The tenant's turn is over: the others come first. */
  function endTurn(tenant: TenantId): void {
    const entries = tenants.get(tenant);
    if (!entries) return;
    tenants.delete(tenant);
    tenants.set(tenant, entries);
  }

  const add: Schedule['add'] = (visitor, at, refresh = false) => {
    if (!keeps(visitor)) return;
    const id = idOf(visitor);
    const known = tenants.get(visitor.tenant)?.get(id);
    if (!known) {
      set({ visitor, at, refresh });
      return;
    }
    known.at = Math.min(known.at, at);
    known.refresh &&= refresh;
  };

  /** The next entry that is due and may be taken; undefined if there is none; null if `mayTake` stops. */
  function firstDue(
    rest: IterableIterator<[string, Entry]>,
    at: number,
    mayTake: (entry: Entry) => boolean | null,
  ): [string, Entry] | undefined | null {
    for (let step = rest.next(); !step.done; step = rest.next()) {
      const [id, entry] = step.value;
      if (entry.at > at || busy.has(id)) continue;
      const answer = mayTake(entry);
      if (answer === null) return null;
      if (answer) return step.value;
    }
    return undefined;
  }

  const change: Schedule['change'] = (visitor, at = now(), refresh = false) => {
    const id = idOf(visitor);
    if (!failures.has(id) || open.has(id) || busy.has(id)) add(visitor, at, refresh);
  };

  return {
    busy,
    add,
    change,
    pageView(visitor) {
      const last = presenceSentAt.get(idOf(visitor));
      if (last === undefined) change(visitor);
      else change(visitor, Math.max(now(), last + PRESENCE_INTERVAL_MS), true);
    },
    take(mayTake) {
      const at = now();
      const taken: Visitor[] = [];
      let turns = [...tenants].map(([tenant, entries]) => ({ tenant, rest: entries.entries() }));
      while (turns.length > 0) {
        const next: typeof turns = [];
        for (const turn of turns) {
          const found = firstDue(turn.rest, at, mayTake);
          if (found === null) return taken;
          if (!found) continue;
          const [id, { visitor }] = found;
          remove(turn.tenant, id);
          endTurn(turn.tenant);
          busy.add(id);
          taken.push(visitor);
          next.push(turn);
        }
        turns = next;
      }
      return taken;
    },
    presenceSent: (visitor) => void presenceSentAt.set(idOf(visitor), now()),
    presenceEnded: (visitor) => void presenceSentAt.delete(idOf(visitor)),
    succeeded(visitor) {
      failures.delete(idOf(visitor));
      open.delete(idOf(visitor));
    },
    failed(visitor, keepsBackoff = true) {
      const id = idOf(visitor);
      const count = (failures.get(id) ?? 0) + 1;
      failures.set(id, count);
      if (keepsBackoff) open.delete(id);
      else open.add(id);
      return count;
    },
    retry(visitor, at) {
      const id = idOf(visitor);
      if (keeps(visitor)) set({ visitor, at, refresh: false });
      else {
        failures.delete(id);
        open.delete(id);
      }
    },
    forget(isForgotten) {
      for (const [tenant, entries] of tenants) {
        for (const id of entries.keys()) if (isForgotten(id)) remove(tenant, id);
      }
      for (const known of [failures, open, presenceSentAt]) {
        for (const id of known.keys()) if (isForgotten(id)) known.delete(id);
      }
    },
    size() {
      let waiting = 0;
      for (const entries of tenants.values()) waiting += entries.size;
      return waiting + busy.size;
    },
  };
}
