/** Statistics of the chats that began within a time: altogether, by department and by operator. */
import { z } from '@hono/zod-openapi';
import { AppError } from '../../errors.ts';
import {
  type ChatStats,
  countChats,
  countWork,
  type Durations,
  type OperatorStats,
} from '../../projections/stats.ts';
import type { Portion, PortionKey, Range, StatsQueries } from '../../projections/stats-queries.ts';
import type { Access, Caller } from '../frame/auth.ts';
import { startOfDay, TimeZone } from '../frame/days.ts';
import { type Api, endpoint } from '../frame/endpoint.ts';
import { awaitPosition, moment, nextTurn, OneQuery } from '../frame/reading.ts';

const DAY_MS = 86_400_000;
const MOST_DAYS = 31;

const count = z.int();
const seconds = z.number().nullable();
const Measured = z
  .object({
    count,
    mean: seconds,
    p50: seconds,
    p95: seconds,
    max: seconds,
  } satisfies Record<keyof Durations, z.ZodType>)
  .openapi('Durations', {
    description: 'In seconds; p50 and p95 are by the nearest rank, computed from every value',
  });
const counted = {
  chats: count,
  open: count,
  closed: count,
  served: count.openapi({ description: 'An operator accepted it' }),
  missed: count.openapi({ description: 'Closed, and no operator had ever accepted it' }),
  waiting: Measured.openapi({ description: 'From its beginning until it was accepted' }),
  answer: Measured.openapi({ description: 'From its beginning until an operator first wrote' }),
} satisfies Record<keyof ChatStats, z.ZodType>;

const Stats = z
  .object({
    since: z.number().openapi({ description: 'ms since 1970' }),
    until: z.number().openapi({ description: 'ms since 1970, not included' }),
    timezone: z.string(),
    total: z.object(counted),
    departments: z.array(z.object({ department: z.string().nullable(), ...counted })),
    operators: z.array(
      z.object({
        operator: z.string(),
        chats: count.openapi({ description: 'That it accepted' }),
        messages: count,
        answer: Measured.openapi({ description: 'From when it was asked until its first message' }),
        missedOffers: count,
        declinedOffers: count,
      } satisfies Record<keyof OperatorStats, z.ZodType>),
    ),
    position: z.string().nullable(),
  })
  .openapi('Stats');

/** Reads all portions; others have their turn between them. */
async function eachRow<Row>(
  read: (after: PortionKey | null) => Portion<Row>,
  take: (row: Row) => void,
): Promise<void> {
  for (let after: PortionKey | null = null; ; ) {
    const { rows, next }: Portion<Row> = read(after);
    for (const row of rows) take(row);
    if (next === null) return;
    after = next;
    await nextTurn();
  }
}

/** What is in a map, made where it is missing. */
function within<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

const byName = ([a]: readonly [string | null, unknown], [b]: readonly [string | null, unknown]) =>
  a === b ? 0 : a === null ? 1 : b === null || a < b ? -1 : 1;

/** @param queries asked anew for each portion: the rows may have been exchanged meanwhile */
async function compute(queries: () => StatsQueries, range: Range) {
  const total = countChats();
  const departments = new Map<string | null, ReturnType<typeof countChats>>();
  await eachRow(
    (after) => queries().chats(range, after),
    (chat) => {
      total.add(chat);
      within(departments, chat.department, countChats).add(chat);
    },
  );
  const operators = new Map<string, ReturnType<typeof countWork>>();
  await eachRow(
    (after) => queries().work(range, after),
    (work) => within(operators, work.operator, countWork).add(work),
  );
  return {
    total: total.stats(),
    departments: [...departments]
      .sort(byName)
      .map(([department, counter]) => ({ department, ...counter.stats() })),
    operators: [...operators].sort(byName).map(([name, counter]) => counter.stats(name)),
  };
}

/** The range that was asked for. @throws {AppError} `invalid` */
function rangeOf(
  { since, until }: { readonly since?: number | undefined; readonly until?: number | undefined },
  zone: string,
  now: number,
): { readonly since: number; readonly until: number } {
  const refuse = (field: string, reason: string) => new AppError('invalid', reason, { field });
  const from = since ?? startOfDay(until === undefined ? now : until - 1, zone);
  // The end of the day, not this moment: the same answer as long as nothing has happened.
  const to =
    until ??
    (since === undefined
      ? startOfDay(from + 1.5 * DAY_MS, zone)
      : Math.min(Math.max(now, from + 1), from + MOST_DAYS * DAY_MS));
  if (to <= from) throw refuse('until', 'is not after `since`');
  if (to - from > MOST_DAYS * DAY_MS + DAY_MS / 12) {
    throw refuse('since', `is more than ${MOST_DAYS} days before the end; ask for less at once`);
  }
  return { since: from, until: to };
}

/** The endpoint of statistics. */
export function stats(api: Api, access: Access<Caller>): void {
  const { deps } = api;
  const { projections } = deps;
  endpoint(
    api,
    {
      method: 'get',
      path: '/v1/{tenant}/stats',
      operationId: 'getStats',
      tag: 'Chats',
      summary: 'Chats of a day, or of up to 31 days, in numbers',
      description:
        'Of the chats that began within the time; default: today in `timezone`. A chat counts for the department that it has now.',
      access,
      query: OneQuery.extend({
        since: moment.optional(),
        until: moment.optional(),
        timezone: TimeZone,
      }),
      success: { status: 200, description: 'The numbers', schema: Stats },
      problems: [503],
    },
    async ({ caller: { tenant }, query }) => {
      const { timezone } = query;
      const range = rangeOf(query, timezone, deps.now());
      await awaitPosition(deps, query);
      const position = projections.position();
      const numbers = await compute(() => projections.stats, { ...range, tenant: tenant.id });
      return { status: 200, json: { ...range, timezone, ...numbers, position } };
    },
  );
}
