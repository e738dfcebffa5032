/** `LHC_DIR=… npm run test:lhc`: the extension in a real LHC (scripts/lhc/), with the real service and a real ejabberd. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    globalSetup: 'test/support/run-folder.ts',
    include: ['test/lhc-real/**/*.test.ts'],
    // Each file has an LHC, an ejabberd and a service of its own.
    maxWorkers: 1,
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
