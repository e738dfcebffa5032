/** Statistics of the chats that started within a range of time: in total, by department and by operator. */
import { z } from '@hono/zod-openapi';
import { AppError } from '../../errors.ts';
import type { ChatStats, Durations, OperatorStats } from '../../projections/stats.ts';
import type { Access, Caller } from '../frame/auth.ts';
import { startOfDay, TimeZone } from '../frame/days.ts';
import { type Api, addEndpoint } from '../frame/endpoint.ts';
import { awaitPosition, SingleQuery, TimeParameter } from '../frame/reading.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** The range of one query at most. */
export const MAX_STATS_DAYS = 31;
/** A range of whole local days may be longer than its days of 24 hours: clocks change. */
const CLOCK_CHANGE_MS = 2 * HOUR_MS;

const count = z.int();
const seconds = z.number().nullable();
const DurationsSchema = z
  .object({
    count,
    mean: seconds,
    p50: seconds,
    p95: seconds,
    max: seconds,
  } satisfies Record<keyof Durations, z.ZodType>)
  .openapi('Durations', {
    description: 'In seconds. p50 and p95 are computed from all values, by the nearest rank',
  });
const chatStats = {
  chats: count,
  open: count,
  closed: count,
  served: count.openapi({ description: 'An operator accepted it' }),
  missed: count.openapi({ description: 'Closed before any operator accepted' }),
  overflowed: count.openapi({
    description:
      'Went to another department because it had waited too long in this one. In total: did so at least once',
  }),
  waiting: DurationsSchema.openapi({
    description: 'From the start of the chat until an operator accepted',
  }),
  answer: DurationsSchema.openapi({
    description: 'From the start of the chat until an operator first wrote',
  }),
} satisfies Record<keyof ChatStats, z.ZodType>;

const Stats = z
  .object({
    since: z.number().openapi({ description: 'ms since 1970' }),
    until: z.number().openapi({ description: 'ms since 1970, exclusive' }),
    timezone: z.string(),
    total: z.object(chatStats),
    departments: z.array(z.object({ department: z.string().nullable(), ...chatStats })),
    operators: z.array(
      z.object({
        operator: z.string(),
        chats: count.openapi({ description: 'Chats that the operator accepted' }),
        messages: count,
        answer: DurationsSchema.openapi({
          description: 'From the offer until the first message of the operator',
        }),
        missedOffers: count,
        declinedOffers: count,
      } satisfies Record<keyof OperatorStats, z.ZodType>),
    ),
    position: z.string().nullable(),
  })
  .openapi('Stats');

/** The range of a query, with defaults. @throws {AppError} `invalid` */
function rangeOf(
  { since, until }: { readonly since?: number | undefined; readonly until?: number | undefined },
  zone: string,
  now: number,
): { readonly since: number; readonly until: number } {
  const invalid = (field: string, reason: string) => new AppError('invalid', reason, { field });
  const from = since ?? startOfDay(until === undefined ? now : until - 1, zone);
  // The end of the day and not this moment, so that the answer (and its ETag) stays the same while nothing happens.
  const to =
    until ??
    (since === undefined
      ? startOfDay(from + 1.5 * DAY_MS, zone)
      : Math.min(Math.max(now, from + 1), from + MAX_STATS_DAYS * DAY_MS));
  if (to <= from) throw invalid('until', 'is not after `since`');
  if (to - from > MAX_STATS_DAYS * DAY_MS + CLOCK_CHANGE_MS) {
    throw invalid('since', `is more than ${MAX_STATS_DAYS} days before \`until\``);
  }
  return { since: from, until: to };
}

export function addStatsEndpoint(api: Api, access: Access<Caller>): void {
  const { deps } = api;
  const { readModels } = deps;
  addEndpoint(
    api,
    {
      method: 'get',
      path: '/v1/{tenant}/stats',
      operationId: 'getStats',
      tag: 'Chats',
      summary: `Statistics of one day, or of up to ${MAX_STATS_DAYS} days`,
      description:
        'Counts the chats that started within the range. Default: today in `timezone`. A chat counts for its current department.',
      access,
      query: SingleQuery.extend({
        since: TimeParameter.optional(),
        until: TimeParameter.optional(),
        timezone: TimeZone,
      }),
      success: { status: 200, description: 'The statistics', schema: Stats },
      problems: [503],
    },
    async ({ caller: { tenant }, query }) => {
      const { timezone } = query;
      const range = rangeOf(query, timezone, deps.now());
      const position = await awaitPosition(deps, query);
      const statistics = await readModels.stats.of({ ...range, tenant: tenant.id });
      return { status: 200, json: { ...range, timezone, ...statistics, position } };
    },
  );
}
