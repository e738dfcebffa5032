/** `xmpp-chat state`: what an actor is, or was at any point of its history. */
import { Command } from 'commander';
import { AppError } from '../errors.ts';
import type { JsonValue } from '../kit/json.ts';
import type { ActorAt } from '../replay/points.ts';
import { type Reading, withSource, withSourceOptions } from './log/open.ts';
import type { Point } from './log/source.ts';
import { fieldLines } from './output/fields.ts';
import { type Cell, columns, lineOf } from './output/screen.ts';
import { jsonLine } from './output/terminal-text.ts';
import { durationText, relativeText, timeOf, timeText } from './output/times.ts';

export interface PointOptions {
  readonly at?: string;
  readonly time?: string;
}

/** @throws {AppError} `invalid` for options that name no point */
export function pointOf({ at, time }: PointOptions, { screen, utc }: Reading): Point {
  if (at !== undefined && time !== undefined) {
    throw new AppError('invalid', 'give a revision with --at or a time with --time, not both', {
      field: '--time',
    });
  }
  if (time !== undefined) return { at: timeOf('--time', time, { now: screen.now(), utc }) };
  return at === undefined ? {} : { revision: revisionOf('--at', at) };
}

/** @param name of the option or argument, for the message. @throws {AppError} `invalid` */
export function revisionOf(name: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new AppError('invalid', `${name} has to be a revision such as 12: the number of a fact`, {
    field: name,
  });
}

/** @throws {AppError} `not-found` when the stream has no actor's facts up to there */
export async function showState(
  stream: string,
  options: PointOptions,
  reading: Reading,
): Promise<void> {
  const { source, screen, json } = reading;
  const point = pointOf(options, reading);
  const isNow = point.revision === undefined && point.at === undefined;
  const state = await source.state(stream, point);
  if (!state) {
    const reason = isNow
      ? 'has no facts of an actor: xmpp-chat streams lists streams'
      : `has no facts of an actor up to there: xmpp-chat events ${stream} shows where it begins`;
    throw new AppError('not-found', `${stream} ${reason}`);
  }
  if (json) return screen.line(jsonLine(state));
  for (const line of stateLines(reading, state, isNow)) screen.line(line);
  if (!state.unfit && point.revision !== undefined && state.revision < point.revision) {
    screen.note(`there is no fact ${point.revision}: the stream ends at ${state.revision}`);
  }
  if (state.unfit) {
    const { revision, type, reason } = state.unfit;
    screen.note(`${type} at revision ${revision} does not fit this version: ${reason}`);
  }
}

/** XState names a timer after the delay and the state that it belongs to. */
export const timerName = (id: string): string => {
  const [, delay, state] = /^xstate\.after\.([^.]+)\.(.+)$/.exec(id) ?? [];
  return delay === undefined ? id : `${delay} (${state})`;
};

/** @param isNow whether it is the state of now, so that timers are due from now on */
export function stateLines(
  { screen, utc }: Pick<Reading, 'screen' | 'utc'>,
  state: ActorAt,
  isNow: boolean,
): string[] {
  const now = screen.now();
  const { stream, revision, at, machine, value, timers, held, context } = state;
  const ago = isNow ? `, ${relativeText(at, now)}` : '';
  const head = lineOf(
    screen,
    [
      [
        { text: stream, style: 'title' },
        { text: ` at revision ${revision}, ${timeText(at, utc)}${ago}, by ${machine}` },
      ],
    ],
    [],
  );
  const due = (id: string, ms: number): Cell => {
    const text = isNow
      ? relativeText(ms, now)
      : `${durationText(Math.max(0, ms - at))} after this fact`;
    if (held?.includes(id)) return `${text}, does nothing in this state`;
    return held && isNow && ms < now ? { text: `${text}: late`, style: 'bad' } : text;
  };
  const sections: [string, Cell[][]][] = [
    ['states', regionRows(value)],
    [
      'timers',
      Object.entries(timers)
        .sort((a, b) => a[1] - b[1])
        .map(([id, ms]) => [
          timerName(id),
          { text: timeText(ms, utc), style: 'time' },
          due(id, ms),
        ]),
    ],
    ['context', fieldLines(context).map(({ name, text }): Cell[] => [name, text])],
  ];
  return [
    head,
    ...sections.flatMap(([title, rows]) => [
      screen.style('title', title),
      ...(rows.length > 0 ? columns(screen, [], rows) : ['none']).map((line) => `  ${line}`),
    ]),
  ];
}

/** A line for each region with its active state. */
const regionRows = (value: JsonValue): Cell[][] =>
  fieldLines(value).map(({ name, text }) =>
    name === '' ? [{ text, style: 'name' }] : [name, { text, style: 'name' }],
  );

const EXAMPLES = `
Examples:
  xmpp-chat state visitor-shop.42                    now
  xmpp-chat state visitor-shop.42 --at 12            as it was after the fact with revision 12
  xmpp-chat state visitor-shop.42 --time 14:05       as it was at that time
  xmpp-chat state operator-shop.olga --time "2h ago"`;

export function stateCommand(): Command {
  return withSourceOptions(new Command('state'))
    .description('What an actor is, or was: its states, timers and what it knows')
    .argument('<stream>', 'of a visitor, an operator or a tenant, such as visitor-shop.42')
    .option('--at <revision>', 'after the fact with this revision')
    .option('--time <time>', 'at this time: ISO 8601, 14:05, "10m ago"')
    .addHelpText('after', EXAMPLES)
    .action((stream: string, options: PointOptions, command: Command) =>
      withSource(command, (reading) => showState(stream, options, reading)),
    );
}
