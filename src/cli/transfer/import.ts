/** `xmpp-chat import`: an export becomes streams of a log that no service works on. */
import { randomBytes } from 'node:crypto';
import { createReadStream, existsSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Command } from 'commander';
import { asUser, userBehindAll } from '../../backup/user.ts';
import { AppError } from '../../errors.ts';
import { appendInOrder } from '../../eventstore/migration/append-pipeline.ts';
import { type CopiedEvent, copySteps } from '../../eventstore/migration/copy-steps.ts';
import { refuseLogInUse } from '../../eventstore/migration/in-use.ts';
import { isPlaceholder } from '../../eventstore/migration/placeholders.ts';
import { openEventStore, sqlitePath } from '../../eventstore/open.ts';
import { type EventStore, MAX_APPEND_BYTES, type NewEvent } from '../../eventstore/port.ts';
import { lastEvent, lastInLog } from '../../eventstore/reading.ts';
import { redactUrls } from '../../eventstore/redact.ts';
import { newId } from '../../kit/id.ts';
import { makeFolder } from '../../kit/make-folder.ts';
import {
  IMPORTED_STREAM,
  LOG_IMPORT_ENDED,
  LOG_IMPORTED,
  lastImport,
} from '../../runtime/imported-log.ts';
import { identifyLog } from '../../runtime/log-identity.ts';
import type { Vault } from '../../runtime/ports.ts';
import { createServiceFacts } from '../../runtime/service-facts.ts';
import { checkSecrets } from '../../runtime/vault/secret-check.ts';
import { deriveSecrets } from '../../runtime/vault/secrets.ts';
import { createVault } from '../../runtime/vault/vault.ts';
import { interruptible } from '../interruptible.ts';
import { CONFIGURED, secretsBeside, storeUrl } from '../log/open.ts';
import { counted } from '../output/counted.ts';
import { createProgress } from '../output/progress.ts';
import { processScreen, type Screen } from '../output/screen.ts';
import { damaged, type End, type EventLine, type Header, parseExport } from './format.ts';

/** Streams that exist already, named in the refusal at most. */
const STREAMS_NAMED = 5;

export interface ImportOptions {
  readonly store: EventStore;
  readonly vault: Pick<Vault, 'seal'>;
  /** Reads the file from its beginning. */
  readonly open: () => AsyncIterable<Buffer>;
  readonly screen: Screen;
  readonly signal: AbortSignal;
}

export interface Imported extends End {
  readonly masked: boolean;
  /** Events that an interrupted import of the same file had written before. */
  readonly before: number;
}

/** What is known of the file when it was read once: its streams, each with its first revision. */
interface Checked {
  readonly header: Header;
  readonly end: End;
  readonly firsts: ReadonlyMap<string, number>;
}

/**
 * Imports a file. All of it is checked before anything is written.
 * @throws {AppError} `invalid` for a damaged line, with its number; `conflict` for a log that is in use, or has one of the
 *   streams; `refused` for a log of the service
 */
export async function importFile(options: ImportOptions): Promise<Imported> {
  const { store, screen, signal } = options;
  await refuseLogInUse(store, 'target', screen.now);
  const checked = await checkFile(options);
  const isContinued = await isUnfinished(store, checked.end);
  const done = await revisionsOf(store, checked.firsts);
  if (!isContinued) refuseStreams(done);
  const facts = createServiceFacts({ store, now: screen.now, newId });
  const mark = (type: string) =>
    facts.appendNext(IMPORTED_STREAM, () => ({ type, data: markOf(checked), tenant: null }));
  // First of all: a log that is half imported is an imported one too.
  if (!isContinued) await mark(LOG_IMPORTED);
  await identifyLog({ store, now: screen.now, newId });
  let before = 0;
  const progress = createProgress(screen, 'events');
  let written = 0;
  try {
    const events = newEvents(options, done, () => {
      before += 1;
    });
    await appendInOrder(copySteps(events), {
      target: store,
      signal,
      onDone(step) {
        written += step.copied;
        progress.tick(before + written, (before + written) / checked.end.events);
      },
    });
  } catch (error) {
    progress.done();
    screen.note(
      `${before + written} of ${checked.end.events} events are in the log. The same import again goes on there.`,
    );
    throw error;
  }
  progress.done();
  await mark(LOG_IMPORT_ENDED);
  return { ...checked.end, masked: checked.header.masked, before };
}

const markOf = ({ header, end }: Checked) => ({
  format: header.version,
  from: header.log,
  exportedAt: header.exportedAt,
  masked: header.masked,
  ...end,
});

/** Reads the whole file, and writes nothing. */
async function checkFile({ open, screen, signal }: ImportOptions): Promise<Checked> {
  const progress = createProgress(screen, 'events checked');
  const { header, events, end } = await parseExport(open());
  const firsts = new Map<string, number>();
  let count = 0;
  for await (const { line, event } of events) {
    signal.throwIfAborted();
    const { stream, revision } = event;
    if (!firsts.has(stream)) firsts.set(stream, revision);
    // Sealed and in Base64 it takes a third more.
    if (Buffer.byteLength(JSON.stringify(event)) > (MAX_APPEND_BYTES * 3) / 4) {
      throw damaged(line, 'is too large for a log: an event has 1 MiB at most');
    }
    count += 1;
    progress.tick(count);
  }
  progress.done();
  return { header, end: end(), firsts };
}

/** @returns true if an import of this very file was interrupted. @throws {AppError} `refused`, `conflict` */
async function isUnfinished(store: EventStore, { sha256 }: End): Promise<boolean> {
  const last = await lastImport(store);
  if (!last) {
    // Not by `head`: an EventStoreDB has events of its own from its first start on.
    if ((await lastInLog(store)) === null) return false;
    throw new AppError(
      'refused',
      'the log belongs to a service: it would not start on it any more. Name a new store',
    );
  }
  if (last.type === LOG_IMPORT_ENDED) return false;
  if (last.data.sha256 === sha256) return true;
  throw new AppError(
    'conflict',
    'an import of another file was interrupted in this log. Import that file first, or name a new store',
  );
}

/** The last revisions that the log has of these streams. A stream with nothing but placeholders is not begun. */
async function revisionsOf(
  store: EventStore,
  firsts: ReadonlyMap<string, number>,
): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const stream of firsts.keys()) {
    const last = await lastEvent(store, stream);
    if (last && !isPlaceholder(last)) found.set(stream, last.revision);
  }
  return found;
}

function refuseStreams(existing: ReadonlyMap<string, number>): void {
  if (existing.size === 0) return;
  const named = [...existing.keys()].slice(0, STREAMS_NAMED).join(', ');
  const more = existing.size > STREAMS_NAMED ? ` and ${existing.size - STREAMS_NAMED} more` : '';
  throw new AppError(
    'conflict',
    `the log has ${named}${more} already. Nothing was written: name a new store`,
  );
}

/** What is to be written. @param done revisions that are in the log already */
async function* newEvents(
  { open, vault, signal }: ImportOptions,
  done: ReadonlyMap<string, number>,
  onSkip: () => void,
): AsyncGenerator<CopiedEvent> {
  const { events } = await parseExport(open());
  const begun = new Set(done.keys());
  for await (const { event: line } of events) {
    signal.throwIfAborted();
    const { stream, revision } = line;
    if (revision <= (done.get(stream) ?? -1)) {
      onSkip();
      continue;
    }
    const event = await sealedEvent(vault, line);
    yield { stream, revision, begins: !begun.has(stream), event };
    begun.add(stream);
  }
}

/** A box that no key opens: the nonce and the tag of nothing. */
const ERASED_BOX = Buffer.alloc(28).toString('base64');

async function sealedEvent(vault: Pick<Vault, 'seal'>, line: EventLine): Promise<NewEvent> {
  const { stream, revision: _, key, erased, personal, ...event } = line;
  const { id, type } = event;
  if (key === null) return { ...event, personal: null };
  if (personal === null) {
    // Erased data stays erased: the event says that there was some.
    return { ...event, personal: erased ? { key, box: ERASED_BOX, v: 2 } : null };
  }
  return { ...event, personal: await vault.seal(key, personal, { stream, type, id }) };
}

/** The secret of the log: of the configuration, or of the file beside it, which is made for a new log. */
function secretsFor(url: string): readonly string[] {
  const found = secretsBeside(url);
  const path = sqlitePath(url);
  if (found.length > 0) return found;
  if (path === null) {
    throw new AppError('invalid', 'SERVICE_SECRET is not set: personal data is sealed with it');
  }
  makeFolder(dirname(path));
  const file = join(dirname(path), 'service-secret');
  const secret = randomBytes(48).toString('base64url');
  writeFileSync(file, `${secret}\n`, { mode: 0o600, flag: 'wx', flush: true });
  return [secret];
}

async function run(file: string, { store: target }: { readonly store: string }): Promise<void> {
  const screen = processScreen();
  if (target === CONFIGURED) {
    throw new AppError('invalid', '--store has to name a log that no service works on');
  }
  const url = storeUrl(target);
  if (!existsSync(file)) throw new AppError('not-found', `there is no file ${file}`);
  if (!statSync(file).isFile()) {
    throw new AppError('invalid', `${file} is no file: an import reads it twice`);
  }
  const path = sqlitePath(url);
  const imported = await asUser(path === null ? null : userBehindAll(path), () =>
    interruptible('interrupted', async (signal) => {
      const serviceSecrets = secretsFor(url);
      const store = await openEventStore(url, { setting: '--store', appendOnce: true });
      try {
        await checkSecrets(store, serviceSecrets);
        const { wrapping } = deriveSecrets(serviceSecrets);
        const vault = createVault({ store, wrapping, now: Date.now, newId });
        return await importFile({
          store,
          vault,
          open: () => createReadStream(file),
          screen,
          signal,
        });
      } finally {
        await store.close();
        screen.status('');
      }
    }),
  );
  const { events, streams, masked, before: earlier } = imported;
  const again = earlier > 0 ? ` (${earlier} were there)` : '';
  screen.line(
    `${counted(events, 'event')} of ${counted(streams, 'stream')} now in ${redactUrls(url)}${again}`,
  );
  if (masked) screen.line('Personal data in it is masked.');
  screen.line('The service does not start on this log. Read it with --store.');
}

const EXAMPLES = `
Examples:
  xmpp-chat import case.ndjson --store sqlite:case/events.db
  xmpp-chat replay --store sqlite:case/events.db

The whole file is checked before anything is written. Personal data is sealed with SERVICE_SECRET, or with a new secret in
the file service-secret beside the new log.`;

export function importCommand(): Command {
  return new Command('import')
    .description(
      'Put an export into a new log, to read and replay it; no service works on that log',
    )
    .argument('<file>', 'of xmpp-chat export')
    .requiredOption(
      '--store <store>',
      'sqlite:PATH or esdb://…; a new one, or one with other imports',
    )
    .addHelpText('after', EXAMPLES)
    .action(run);
}
