/** `xmpp-chat restore`: puts a backup where the service finds it. */
import { Command } from 'commander';
import { restoreBackup } from '../backup/restore.ts';
import { readStorage } from '../config/config.ts';
import { logPath } from './backup.ts';
import { counted } from './output/counted.ts';
import { print } from './output/print.ts';

export function restoreCommand(): Command {
  return new Command('restore')
    .description('Put a backup into an empty DATA_DIR; stop the service first')
    .argument('<dir>', 'the backup')
    .option('--force', 'move what is in DATA_DIR aside; nothing is deleted')
    .action(async (backup: string, { force = false }: { readonly force?: boolean }) => {
      const { dataDir, eventStore, serviceSecrets } = readStorage();
      const { manifest, movedTo } = await restoreBackup({
        backup,
        dataDir,
        serviceSecrets,
        force,
        now: Date.now,
        log: logPath(eventStore, 'restore it'),
      });
      const { takenAt, log } = manifest;
      print(
        `restored: ${counted(log.events, 'event')}, as of ${takenAt}; later ones are not in it`,
      );
      for (const folder of movedTo) print(`what was there before is in ${folder}`);
      print('Start the service. It builds its read models again from the log.');
    });
}
