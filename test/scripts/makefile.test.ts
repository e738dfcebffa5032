/** The Makefile on a machine that has nothing yet. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const { PATH = '' } = process.env;

it.each(['run', 'test', 'demo-lhc', 'lhc-extension'])(
  'make %s installs the packages, then what their Node needs, before anything runs on it',
  (target) => {
    const plan = spawnSync('make', ['--dry-run', '--always-make', target], {
      cwd: join(import.meta.dirname, '../..'),
      env: { PATH },
      encoding: 'utf8',
    });
    expect(plan.stderr).toBe('');
    const lines = plan.stdout.split('\n');
    const at = (what: RegExp) => lines.findIndex((line) => what.test(line));
    expect(at(/npm ci/)).toBeGreaterThanOrEqual(0);
    expect(at(/install-libatomic/)).toBeGreaterThan(at(/npm ci/));
    expect(at(/npm run|node scripts/)).toBeGreaterThan(at(/install-libatomic/));
  },
);
