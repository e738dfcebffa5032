/**
 * The commands of `xmpp-chat`. Each has a file in this folder, which reads the options and prints the result. Only the
 * command that is asked for is loaded: together they take a second.
 */
import { Command } from 'commander';
import { version } from '../version.ts';
import { errorText } from './error-text.ts';
import { warn } from './output/print.ts';

/** By their names, in the order of the help. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  'dead-letters': async () => (await import('./dead-letters.ts')).deadLettersCommand(),
  operators: async () => (await import('./operators.ts')).operatorsCommand(),
  tenants: async () => (await import('./tenants.ts')).tenantsCommand(),
  visitors: async () => (await import('./visitors.ts')).visitorsCommand(),
  streams: async () => (await import('./streams.ts')).streamsCommand(),
  events: async () => (await import('./events.ts')).eventsCommand(),
  state: async () => (await import('./state.ts')).stateCommand(),
  diff: async () => (await import('./diff.ts')).diffCommand(),
  trace: async () => (await import('./trace.ts')).traceCommand(),
  replay: async () => (await import('./replay.ts')).replayCommand(),
  repl: async () => (await import('./repl.ts')).replCommand(),
  export: async () => (await import('./transfer/export.ts')).exportCommand(),
  import: async () => (await import('./transfer/import.ts')).importCommand(),
  doctor: async () => (await import('./doctor.ts')).doctorCommand(),
  backup: async () => (await import('./backup.ts')).backupCommand(),
  restore: async () => (await import('./restore.ts')).restoreCommand(),
  migrate: async () => (await import('./migrate.ts')).migrateCommand(),
};

/** Runs what the command line says. A failure is printed and ends the process with 1. @param serve runs the service */
export async function runProgram(serve: () => Promise<void>): Promise<void> {
  const program = new Command('xmpp-chat')
    .description('Shows web visitors of Live Helper Chat as XMPP contacts to their operators.')
    .version(version);
  program
    .command('serve')
    .description('Run the service; its settings are in docs/configuration.md')
    .action(serve);
  const [, , name = ''] = process.argv;
  const only = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (name !== 'serve') {
    for (const load of only ? [only] : Object.values(COMMANDS)) program.addCommand(await load());
  }
  endQuietlyWithoutReader();
  try {
    await program.parseAsync();
  } catch (error) {
    warn(errorText(error));
    process.exit(1);
  }
}

/** Whoever read the output has enough, as `head` has. */
function endQuietlyWithoutReader(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      process.exit(0);
    });
  }
}
