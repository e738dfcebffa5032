#!/usr/bin/env node
/** The command line: `xmpp-chat serve`, and what is done beside it, a file of src/cli/ for each. */
import { Command } from 'commander';
import { backupCommand } from './cli/backup.ts';
import { deadLettersCommand } from './cli/dead-letters.ts';
import { doctorCommand } from './cli/doctor.ts';
import { migrateCommand } from './cli/migrate.ts';
import { operatorsCommand } from './cli/operators.ts';
import { restoreCommand } from './cli/restore.ts';
import { told } from './cli/told.ts';
import { version } from './version.ts';

const program = new Command('xmpp-chat')
  .description('Web visitors of Live Helper Chat as XMPP contacts of their operators.')
  .version(version);

program
  .command('serve')
  .description('Run the service; see README.md for its settings')
  // Loaded when it is asked for: the other commands need little of it, and begin in a third of the time.
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
  console.error(told(error));
  process.exit(1);
}
