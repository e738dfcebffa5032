/** `xmpp-chat backup`: a verified copy of the log and its secret, taken while the service runs. */
import { Command } from 'commander';
import type { Manifest } from '../backup/manifest.ts';
import { takeBackup } from '../backup/take.ts';
import { verifyBackup } from '../backup/verify.ts';
import { readStorage } from '../config/config.ts';
import { AppError } from '../errors.ts';
import { sqlitePath } from '../eventstore/open.ts';
import { version } from '../version.ts';
import { interruptible } from './interruptible.ts';
import { counted } from './output/counted.ts';
import { print, warn } from './output/print.ts';
import { createProgressLog } from './progress.ts';

/**
 * The file of the embedded log.
 * @param deed for the message: what to do with an EventStoreDB by its own means
 * @throws {AppError} `refused` when the log is in EventStoreDB
 */
export function logPath(eventStore: string, deed: 'back it up' | 'restore it'): string {
  const path = sqlitePath(eventStore);
  if (path !== null) return path;
  throw new AppError(
    'refused',
    `EVENT_STORE is an EventStoreDB: ${deed} with the server's own means (docs/eventstoredb.md, Backups). Nothing in DATA_DIR needs a backup. Keep SERVICE_SECRET in another place than the log: without it nothing personal can be read`,
  );
}

async function take(target: string, signal: AbortSignal): Promise<void> {
  const { dataDir, eventStore, serviceSecrets } = readStorage();
  const log = logPath(eventStore, 'back it up');
  const report = createProgressLog(warn);
  const manifest = await takeBackup({
    log,
    dataDir,
    serviceSecrets,
    target,
    version,
    now: Date.now,
    onProgress(share) {
      signal.throwIfAborted();
      report('copying', `${Math.floor(share * 100)} %`);
    },
  });
  const mib = ((manifest.files[0]?.bytes ?? 0) / 2 ** 20).toFixed(1);
  print(`${target}: ${contentOf(manifest)}`);
  print(`the log has ${mib} MiB and is verified`);
  print(
    manifest.secret === 'file'
      ? 'The service secret is in it. Anybody who has this folder can read everything.'
      : 'The service secret is not in it. Keep SERVICE_SECRET in another place: without it nothing personal can be read.',
  );
  print('Not in it: TENANTS_FILE, the environment, ejabberd.');
}

async function verify(dir: string): Promise<void> {
  const { manifest, opened } = await verifyBackup(dir, readStorage().serviceSecrets);
  print(`${dir} is whole: ${contentOf(manifest)}, by version ${manifest.version}`);
  print(
    opened
      ? 'its personal data opens with the secret'
      : 'its secret was not tried: there is no secret here, or no personal data',
  );
}

const contentOf = ({ log, takenAt }: Manifest): string =>
  `${counted(log.events, 'event')} up to ${log.head ?? 'the beginning'}, as of ${takenAt}`;

export function backupCommand(): Command {
  return new Command('backup')
    .description('Copy the log and the service secret to a new folder, while the service runs')
    .argument('<dir>', 'a folder that is new or empty')
    .option('--verify', 'check an existing backup, and write nothing')
    .action((dir: string, options: { readonly verify?: boolean }) =>
      options.verify
        ? verify(dir)
        : interruptible('interrupted: no backup was made', (signal) => take(dir, signal)),
    );
}
