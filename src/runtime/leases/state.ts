/**
 * Who owns which partition, folded from the stream `lease-partitions`, and what a process does about it. Pure: the
 * clock is a parameter. Every append to the stream expects the revision that was decided on, so decisions are in one
 * order and no two processes hold a partition by the log.
 */
import type { JsonObject } from '../../kit/json.ts';
import { PARTITIONS } from './ownership.ts';

/** Each says all that its owner holds from then on, so that the last few facts are enough to know everything. */
export type LeaseFact =
  | { readonly type: 'LeaseRenewed' | 'LeaseTaken' | 'LeaseReleased'; readonly data: Holding }
  /** Nobody has heard of `owner` for the length of its lease. */
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
  /** When this process learnt of its last fact, by this process's own clock, in ms. */
  readonly heardAt: number;
}

export type LeaseState = ReadonlyMap<string, Holder>;

/** An owner is given up so long after its lease ended: its clock and ours need not run at quite the same speed. */
const GRACE_MS = 500;

/** null for what is no fact of a lease. */
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

/** @param heardAt when this process learnt of the fact, by its own clock */
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
  now - holder.heardAt > holder.durationMs + GRACE_MS;

/** Owners whose lease has run out without a word. */
export const expiredOwners = (state: LeaseState, me: string, now: number): readonly string[] =>
  [...state.values()]
    .filter((holder) => holder.owner !== me && isExpired(holder, now))
    .map(({ owner }) => owner);

/** What a process does next to come to its share. Partitions are taken and given by number, so that it is repeatable. */
export interface Shift {
  readonly take: readonly number[];
  /** To be handed over in order, then released. */
  readonly give: readonly number[];
}

/**
 * Every living process comes to ⌊16/n⌋ or ⌈16/n⌉ partitions, and no more of them move than have to.
 * @param state without those that are expired; may lack `me`, who joins then
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
  // What others are short of is left to them; who would have one more than its least takes what is over.
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
