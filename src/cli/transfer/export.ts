/** `xmpp-chat export`: chosen streams as a file, with personal data masked unless it is asked for. */
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { Command } from 'commander';
import { DECIDERS } from '../../actors/deciders.ts';
import { actorOf, streamOfLane } from '../../actors/ids.ts';
import { AppError } from '../../errors.ts';
import { maskedEvent } from '../../replay/mask.ts';
import { LOG_STREAM } from '../../runtime/log-identity.ts';
import { version } from '../../version.ts';
import { type Reading, withSource, withSourceOptions } from '../log/open.ts';
import {
  compareInLog,
  isHidden,
  type LogEvent,
  type LogSource,
  logEvents,
  streamEvents,
} from '../log/source.ts';
import { counted } from '../output/counted.ts';
import { createProgress } from '../output/progress.ts';
import { jsonLine } from '../output/terminal-text.ts';
import { addLine, type End, FORMAT, FORMAT_VERSION, type Header, isInternal } from './format.ts';

export interface ExportOptions {
  readonly tenant?: string;
  readonly chat?: string;
  readonly visitor?: string;
  readonly withPersonal?: true;
}

/** Streams that are read side by side. */
export const MOST_CHOSEN_STREAMS = 100;
/** Characters of a masked value's name. */
const FINGERPRINT_CHARACTERS = 8;

/** The same value has the same name within one export, and another one in the next: nobody knows the key. */
function createFingerprint(): (text: string) => string {
  const key = randomBytes(32);
  return (text) =>
    createHmac('sha256', key).update(text).digest('hex').slice(0, FINGERPRINT_CHARACTERS);
}

/**
 * Writes the export.
 * @param write gets each line, without its end
 * @returns what the last line says
 * @throws {AppError} `invalid` for a choice that names nothing or too much; `not-found` if nothing is found
 */
export async function exportLog(
  streams: readonly string[],
  options: ExportOptions,
  { source, signal, screen }: Pick<Reading, 'source' | 'signal' | 'screen'>,
  write: (line: string) => void,
): Promise<End> {
  const progress = createProgress(screen, 'events');
  const chosen = await chosenEvents(source, streams, options, progress.tick);
  const isMasked = !options.withPersonal;
  const fingerprint = createFingerprint();
  const hash = createHash('sha256');
  const put = (value: object): void => {
    // It may be written to a terminal.
    const line = jsonLine(value);
    addLine(hash, line);
    write(line);
  };
  put(await headerOf(source, screen.now(), isMasked));
  const found = new Set<string>();
  let events = 0;
  for await (const event of chosen) {
    signal.throwIfAborted();
    if (event.sealed) throw sealed(event);
    put(lineOf(isMasked ? maskedEvent(event, fingerprint) : event));
    found.add(event.stream);
    events += 1;
    progress.tick(events);
  }
  progress.done();
  if (events === 0) throw new AppError('not-found', 'nothing was found to export');
  const end: End = { streams: found.size, events, sha256: hash.digest('hex') };
  write(JSON.stringify({ end }));
  return end;
}

const sealed = ({ stream }: LogEvent): AppError =>
  new AppError(
    'refused',
    `the personal data of ${stream} stays sealed here: set SERVICE_SECRET, so that it can be masked or exported`,
  );

async function headerOf(source: LogSource, now: number, isMasked: boolean): Promise<Header> {
  const [begun] = await source.readStream(LOG_STREAM, { limit: 1 });
  const { logId } = begun?.data ?? {};
  return {
    format: FORMAT,
    version: FORMAT_VERSION,
    exportedAt: now,
    by: version,
    log: typeof logId === 'string' ? logId : null,
    machines: Object.fromEntries(
      Object.entries(DECIDERS).map(([kind, decider]) => [kind, decider.version]),
    ),
    masked: isMasked,
  };
}

/** The event without its position, which is another one in another log. */
function lineOf(event: LogEvent): object {
  const { stream, revision, id, type, schemaVersion, data, personal, sealedBy, metadata } = event;
  return {
    stream,
    revision,
    id,
    type,
    schemaVersion,
    data,
    // Secrets of a tenant are in no export.
    personal: isHidden(personal) ? null : personal,
    key: isHidden(personal) ? null : sealedBy,
    ...(event.erased && { erased: true }),
    metadata,
  };
}

async function chosenEvents(
  source: LogSource,
  streams: readonly string[],
  { tenant, chat, visitor }: ExportOptions,
  onProgress: (events: number) => void,
): Promise<AsyncIterable<LogEvent>> {
  if (chat !== undefined && visitor !== undefined) {
    throw new AppError('invalid', 'give a --chat or a --visitor, not both', { field: '--visitor' });
  }
  if (streams.length === 0 && chat === undefined && visitor === undefined) {
    if (tenant === undefined) {
      throw new AppError('invalid', 'name streams, or say --tenant, --chat or --visitor');
    }
    return ofTenant(source, tenant);
  }
  const names = new Set(streams);
  const internal = streams.find(isInternal);
  if (internal !== undefined) {
    throw new AppError('invalid', `${internal} is a stream of the log itself, and is in no export`);
  }
  if (chat !== undefined || visitor !== undefined) {
    const filter = { tenant, ...(chat !== undefined ? { chat } : { text: visitor }) };
    for await (const row of source.streams(filter, onProgress)) {
      const isOurs = chat !== undefined || isOfVisitor(row.stream, visitor ?? '');
      if (isOurs && !isInternal(row.stream)) names.add(row.stream);
    }
  }
  if (names.size > MOST_CHOSEN_STREAMS) {
    throw new AppError(
      'too-large',
      `${names.size} streams are more than ${MOST_CHOSEN_STREAMS}: export their --tenant, or name fewer`,
    );
  }
  return inOrder(source, [...names]);
}

/** The visitor's stream and its lanes. */
const isOfVisitor = (stream: string, key: string): boolean => {
  const actor = actorOf(streamOfLane(stream));
  return actor?.kind === 'visitor' && actor.name === key;
};

/** What was cut off or deleted may be in the whole log until it is removed from the disk. It is not exported. */
async function* ofTenant(source: LogSource, tenant: string): AsyncGenerator<LogEvent> {
  const firsts = new Map<string, number>();
  for await (const event of logEvents(source, { tenant })) {
    const { stream, revision } = event;
    if (isInternal(stream)) continue;
    if (!firsts.has(stream)) {
      const [first] = await source.readStream(stream, { limit: 1 });
      firsts.set(stream, first?.revision ?? Number.POSITIVE_INFINITY);
    }
    if (revision >= (firsts.get(stream) ?? 0)) yield event;
  }
}

/** The events of some streams, in the order of the log. */
async function* inOrder(source: LogSource, streams: readonly string[]): AsyncGenerator<LogEvent> {
  const heads: { events: AsyncGenerator<LogEvent>; event: LogEvent }[] = [];
  for (const stream of streams) {
    const events = streamEvents(source, stream);
    const { value: event } = await events.next();
    if (!event) throw new AppError('not-found', `there is no stream ${stream}, or it is empty`);
    heads.push({ events, event });
  }
  for (;;) {
    const [first = null] = heads.toSorted((a, b) => compareInLog(a.event, b.event));
    if (!first) return;
    yield first.event;
    const next = await first.events.next();
    if (next.done) heads.splice(heads.indexOf(first), 1);
    else first.event = next.value;
  }
}

/** Writes to a new file that only this user can read, or to standard output. */
async function exportTo(
  file: string | undefined,
  streams: readonly string[],
  options: ExportOptions,
  command: Command,
): Promise<void> {
  // Before root becomes the owner of the log: the file is for whoever runs the command.
  const fd = file === undefined ? null : openSync(file, 'wx', 0o600);
  try {
    await withSource(command, async (reading) => {
      const write = (line: string): void =>
        fd === null ? reading.screen.line(line) : void writeSync(fd, `${line}\n`);
      const { streams: count, events } = await exportLog(streams, options, reading, write);
      const how = options.withPersonal
        ? 'Personal data is in it: keep it as you keep the log'
        : 'Personal data is masked';
      reading.screen.note(`${counted(events, 'event')} of ${counted(count, 'stream')}. ${how}.`);
    });
  } catch (error) {
    if (file !== undefined) rmSync(file, { force: true });
    throw error;
  } finally {
    if (fd !== null) closeSync(fd);
  }
  if (process.exitCode && file !== undefined) rmSync(file, { force: true });
}

const EXAMPLES = `
Examples:
  xmpp-chat export visitor-shop.42 > case.ndjson        one visitor, personal data masked
  xmpp-chat export --chat 7 --tenant shop -o case.ndjson
  xmpp-chat export --chat 7 --tenant shop operator-shop.olga -o case.ndjson     with the history of an operator
  xmpp-chat export --tenant shop --with-personal -o shop.ndjson
  xmpp-chat import case.ndjson --store sqlite:case.db   and then, on your own machine:
  xmpp-chat events visitor-shop.42 --store sqlite:case.db

In a masked export structure and rough length stay, and the same value is masked the same way. Names of operators, ids of
chats and visitors, and departments are no personal data of visitors and stay as they are. Secrets are never in it.`;

export function exportCommand(): Command {
  return withSourceOptions(new Command('export'))
    .description('Write chosen streams to a file, personal data masked, for `import`')
    .argument('[streams...]', 'such as visitor-shop.42; with --chat or --visitor: these too')
    .option('--tenant <id>', 'all streams of this tenant; with --chat and --visitor: whose')
    .option('--chat <id>', 'the streams of the visitors of this chat, with their lanes')
    .option('--visitor <key>', 'the stream of this visitor, with its lanes')
    .option('--with-personal', 'personal data as it is: names, pages, what was said')
    .option('-o, --output <file>', 'a new file (default: standard output)')
    .addHelpText('after', EXAMPLES)
    .action(
      (
        streams: readonly string[],
        { output, ...options }: ExportOptions & { readonly output?: string },
        command: Command,
      ) => exportTo(output, streams, options, command),
    );
}
