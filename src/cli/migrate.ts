/** `xmpp-chat migrate`: copies the log from one event store to another, and proves that the two are equal. */
import { Command } from 'commander';
import { AppError } from '../errors.ts';
import { type Migrated, migrate } from '../eventstore/migration/migrate.ts';
import { openEventStore } from '../eventstore/open.ts';
import { redactUrls } from '../eventstore/redact.ts';
import { createProgressDisplay } from './progress.ts';

interface Options {
  readonly verifyOnly: boolean;
}

const AGAIN =
  'interrupted: nothing is lost; start it again with the same arguments, and it goes on';

export function migrateCommand(): Command {
  return new Command('migrate')
    .description(
      'Copy the log from one event store to another and verify it; stop the service first',
    )
    .argument('<from>', 'sqlite:PATH or esdb://…')
    .argument('<to>', 'the same, empty or with a part of the copy')
    .option('--verify-only', 'compare the two and write nothing', false)
    .action(async (from: string, to: string, { verifyOnly }: Options) => {
      try {
        print(await run(from, to, verifyOnly), verifyOnly);
      } catch (error) {
        throw redacted(error);
      }
    });
}

async function run(from: string, to: string, verifyOnly: boolean): Promise<Migrated> {
  const interruption = new AbortController();
  const interrupt = (): void => interruption.abort(new AppError('refused', AGAIN));
  const display = createProgressDisplay({ out: process.stderr, now: () => performance.now() });
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  await using opened = new AsyncDisposableStack();
  const source = await openEventStore(from, { readOnly: true });
  opened.defer(() => source.close());
  const target = await openEventStore(to, verifyOnly ? { readOnly: true } : { appendOnce: true });
  opened.defer(() => target.close());
  const { signal } = interruption;
  try {
    return await migrate({
      source,
      target,
      verifyOnly,
      signal,
      now: Date.now,
      onProgress: display.update,
    });
  } catch (error) {
    // Whatever was under way says it in its own words.
    throw signal.aborted ? signal.reason : error;
  } finally {
    display.done();
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}

function print({ streams, events, digest, copied }: Migrated, verifyOnly: boolean): void {
  const here = events - copied;
  const detail = verifyOnly ? '' : ` (${copied} copied now, ${here} were there)`;
  console.log(
    `equal: ${streams} streams, ${events} events${detail}, sha256 ${digest || 'of nothing'}`,
  );
  if (!verifyOnly) {
    console.log(
      'Now set EVENT_STORE to the copy and start the service with the same SERVICE_SECRET.',
    );
  }
}

/** The same error without what connection strings may hold. */
function redacted(error: unknown): AppError {
  if (error instanceof AppError) {
    return new AppError(error.code, redactUrls(error.message), error.details);
  }
  return new AppError(
    'unavailable',
    redactUrls(error instanceof Error ? (error.stack ?? error.message) : String(error)),
  );
}
