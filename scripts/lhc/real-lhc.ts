/**
 * Runs a real LHC from a checkout that the caller names, on Debian's MariaDB, PHP-FPM and nginx, on loopback and with
 * everything in one private folder. The checkout itself is only read. The extension `lhc/xmppchat` is in it, with its
 * tables, where it exists. All ends with the process that started it. Another start with the same folder keeps the data.
 *
 * ```ts
 * const lhc = await startLhc({
 *   lhcDir: process.env.LHC_DIR, dir,
 *   operators: [{ username: 'olga', name: 'Olga', departments: ['Sales'] }],
 *   departments: ['Sales', 'Support'],                       // ids 1, 2
 *   extension: { settings: { enabled: '1', serviceUrl, tenant, apiKey, callbackSecret } },
 * });
 * const visitor = createVisitor(lhc.url);                    // scripts/lhc/visitor.ts: the widget's requests
 * await visitor.view('https://shop.example/shoes', 'Shoes');
 * const olga = await logIn(lhc.url, lhc.operator('olga'));   // scripts/lhc/back-office.ts: the back office's requests
 * await lhc.sql('SELECT id, msg FROM lh_msg WHERE chat_id = ? ORDER BY id', [7]);
 * await lhc.cron('workflow');                                // LHC's own; lhc.cron('…', 'xmppchat'): the extension's
 * await lhc.fpm.kill(); await lhc.fpm.start();               // also `database` and `nginx`
 * await lhc.stop();
 * ```
 *
 * `npx node scripts/lhc/serve.ts LHC_DIR [FOLDER]` starts one in the foreground. Needs scripts/install-lhc.sh, and a
 * first start takes half a minute. As root, the workers are www-data, or root where www-data cannot reach the folder.
 */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { AppError } from '../../src/errors.ts';
import { lockExclusively } from '../../src/sqlite/lock.ts';
import { type BackOffice, logIn } from './back-office.ts';
import { type Checkout, copyCheckout, findCheckout } from './checkout.ts';
import { install, own, query, setUp, writeSettings } from './installation.ts';
import { type Kept, keep } from './kept.ts';
import { findPrograms, type Programs, run, type Server } from './programs.ts';
import { type Layout, makeDatabase, makeFpm, makeNginx } from './servers.ts';
import { shopPage } from './shop-page.ts';

export interface LhcOptions {
  /** A checkout of LHC, or its folder `lhc_web`. Nothing is written there. */
  readonly lhcDir: string;
  /** The private folder. */
  readonly dir: string;
  /** Missing ones are chosen at the first start and stay the same while they are free. */
  readonly ports?: { readonly web?: number; readonly shop?: number };
  /** PHP-FPM's workers. Default 4. */
  readonly workers?: number;
  /** LHC gives the ids 1, 2, … in this order. Default `['Sales']`. */
  readonly departments?: readonly string[];
  /** Besides the administrator. */
  readonly operators?: readonly OperatorOptions[];
  /** Rows of lh_chat_config. */
  readonly options?: Readonly<Record<string, string | number>>;
  /** Sections of settings/settings.ini.php, such as `{ webhooks: { enabled: true } }`. */
  readonly settings?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** `false`: without the extension. `folder` is its source (default: `lhc/xmppchat`), `settings` are rows of its table. */
  readonly extension?:
    | false
    | { readonly folder?: string; readonly settings?: Readonly<Record<string, string>> };
  /** php.ini's settings for PHP-FPM. */
  readonly phpSettings?: Readonly<Record<string, string>>;
  /** The environment of PHP-FPM's workers. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Called when a server ends after its start without `stop` or `kill`. */
  readonly onUnexpectedEnd?: (server: string, how: string) => void;
  /** Is told what takes long. */
  readonly say?: (what: string) => void;
}

export interface OperatorOptions {
  readonly username: string;
  readonly name: string;
  readonly departments: readonly string[];
}

export interface Login {
  readonly username: string;
  readonly password: string;
}

export interface Lhc {
  /** For example `http://127.0.0.1:8091`: the widget's and the API's addresses are below it. */
  readonly url: string;
  /** A page with the widget, on an address of its own. */
  readonly shop: string;
  /** LHC's own number, such as 490. */
  readonly release: number;
  readonly dir: string;
  /** The copy of `lhc_web` that runs. */
  readonly web: string;
  readonly admin: Login & { readonly id: number };
  /** @throws {AppError} `not-found` if `operators` did not have this one */
  operator(username: string): Login & { readonly id: number };
  /** Departments' ids by name. */
  readonly departments: ReadonlyMap<string, number>;
  readonly database: Server;
  readonly fpm: Server;
  readonly nginx: Server;
  /** One statement on LHC's database, with bound parameters. Values are texts, or null. */
  sql(
    statement: string,
    params?: readonly (string | number | null)[],
  ): Promise<Record<string, string | null>[]>;
  /**
   * Runs a cron file as LHC's administrator does.
   * @param extension its extension; default: LHC's own
   * @param argument what `-p` gives it
   */
  cron(
    name: string,
    extension?: string,
    argument?: string,
  ): Promise<{ code: number; output: string; errors: string }>;
  /** Writes rows of the extension's settings. They count with the next request. */
  configure(settings: Readonly<Record<string, string>>): Promise<void>;
  /** What PHP logged. */
  phpLog(): Promise<string>;
  stop(): Promise<void>;
}

const DEFAULT_WORKERS = 4;
/** What a Unix socket's path leaves for the folder: 107 bytes without `/run/mysql.sock`. */
const MAX_FOLDER_BYTES = 90;

/**
 * Starts LHC and waits until it answers.
 * @throws {AppError} `invalid` if `lhcDir` is no checkout, `unavailable` if a package is missing or a server does not start
 */
export async function startLhc(options: LhcOptions): Promise<Lhc> {
  const checkout = await findCheckout(options.lhcDir);
  const programs = await findPrograms();
  const dir = resolve(options.dir);
  await mkdir(dir, { recursive: true });
  const unlock = lockExclusively(join(dir, 'rig.lock'), `an LHC already runs on ${dir}`);
  try {
    const lhc = await startIn(dir, checkout, programs, options);
    return { ...lhc, stop: () => lhc.stop().finally(unlock) };
  } catch (error) {
    unlock();
    throw error;
  }
}

async function startIn(
  dir: string,
  checkout: Checkout,
  programs: Programs,
  options: LhcOptions,
): Promise<Lhc> {
  const say = options.say ?? (() => undefined);
  const kept = await keep(dir, options);
  const layout = await layOut(dir, kept, options);
  const { web, sockets } = layout;
  if (!existsSync(web)) say(`copying LHC ${checkout.release} …`);
  await copyCheckout(checkout, web, programs);
  await own(layout, ['lhc_web', 'log', 'sessions', 'tmp']);
  const servers = {
    database: await makeDatabase(layout, programs),
    fpm: await makeFpm(layout, programs),
    nginx: await makeNginx(layout, programs),
  };
  async function stop(): Promise<void> {
    for (const server of [servers.nginx, servers.fpm, servers.database]) await server.stop();
    if (!sockets.startsWith(dir)) await rm(sockets, { recursive: true, force: true });
  }
  try {
    await servers.database.start();
    await install(layout, programs, options, kept);
    await setUp(layout, programs, options);
    await servers.fpm.start();
    await servers.nginx.start();
    const lhc = lhcOf(layout, programs, kept, servers, { stop, release: checkout.release });
    await writeFile(join(dir, 'shop', 'index.html'), shopPage(lhc.url));
    return await people(lhc, kept, options);
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Makes the folders, and chooses who the workers are. */
async function layOut(dir: string, kept: Kept, options: LhcOptions): Promise<Layout> {
  const user = await workersOf(dir, options.say ?? (() => undefined));
  const isShort = dir.length <= MAX_FOLDER_BYTES;
  const sockets = isShort ? join(dir, 'run') : await mkdtemp(join(tmpdir(), 'lhc-'));
  for (const name of ['log', 'sessions', 'tmp', 'shop']) {
    await mkdir(join(dir, name), { recursive: true });
  }
  await mkdir(sockets, { recursive: true });
  return {
    dir,
    sockets,
    web: join(dir, 'lhc_web'),
    user,
    ports: kept.ports,
    databasePassword: kept.databasePassword,
    workers: options.workers ?? DEFAULT_WORKERS,
    phpSettings: options.phpSettings ?? {},
    environment: options.environment ?? {},
    ...(options.onUnexpectedEnd && { onUnexpectedEnd: options.onUnexpectedEnd }),
  };
}

/** Whose processes the workers are. */
async function workersOf(dir: string, say: (what: string) => void): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const reachable = await run('test', ['-x', dir], { user: 'www-data' });
  if (reachable.code === 0) return 'www-data';
  say(`PHP runs as root, because www-data cannot reach ${dir}`);
  return 'root';
}

interface Rest {
  readonly release: number;
  stop(): Promise<void>;
}

/** Everything but the people. */
type Running = Omit<Lhc, 'admin' | 'operator' | 'departments'>;

function lhcOf(
  layout: Layout,
  programs: Programs,
  kept: Kept,
  servers: Pick<Lhc, 'database' | 'fpm' | 'nginx'>,
  rest: Rest,
): Running {
  const { dir, web, user } = layout;
  return {
    ...servers,
    ...rest,
    url: `http://127.0.0.1:${kept.ports.web}`,
    shop: `http://127.0.0.1:${kept.ports.shop}/`,
    dir,
    web,
    sql: (statement, params = []) => query(layout, programs, statement, params),
    cron: (name, extension, argument) =>
      run(
        programs.php,
        [
          ...['cron.php', '-s', 'site_admin', '-c', `cron/${name}`],
          ...(extension === undefined ? [] : ['-e', extension]),
          ...(argument === undefined ? [] : ['-p', argument]),
        ],
        { cwd: web, ...(user !== undefined && { user }) },
      ),
    configure: (settings) => writeSettings(layout, programs, settings),
    phpLog: () => readFile(join(dir, 'log', 'php.log'), 'utf8').catch(() => ''),
  };
}

/** Makes the departments and operators that are missing, in the back office. */
async function people(lhc: Running, kept: Kept, options: LhcOptions): Promise<Lhc> {
  const admin = { username: 'admin', password: kept.adminPassword };
  let office: BackOffice | undefined;
  const asAdmin = async () => (office ??= await logIn(lhc.url, admin));
  async function ids(table: string, name: string): Promise<Map<string, number>> {
    const rows = await lhc.sql(`SELECT id, ${name} AS name FROM ${table}`);
    return new Map(rows.map((row) => [row.name ?? '', Number(row.id)]));
  }

  let departments = await ids('lh_departament', 'name');
  for (const name of options.departments ?? []) {
    if (!departments.has(name)) await (await asAdmin()).addDepartment(name);
  }
  departments = await ids('lh_departament', 'name');
  let users = await ids('lh_users', 'username');
  for (const { username, name, departments: names } of options.operators ?? []) {
    if (users.has(username)) continue;
    const password = kept.operators[username] ?? '';
    await (await asAdmin()).addUser({ username, password, name });
    users = await ids('lh_users', 'username');
    const served = names.map((each) => departments.get(each) ?? 0);
    await (await asAdmin()).setDepartments(users.get(username) ?? 0, served);
  }
  return {
    ...lhc,
    departments,
    admin: { ...admin, id: users.get('admin') ?? 0 },
    operator(username) {
      const id = users.get(username);
      const password = kept.operators[username];
      if (id === undefined || password === undefined) {
        throw new AppError('not-found', `LHC has no operator ${username}`);
      }
      return { username, password, id };
    },
  };
}
