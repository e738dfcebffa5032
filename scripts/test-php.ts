/**
 * `npm run test:php [-- ARGUMENTS OF PHPUNIT]`: PHPUnit on the LHC extension, with a private MariaDB. With LHC_DIR (the
 * folder lhc_web of a real LHC, with lib/vendor/autoload.php) on that LHC instead of its double.
 */
import { startMariaDb } from '../test/support/mariadb.ts';
import { runPhpUnit } from '../test/support/phpunit.ts';

const db = await startMariaDb();
try {
  const { code, output } = await runPhpUnit(db, process.argv.slice(2));
  process.stdout.write(output);
  process.exitCode = code ?? 1;
} finally {
  await db.close();
}
