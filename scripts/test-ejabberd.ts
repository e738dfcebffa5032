/**
 * `npm run test:ejabberd`: runs the tests of mod_lhc and of the service's use of ejabberd on several releases: the
 * machine's own ejabberd (23.01 on Debian 12), 24.12 from the backports, and the newest one of Debian unstable.
 *
 * ```sh
 * npm run test:ejabberd                 # all of them
 * npm run test:ejabberd -- unstable     # one
 * ```
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { messageOf } from '../src/errors.ts';
import { debianRelease } from './ejabberd/debian-release.ts';
import { findRelease } from './ejabberd/release.ts';

const project = join(import.meta.dirname, '..');

/** Each prepares a release: the root for chroot (`''`: none) and the version. */
const releases: Record<string, () => Promise<{ root: string; version: string }>> = {
  installed: async () => ({
    root: '',
    version: (await findRelease()).name.replace('ejabberd-', ''),
  }),
  backports: () => fetched('backports', ['bookworm', 'bookworm-backports']),
  unstable: () => fetched('unstable', ['unstable']),
};

function fetched(name: string, suites: readonly string[]) {
  return debianRelease({ name, suites }, join(project, '.cache', 'ejabberd'));
}

function exec(file: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd: project,
      stdio: 'inherit',
      env: { ...process.env, ...env },
    });
    child.on('error', reject);
    child.on('exit', (code) => resolve(code ?? 1));
  });
}

const names = process.argv.slice(2);
const unknown = names.filter((name) => !(name in releases));
if (unknown.length > 0) {
  console.error(`Unknown: ${unknown.join(', ')}. Choose from ${Object.keys(releases).join(', ')}.`);
  process.exit(2);
}

if ((await exec('sh', [join(project, 'scripts', 'install-ejabberd.sh')])) !== 0) process.exit(1);

/** Every test whose result can depend on the release. */
const tests = [
  'test/ejabberd',
  'test/xmpp/admin',
  'test/xmpp/component',
  'test/xmpp/sessions/accounts.test.ts',
  'test/xmpp/sessions/hand-over.test.ts',
  'test/xmpp/sessions/capabilities.test.ts',
  'test/xmpp/sessions/delays-and-receipts.test.ts',
];

const results: { release: string; version: string; outcome: string; seconds: number }[] = [];
for (const [release, prepare] of Object.entries(releases)) {
  if (names.length > 0 && !names.includes(release)) continue;
  let version = '?';
  let outcome = 'failed';
  let started = performance.now();
  try {
    const prepared = await prepare();
    version = prepared.version;
    started = performance.now();
    console.log(`\nejabberd ${version} (${release})`);
    const vitest = join(project, 'node_modules', 'vitest', 'vitest.mjs');
    const env = { EJABBERD_ROOT: prepared.root };
    const code = await exec(process.execPath, [vitest, 'run', ...tests], env);
    if (code === 0) outcome = 'passed';
  } catch (error) {
    outcome = `not run: ${messageOf(error)}`;
  }
  const seconds = Math.round((performance.now() - started) / 1000);
  results.push({ release, version, outcome, seconds });
}

console.log('\nejabberd            release     seconds  outcome');
for (const { release, version, outcome, seconds } of results) {
  console.log(
    `${version.padEnd(19)} ${release.padEnd(11)} ${String(seconds).padStart(7)}  ${outcome}`,
  );
}
process.exit(results.every(({ outcome }) => outcome === 'passed') ? 0 : 1);
