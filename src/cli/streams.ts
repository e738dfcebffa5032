/** `xmpp-chat streams`: the streams of the log, found by whose they are. */
import { Command } from 'commander';
import { countOption } from './count-option.ts';
import { type Reading, withSource, withSourceOptions } from './log/open.ts';
import type { StreamFilter, StreamRow } from './log/source.ts';
import { createProgress } from './output/progress.ts';
import { type Cell, columns } from './output/screen.ts';
import { jsonLine } from './output/terminal-text.ts';
import { relativeText, timeText } from './output/times.ts';

export interface StreamsOptions extends StreamFilter {
  readonly limit?: number;
  readonly all?: true;
}

/** Unless more are asked for. */
export const DEFAULT_STREAMS = 50;
const MOST_ROWS = 1_000_000;

export async function showStreams(options: StreamsOptions, reading: Reading): Promise<void> {
  const { source, screen, utc, json, signal } = reading;
  const { limit = DEFAULT_STREAMS, all, category, tenant, jid, chat, text } = options;
  const most = all ? Number.POSITIVE_INFINITY : limit;
  const progress = createProgress(screen, 'events');
  const filter: StreamFilter = { category, tenant, jid, chat, text };
  const rows: StreamRow[] = [];
  let count = 0;
  let hasMore = false;
  for await (const row of source.streams(filter, progress.tick, signal)) {
    signal.throwIfAborted();
    if (count >= most) {
      hasMore = true;
      break;
    }
    count += 1;
    if (json) screen.line(jsonLine(row));
    else rows.push(row);
  }
  progress.done();
  if (json) return;
  if (rows.length === 0) {
    const isChosen = Object.values(filter).some((each) => each !== undefined);
    return screen.note(isChosen ? 'no such streams' : 'no streams');
  }
  const now = screen.now();
  const cells = rows.map((row): Cell[] => [
    { text: row.stream, style: 'name' },
    row.tenant ?? '-',
    String(row.lastRevision),
    { text: timeText(row.firstAt, utc).slice(0, 19), style: 'time' },
    { text: relativeText(row.lastAt, now), style: 'time' },
    row.lastType,
    ...(row.erased ? [{ text: '(erased)', style: 'bad' as const }] : [row.jid ?? '']),
  ]);
  const header = ['STREAM', 'TENANT', 'REVISION', 'FROM', 'LAST', 'LAST FACT', 'ADDRESS'];
  for (const line of columns(screen, header, cells)) screen.line(line);
  if (hasMore) screen.note(`the newest ${most}: --limit or --all shows more`);
}

const EXAMPLES = `
Examples:
  xmpp-chat streams                              the streams with the newest facts
  xmpp-chat streams --category visitor --tenant shop
  xmpp-chat streams --jid visitor.42@chat.example.com
  xmpp-chat streams --chat 7
  xmpp-chat streams --text 42 --store sqlite:/srv/copy/events.db

A store has no index: it is scanned from its beginning, and does not know the addresses of people.`;

export function streamsCommand(): Command {
  return withSourceOptions(new Command('streams'))
    .description('Streams of the log: of visitors, operators, tenants, lanes, letters, keys')
    .option('--category <category>', 'visitor, operator, tenant, lane, letter, key, other')
    .option('--tenant <id>', 'only those of this tenant')
    .option('--jid <address>', 'of the visitor or operator with this XMPP address')
    .option('--chat <id>', 'of the visitors of this chat')
    .option('--text <text>', 'whose name contains this')
    .option('--limit <n>', `so many at most (default: ${DEFAULT_STREAMS})`, countOption(MOST_ROWS))
    .option('--all', 'all of them')
    .addHelpText('after', EXAMPLES)
    .action((options: StreamsOptions, command: Command) =>
      withSource(command, (reading) => showStreams(options, reading)),
    );
}
