/**
 * Finds the parts of an ejabberd release, and compiles mod_lhc for it.
 * Debian's layout: `/usr/lib/{triplet}/ejabberd-{version}/{ebin,include}`, `/usr/lib/erlang`. A release can also be an
 * unpacked tree of packages (`root`) that runs by chroot; all its paths are relative to that root.
 */
import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { AppError, messageOf } from '../../src/errors.ts';

const run = promisify(execFile);
const project = join(import.meta.dirname, '..', '..');

export interface Release {
  /** The folder for chroot; `''` for the system's own release. */
  readonly root: string;
  /** Inside the root: the value for `ERL_LIBS`. */
  readonly libs: string;
  /** Inside the root: the folders of ejabberd's and p1_xmpp's headers. */
  readonly includes: readonly string[];
  /** Inside the root: ejabberd's beams. */
  readonly ebin: string;
  /** The name of ejabberd's folder, e.g. `ejabberd-23.01-1`. */
  readonly name: string;
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

const list = (path: string): Promise<string[]> => readdir(path).catch(() => []);

/** The folders whose names begin so, in every place where Debian keeps Erlang libraries. */
async function libraries(root: string, prefix: string): Promise<string[]> {
  const places = ['/usr/lib/erlang/lib'];
  for (const triplet of await list(`${root}/usr/lib`)) places.push(`/usr/lib/${triplet}`);
  const found: string[] = [];
  for (const place of places) {
    for (const name of await list(root + place)) {
      if (name.startsWith(prefix)) found.push(join(place, name));
    }
  }
  return found;
}

/**
 * Finds ejabberd on this machine or in an unpacked release.
 * @param root folder of an unpacked release; `''` for the system's own
 * @throws {AppError} `unavailable` saying what to install
 */
export async function findRelease(root = ''): Promise<Release> {
  const folders = await libraries(root, 'ejabberd-');
  let ebin: string | undefined;
  for (const folder of folders) {
    if (await exists(`${root}${folder}/ebin/ejabberd.beam`)) ebin = `${folder}/ebin`;
  }
  if (ebin === undefined || !(await exists(`${root}/usr/lib/erlang/bin/erl`))) {
    throw new AppError(
      'unavailable',
      `There is no ejabberd ${root ? `in ${root}` : 'on this machine'}: run scripts/install-ejabberd.sh (Debian, Ubuntu), or install ejabberd and Erlang by hand.`,
    );
  }
  // Several folders can begin with ejabberd-. On 24.12 beams and headers are in different ones.
  const includes: string[] = [];
  for (const folder of [...folders, ...(await libraries(root, 'p1_xmpp-'))]) {
    if (await exists(`${root}${folder}/include`)) includes.push(`${folder}/include`);
  }
  const home = dirname(ebin);
  return { root, libs: dirname(home), includes, ebin, name: home.slice(dirname(home).length + 1) };
}

/** The command line that runs a program of this release. */
export function inRelease(release: Release, program: 'erl' | 'erlc', args: readonly string[]) {
  const path = `/usr/lib/erlang/bin/${program}`;
  return release.root === ''
    ? { file: path, args: [...args] }
    : { file: 'chroot', args: [release.root, path, ...args] };
}

/**
 * Compiles `ejabberd/mod_lhc/src` for this release, once for each version of the sources (cached in `.cache`).
 * @returns the folder of the beams, inside the root
 * @throws {AppError} `invalid` with the compiler's output
 */
export async function compileModLhc(release: Release): Promise<string> {
  const home = join(project, 'ejabberd', 'mod_lhc');
  const sources = (await list(join(home, 'src'))).filter((name) => /\.[eh]rl$/.test(name)).sort();
  if (!sources.some((name) => name.endsWith('.erl'))) {
    throw new AppError('unavailable', 'ejabberd/mod_lhc/src has no Erlang module.');
  }
  const hash = createHash('sha256').update(release.name);
  for (const name of sources) hash.update(name).update(await readFile(join(home, 'src', name)));
  const key = `mod_lhc-${release.name}-${hash.digest('hex').slice(0, 16)}`;
  const cache = release.root === '' ? join(project, '.cache') : '/var/cache/xmpp-chat';
  const done = `${cache}/${key}`;
  if (await exists(`${release.root}${done}`)) return done;

  // Several test files may compile at the same time. Each uses its own folder, and the first rename wins.
  const work = `${cache}/${key}.${randomUUID()}`;
  const outside = `${release.root}${work}`;
  await mkdir(`${outside}/beams`, { recursive: true });
  try {
    await cp(join(home, 'src'), `${outside}/src`, { recursive: true });
    if (await exists(join(home, 'include'))) {
      await cp(join(home, 'include'), `${outside}/include`, { recursive: true });
    }
    const command = inRelease(release, 'erlc', [
      ...release.includes.flatMap((folder) => ['-I', folder]),
      '-I',
      `${work}/include`,
      '-I',
      `${work}/src`,
      '-pa',
      release.ebin,
      '+debug_info',
      '-o',
      `${work}/beams`,
      ...sources.filter((name) => name.endsWith('.erl')).map((name) => `${work}/src/${name}`),
    ]);
    await run(command.file, command.args, { timeout: 60_000 }).catch((error: unknown) => {
      const output = error instanceof Error && 'stdout' in error ? String(error.stdout) : '';
      throw new AppError('invalid', `mod_lhc does not compile: ${output || messageOf(error)}`);
    });
    await rename(`${outside}/beams`, `${release.root}${done}`).catch(async (error: unknown) => {
      if (!(await exists(`${release.root}${done}`))) throw error;
    });
  } finally {
    await rm(outside, { recursive: true, force: true });
  }
  return done;
}
