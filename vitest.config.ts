import { defineConfig } from 'vitest/config';

/** Where .ci/run wants the counts. */
const results = process.env.VITEST_RESULTS;

export default defineConfig({
  test: {
    reporters: results ? ['default', ['json', { outputFile: results }]] : ['default'],
    include: ['test/**/*.test.ts'],
    // Real processes (ejabberd, the service) on two cores: a few files at a time, generous deadlines.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
