/** The commands of `xmpp-chat`. Each has a file in this folder, which reads the options and prints the result. */
import { Command } from 'commander';
import { version } from '../version.ts';
import { backupCommand } from './backup.ts';
import { deadLettersCommand } from './dead-letters.ts';
import { doctorCommand } from './doctor.ts';
import { errorText } from './error-text.ts';
import { migrateCommand } from './migrate.ts';
import { operatorsCommand } from './operators.ts';
import { restoreCommand } from './restore.ts';
import { tenantsCommand } from './tenants.ts';

/** Runs what the command line says. A failure is printed and ends the process with 1. @param serve runs the service */
export async function runProgram(serve: () => Promise<void>): Promise<void> {
  const program = new Command('xmpp-chat')
    .description('Shows web visitors of Live Helper Chat as XMPP contacts to their operators.')
    .version(version);
  program
    .command('serve')
    .description('Run the service; its settings are in docs/configuration.md')
    .action(serve);
  program.addCommand(deadLettersCommand());
  program.addCommand(operatorsCommand());
  program.addCommand(tenantsCommand());
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
}
