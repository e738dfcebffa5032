/** What all queries have in common: parameters, pages, and how fresh the answer is. */
import { z } from '@hono/zod-openapi';
import { AppError, hasCode } from '../../errors.ts';
import type { EventStore, Position } from '../../eventstore/port.ts';
import type { EndpointDeps } from './deps.ts';

/** How long a query waits for its `minPosition`. */
export const POSITION_WAIT_MS = 5_000;
/** How long a query waits for read models that are about to be ready, after a start. */
export const READY_WAIT_MS = 1_000;

export const DEFAULT_PAGE_ITEMS = 50;
export const MAX_PAGE_ITEMS = 200;
export const MAX_POSITION_CHARACTERS = 200;
export const MAX_CURSOR_CHARACTERS = 500;
/** A text to search for at most. */
export const MAX_SEARCH_CHARACTERS = 200;

const minPosition = z.string().max(MAX_POSITION_CHARACTERS).optional().openapi({
  description: "A command's `position`. The answer includes that command, or is 503 `timeout`",
});

const IsoTime = z.union([
  z.iso.date(),
  z.iso.datetime({ offset: true }),
  z.iso.datetime({ offset: true, precision: -1 }), // without seconds
]);

/** Not Date.parse alone: it reads `since 5` as a day in 2001, and a time without an offset in this machine's zone. */
const timeOf = (text: string): number => {
  if (/^\d+$/.test(text)) return Number(text);
  return IsoTime.safeParse(text).success ? Date.parse(text) : Number.NaN;
};

/** How callers write a time, for the document. */
export const TIME_FORMAT =
  'ms since 1970, an ISO 8601 date (midnight in UTC), or a date and time with Z or an offset';

/** A time in a query, as callers write it. The output is ms since 1970. */
export const TimeParameter = z
  .string()
  .max(40)
  .transform(timeOf)
  .refine(
    Number.isSafeInteger,
    'is not a time: send ms since 1970, 2026-01-31, or 2026-01-31T12:00:00Z (in an offset write %2B for +)',
  )
  .openapi({ type: 'string', description: TIME_FORMAT });

/** `true` or `false` in a query. */
export const BooleanParameter = z.enum(['true', 'false']).transform((text) => text === 'true');

/** Query parameters for a single thing. */
export const SingleQuery = z.strictObject({ minPosition });

/** Query parameters of every list. */
export const ListQuery = z.strictObject({
  minPosition,
  cursor: z
    .string()
    .max(MAX_CURSOR_CHARACTERS)
    .optional()
    .openapi({ description: '`next` of the previous page' }),
  limit: z.coerce.number().int().min(1).max(MAX_PAGE_ITEMS).default(DEFAULT_PAGE_ITEMS),
});

/** A page of a list, for the document. */
export const pageSchema = <T extends z.ZodType>(item: T) =>
  z.object({
    items: z.array(item),
    next: z.string().nullable().openapi({
      description:
        '`cursor` of the next page; null on the last page. A page may be shorter than `limit`, or empty, and still have a next one: a filter that few rows match ends a page early',
    }),
    position: z
      .string()
      .nullable()
      .openapi({ description: 'The answer includes the log up to this position' }),
  });

/**
 * A position that a caller sent; null for none.
 * @param field of the request
 * @throws {AppError} `invalid`, which names the field
 */
export function positionOf(
  store: Pick<EventStore, 'parsePosition'>,
  text: string | undefined,
  field: string,
): Position | null {
  try {
    return text === undefined ? null : store.parsePosition(text);
  } catch (error) {
    if (!hasCode(error, 'invalid')) throw error;
    throw new AppError('invalid', 'is not a position of this event store', { field });
  }
}

/**
 * Waits until the read models have reached `minPosition`.
 * @returns a position that the rows have reached; null without any event
 * @throws {AppError} `timeout` if they have not in time; `invalid` if the text is not a position
 */
export async function awaitPosition(
  { readModels, store, positionWaitMs = POSITION_WAIT_MS }: EndpointDeps,
  { minPosition: text }: { readonly minPosition?: string | undefined },
): Promise<Position | null> {
  const position = positionOf(store, text, 'minPosition');
  try {
    // After a start the rows are ready in a moment. If they have to be rebuilt, the query throws an error that says so.
    return await readModels.reach(position, READY_WAIT_MS, positionWaitMs);
  } catch (error) {
    if (position === null || !hasCode(error, 'timeout')) throw error;
    throw new AppError('timeout', 'the read models have not reached this position yet', {
      field: 'minPosition',
    });
  }
}
