/**
 * The owners of partitions, folded from the stream `lease-partitions`, and what a process does about them. Pure: the clock
 * is a parameter. Every append expects the revision it was decided on, so all decisions are in one order, and by the log
 * no two processes hold the same partition.
 */
import type { JsonObject } from '../../kit/json.ts';
import { PARTITIONS } from './ownership.ts';

/** Each fact lists all that its owner holds from then on, so the last few facts say everything. */
export type LeaseFact =
  | { readonly type: 'LeaseRenewed' | 'LeaseTaken' | 'LeaseReleased'; readonly data: Holding }
  /** No process has heard of `owner` for the length of its lease. */
  | {
      readonly type: 'LeaseExpired';
      readonly data: { readonly owner: string; readonly by: string };
    }
  | { readonly type: 'LeaseEnded'; readonly data: { readonly owner: string } };

interface Holding {
  readonly owner: string;
  /** For people who read the log: host and process id. */
  readonly name: string;
  readonly durationMs: number;
  readonly partitions: readonly number[];
}

interface Holder extends Holding {
  /** When this process learnt of the owner's last fact, in ms of this process's own clock. */
  readonly heardAt: number;
}

export type LeaseState = ReadonlyMap<string, Holder>;

/** An owner is gone so long after the end of its lease: two clocks do not run at quite the same speed. */
export const EXPIRY_GRACE_MS = 500;

/** @returns null for an event that is no fact of a lease */
export function parseLeaseFact(type: string, data: JsonObject): LeaseFact | null {
  switch (type) {
    case 'LeaseRenewed':
    case 'LeaseTaken':
    case 'LeaseReleased':
    case 'LeaseExpired':
    case 'LeaseEnded':
      // Written by leases.ts alone.
      return { type, data } as unknown as LeaseFact;
    default:
      return null;
  }
}

/** @param heardAt when this process learnt of the fact, in ms of its own clock */
export function applyLease(
  state: LeaseState,
  { type, data }: LeaseFact,
  heardAt: number,
): LeaseState {
  const next = new Map(state);
  if (type === 'LeaseExpired' || type === 'LeaseEnded') next.delete(data.owner);
  else next.set(data.owner, { ...data, heardAt });
  return next;
}

const isExpired = (holder: Holder, now: number): boolean =>
  now - holder.heardAt > holder.durationMs + EXPIRY_GRACE_MS;

/** Other owners whose lease has ended without a fact that says so. */
export const expiredOwners = (state: LeaseState, me: string, now: number): readonly string[] =>
  [...state.values()]
    .filter((holder) => holder.owner !== me && isExpired(holder, now))
    .map(({ owner }) => owner);

/** What a process does next to get its share. Partitions are taken and given in the order of their numbers. */
export interface Shift {
  readonly take: readonly number[];
  /** Handed over first, then released. */
  readonly give: readonly number[];
}

/**
 * Leads to ⌊16/n⌋ or ⌈16/n⌉ partitions for each of n processes, and moves as few as possible.
 * @param state without expired owners. If it lacks `me`, this process joins
 */
export function shiftOf(state: LeaseState, me: string): Shift {
  const others = [...state.values()].filter(({ owner }) => owner !== me);
  const mine = state.get(me)?.partitions ?? [];
  const held = new Set([...mine, ...others.flatMap(({ partitions }) => partitions)]);
  const free = Array.from({ length: PARTITIONS }, (_, n) => n).filter((n) => !held.has(n));
  const living = others.length + 1;
  const least = Math.floor(PARTITIONS / living);
  const most = Math.ceil(PARTITIONS / living);

  const own = Math.max(0, least - mine.length);
  const needed = others.reduce(
    (sum, { partitions }) => sum + Math.max(0, least - partitions.length),
    0,
  );
  // What other processes lack stays free for them. A process takes from the rest up to its most.
  const over = Math.max(0, free.length - own - needed);
  const room = Math.max(0, most - Math.max(mine.length, least));
  const take = free.slice(0, own + Math.min(over, room));

  let surplus = Math.max(0, mine.length - most);
  const somebodyIsShort = others.some(({ partitions }) => partitions.length < least);
  if (surplus === 0 && take.length === 0 && free.length === 0 && somebodyIsShort) {
    const richest = Math.max(mine.length, ...others.map(({ partitions }) => partitions.length));
    const firstOfThem = others.every(
      ({ owner, partitions }) => partitions.length < richest || me < owner,
    );
    if (mine.length > least && mine.length === richest && firstOfThem) surplus = 1;
  }
  return { take, give: mine.slice(mine.length - surplus) };
}
