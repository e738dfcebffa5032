/** What the settings of a tenant say about one department, at a time. Pure but for a cache (docs/adr/0059). */
import { isWithin } from '../machine/timers.ts';
import type { Policy, Terms } from '../operator-selection.ts';
import type { Chat } from '../visitor/state.ts';
import { ALWAYS_OPEN, type Opening, type OpeningHours, openingAt } from './opening-hours.ts';
import { MAX_OVERFLOWS, type Routing } from './routing-settings.ts';

const own = ({ departments }: Routing, department: string | null) =>
  department !== null && Object.hasOwn(departments, department)
    ? departments[department]
    : undefined;

/** @param department null: none */
export const policyOf = (routing: Routing, department: string | null): Policy =>
  own(routing, department)?.policy ?? routing.policy;

/** True if some department may ask several operators at once. */
export const usesBroadcast = (routing: Routing): boolean =>
  [routing, ...Object.values(routing.departments)].some(({ policy }) => policy === 'broadcast');

/** True if somewhere operators who are full hold up those of the next tier. */
export const usesTierWait = (routing: Routing): boolean =>
  [routing, ...Object.values(routing.departments)].some(({ tierWait }) => tierWait !== undefined);

/** Who may be asked for a chat of a department, and in which order. @param now ms since 1970 */
export function termsOf(routing: Routing, department: string | null, now: number): Terms {
  const ofIt = own(routing, department);
  const language = ofIt?.language ?? routing.language;
  return {
    policy: policyOf(routing, department),
    departmentCapacity: ofIt?.capacity ?? null,
    tierWaitMs: (ofIt?.tierWait ?? routing.tierWait ?? 0) * 1000,
    languageWaitMs: language?.match === 'require' ? language.wait * 1000 : 0,
    now,
  };
}

const hoursOf = (routing: Routing, department: string | null): OpeningHours | undefined =>
  own(routing, department)?.hours ?? routing.hours;

/** How long an answer is kept that has no end: what `openingAt` cannot see from here may come nearer. */
const KEPT_MS = 3_600_000;

/** The last answer for these hours. Each look at a waiting chat asks, and an answer costs up to a millisecond. */
const openings = new WeakMap<
  OpeningHours,
  { readonly from: number; readonly to: number; readonly opening: Opening }
>();

function keptOpening(hours: OpeningHours, now: number): Opening {
  const known = openings.get(hours);
  if (known && known.from <= now && now < known.to) return known.opening;
  const opening = openingAt(hours, now);
  openings.set(hours, { from: now, to: opening.until ?? now + KEPT_MS, opening });
  return opening;
}

/** Whether a department is open, and until when. A department without hours has the tenant's. @param now ms since 1970 */
export function openingOf(routing: Routing, department: string | null, now: number): Opening {
  const hours = hoursOf(routing, department);
  return hours ? keptOpening(hours, now) : ALWAYS_OPEN;
}

/** What a visitor reads while it is closed; null for nothing. */
export const awayMessageOf = (routing: Routing, department: string | null): string | null =>
  hoursOf(routing, department)?.message ?? routing.hours?.message ?? null;

/** What a visitor reads whose chat is one too many; null for nothing. */
export const fullMessageOf = (routing: Routing, department: string | null): string | null =>
  own(routing, department)?.fullMessage ?? routing.fullMessage ?? null;

/** Chats of a department that all operators together may have; null: no such limit. */
export const maxChatsOf = (routing: Routing, department: string | null): number | null =>
  own(routing, department)?.maxChats ?? null;

/** By department, the chats that may wait there before it counts as full. */
export const waitingLimits = ({ departments }: Routing): ReadonlyMap<string, number> =>
  new Map(
    Object.entries(departments).flatMap(([name, { maxWaiting }]) =>
      maxWaiting === undefined ? [] : [[name, maxWaiting] as const],
    ),
  );

/**
 * The departments that a waiting chat may go to now, in order: the time of each one before is over, and it is open. A
 * department that is closed has no time, and neither has the chat's own if it is full.
 * @param now ms since 1970
 */
export function overflowsOf(
  routing: Routing,
  chat: Pick<Chat, 'department' | 'waitsSince'> & { readonly overflowed: readonly string[] },
  now: number,
  isFull: boolean,
): readonly string[] {
  const due: string[] = [];
  const seen = new Set([chat.department, ...chat.overflowed]);
  let waitMs = 0;
  for (let from = chat.department; seen.size <= MAX_OVERFLOWS + 1 + chat.overflowed.length; ) {
    const overflow = own(routing, from)?.overflow;
    if (!overflow || seen.has(overflow.to)) break;
    const isUrgent = (isFull && from === chat.department) || !openingOf(routing, from, now).open;
    waitMs += isUrgent ? 0 : overflow.after * 1000;
    if (isWithin(waitMs, chat.waitsSince, now)) break;
    from = overflow.to;
    seen.add(from);
    if (openingOf(routing, from, now).open) due.push(from);
  }
  return due;
}

/** The departments whose chats may go to one of these, and these themselves. */
export function withSources(routing: Routing, departments: readonly string[]): readonly string[] {
  const found = new Set(departments);
  // Each round goes one step back. No chain is longer than that.
  for (let step = 0; step < MAX_OVERFLOWS; step++) {
    const before = found.size;
    for (const [name, { overflow }] of Object.entries(routing.departments)) {
      if (overflow && found.has(overflow.to)) found.add(name);
    }
    if (found.size === before) break;
  }
  return [...found];
}

/** Departments that are closed, and whose chats go nowhere else now. */
export interface Closed {
  /** Of the departments that the settings name. */
  readonly names: readonly string[];
  /** All that the settings do not name, and chats without a department. */
  readonly others: boolean;
  /** Those that the settings name. */
  readonly named: readonly string[];
}

/** @param now ms since 1970 */
export function closedOf(routing: Routing, now: number): Closed {
  const named = Object.keys(routing.departments);
  const goesNowhere = (department: string): boolean =>
    overflowsOf(routing, { department, waitsSince: 0, overflowed: [] }, now, true).length === 0;
  return {
    names: named.filter((name) => !openingOf(routing, name, now).open && goesNowhere(name)),
    others: !openingOf(routing, null, now).open,
    named,
  };
}
