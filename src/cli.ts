#!/usr/bin/env node
/**
 * The command line, `xmpp-chat`. `serve` runs the service (main.ts); src/cli/ has the other commands. Backup, doctor and
 * migration have folders of their own. Only this file imports src/cli/.
 *
 * Nothing is imported before the service listens for signals: to load the rest takes a second, and until then a signal
 * would end the process as a crash does.
 */
const endAtOnce = (): void => process.exit(0); // nothing has begun
const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

if (process.argv[2] === 'serve') for (const signal of SIGNALS) process.once(signal, endAtOnce);

const { runProgram } = await import('./cli/program.ts');
await runProgram(async () => {
  // Loaded on demand: the other commands need little of the service, and start in a third of the time without it.
  const { main } = await import('./main.ts');
  await main(() => {
    for (const signal of SIGNALS) process.off(signal, endAtOnce);
  });
});
