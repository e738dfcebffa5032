/** `npm run test:fast`: the tests that need no ejabberd and no other process, without the long model runs. */
import { defineConfig } from 'vitest/config';

/** Left out. test/fast.test.ts checks that no other test file starts ejabberd or a process. */
export const SLOW_TESTS: readonly string[] = [
  // A real ejabberd, or the whole service.
  'test/ejabberd/**',
  'test/service/**',
  'test/doctor/account-cache.test.ts',
  'test/xmpp/admin/admin.test.ts',
  'test/xmpp/admin/passwords.test.ts',
  'test/xmpp/admin/vcard.test.ts',
  'test/xmpp/admin/vcard-missing.test.ts',
  'test/xmpp/component/component.test.ts',
  'test/xmpp/sessions/accounts.test.ts',
  'test/xmpp/sessions/capabilities.test.ts',
  'test/xmpp/sessions/delays-and-receipts.test.ts',
  'test/xmpp/sessions/hand-over.test.ts',
  'test/reactors/visitors/locked-out.test.ts',
  // Processes of their own, most of them to be killed.
  'test/lhc/node-helper.test.ts',
  'test/lhc-extension/**',
  'test/doctor/redis.test.ts',
  'test/console/console.test.ts',
  'test/web-client/web-client.test.ts',
  'test/cli/backup.test.ts',
  'test/cli/log/binary.test.ts',
  'test/cli/dead-letters.test.ts',
  'test/cli/migrate.test.ts',
  'test/cli/restore.test.ts',
  'test/cli/root.test.ts',
  'test/docker.test.ts',
  'test/scripts/**',
  'test/replay/test-file.test.ts',
  'test/eventstore/migration/**',
  'test/eventstore/sqlite/faults.test.ts',
  'test/eventstore/sqlite/kill.test.ts',
  'test/projections/builds.test.ts',
  'test/fold/fold.test.ts',
  // The double of EventStoreDB, with its faults and its pauses.
  'test/eventstore/esdb/**',
  'test/support/**',
  // More than 5 s of CPU each: models of many random histories, crowds of readers.
  'test/http/stream/stream.test.ts',
  'test/reactors/operators/accounts.test.ts',
  'test/reactors/routing/model.test.ts',
  'test/reactors/routing/routing.test.ts',
  'test/runtime/leases/leases.test.ts',
  'test/runtime/leases/model.test.ts',
];

/** Not of `npm test` at all: vitest.lhc.config.ts. */
export const REAL_LHC_TESTS = 'test/lhc-real/**';

export default defineConfig({
  test: {
    name: 'fast',
    globalSetup: 'test/support/run-folder.ts',
    include: ['test/**/*.test.ts'],
    exclude: [...SLOW_TESTS, REAL_LHC_TESTS],
    // No test here leaves anything behind for the next one, so a worker serves many files.
    pool: 'threads',
    isolate: false,
    maxWorkers: '100%',
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
