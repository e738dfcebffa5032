/** `xmpp-chat events`: what happened, in one stream or in all, and what happens now. */
import { setTimeout as delay } from 'node:timers/promises';
import { Command, InvalidArgumentError } from 'commander';
import { AppError, isTransient } from '../errors.ts';
import { createBackoff, type RetryPolicy } from '../kit/backoff.ts';
import { type Reading, withSource, withSourceOptions } from './log/open.ts';
import {
  isHidden,
  type LogEvent,
  type LogQuery,
  type LogSource,
  logEvents,
  type OnPage,
  PAGE_EVENTS,
  positionBefore,
  revisionSince,
  streamEvents,
  withoutPersonal,
} from './log/source.ts';
import { fieldLines, fieldsText } from './output/fields.ts';
import { type Cell, columns, lineOf, type Piece } from './output/screen.ts';
import { jsonLine } from './output/terminal-text.ts';
import { timeOf, timeText } from './output/times.ts';

export interface EventsOptions {
  readonly follow?: true;
  readonly type?: readonly string[];
  readonly tenant?: string;
  readonly since?: string;
  readonly until?: string;
  readonly last?: number;
  readonly all?: true;
  readonly long?: true;
}

/** Of all streams, unless more are asked for. */
export const DEFAULT_LAST_EVENTS = 100;
/** Before the live end, as `tail -f` has it. */
export const DEFAULT_LAST_BEFORE_FOLLOWING = 10;
/** They are kept in memory until the first one is known. */
export const MOST_LAST_EVENTS = 100_000;
/** How often a follower asks for what is new. */
export const FOLLOW_EVERY_MS = 500;
/** While the service is away. */
export const FOLLOW_RETRY: RetryPolicy = { firstMs: 500, mostMs: 10_000 };

/** What is wanted, in ms since 1970. */
interface Wish {
  readonly stream: string | undefined;
  readonly types: readonly string[] | undefined;
  readonly tenant: string | undefined;
  readonly since: number | undefined;
  readonly until: number | undefined;
  readonly last: number | undefined;
}

function wishOf(
  stream: string | undefined,
  options: EventsOptions,
  { screen, utc }: Reading,
): Wish {
  const clock = { now: screen.now(), utc };
  const time = (name: 'since' | 'until') => {
    const text = options[name];
    return text === undefined ? undefined : timeOf(`--${name}`, text, clock);
  };
  if (stream !== undefined && options.all) {
    throw new AppError('invalid', 'give a stream or --all, not both', { field: '--all' });
  }
  const [since, until] = [time('since'), time('until')];
  if (options.follow && until !== undefined) {
    throw new AppError('invalid', '--until ends the events, and -f does not', { field: '--until' });
  }
  const isBounded = stream !== undefined || since !== undefined || options.all;
  const fewest = isBounded ? undefined : DEFAULT_LAST_EVENTS;
  const last = options.last ?? (options.follow ? DEFAULT_LAST_BEFORE_FOLLOWING : fewest);
  // After a time there may be many: -f shows all of them.
  const isWhole = options.last === undefined && (since !== undefined || options.all);
  return {
    stream,
    types: options.type,
    tenant: options.tenant,
    since,
    until,
    last: isWhole ? undefined : last,
  };
}

/** How far the reading came: what comes behind it is new. Every event counts, also one that is not wanted. */
interface Cursor {
  /** The next revision of the stream. */
  next: number;
  /** The last position of the log. */
  after: string | undefined;
}

/** Prints events, and with `follow` those to come until the signal ends it. */
export async function showEvents(
  stream: string | undefined,
  options: EventsOptions,
  reading: Reading,
): Promise<void> {
  const { source, screen, signal } = reading;
  const wish = wishOf(stream, options, reading);
  const print = printerOf(reading, wish, options.long ?? false);
  const cursor: Cursor = { next: 0, after: undefined };
  let count = 0;
  const tell = (event: LogEvent): void => {
    signal.throwIfAborted();
    print(event);
    count += 1;
  };
  if (wish.last === undefined) {
    for await (const event of forwards(source, wish, cursor)) tell(event);
  } else {
    for (const event of await newest(source, wish, wish.last, cursor)) tell(event);
  }
  if (options.follow) return follow(reading, wish, cursor, print);
  if (count === 0 && !reading.json) {
    screen.note(stream === undefined ? 'no events' : `no events in ${stream}`);
  }
}

const isWanted =
  ({ types, tenant, since, until }: Wish) =>
  ({ type, metadata }: LogEvent): boolean =>
    (types === undefined || types.includes(type)) &&
    (tenant === undefined || metadata.tenant === tenant) &&
    (since === undefined || metadata.at >= since) &&
    (until === undefined || metadata.at <= until);

const logQuery = ({ types, tenant }: Wish): LogQuery => ({ types, tenant });

/** Clocks of processes differ a little: behind an event that is too late may be others that are not. */
const CLOCKS_DIFFER_MS = 60_000;

async function* forwards(source: LogSource, wish: Wish, cursor: Cursor): AsyncGenerator<LogEvent> {
  const { stream, since, until = Number.POSITIVE_INFINITY } = wish;
  const wanted = isWanted(wish);
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
  const query = { ...logQuery(wish), after: cursor.after };
  const onPage: OnPage = ({ position }) => {
    cursor.after = position;
  };
  for await (const event of logEvents(source, query, onPage)) {
    if (event.metadata.at > until + CLOCKS_DIFFER_MS) return;
    if (wanted(event)) yield event;
  }
}

/** The newest events that are wanted, the oldest of them first. */
async function newest(
  source: LogSource,
  wish: Wish,
  most: number,
  cursor: Cursor,
): Promise<LogEvent[]> {
  const wanted = isWanted(wish);
  const found: LogEvent[] = [];
  for await (const event of wish.stream === undefined
    ? logBackwards(source, wish, cursor)
    : streamBackwards(source, wish.stream, cursor)) {
    const tooOld = wish.since !== undefined && event.metadata.at < wish.since - CLOCKS_DIFFER_MS;
    if (found.length >= most || tooOld) break;
    if (wanted(event)) found.push(event);
  }
  return found.reverse();
}

async function* logBackwards(
  source: LogSource,
  wish: Wish,
  cursor: Cursor,
): AsyncGenerator<LogEvent> {
  // The end first, whether it is wanted or not: a follower goes on behind it.
  const { events } = await source.readLog({ direction: 'backwards', limit: 1 });
  const [last] = events;
  if (!last) return;
  cursor.after = last.position;
  yield last;
  yield* logEvents(source, {
    ...logQuery(wish),
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

/** Tells what comes, also over a restart of the service. */
async function follow(
  { source, screen, signal }: Reading,
  wish: Wish,
  cursor: Cursor,
  print: (event: LogEvent) => void,
): Promise<void> {
  const wanted = isWanted(wish);
  const retry = createBackoff(FOLLOW_RETRY);
  let isAway = false;

  /** @returns whether there may be more at once */
  const look = async (): Promise<boolean> => {
    if (wish.stream !== undefined) {
      const events = await source.readStream(wish.stream, { from: cursor.next });
      cursor.next = (events.at(-1)?.revision ?? cursor.next - 1) + 1;
      for (const event of events.filter(wanted)) print(event);
      return events.length === PAGE_EVENTS;
    }
    const page = await source.readLog({ ...logQuery(wish), after: cursor.after });
    cursor.after = page.through?.position ?? cursor.after;
    for (const event of page.events.filter(wanted)) print(event);
    return page.next !== null;
  };

  while (!signal.aborted) {
    try {
      const hasMore = await look();
      if (isAway) screen.note('it answers again');
      isAway = false;
      retry.reset();
      if (!hasMore) await delay(FOLLOW_EVERY_MS, undefined, { signal }).catch(() => undefined);
    } catch (error) {
      if (!isTransient(error)) throw error;
      if (!isAway) screen.note(`${error.message}; trying again (Ctrl-C ends this)`);
      isAway = true;
      await retry.wait(signal);
    }
  }
}

const REVISION_CELLS = 4;
const TIME_CELLS = 24;
const STREAM_CELLS = 24;
const TYPE_CELLS = 24;

function printerOf(
  { screen, utc, json }: Reading,
  { stream }: Wish,
  isLong: boolean,
): (event: LogEvent) => void {
  if (json) return (event) => screen.line(jsonLine(event));
  const isCut = Number.isFinite(screen.columns);
  return (event) => {
    const { revision, type, metadata } = event;
    const cells: Cell[] = [
      { text: timeText(metadata.at, utc), style: 'time' },
      String(revision).padStart(REVISION_CELLS),
      ...(stream === undefined ? [event.stream] : []),
      { text: type, style: 'name' },
      ...(isLong ? [] : [contentOf(event, isCut)]),
    ];
    const widths = [
      TIME_CELLS,
      REVISION_CELLS,
      ...(stream === undefined ? [STREAM_CELLS] : []),
      TYPE_CELLS,
    ];
    screen.line(lineOf(screen, cells, widths));
    if (isLong) for (const line of longLines(screen, event)) screen.line(`    ${line}`);
  };
}

type Content = Pick<LogEvent, 'data' | 'personal' | 'erased' | 'sealed'>;

/** What is in an event, in one line: its data, then what is personal. */
export function contentOf(event: Content, isCut: boolean): readonly Piece[] {
  const data = fieldsText(event.data, isCut);
  const none = withoutPersonal(event);
  const personal = event.personal ? personalText(event, isCut) : null;
  return [
    ...(data === '' ? [] : [{ text: `${data} ` }]),
    ...(personal === null ? [] : [{ text: personal, style: 'personal' as const }]),
    ...(none === null ? [] : [{ text: none, style: 'bad' as const }]),
  ];
}

const personalText = ({ personal }: Content, isCut: boolean): string =>
  isHidden(personal) ? '(hidden)' : fieldsText(personal ?? {}, isCut);

function longLines(screen: Reading['screen'], event: LogEvent): string[] {
  const { data, personal, metadata, id } = event;
  const none = withoutPersonal(event);
  const rows: Cell[][] = [
    ...fieldLines(data).map(({ name, text }): Cell[] => [name, text]),
    ...(personal && !isHidden(personal) ? fieldLines(personal) : []).map(
      ({ name, text }): Cell[] => [name, { text, style: 'personal' }],
    ),
    ...(none === null ? [] : [['personal', { text: none, style: 'bad' }] satisfies Cell[]]),
    ['event', id],
    ['correlation', metadata.correlationId],
    ['cause', metadata.causationId],
    ['command', metadata.commandId],
    ['machine', metadata.machine],
  ];
  return columns(
    screen,
    [],
    rows.filter(([name]) => name !== ''),
  );
}

/** A number of an option. */
export const countOption =
  (most: number) =>
  (text: string): number => {
    const count = Number(text);
    if (Number.isSafeInteger(count) && count >= 1 && count <= most) return count;
    throw new InvalidArgumentError(`It has to be a number from 1 to ${most}.`);
  };

const EXAMPLES = `
Examples:
  xmpp-chat events visitor-shop.42              the history of a visitor
  xmpp-chat events visitor-shop.42 --long       with every field, and ids to trace
  xmpp-chat events -f                           what happens now, everywhere
  xmpp-chat events --tenant shop --since "10m ago"
  xmpp-chat events --type ChatClosed,ChatTransferred --last 20
  xmpp-chat events visitor-shop.42 --store sqlite:/srv/copy/events.db

Personal data is opened where there is a key for it; "(erased)" stands for data whose key was destroyed. What visitors
wrote is shown with its control characters as \\u001b, so that it cannot command your terminal.`;

export function eventsCommand(): Command {
  return withSourceOptions(new Command('events'))
    .description('Events of a stream, or of all: what happened, in order')
    .argument('[stream]', 'such as visitor-shop.42, operator-shop.olga, tenant-shop')
    .option('-f, --follow', 'go on with what comes, until Ctrl-C')
    .option('--type <types>', 'only events of these types, with commas between them', (text) =>
      text.split(',').map((type) => type.trim()),
    )
    .option('--tenant <id>', 'only events of this tenant')
    .option('--since <time>', 'only from this time on: ISO 8601, 14:05, "10m ago"')
    .option('--until <time>', 'only up to this time')
    .option('--last <n>', 'only the newest so many', countOption(MOST_LAST_EVENTS))
    .option('--all', `all events of all streams (default: the last ${DEFAULT_LAST_EVENTS})`)
    .option('--long', 'each field in a line of its own, with ids')
    .addHelpText('after', EXAMPLES)
    .action((stream: string | undefined, options: EventsOptions, command: Command) =>
      withSource(command, (reading) => showEvents(stream, options, reading)),
    );
}
