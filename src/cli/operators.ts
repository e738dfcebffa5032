/** `xmpp-chat operators`: lists and imports the operators of a tenant, through the running service. */
import { Command } from 'commander';
import { COLUMNS, readText } from './operators-file.ts';
import { importOperators } from './operators-import.ts';
import { type Operator, type OperatorsService, operatorsService } from './operators-service.ts';
import { print, printColumns, printJson, warn } from './output/print.ts';
import { accessOf, withAccessOptions } from './service-client.ts';

const withOptions = (command: Command): Command =>
  withAccessOptions(command, "the tenant's API key or the admin token").requiredOption(
    '--tenant <id>',
    'whose operators',
  );

const serviceOf = (command: Command): OperatorsService =>
  operatorsService(accessOf(command), command.opts<{ tenant: string }>().tenant);

const HEADER = [
  'USERNAME',
  'LHC USER',
  'STATE',
  'CHATS',
  'ONLINE SINCE',
  'NAME',
  'DEPARTMENTS',
  'TIER',
  'LANGUAGES',
];

const rowOf = (operator: Operator): string[] => [
  operator.username,
  operator.lhcUserId === null ? '' : String(operator.lhcUserId),
  operator.unresponsive ? 'unresponsive' : operator.availability,
  `${operator.chats.length}/${operator.capacity}`,
  operator.onlineSince === null ? '' : timeOf(operator.onlineSince),
  operator.name ?? '',
  operator.departments.join('; '),
  tiersOf(operator),
  operator.languages.join('; '),
];

/** `1`, or `1; sales=2`. */
const tiersOf = ({ tier, tiers }: Operator): string =>
  [String(tier), ...Object.entries(tiers).map(([name, own]) => `${name}=${own}`)].join('; ');

const timeOf = (at: number): string => new Date(at).toISOString().replace(/\.\d+Z$/, 'Z');

interface ListOptions {
  readonly state?: string;
  readonly department?: string;
  readonly json?: true;
}

async function list(service: OperatorsService, options: ListOptions): Promise<void> {
  const { state, department, json } = options;
  const items = await service.list({
    ...(state !== undefined && { state }),
    ...(department !== undefined && { department }),
  });
  if (json) printJson(items);
  else if (items.length === 0) print('no operators');
  else printColumns(HEADER, items.map(rowOf));
}

export function operatorsCommand(): Command {
  const command = new Command('operators').description('The operators of a tenant');
  withOptions(command.command('list', { isDefault: true }))
    .description('list them, with their state and their chats')
    .option('--state <state>', 'offline, available, away or busy')
    .option('--department <name>', 'of this department')
    .option('--json', 'everything that the service says about them, as a JSON array')
    .action((options: ListOptions, sub: Command) => list(serviceOf(sub), options));
  withOptions(command.command('import <file>'))
    .description(
      `register or change the operators of a CSV file (- for standard input). The first line names the columns, some of ${COLUMNS.join(', ')}. Departments and languages are separated by ; and tiers of departments are sales=1;support=2`,
    )
    .option('--dry-run', 'say what would change, and change nothing')
    .action(
      async (file: string, { dryRun = false }: { readonly dryRun?: boolean }, sub: Command) => {
        const output = { say: print, warn };
        const text = await readText(file);
        if (!(await importOperators(text, serviceOf(sub), output, { dryRun })))
          process.exitCode = 1;
      },
    );
  return command;
}
