/** `xmpp-chat replay`: folds everything with the machines of this version, and says what no longer fits. */
import { Command } from 'commander';
import type { Report } from '../replay/whole-log.ts';
import { differenceLines } from './diff.ts';
import { type Reading, withSource, withSourceOptions } from './log/open.ts';
import { type ReplayOptions, shareOf } from './log/source.ts';
import { counted } from './output/counted.ts';
import { createProgress } from './output/progress.ts';
import { lineOf } from './output/screen.ts';
import { jsonLine } from './output/terminal-text.ts';
import { durationText } from './output/times.ts';

/** Of the process: something does not fit, or a snapshot differs. */
export const EXIT_DIFFERS = 2;

/** @returns whether everything fits */
export async function runReplay(options: ReplayOptions, reading: Reading): Promise<boolean> {
  const { source, screen, json, signal } = reading;
  const end = screen.isWatched ? await source.readLog({ direction: 'backwards', limit: 1 }) : null;
  const progress = createProgress(screen, 'events');
  let done: Extract<Report, { readonly done: object }>['done'] | null = null;
  for await (const item of source.replay(options, signal)) {
    signal.throwIfAborted();
    if ('progress' in item) {
      const { events, position } = item.progress;
      progress.tick(events, shareOf(position, options.from, end?.through?.position ?? position));
      continue;
    }
    progress.done();
    if (json) screen.line(jsonLine(item));
    else for (const line of linesOf(reading, item)) screen.line(line);
    if ('done' in item) done = item.done;
  }
  progress.done();
  if (!done) throw new Error('the replay ended without a result');
  if (!json && !source.hasJournal) {
    screen.note('Snapshots are no part of the log: the running service compares its own.');
  }
  return done.unfit === 0 && done.snapshots === 0;
}

function linesOf({ screen, utc }: Reading, item: Report): string[] {
  if ('unfit' in item) {
    const { stream, revision, type, reason } = item.unfit;
    return [
      lineOf(
        screen,
        [
          { text: 'does not fit', style: 'bad' },
          [
            { text: `${stream} @${revision} ` },
            { text: type, style: 'name' },
            { text: `  ${reason}` },
          ],
        ],
        [],
      ),
    ];
  }
  if ('snapshot' in item) {
    const { stream, revision, changes } = item.snapshot;
    const differences = differenceLines({ screen, utc }, { changes, timerChanges: [] });
    return [
      lineOf(screen, [{ text: 'snapshot differs', style: 'bad' }, `${stream} @${revision}`], []),
      ...differences.map((line) => `  ${line}`),
    ];
  }
  if ('done' in item) {
    const { events, streams, unfit, snapshots, ms } = item.done;
    if (events === 0) return ['nothing was found to replay'];
    const rate = ms > 0 ? `, ${Math.round((events * 1_000) / ms)} events/s` : '';
    const text = `${counted(events, 'event')} of ${counted(streams, 'stream')} in ${durationText(ms)}${rate}`;
    const fits = unfit === 0 && snapshots === 0;
    const result = fits
      ? 'everything fits'
      : `not fitting: ${counted(unfit, 'fact')}, differing: ${counted(snapshots, 'snapshot')}`;
    return [`${text}: ${screen.style(fits ? 'good' : 'bad', result)}`];
  }
  return [];
}

const EXAMPLES = `
Examples:
  xmpp-chat replay                                     all streams of the running service
  xmpp-chat replay --tenant shop --json
  xmpp-chat replay --store sqlite:/srv/backup/events.db   before an upgrade, with the new version

It ends with 0 if everything fits, with 2 if a fact does not fit or a snapshot differs, with 1 after an error. Nothing is
performed and nothing is written.`;

export function replayCommand(): Command {
  return withSourceOptions(new Command('replay'))
    .description('Fold all streams with the machines of this version, and say what does not fit')
    .option('--tenant <id>', 'only streams of this tenant')
    .option('--from <position>', 'only facts behind this position of the log')
    .addHelpText('after', EXAMPLES)
    .action((options: ReplayOptions, command: Command) =>
      withSource(command, async (reading) => {
        const { tenant, from } = options;
        if (!(await runReplay({ tenant, from }, reading))) process.exitCode = EXIT_DIFFERS;
      }),
    );
}
