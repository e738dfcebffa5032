/** Each test of PHPUnit (lhc/test/unit) is one here, so that it is counted and named. */
import { afterAll, expect, it } from 'vitest';
import { startMariaDb } from '../support/mariadb.ts';
import { runPhpUnit } from '../support/phpunit.ts';

const db = await startMariaDb();
afterAll(() => db.close());
const run = await runPhpUnit(db, []);

it('PHPUnit runs to its end', () => {
  expect(run.tests.length, run.output).toBeGreaterThan(0);
  expect(run.code, run.output).toBe(0);
});

for (const { name, outcome, text } of run.tests) {
  it.skipIf(outcome === 'skipped')(name, () => {
    if (outcome === 'failed') expect.fail(text);
  });
}
