/** The events that somebody wants of a log: in order, the newest, and those that come. */
import {
  CLOCKS_DIFFER_MS,
  type LogEvent,
  type LogQuery,
  type LogSource,
  logEvents,
  type OnPage,
  PAGE_EVENTS,
  positionBefore,
  revisionSince,
  streamEvents,
} from './source.ts';

/** Which events are wanted: those of all streams and times, unless it says otherwise. */
export interface Selection {
  readonly stream: string | undefined;
  readonly types: readonly string[] | undefined;
  readonly tenant: string | undefined;
  /** ms since 1970 */
  readonly since: number | undefined;
  readonly until: number | undefined;
}

/** How far the reading came: what comes behind it is new. Every event counts, also one that is not wanted. */
export interface Cursor {
  /** The next revision of the stream. */
  next: number;
  /** The last position of the log. */
  after: string | undefined;
}

/** Nothing was read yet. */
export const atBeginning = (): Cursor => ({ next: 0, after: undefined });

const isWanted =
  ({ types, tenant, since, until }: Selection) =>
  ({ type, metadata }: LogEvent): boolean =>
    (types === undefined || types.includes(type)) &&
    (tenant === undefined || metadata.tenant === tenant) &&
    (since === undefined || metadata.at >= since) &&
    (until === undefined || metadata.at <= until);

const logQuery = ({ types, tenant }: Selection): LogQuery => ({ types, tenant });

/** The events that are wanted, in order. Behind one that is too late may be others that are not. */
export async function* forwards(
  source: LogSource,
  selection: Selection,
  cursor: Cursor,
): AsyncGenerator<LogEvent> {
  const { stream, since, until = Number.POSITIVE_INFINITY } = selection;
  const wanted = isWanted(selection);
  if (stream !== undefined) {
    cursor.next = since === undefined ? 0 : await revisionSince(source, stream, since);
    for await (const event of streamEvents(source, stream, cursor.next)) {
      if (event.metadata.at > until) return;
      cursor.next = event.revision + 1;
      if (wanted(event)) yield event;
    }
    return;
  }
  cursor.after = since === undefined ? undefined : await positionBefore(source, since);
  const query = { ...logQuery(selection), after: cursor.after };
  const onPage: OnPage = ({ position }) => {
    cursor.after = position;
  };
  for await (const event of logEvents(source, query, onPage)) {
    if (event.metadata.at > until + CLOCKS_DIFFER_MS) return;
    if (wanted(event)) yield event;
  }
}

/** The newest events that are wanted, the oldest of them first. @param most of them */
export async function newest(
  source: LogSource,
  selection: Selection,
  most: number,
  cursor: Cursor,
): Promise<LogEvent[]> {
  const wanted = isWanted(selection);
  const found: LogEvent[] = [];
  for await (const event of selection.stream === undefined
    ? logBackwards(source, selection, cursor)
    : streamBackwards(source, selection.stream, cursor)) {
    const tooOld =
      selection.since !== undefined && event.metadata.at < selection.since - CLOCKS_DIFFER_MS;
    if (found.length >= most || tooOld) break;
    if (wanted(event)) found.push(event);
  }
  return found.reverse();
}

async function* logBackwards(
  source: LogSource,
  selection: Selection,
  cursor: Cursor,
): AsyncGenerator<LogEvent> {
  // The end first, whether it is wanted or not: a follower goes on behind it.
  const { events } = await source.readLog({ direction: 'backwards', limit: 1 });
  const [last] = events;
  if (!last) return;
  cursor.after = last.position;
  yield last;
  yield* logEvents(source, {
    ...logQuery(selection),
    direction: 'backwards',
    after: last.position,
  });
}

async function* streamBackwards(
  source: LogSource,
  stream: string,
  cursor: Cursor,
): AsyncGenerator<LogEvent> {
  for (let from: number | undefined; ; ) {
    const page = await source.readStream(stream, { from, direction: 'backwards' });
    cursor.next = Math.max(cursor.next, (page[0]?.revision ?? -1) + 1);
    yield* page;
    const oldest = page.at(-1);
    if (!oldest || oldest.revision === 0 || page.length < PAGE_EVENTS) return;
    from = oldest.revision - 1;
  }
}

/**
 * The next events behind the cursor, as many as come at once.
 * @returns those that are wanted, and whether there may be more at once
 */
export async function newer(
  source: LogSource,
  selection: Selection,
  cursor: Cursor,
): Promise<{ readonly events: readonly LogEvent[]; readonly hasMore: boolean }> {
  const wanted = isWanted(selection);
  if (selection.stream !== undefined) {
    const events = await source.readStream(selection.stream, { from: cursor.next });
    cursor.next = (events.at(-1)?.revision ?? cursor.next - 1) + 1;
    return { events: events.filter(wanted), hasMore: events.length === PAGE_EVENTS };
  }
  const page = await source.readLog({ ...logQuery(selection), after: cursor.after });
  cursor.after = page.through?.position ?? cursor.after;
  return { events: page.events.filter(wanted), hasMore: page.next !== null };
}
