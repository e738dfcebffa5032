import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { SLOW_TESTS } from './vitest.fast.config.ts';

// Node keeps compiled code here. A start of the service, of which there are hundreds, takes half the CPU time with it.
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, 'node_modules/.cache/node-compile');

/** Where .ci/run wants the counts. */
const results = process.env.VITEST_RESULTS;

/**
 * Real processes (ejabberd, the service) on two cores: a few files at a time. A third of their time they wait for a lease,
 * a time-out or a start, so two at once leave the cores idle.
 */
const FILES_AT_ONCE = 3;

/** Files with real processes first, then the fast ones, so that no long file is left alone at the end. */
class RealFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isFast = ({ project }: TestSpecification): number => (project.name === 'fast' ? 1 : 0);
    return (await super.sort(files)).sort((a, b) => isFast(a) - isFast(b));
  }
}

export default defineConfig({
  test: {
    reporters: results ? ['default', ['json', { outputFile: results }]] : ['default'],
    globalSetup: 'test/support/run-folder.ts',
    maxWorkers: FILES_AT_ONCE,
    sequence: { sequencer: RealFirst },
    projects: [
      { extends: './vitest.fast.config.ts', test: { name: 'fast', maxWorkers: FILES_AT_ONCE } },
      {
        test: {
          name: 'real',
          include: SLOW_TESTS.map((pattern) => pattern.replace(/\*\*$/, '**/*.test.ts')),
          maxWorkers: FILES_AT_ONCE,
          // The time-outs are only a safety. They are longer than a wait (WAIT_DEADLINE_MS), so that the error names the
          // condition.
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
