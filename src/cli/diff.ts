/** `xmpp-chat diff`: what differs between two points in the history of an actor. */
import { Command } from 'commander';
import { AppError } from '../errors.ts';
import type { JsonValue } from '../kit/json.ts';
import type { Difference } from '../replay/points.ts';
import { type Reading, withSource, withSourceOptions } from './log/open.ts';
import { fieldLines, pathText, valueText } from './output/fields.ts';
import { type Cell, columns } from './output/screen.ts';
import { cut, jsonLine } from './output/terminal-text.ts';
import { timeText } from './output/times.ts';
import { revisionOf, timerName } from './state.ts';

/** @throws {AppError} `not-found` when the stream has no facts of an actor */
export async function showDiff(stream: string, a: string, b: string, reading: Reading) {
  const { source, screen, json } = reading;
  const found = await source.diff(stream, revisionOf('<a>', a), revisionOf('<b>', b));
  if (!found) throw new AppError('not-found', `${stream} has no facts of an actor`);
  if (json) return screen.line(jsonLine({ stream, ...found }));
  screen.line(`${stream}: revision ${found.a.revision} → ${found.b.revision}`);
  const sections = differenceLines(reading, found, found);
  for (const line of sections) screen.line(line);
  if (sections.length === 0) screen.line('nothing differs');
}

const ARROW = '→';

/** A line for each difference, by sections. @param states those of before and after, if they are to be compared */
export function differenceLines(
  { screen, utc }: Pick<Reading, 'screen' | 'utc'>,
  { changes, timerChanges }: Pick<Difference, 'changes' | 'timerChanges'>,
  states?: Pick<Difference, 'a' | 'b'>,
): string[] {
  // Two values stand in a line: each gets half of what the terminal has.
  const half = Math.max(16, Math.floor((screen.columns - 30) / 2));
  const side = (value: JsonValue | undefined): string =>
    value === undefined ? '' : cut(valueText(value), half);
  const row = (name: string, before: string, after: string): Cell[] => [
    name,
    { text: before || '(none)', style: before ? 'before' : 'note' },
    ARROW,
    { text: after || '(none)', style: after ? 'after' : 'note' },
  ];
  const due = (ms: number | null): string => (ms === null ? 'not running' : timeText(ms, utc));
  const sections: [string, Cell[][]][] = [
    [
      'states',
      states
        ? regionChanges(states.a.value, states.b.value).map(([name, from, to]) =>
            row(name, from, to),
          )
        : [],
    ],
    [
      'context',
      changes.map(({ path, before, after }) => row(pathText(path), side(before), side(after))),
    ],
    [
      'timers',
      timerChanges.map(({ id, before, after }) => row(timerName(id), due(before), due(after))),
    ],
  ];
  return sections
    .filter(([, rows]) => rows.length > 0)
    .flatMap(([title, rows]) => [
      screen.style('title', title),
      ...columns(screen, [], rows).map((line) => `  ${line}`),
    ]);
}

/** Regions whose active state differs. */
function regionChanges(before: JsonValue, after: JsonValue): [string, string, string][] {
  const old = new Map(fieldLines(before).map(({ name, text }) => [name, text]));
  return fieldLines(after)
    .filter(({ name, text }) => old.get(name) !== text)
    .map(({ name, text }) => [name || 'state', old.get(name) ?? '', text]);
}

const EXAMPLES = `
Examples:
  xmpp-chat diff visitor-shop.42 11 12     what the fact with revision 12 changed
  xmpp-chat diff operator-shop.olga 0 40`;

export function diffCommand(): Command {
  return withSourceOptions(new Command('diff'))
    .description('What differs between two points of a history: states, context, timers')
    .argument('<stream>', 'of a visitor, an operator or a tenant')
    .argument('<a>', 'a revision')
    .argument('<b>', 'another one')
    .addHelpText('after', EXAMPLES)
    .action((stream: string, a: string, b: string, _options: object, command: Command) =>
      withSource(command, (reading) => showDiff(stream, a, b, reading)),
    );
}
