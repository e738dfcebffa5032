/**
 * Other releases of ejabberd than the machine's own, as Debian's packages: fetched by an apt with a root of its own,
 * unpacked into a folder and entered by chroot. Nothing of the system is touched (but root is needed).
 * Where the packages come from is what the machine's own apt says.
 */
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { AppError, messageOf } from '../../src/errors.ts';

const run = promisify(execFile);
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

export interface DebianRelease {
  /** Names the folder. */
  readonly name: string;
  /** Suites to take packages from; the last one is preferred. */
  readonly suites: readonly string[];
}

/** What Erlang's start script needs beside what ejabberd depends on. */
const packages = ['ejabberd', 'dash', 'sed', 'coreutils'];

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
      `There is no apt to fetch releases with: ${messageOf(error)}`,
    );
  });
  for (const line of targets.stdout.split('\n')) {
    const [uri, suite, component] = line.split(' ');
    if (uri && suite === codename && component === 'main') return uri;
  }
  throw new AppError(
    'unavailable',
    `apt's sources name no Debian mirror for ${codename ?? 'this machine'}: other releases cannot be fetched.`,
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

/** The newest version of ejabberd that these suites have, or undefined when they cannot be asked now. */
async function newest(home: string, { suites }: DebianRelease): Promise<string | undefined> {
  await mkdir(join(home, 'state', 'lists', 'partial'), { recursive: true });
  await mkdir(join(home, 'cache', 'archives', 'partial'), { recursive: true });
  await writeFile(join(home, 'status'), '');
  const uri = await mirror();
  const lines = suites.map((suite) => `deb [signed-by=${keyring}] ${uri} ${suite} main\n`);
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
  const wishes = ['--download-only', '--no-install-recommends', '-y', '-qq'];
  await run(
    'apt-get',
    [...aptOptions(home), ...target, ...wishes, 'install', ...packages],
    // Chatty about what it would install.
    { timeout: 600_000, maxBuffer: 64 * 1024 * 1024 },
  );
  await rm(root, { recursive: true, force: true });
  await mkdir(root, { recursive: true });
  for (const name of await readdir(archives)) {
    if (name.endsWith('.deb')) await run('dpkg', ['-x', join(archives, name), root]);
  }
  // From Debian 13 on packages have these below usr only, and a package makes the links at its installation.
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
  // A quarter of a gigabyte is enough; the packages themselves are not needed again.
  await rm(archives, { recursive: true, force: true });
}

/**
 * Fetches a release if the folder does not have its newest version yet.
 * @param cache folder for all of them
 * @returns the root to enter, and the package's version
 * @throws {AppError} `unavailable` when it cannot be fetched and was not fetched before
 */
export async function debianRelease(
  release: DebianRelease,
  cache: string,
): Promise<{ root: string; version: string }> {
  if (process.getuid?.() !== 0) {
    throw new AppError('unavailable', 'Other releases are entered by chroot, which needs root.');
  }
  const home = join(cache, release.name);
  const root = join(home, 'root');
  const marker = join(home, 'version');
  const present = (await readFile(marker, 'utf8').catch(() => '')).trim();
  const wanted = await newest(home, release);
  if (wanted === undefined && present === '') {
    throw new AppError('unavailable', `The packages of ${release.name} cannot be fetched now.`);
  }
  if (wanted === undefined || wanted === present) return { root, version: present };
  const work = join(home, 'root.new');
  await rm(marker, { force: true });
  await unpack(home, work, release);
  await rm(root, { recursive: true, force: true });
  await rename(work, root);
  await writeFile(marker, `${wanted}\n`);
  return { root, version: wanted };
}
