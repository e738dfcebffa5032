/** `xmpp-chat backup`: a verified copy of the log and its secret, taken while the service runs. */
import { Command } from 'commander';
import { takeBackup } from '../backup/take.ts';
import { verifyBackup } from '../backup/verify.ts';
import { readStorage } from '../config.ts';
import { AppError } from '../errors.ts';
import { version } from '../version.ts';

const EVERY_MS = 3000;
const SQLITE = 'sqlite:';

/** @throws {AppError} `refused` when the log is a server's */
export function logPath(eventStore: string, what: string): string {
  if (eventStore.startsWith(SQLITE)) return eventStore.slice(SQLITE.length);
  throw new AppError(
    'refused',
    `EVENT_STORE is EventStoreDB: ${what} with the server's own means (docs/operations.md, EventStoreDB). In DATA_DIR there is nothing to keep; keep SERVICE_SECRET apart from it: without it nothing personal can be read`,
  );
}

/** A line every few seconds; ends the copy when the process is asked to end. */
function createProgress(): { update(share: number): void; done(): void } {
  let shown = performance.now();
  let interrupted = false;
  const interrupt = (): void => {
    interrupted = true;
  };
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  return {
    update(share) {
      if (interrupted) throw new AppError('refused', 'interrupted: nothing was kept');
      if (performance.now() - shown < EVERY_MS) return;
      shown = performance.now();
      console.error(`copying ${Math.floor(share * 100)} %`);
    },
    done() {
      process.off('SIGINT', interrupt);
      process.off('SIGTERM', interrupt);
    },
  };
}

async function take(target: string): Promise<void> {
  const { dataDir, eventStore, serviceSecret } = readStorage();
  const log = logPath(eventStore, 'back it up');
  const progress = createProgress();
  try {
    const { takenAt, files, secret, ...made } = await takeBackup({
      log,
      dataDir,
      serviceSecret,
      target,
      version,
      now: Date.now,
      onProgress: progress.update,
    });
    const { events, head } = made.log;
    const mib = ((files[0]?.bytes ?? 0) / 2 ** 20).toFixed(1);
    console.log(`${target}: ${events} events up to ${head ?? 'the beginning'}, as of ${takenAt}`);
    console.log(`the log ${mib} MiB, verified`);
    console.log(
      secret === 'file'
        ? 'with the service secret: whoever has this folder can read everything'
        : 'without the service secret, which is in SERVICE_SECRET: keep it elsewhere; without it nothing personal can be read',
    );
    console.log('not in it: TENANTS_FILE, the environment, ejabberd');
  } finally {
    progress.done();
  }
}

async function verify(dir: string): Promise<void> {
  const { manifest, opened } = await verifyBackup(dir, readStorage().serviceSecret);
  const { takenAt, version: by, log } = manifest;
  console.log(
    `${dir} is whole: ${log.events} events up to ${log.head ?? 'the beginning'}, as of ${takenAt}, by ${by}`,
  );
  console.log(
    opened
      ? 'its personal data opens with the secret'
      : 'no secret, or nothing sealed, to try it on',
  );
}

export function backupCommand(): Command {
  return new Command('backup')
    .description('Copy the log and the service secret to a new folder, while the service runs')
    .argument('<dir>', 'a folder that is new or empty')
    .option('--verify', 'check a backup that is there, and write nothing', false)
    .action((dir: string, options: { readonly verify: boolean }) =>
      options.verify ? verify(dir) : take(dir),
    );
}
