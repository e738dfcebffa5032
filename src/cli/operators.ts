/** `xmpp-chat operators`: the operators of a tenant, listed and imported through the running service. */
import { Command } from 'commander';
import { readAccess } from '../config.ts';
import { AppError } from '../errors.ts';
import { COLUMNS, readText } from './operators-file.ts';
import { importOperators } from './operators-import.ts';
import { type Operator, type OperatorsService, operatorsService } from './operators-service.ts';

type Connection = { url?: string; token?: string; tenant: string };

function serviceOf(command: Command): OperatorsService {
  const known = readAccess();
  const { url = known.url, token = known.token, tenant } = command.optsWithGlobals<Connection>();
  if (!token) throw new AppError('invalid', 'ADMIN_TOKEN is not set; see --token');
  return operatorsService({ url, token, tenant });
}

const withAccess = (command: Command): Command =>
  command
    .requiredOption('--tenant <id>', 'whose operators')
    .option('--url <url>', 'of the running service (default: LISTEN)')
    .option('--token <token>', "the tenant's API key or the admin token (default: ADMIN_TOKEN)");

const since = (at: number | null): string =>
  at === null ? '' : new Date(at).toISOString().replace(/\.\d+Z$/, 'Z');

/** Lines in columns, each as wide as what is in it. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0))) ?? [];
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

const HEADER = ['USERNAME', 'LHC USER', 'STATE', 'CHATS', 'ONLINE SINCE', 'NAME', 'DEPARTMENTS'];

const rowOf = (operator: Operator): string[] => [
  operator.username,
  String(operator.lhcUserId),
  operator.unresponsive ? 'unresponsive' : operator.availability,
  `${operator.chats.length}/${operator.capacity}`,
  since(operator.onlineSince),
  operator.name ?? '',
  operator.departments.join('; '),
];

export function operatorsCommand(): Command {
  const command = new Command('operators').description('The operators of a tenant');
  withAccess(command.command('list', { isDefault: true }))
    .description('list them: who is there, with how many chats')
    .option('--state <state>', 'offline, available, away or busy')
    .option('--department <name>', 'of this department')
    .option('--json', 'everything that the service says of them, as a JSON array')
    .action(async (_options, sub: Command) => {
      const { state, department, json } = sub.opts<{
        state?: string;
        department?: string;
        json?: true;
      }>();
      const { items } = await serviceOf(sub).list({
        ...(state !== undefined && { state }),
        ...(department !== undefined && { department }),
      });
      if (json) console.log(JSON.stringify(items, null, 2));
      else if (items.length === 0) console.log('no operators');
      else for (const line of table([HEADER, ...items.map(rowOf)])) console.log(line);
    });
  withAccess(command.command('import <file>'))
    .description(
      `register or change those of a CSV file (- for standard input); the first line names the columns, of ${COLUMNS.join(', ')}; departments are separated by ;`,
    )
    .option('--dry-run', 'say what would change, and change nothing')
    .action(async (file: string, _options, sub: Command) => {
      const service = serviceOf(sub);
      const output = { say: console.log, warn: console.error };
      const dryRun = sub.opts<{ dryRun?: true }>().dryRun === true;
      const done = await importOperators(await readText(file), service, output, { dryRun });
      if (!done) process.exitCode = 1;
    });
  return command;
}
