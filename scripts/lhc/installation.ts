/** LHC's installation in a private folder, its settings, and its database. */
import { existsSync } from 'node:fs';
import { chmod, chown, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../../src/errors.ts';
import { clearCaches, copyExtension } from './checkout.ts';
import type { Kept } from './kept.ts';
import { type Programs, run } from './programs.ts';
import type { LhcOptions } from './real-lhc.ts';
import type { Layout } from './servers.ts';

const EXTENSION = 'xmppchat';

/** Gives folders below `dir` to the workers. */
export async function own({ dir, user }: Layout, names: readonly string[]): Promise<void> {
  if (user === undefined) return;
  const { code, errors } = await run('chown', [
    '-R',
    `${user}:${user}`,
    ...names.map((name) => join(dir, name)),
  ]);
  if (code !== 0) throw new AppError('unavailable', `chown: ${errors}`);
}

/** Runs LHC's own installation, once. */
export async function install(
  layout: Layout,
  programs: Programs,
  options: LhcOptions,
  kept: Kept,
): Promise<void> {
  const { dir, web, user } = layout;
  if (existsSync(join(web, 'settings/settings.ini.php'))) return;
  options.say?.('installing LHC, which takes some 20 seconds …');
  // Nothing is left of an installation that was interrupted: it would add its rows a second time.
  await query(
    layout,
    programs,
    'DROP DATABASE lhc; CREATE DATABASE lhc CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci',
    [],
  );
  const ini = join(dir, 'install.ini');
  await writeFile(
    ini,
    `[db]
host = 127.0.0.1
user = lhc
password = "${kept.databasePassword}"
database = lhc
port = ${kept.ports.database}
[admin]
AdminUsername = admin
AdminPassword = "${kept.adminPassword}"
AdminEmail = admin@example.org
AdminName = Ada
AdminSurname = Admin
Domain = example.org
DefaultDepartament = "${options.departments?.[0] ?? 'Sales'}"
ForceVirtualHost = 1
Extensions =
ApacheUserGroupName =
ApacheUserName =
TimeZone = UTC
WebhooksEnabled = 0
WebhooksWorker = http
DefaultConfigs = []
`,
    { mode: 0o600 },
  );
  if (user !== undefined) {
    const id = Number((await run('id', ['-u', user])).output);
    await chown(ini, id, id);
    await chmod(ini, 0o400);
  }
  const { output, errors } = await run(
    programs.php,
    [
      ...['-d', `auto_prepend_file=${join(web, 'lib/vendor/autoload.php')}`],
      ...['cli/install-cli.php', ini],
    ],
    { cwd: web, ...(user !== undefined && { user }) },
  );
  await rm(ini, { force: true });
  // It ends with 1, whatever happened. The settings are written last.
  if (!existsSync(join(web, 'settings/settings.ini.php'))) {
    throw new AppError(
      'unavailable',
      `LHC was not installed: ${output.slice(-1000)}${errors.slice(-1000)}`,
    );
  }
}

/** Settings, options, the extension and its tables: at each start. */
export async function setUp(
  layout: Layout,
  programs: Programs,
  options: LhcOptions,
): Promise<void> {
  const { web, ports, databasePassword } = layout;
  const { extension = {} } = options;
  const source =
    extension === false
      ? ''
      : (extension.folder ?? join(import.meta.dirname, '../../lhc', EXTENSION));
  const present = extension !== false && existsSync(join(source, 'bootstrap/bootstrap.php'));
  if (present) await copyExtension(source, web, EXTENSION);
  const structure = join(web, 'extension', EXTENSION, 'doc/structure.json');
  await changeSettings(layout, programs, {
    settings: {
      ...options.settings,
      db: { port: ports.database, password: databasePassword, ...options.settings?.db },
      site: { extensions: present ? [EXTENSION] : [], ...options.settings?.site },
    },
    options: options.options ?? {},
    // The widget asks for the name, and takes a name that it is given.
    data: { start_chat_data: { name_visible_in_page_widget: true } },
    ...(present && existsSync(structure) && { tables: structure }),
  });
  if (extension !== false && extension.settings) {
    if (!present) throw new AppError('not-found', `${source} has no extension to be configured`);
    await writeSettings(layout, programs, extension.settings);
  }
  await clearCaches(web);
  await own(layout, ['lhc_web/cache', 'lhc_web/extension', 'lhc_web/settings']);
}

async function changeSettings(
  { web, user }: Layout,
  { php }: Programs,
  changes: Readonly<Record<string, unknown>>,
): Promise<void> {
  const { code, output, errors } = await run(php, [join(import.meta.dirname, 'settings.php')], {
    cwd: web,
    input: JSON.stringify(changes),
    ...(user !== undefined && { user }),
  });
  if (code !== 0) throw new AppError('unavailable', `LHC's settings: ${output}${errors}`);
}

export async function query(
  { ports, databasePassword }: Layout,
  { php }: Programs,
  sql: string,
  params: readonly (string | number | null)[],
): Promise<Record<string, string | null>[]> {
  const { code, output, errors } = await run(php, [join(import.meta.dirname, 'query.php')], {
    input: JSON.stringify({ port: ports.database, password: databasePassword, sql, params }),
  });
  if (code !== 0) throw new AppError('unavailable', `${sql}: ${output}${errors}`);
  return JSON.parse(output) as Record<string, string | null>[]; // as query.php prints it
}

export async function writeSettings(
  layout: Layout,
  programs: Programs,
  settings: Readonly<Record<string, string>>,
): Promise<void> {
  const rows = Object.entries(settings);
  if (rows.length === 0) return;
  const places = rows.map(() => '(?, ?)').join(', ');
  await query(
    layout,
    programs,
    `REPLACE INTO lhc_xmppchat_setting (name, value) VALUES ${places}`,
    rows.flat(),
  );
}
