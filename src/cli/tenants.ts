/**
 * `xmpp-chat tenants`: lists, makes, changes and removes tenants through the running service. Secrets come from a file or
 * standard input and never from the command line, where every user of the machine could read them.
 */
import { randomUUID } from 'node:crypto';
import { Command } from 'commander';
import { z } from 'zod';
import { AppError } from '../errors.ts';
import type { JsonValue } from '../kit/json.ts';
import { readText } from './operators-file.ts';
import { fieldLines } from './output/fields.ts';
import { print, printColumns, printJson, warn } from './output/print.ts';
import {
  accessOf,
  anotherProgram,
  ask,
  refusalOf,
  type ServiceAccess,
  type ServiceRequest,
  withAccessOptions,
} from './service-client.ts';

const PATH = '/v1/tenants';

/** Loose, so that `--json` prints everything that the service says. */
const Tenant = z.looseObject({
  id: z.string(),
  host: z.string(),
  instance: z.string().nullish(),
  source: z.string(),
  state: z.string(),
  callbackFlavour: z.string().optional(),
});
const List = z.object({ items: z.array(Tenant), next: z.string().nullish() });

/** The key that the service made, once. */
const WithKey = z.looseObject({ apiKey: z.string().nullish() });

const pathOf = (id: string): string => `${PATH}/${encodeURIComponent(id)}`;

/** @throws {AppError} with the answer of the service, if it refuses */
async function bodyOf(access: ServiceAccess, request: ServiceRequest): Promise<unknown> {
  const changes = request.method !== 'GET';
  const headers = { ...(changes && { 'idempotency-key': randomUUID() }) };
  const answer = await ask(access, { ...request, headers });
  if (answer.status >= 400) throw refusalOf(answer);
  return answer.body;
}

function parsed<T>(access: ServiceAccess, schema: z.ZodType<T>, body: unknown): T {
  const { data } = schema.safeParse(body);
  if (data === undefined) throw anotherProgram(access.url, 200);
  return data;
}

const HEADER = ['TENANT', 'HOST', 'INSTANCE', 'DECLARED BY', 'STATE', 'CALLBACKS'];

async function list(access: ServiceAccess, { json }: { readonly json?: true }): Promise<void> {
  const items: z.infer<typeof Tenant>[] = [];
  for (let cursor: string | null | undefined = ''; cursor != null; ) {
    const query = cursor === '' ? '' : `?cursor=${encodeURIComponent(cursor)}`;
    const body = await bodyOf(access, { method: 'GET', path: `${PATH}${query}` });
    const page: z.infer<typeof List> = parsed(access, List, body);
    items.push(...page.items);
    cursor = page.next;
  }
  if (json) return printJson(items);
  if (items.length === 0) return print('no tenants');
  const rows = items.map(({ id, host, instance, source, state, callbackFlavour = '' }) => [
    id,
    host,
    instance ?? '',
    source,
    state,
    callbackFlavour,
  ]);
  printColumns(HEADER, rows);
}

async function show(
  access: ServiceAccess,
  id: string,
  { json }: { readonly json?: true },
): Promise<void> {
  const body = await bodyOf(access, { method: 'GET', path: pathOf(id) });
  if (json) return printJson(body);
  const settings = body as JsonValue; // JSON.parse made it
  // `routing.policy: least-loaded`, a line for each setting.
  for (const { name, text } of fieldLines(settings)) print(`${name}: ${text}`);
}

interface PutOptions {
  readonly file?: string;
  readonly host?: string;
  readonly instance?: string;
  readonly callbackUrl?: string;
  readonly callbackFlavour?: string;
  readonly routingBy?: string;
  readonly json?: true;
}

/** The settings of the file, with those of the command line over them. @throws {AppError} `invalid` */
async function wishOf(options: PutOptions): Promise<Record<string, unknown>> {
  const { file, host, instance, callbackUrl, callbackFlavour, routingBy } = options;
  const settings = file === undefined ? {} : await settingsIn(file);
  const flags = { host, instance, callbackUrl, callbackFlavour };
  for (const [name, value] of Object.entries(flags))
    if (value !== undefined) settings[name] = value;
  if (routingBy !== undefined) {
    const { data: routing = {} } = z.looseObject({}).safeParse(settings.routing);
    settings.routing = { ...routing, by: routingBy };
  }
  return settings;
}

async function settingsIn(file: string): Promise<Record<string, unknown>> {
  const text = await readText(file);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // V8 quotes the text in its message: it may be part of a key.
    throw new AppError(
      'invalid',
      `${file === '-' ? 'what came on standard input' : file} is not JSON`,
    );
  }
  const { data } = z.record(z.string(), z.unknown()).safeParse(json);
  if (!data) throw new AppError('invalid', `${file} has to hold one tenant, in { }`);
  return data;
}

async function put(access: ServiceAccess, id: string, options: PutOptions): Promise<void> {
  const { id: named, ...body } = await wishOf(options);
  if (named !== undefined && named !== id) {
    throw new AppError('invalid', `the file is about tenant ${String(named)}, and not ${id}`);
  }
  const answer = await bodyOf(access, { method: 'PUT', path: pathOf(id), body });
  if (options.json) return printJson(answer);
  print(`tenant ${id} is as wished`);
  const { groups } = parsed(access, z.looseObject({ groups: Groups.optional() }), answer);
  if (groups?.state === 'pending') {
    warn(`its groups in ejabberd are made later: ${groups.reason ?? 'no answer'}`);
  }
  tellKey(access, answer);
}

const Groups = z.looseObject({ state: z.string(), reason: z.string().optional() });

function tellKey(access: ServiceAccess, answer: unknown): void {
  const { apiKey } = parsed(access, WithKey, answer);
  if (apiKey == null) return;
  warn('its new key, which is not shown again:');
  print(apiKey);
}

async function remove(
  access: ServiceAccess,
  id: string,
  { yes, purge, json }: { readonly yes?: true; readonly purge?: true; readonly json?: true },
): Promise<void> {
  if (!yes) {
    const more = purge ? ', and everything that the log has of it' : '';
    throw new AppError(
      'refused',
      `this removes the chats, accounts and groups of tenant ${id}${more}. Nobody can undo it: say --yes`,
    );
  }
  const path = `${pathOf(id)}${purge ? '?purge=true' : ''}`;
  const body = await bodyOf(access, { method: 'DELETE', path });
  if (json) return printJson(body);
  print(`the removal of tenant ${id} has begun: xmpp-chat tenants show ${id} says how far it is`);
}

const SECONDS = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;

/** `90s`, `15m`, `1h`, `2d`, or a number of seconds. @throws {AppError} `invalid` */
function secondsOf(text: string): number {
  const [, number, unit = 's'] = /^(\d{1,9})([smhd])?$/.exec(text) ?? [];
  if (number === undefined) {
    throw new AppError('invalid', `--overlap has to be a time such as 0, 90s, 15m, 1h or 2d`);
  }
  return Number(number) * SECONDS[unit as keyof typeof SECONDS]; // a unit of the expression above
}

async function rotateKey(
  access: ServiceAccess,
  id: string,
  { overlap, keyFile, json }: { overlap: string; keyFile?: string; json?: true },
): Promise<void> {
  const body = {
    overlap: secondsOf(overlap),
    ...(keyFile !== undefined && { apiKey: (await readText(keyFile)).trim() }),
  };
  const answer = await bodyOf(access, { method: 'POST', path: `${pathOf(id)}/keys`, body });
  if (json) return printJson(answer);
  print(
    `tenant ${id} has a new key; the older one ends ${body.overlap === 0 ? 'now' : `in ${overlap}`}`,
  );
  tellKey(access, answer);
}

export function tenantsCommand(): Command {
  const command = withAccessOptions(new Command('tenants'), 'the admin token').description(
    'Tenants: Live Helper Chats that the service works for',
  );
  const json = ['--json', 'everything that the service says, as JSON'] as const;
  command
    .command('list', { isDefault: true })
    .description('list them, and what is being removed')
    .option(...json)
    .action((options: { json?: true }, sub: Command) => list(accessOf(sub), options));
  command
    .command('show <id>')
    .description('show one: its settings without secrets, its groups, how far a removal is')
    .option(...json)
    .action((id: string, options: { json?: true }, sub: Command) =>
      show(accessOf(sub), id, options),
    );
  command
    .command('put <id>')
    .description(
      'make a tenant, or change it: settings that are left out have their defaults. A new tenant without an apiKey gets one, which is printed once',
    )
    .option('--file <path>', 'a JSON object with settings, secrets too (- for standard input)')
    .option('--host <host>', 'the virtual host in ejabberd')
    .option('--instance <name>', 'if several tenants share the host')
    .option('--callback-url <url>', 'where callbacks go')
    .option('--callback-flavour <flavour>', 'native, xmppservice or rest')
    .option('--routing-by <who>', 'service or lhc')
    .option(...json)
    .action((id: string, options: PutOptions, sub: Command) => put(accessOf(sub), id, options));
  command
    .command('remove <id>')
    .description('remove a tenant: its chats, accounts and groups. Its log stays')
    .option(
      '--purge',
      'remove its data keys and its log too, also of a tenant that was removed before',
    )
    .option('--yes', 'yes, remove it')
    .option(...json)
    .action((id: string, options: Parameters<typeof remove>[2], sub: Command) =>
      remove(accessOf(sub), id, options),
    );
  command
    .command('rotate-key <id>')
    .description('give a tenant a new key, which is printed once')
    .option('--overlap <time>', 'how long the older key is valid: 0, 90s, 15m, 1h, 2d', '0')
    .option('--key-file <path>', 'a key of your own (- for standard input)')
    .option(...json)
    .action((id: string, options: Parameters<typeof rotateKey>[2], sub: Command) =>
      rotateKey(accessOf(sub), id, options),
    );
  return command;
}
