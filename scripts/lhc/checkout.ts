/** LHC's files: what a checkout must have, and a copy of it that can run. */
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { AppError } from '../../src/errors.ts';
import { type Programs, run } from './programs.ts';

const NEEDED = [
  'index.php',
  'cron.php',
  'composer.json',
  'cli/install-cli.php',
  'lib/core/lhcore/lhupdate.php',
];
const HOW_TO_GET_ONE =
  'Get one: git clone --depth 1 https://github.com/LiveHelperChat/livehelperchat.git, and name its folder as LHC_DIR.';

export interface Checkout {
  /** Its folder `lhc_web`. */
  readonly web: string;
  /** LHC's own number of the release, e.g. 490. */
  readonly release: number;
}

/**
 * Looks at a checkout of LHC. Nothing is written there.
 * @param lhcDir the checkout, or its folder `lhc_web`
 * @throws {AppError} `invalid` saying what is missing and how to get a checkout
 */
export async function findCheckout(lhcDir: string): Promise<Checkout> {
  const given = resolve(lhcDir);
  const web = existsSync(join(given, 'lhc_web')) ? join(given, 'lhc_web') : given;
  const missing = NEEDED.filter((name) => !existsSync(join(web, name)));
  if (missing.length > 0) {
    throw new AppError(
      'invalid',
      `LHC_DIR=${lhcDir} is no checkout of Live Helper Chat. Missing in ${web}: ${missing.join(', ')}. ${HOW_TO_GET_ONE}`,
    );
  }
  const source = await readFile(join(web, 'lib/core/lhcore/lhupdate.php'), 'utf8');
  const release = Number(/LHC_RELEASE\s*=\s*(\d+)/.exec(source)?.[1]);
  if (!release) {
    throw new AppError(
      'invalid',
      `LHC_DIR=${lhcDir}: its release cannot be read. ${HOW_TO_GET_ONE}`,
    );
  }
  return { web, release };
}

/** An installation that runs from the checkout has secrets and visitors' files in these: they stay where they are. */
const isData = (path: string): boolean =>
  path === 'settings/settings.ini.php' ||
  path.startsWith('extension/') ||
  ((path.startsWith('cache/') || path.startsWith('var/')) &&
    path !== 'var/autoloads/lhextension_autoload.php' &&
    !path.startsWith('var/external'));

/** Folders of data. LHC writes into them, and does not make them. */
const DATA_FOLDERS = [
  ...['cacheconfig', 'compiledtemplates', 'translations', 'userinfo'].map(
    (name) => `cache/${name}`,
  ),
  ...'autoloads botphoto bottrphoto external/geoip storage storageadmintheme storagedocshare storageform storageinvitation storagetheme tmpfiles userphoto'
    .split(' ')
    .map((name) => `var/${name}`),
  'extension',
];

/**
 * Copies `lhc_web`, without what an installation has added, unless this release was copied before. Makes the class map
 * that composer would make where the checkout has none.
 * @param folder becomes the copy
 * @throws {AppError} `conflict` if the folder has another release
 */
export async function copyCheckout(
  { web, release }: Checkout,
  folder: string,
  { php }: Pick<Programs, 'php'>,
): Promise<void> {
  const copied = await findCheckout(folder).catch(() => null);
  if (copied && copied.release !== release) {
    throw new AppError(
      'conflict',
      `${dirname(folder)} has LHC ${copied.release}, and LHC_DIR is ${release}. Remove this folder, or name another one (DATA_DIR of make demo-lhc).`,
    );
  }
  if (!copied) {
    const partial = `${folder}.partial`;
    await rm(partial, { recursive: true, force: true });
    await cp(web, partial, {
      recursive: true,
      filter: (source) => !isData(relative(web, source)),
    });
    for (const name of DATA_FOLDERS) await mkdir(join(partial, name), { recursive: true });
    // LHC's installation wants the group to write, where the owner is www-data.
    await run('chmod', ['-R', 'u+rwX,g+rwX', partial]);
    await rename(partial, folder);
  }
  if (existsSync(join(folder, 'lib/vendor/autoload.php'))) return;
  const { code, errors } = await run(php, [join(import.meta.dirname, 'class-map.php'), folder]);
  if (code !== 0) throw new AppError('unavailable', `the class map was not made: ${errors}`);
}

/** Puts the extension's files into the copy, new at each start. */
export async function copyExtension(source: string, web: string, name: string): Promise<void> {
  const target = join(web, 'extension', name);
  await rm(target, { recursive: true, force: true });
  await cp(source, target, { recursive: true });
}

/** Removes what LHC has compiled: views, options and the list of extensions. */
export async function clearCaches(web: string): Promise<void> {
  for (const name of ['cacheconfig', 'compiledtemplates', 'userinfo', 'translations']) {
    const folder = join(web, 'cache', name);
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'index.html'), '');
  }
}
