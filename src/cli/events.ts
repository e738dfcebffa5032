/** `xmpp-chat events`: what happened, in one stream or in all, and what happens now. */
import { setTimeout as delay } from 'node:timers/promises';
import { Command } from 'commander';
import { AppError, isTransient } from '../errors.ts';
import { createBackoff, type RetryPolicy } from '../kit/backoff.ts';
import { countOption } from './count-option.ts';
import { type Reading, withSource, withSourceOptions } from './log/open.ts';
import {
  atBeginning,
  type Cursor,
  forwards,
  newer,
  newest,
  type Selection,
} from './log/selection.ts';
import type { LogEvent } from './log/source.ts';
import { type EventLook, eventLines } from './output/event-lines.ts';
import { jsonLine } from './output/terminal-text.ts';
import { timeOf } from './output/times.ts';

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

/** What the options ask for. */
interface Wish extends Selection {
  /** Only the newest so many. */
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

/** Prints events, and with `follow` those to come until the signal ends it. */
export async function showEvents(
  stream: string | undefined,
  options: EventsOptions,
  reading: Reading,
): Promise<void> {
  const { source, screen, signal } = reading;
  const wish = wishOf(stream, options, reading);
  const print = printerOf(reading, {
    utc: reading.utc,
    hasStream: stream === undefined,
    isLong: options.long ?? false,
  });
  const cursor = atBeginning();
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
    const isChosen = [wish.types, wish.tenant, wish.since, wish.until].some(
      (each) => each !== undefined,
    );
    const what = isChosen ? 'no such events' : 'no events';
    const hint = isChosen ? '' : `: xmpp-chat streams --text ${stream} looks for its name`;
    screen.note(stream === undefined ? what : `${what} in ${stream}${hint}`);
  }
}

const printerOf = ({ screen, json }: Reading, look: EventLook): ((event: LogEvent) => void) =>
  json
    ? (event) => screen.line(jsonLine(event))
    : (event) => {
        for (const line of eventLines(screen, event, look)) screen.line(line);
      };

/** Tells what comes, also over a restart of the service. */
async function follow(
  { source, screen, signal }: Reading,
  selection: Selection,
  cursor: Cursor,
  print: (event: LogEvent) => void,
): Promise<void> {
  const retry = createBackoff(FOLLOW_RETRY);
  let isAway = false;
  while (!signal.aborted) {
    try {
      const { events, hasMore } = await newer(source, selection, cursor);
      for (const event of events) print(event);
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
