/** What all queries have in common: how fresh their answer has to be, and how it is paged. */
import { z } from '@hono/zod-openapi';
import { AppError, hasCode } from '../../errors.ts';
import type { Position } from '../../eventstore/port.ts';
import { createTurns } from '../../kit/turns.ts';
import type { Page, PageRequest } from '../../projections/table.ts';
import type { HttpDeps } from '../deps.ts';

const POSITION_WAIT_MS = 5000;
const READY_WAIT_MS = 1000;

const minPosition = z
  .string()
  .max(200)
  .optional()
  .openapi({ description: "A command's `position`: the answer has seen it, or is 503 `timeout`" });

/** Precision -1: without seconds. */
const IsoTime = z.union([
  z.iso.date(),
  z.iso.datetime({ offset: true }),
  z.iso.datetime({ offset: true, precision: -1 }),
]);

/** Date.parse alone takes `since 5` for a day of 2001, and a time without an offset for one of this machine's zone. */
const timeOf = (text: string): number => {
  if (/^\d+$/.test(text)) return Number(text);
  return IsoTime.safeParse(text).success ? Date.parse(text) : Number.NaN;
};

/** How callers write a time, for the document. */
export const TIME =
  'ms since 1970, an ISO 8601 date (midnight in UTC), or a date and time with Z or an offset';

/** A time as callers write it, in ms since 1970. */
export const moment = z
  .string()
  .max(40)
  .transform(timeOf)
  .refine(
    Number.isSafeInteger,
    'is no time: give ms since 1970, 2026-01-31, or 2026-01-31T12:00:00Z (an offset with %2B for +)',
  )
  .openapi({ type: 'string', description: TIME });

/** `true` or `false`. */
export const flag = z.enum(['true', 'false']).transform((text) => text === 'true');

/** Query parameters of a single thing. */
export const OneQuery = z.strictObject({ minPosition });

/** Query parameters of every list. */
export const ListQuery = z.strictObject({
  minPosition,
  cursor: z.string().max(500).optional().openapi({ description: '`next` of the page before' }),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});

/** A page of a list, for the document. */
export const pageSchema = <T extends z.ZodType>(item: T) =>
  z.object({
    items: z.array(item),
    next: z.string().nullable().openapi({
      description:
        '`cursor` of the next page; null at the end. A page may be shorter than `limit`, or empty, before the end: where rows are looked through for a filter that fits few',
    }),
    position: z.string().nullable().openapi({ description: 'Up to here the log is in it' }),
  });

/** Of all queries that read piece by piece: there is one event loop. */
export const nextTurn = createTurns();

/** Looks that one request makes at most; each goes through up to 2,000 rows (src/projections/table.ts). */
const MOST_LOOKS = 100;

/**
 * A page of a list that is looked through piece by piece; others have their turn between two looks. It is short, or
 * empty, where there is little to find in that many rows: its `next` goes on behind them.
 */
export async function lookThrough<Row>(
  request: PageRequest,
  look: (request: PageRequest) => Page<Row>,
): Promise<Page<Row>> {
  const items: Row[] = [];
  let { cursor } = request;
  for (let looks = 1; ; looks++) {
    const page = look({ cursor, limit: request.limit - items.length });
    items.push(...page.items);
    const { next } = page;
    if (next === null || items.length >= request.limit || looks === MOST_LOOKS) {
      return { items, next };
    }
    cursor = next;
    await nextTurn();
  }
}

/**
 * Waits until the read models are as fresh as was asked for.
 * @throws {AppError} `timeout` when they are not in time; `invalid` for what is no position
 */
export async function awaitPosition(
  { projections, store, positionWaitMs = POSITION_WAIT_MS }: HttpDeps,
  { minPosition: text }: { readonly minPosition?: string | undefined },
): Promise<void> {
  // A service that has just started has its rows in a moment; one that builds them anew says so.
  await projections.ready(READY_WAIT_MS);
  if (text === undefined) return;
  let position: Position;
  try {
    position = store.parsePosition(text);
  } catch (error) {
    if (!hasCode(error, 'invalid')) throw error;
    throw new AppError('invalid', 'is no position of this event store', { field: 'minPosition' });
  }
  try {
    await projections.waitFor(position, positionWaitMs);
  } catch (error) {
    if (!hasCode(error, 'timeout')) throw error;
    throw new AppError('timeout', 'the read models have not reached this position yet', {
      field: 'minPosition',
    });
  }
}
