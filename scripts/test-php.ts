/**
 * `npm run test:php [-- ARGUMENTS OF PHPUNIT]`: PHPUnit on the LHC extension, with a private MariaDB. With LHC_DIR (a
 * checkout of LHC) on a copy of that LHC instead of its double.
 */
import { join } from 'node:path';
import { startMariaDb } from '../test/support/mariadb.ts';
import { runPhpUnit } from '../test/support/phpunit.ts';
import { copyCheckout, findCheckout } from './lhc/checkout.ts';

const { LHC_DIR } = process.env;
const db = await startMariaDb();
try {
  let lhc = '';
  if (LHC_DIR) {
    const checkout = await findCheckout(LHC_DIR);
    lhc = join(db.folder, 'lhc/lhc_web');
    console.log(`on LHC ${checkout.release}`);
    await copyCheckout(checkout, lhc, { php: 'php' });
  }
  const { code, output } = await runPhpUnit(db, process.argv.slice(2), lhc);
  process.stdout.write(output);
  process.exitCode = code ?? 1;
} finally {
  await db.close();
}
