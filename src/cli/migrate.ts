/** `xmpp-chat migrate`: copies the log from one event store to another and proves that both are equal. */
import { resolve } from 'node:path';
import { Command } from 'commander';
import { asUser, userBehindAll } from '../backup/user.ts';
import { AppError } from '../errors.ts';
import { type Migrated, migrate } from '../eventstore/migration/migrate.ts';
import { isEventStore, openEventStore, sqlitePath } from '../eventstore/open.ts';
import { redactUrls } from '../eventstore/redact.ts';
import { interruptible } from './interruptible.ts';
import { counted } from './output/counted.ts';
import { print, warn } from './output/print.ts';
import { createProgressLog } from './progress.ts';

const INTERRUPTED =
  'interrupted: nothing is lost. Start it again with the same arguments, and it goes on where it was';

const FROM = 'the argument <from>';
const TO = 'the argument <to>';

/** @throws {AppError} `invalid` for arguments that name no store, or the same one twice */
function requireTwo(from: string, to: string): void {
  const wrong = [...(isEventStore(from) ? [] : [FROM]), ...(isEventStore(to) ? [] : [TO])].map(
    (name) =>
      `${name} has to be sqlite:PATH (such as sqlite:./data/events.db), esdb://… or esdb+discover://…`,
  );
  if (wrong.length > 0) throw new AppError('invalid', wrong.join('\n'));
  const [source, target] = [from, to].map((url) => resolve(sqlitePath(url) ?? url));
  if (source === target) throw new AppError('invalid', `${FROM} and ${TO} are the same store`);
}

export function migrateCommand(): Command {
  return new Command('migrate')
    .description('Copy the log to another event store and verify the copy; stop the service first')
    .argument('<from>', 'sqlite:PATH or esdb://…')
    .argument('<to>', 'the same; empty, or with the first part of the copy')
    .option('--verify-only', 'compare the two and write nothing')
    .action(
      async (
        from: string,
        to: string,
        { verifyOnly = false }: { readonly verifyOnly?: boolean },
      ) => {
        try {
          requireTwo(from, to);
          // root works as the owner of the logs.
          const paths = [from, to].map(sqlitePath).filter((path) => path !== null);
          const migrated = await asUser(userBehindAll(...paths), () =>
            interruptible(INTERRUPTED, (signal) => openAndMigrate(from, to, verifyOnly, signal)),
          );
          tell(migrated, verifyOnly);
        } catch (error) {
          throw redacted(error);
        }
      },
    );
}

async function openAndMigrate(
  from: string,
  to: string,
  verifyOnly: boolean,
  signal: AbortSignal,
): Promise<Migrated> {
  await using opened = new AsyncDisposableStack();
  const source = await openEventStore(from, { readOnly: true, setting: FROM });
  opened.defer(() => source.close());
  const target = await openEventStore(to, {
    setting: TO,
    ...(verifyOnly ? { readOnly: true } : { appendOnce: true }),
  });
  opened.defer(() => target.close());
  const report = createProgressLog(warn);
  return await migrate({
    source,
    target,
    verifyOnly,
    signal,
    now: Date.now,
    onProgress: (phase, events) => report(phase, counted(events, 'event')),
  });
}

function tell({ streams, events, digest, copied }: Migrated, verifyOnly: boolean): void {
  const counts = `equal: ${counted(streams, 'stream')}, ${counted(events, 'event')}`;
  const proof = `sha256 ${digest || 'of nothing'}`;
  if (verifyOnly) {
    print(`${counts}, ${proof}`);
    return;
  }
  print(`${counts} (${copied} copied now, ${events - copied} were there), ${proof}`);
  print('Set EVENT_STORE to the copy, and keep the service secret (docs/operations.md).');
}

/** The same error without the passwords that a connection string may hold. */
function redacted(error: unknown): AppError {
  if (error instanceof AppError) {
    return new AppError(error.code, redactUrls(error.message), error.details);
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new AppError('unavailable', redactUrls(text));
}
