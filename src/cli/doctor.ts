/** `xmpp-chat doctor`: prints what the doctor found. */
import { Command } from 'commander';
import { examine } from '../doctor/doctor.ts';
import { reportOf, textOf } from '../doctor/report.ts';
import { print, printJson } from './output/print.ts';

export function doctorCommand(): Command {
  return new Command('doctor')
    .description(
      'Check ejabberd, mod_lhc, LHC, clocks, disk and the running service, and say what to do. Ends with 1 when there is a problem',
    )
    .option('--json', 'for programs')
    .action(async ({ json }: { readonly json?: boolean }) => {
      const report = reportOf(await examine());
      if (json) printJson(report);
      else print(textOf(report));
      if (report.status === 'problem') process.exitCode = 1;
    });
}
