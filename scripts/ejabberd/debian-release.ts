/**
 * Further releases of ejabberd, from Debian's packages. apt fetches them with its own state folder, they are unpacked
 * into a folder, and run by chroot. That needs root and changes nothing on the system. The mirror is the one that the
 * machine's apt uses.
 */
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { AppError, messageOf } from '../../src/errors.ts';

const run = promisify(execFile);
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

export interface DebianRelease {
  /** The name of its folder. */
  readonly name: string;
  /** The suites of the packages; the last one is preferred. */
  readonly suites: readonly string[];
}

/** ejabberd, and what Erlang's start script needs. */
const PACKAGES = ['ejabberd', 'dash', 'sed', 'coreutils'];

/** The Debian mirror that this machine uses for its own release. */
async function mirror(): Promise<string> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const codename = /^VERSION_CODENAME="?(\w+)/m.exec(release)?.[1];
  const targets = await run('apt-get', [
    'indextargets',
    '--format',
    '$(REPO_URI) $(RELEASE) $(COMPONENT)',
    'Created-By: Packages',
  ]).catch((error: unknown) => {
    throw new AppError(
      'unavailable',
      `apt-get is needed to fetch releases, and cannot be run: ${messageOf(error)}`,
    );
  });
  for (const line of targets.stdout.split('\n')) {
    const [uri, suite, component] = line.split(' ');
    if (uri && suite === codename && component === 'main') return uri;
  }
  throw new AppError(
    'unavailable',
    `apt has no Debian mirror for ${codename ?? 'this machine'}, so further releases cannot be fetched.`,
  );
}

function aptOptions(home: string): string[] {
  const options = {
    'Dir::State': join(home, 'state'),
    'Dir::State::status': join(home, 'status'),
    'Dir::Cache': join(home, 'cache'),
    'Dir::Etc::sourcelist': join(home, 'sources.list'),
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::Etc::preferencesparts': '/dev/null',
    'APT::Sandbox::User': 'root',
  };
  return Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
}

/** The newest version of ejabberd in these suites; undefined if the mirror cannot be reached. */
async function newestVersion(home: string, { suites }: DebianRelease): Promise<string | undefined> {
  await mkdir(join(home, 'state', 'lists', 'partial'), { recursive: true });
  await mkdir(join(home, 'cache', 'archives', 'partial'), { recursive: true });
  await writeFile(join(home, 'status'), '');
  const uri = await mirror();
  const lines = suites.map((suite) => `deb [signed-by=${KEYRING}] ${uri} ${suite} main\n`);
  await writeFile(join(home, 'sources.list'), lines.join(''));
  try {
    await run('apt-get', [...aptOptions(home), 'update', '-qq', '--error-on=any'], {
      timeout: 180_000,
    });
  } catch {
    return undefined;
  }
  const target = ['-o', `APT::Default-Release=${suites.at(-1)}`];
  const { stdout } = await run('apt-cache', [...aptOptions(home), ...target, 'policy', 'ejabberd']);
  return /Candidate: (\S+)/.exec(stdout)?.[1];
}

async function unpack(home: string, root: string, { suites }: DebianRelease): Promise<void> {
  const archives = join(home, 'cache', 'archives');
  await rm(archives, { recursive: true, force: true });
  await mkdir(join(archives, 'partial'), { recursive: true });
  const target = ['-t', suites.at(-1) ?? ''];
  const options = ['--download-only', '--no-install-recommends', '-y', '-qq'];
  await run(
    'apt-get',
    [...aptOptions(home), ...target, ...options, 'install', ...PACKAGES],
    // apt lists everything that it would install.
    { timeout: 600_000, maxBuffer: 64 * 1024 * 1024 },
  );
  await rm(root, { recursive: true, force: true });
  await mkdir(root, { recursive: true });
  for (const name of await readdir(archives)) {
    if (name.endsWith('.deb')) await run('dpkg', ['-x', join(archives, name), root]);
  }
  // From Debian 13 on these folders exist below usr only. The package that makes the links was not installed.
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
    await symlink(`usr/${name}`, join(root, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
  const shell = join(root, 'bin', 'sh');
  if (!(await stat(shell).catch(() => undefined))) await symlink('dash', shell);
  await mkdir(join(root, 'dev'), { recursive: true });
  await mkdir(join(root, 'tmp'), { recursive: true, mode: 0o1777 });
  for (const [name, minor] of Object.entries({ null: '3', random: '8', urandom: '9' })) {
    const device = join(root, 'dev', name);
    if (!(await stat(device).catch(() => undefined))) {
      await run('mknod', ['-m', '666', device, 'c', '1', minor]);
    }
  }
  // Saves disk space: the packages are not needed again.
  await rm(archives, { recursive: true, force: true });
}

/**
 * Fetches a release unless its newest version is in the cache.
 * @param cache the folder of all releases
 * @returns the root for chroot, and the package's version
 * @throws {AppError} `unavailable` if it cannot be fetched and is not in the cache
 */
export async function debianRelease(
  release: DebianRelease,
  cache: string,
): Promise<{ root: string; version: string }> {
  if (process.getuid?.() !== 0) {
    throw new AppError('unavailable', 'Further releases run by chroot, which needs root.');
  }
  const home = join(cache, release.name);
  const root = join(home, 'root');
  const marker = join(home, 'version');
  const cached = (await readFile(marker, 'utf8').catch(() => '')).trim();
  const newest = await newestVersion(home, release);
  if (newest === undefined && cached === '') {
    throw new AppError('unavailable', `The packages of ${release.name} cannot be fetched now.`);
  }
  if (newest === undefined || newest === cached) return { root, version: cached };
  const work = join(home, 'root.new');
  await rm(marker, { force: true });
  await unpack(home, work, release);
  await rm(root, { recursive: true, force: true });
  await rename(work, root);
  await writeFile(marker, `${newest}\n`);
  return { root, version: newest };
}
