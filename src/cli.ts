#!/usr/bin/env node
/**
 * The command line, `xmpp-chat`. `serve` runs the service. Each other command has a file in src/cli/, which reads the
 * options and prints the result. Backup, doctor and migration have folders of their own. Only this file imports
 * src/cli/.
 */
import { Command } from 'commander';
import { backupCommand } from './cli/backup.ts';
import { deadLettersCommand } from './cli/dead-letters.ts';
import { doctorCommand } from './cli/doctor.ts';
import { errorText } from './cli/error-text.ts';
import { migrateCommand } from './cli/migrate.ts';
import { operatorsCommand } from './cli/operators.ts';
import { restoreCommand } from './cli/restore.ts';
import { version } from './version.ts';

const program = new Command('xmpp-chat')
  .description('Shows web visitors of Live Helper Chat as XMPP contacts to their operators.')
  .version(version);

program
  .command('serve')
  .description('Run the service; its settings are in docs/configuration.md')
  // Loaded on demand: the other commands need little of the service, and start in a third of the time without it.
  .action(async () => (await import('./main.ts')).main());
program.addCommand(deadLettersCommand());
program.addCommand(operatorsCommand());
program.addCommand(doctorCommand());
program.addCommand(backupCommand());
program.addCommand(restoreCommand());
program.addCommand(migrateCommand());

try {
  await program.parseAsync();
} catch (error) {
  console.error(errorText(error));
  process.exit(1);
}
