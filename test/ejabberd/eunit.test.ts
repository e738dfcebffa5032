/** The Erlang tests of mod_lhc's parts (ejabberd/mod_lhc/test), on the Erlang of the release under test. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { cp, mkdir, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { findRelease, inRelease } from '../../scripts/ejabberd/release.ts';

const run = promisify(execFile);
const home = join(import.meta.dirname, '..', '..', 'ejabberd', 'mod_lhc');

it('the Erlang tests pass', async () => {
  const release = await findRelease(process.env.EJABBERD_ROOT);
  const inside = join(release.root === '' ? tmpdir() : '/tmp', `mod_lhc-${randomUUID()}`);
  const outside = join(release.root, inside);
  await mkdir(outside, { recursive: true });
  try {
    const sources: string[] = [];
    for (const folder of ['src', 'test']) {
      await cp(join(home, folder), join(outside, folder), { recursive: true });
      for (const name of await readdir(join(home, folder))) {
        if (name.endsWith('.erl')) sources.push(join(inside, folder, name));
      }
    }
    const headers = release.includes.flatMap((folder) => ['-I', folder]);
    const options = ['-Wall', '-Werror', '-pa', release.ebin, ...headers, '-o', inside];
    const compile = inRelease(release, 'erlc', [...options, ...sources]);
    await run(compile.file, compile.args);
    const modules =
      'mod_lhc_pure_tests, mod_lhc_queue_tests, mod_lhc_contacts_tests, mod_lhc_room_tests';
    // The tests provoke many log lines, which would hide a failure.
    const quiet = ['-noshell', '-kernel', 'logger_level', 'none', '-pa', inside];
    const test = `R = eunit:test([${modules}], []), halt(case R of ok -> 0; _ -> 1 end).`;
    const eunit = inRelease(release, 'erl', [...quiet, '-eval', test]);
    const { stdout } = await run(eunit.file, eunit.args, {
      env: { ...process.env, ERL_LIBS: release.libs },
      timeout: 60_000,
    }).catch((error: { stdout?: string }) => ({ stdout: error.stdout ?? String(error) }));
    expect(stdout).toMatch(/All \d+ tests passed/);
  } finally {
    await rm(outside, { recursive: true, force: true });
  }
}, 90_000);
