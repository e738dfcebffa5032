import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

// Node keeps compiled code here. A start of the service, of which there are hundreds, takes half the CPU time with it.
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, 'node_modules/.cache/node-compile');

/** Where .ci/run wants the counts. */
const results = process.env.VITEST_RESULTS;

export default defineConfig({
  test: {
    reporters: results ? ['default', ['json', { outputFile: results }]] : ['default'],
    include: ['test/**/*.test.ts'],
    // Real processes (ejabberd, the service) on two cores: a few files at a time. The time-outs are only a safety. They are
    // longer than a wait (WAIT_DEADLINE_MS), so that the error names the condition.
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
