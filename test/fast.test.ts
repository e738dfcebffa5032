/** `npm run test:fast` runs only tests that start no ejabberd, no service and no other process. */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path/posix';
import { expect, it } from 'vitest';
import { REAL_LHC_TESTS, SLOW_TESTS } from '../vitest.fast.config.ts';

const root = join(import.meta.dirname, '..');
const options = { cwd: root };
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** What a fast test must not reach: the starters of real things. `src/` starts threads only. */
const STARTS = ['scripts/private-ejabberd.ts', 'test/support/service.ts', 'node:child_process'];

const IMPORT = /^(?:import|export)\b[^;]*?from '([^']+)';|\bimport\('([^']+)'\)/gm;

/** Everything that a file imports, directly or through other files of the repository. */
function reached(path: string, sourceOf: (path: string) => string): Set<string> {
  const found = new Set<string>();
  const queue = [path];
  for (const from of queue) {
    for (const [, fixed, dynamic] of sourceOf(from).matchAll(IMPORT)) {
      const specifier = fixed ?? dynamic ?? '';
      const to = specifier.startsWith('.') ? join(dirname(from), specifier) : specifier;
      if (found.has(to)) continue;
      found.add(to);
      if (to.startsWith('test/') || to.startsWith('scripts/')) queue.push(to);
    }
  }
  return found;
}

const starts = (path: string, sourceOf = read): string[] => {
  const found = reached(path, sourceOf);
  return STARTS.filter((each) => found.has(each));
};

it('starts no ejabberd, no service and no process', () => {
  const fast = globSync('test/**/*.test.ts', {
    ...options,
    exclude: [...SLOW_TESTS, REAL_LHC_TESTS],
  });
  expect(fast.length).toBeGreaterThan(60);
  expect(fast.filter((path) => starts(path).length > 0)).toEqual([]);
});

it('leaves out only what is there', () => {
  expect(SLOW_TESTS.filter((pattern) => globSync(pattern, options).length === 0)).toEqual([]);
});

it('would notice a test that starts ejabberd through another file', () => {
  const files: Record<string, string> = {
    'test/a.test.ts': "import { b } from './support/b.ts';",
    'test/support/b.ts': "import {\n  startEjabberd,\n} from '../../scripts/private-ejabberd.ts';",
    'scripts/private-ejabberd.ts': "import { spawn } from 'node:child_process';",
  };
  expect(starts('test/a.test.ts', (path) => files[path] ?? '')).toEqual([
    'scripts/private-ejabberd.ts',
    'node:child_process',
  ]);
});
