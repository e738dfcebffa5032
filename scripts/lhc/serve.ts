/**
 * A real LHC in the foreground, with the extension in it where it exists, but not connected to a service:
 * `npx node scripts/lhc/serve.ts LHC_DIR [FOLDER]`. The folder keeps the data; default: `data/lhc-alone`.
 */
import { messageOf } from '../../src/errors.ts';
import { startLhc } from './real-lhc.ts';

const [lhcDir, dir = 'data/lhc-alone'] = process.argv.slice(2);
if (lhcDir === undefined) {
  console.error('usage: npx node scripts/lhc/serve.ts LHC_DIR [FOLDER]');
  process.exit(2);
}
try {
  const lhc = await startLhc({
    lhcDir,
    dir,
    departments: ['Sales', 'Support'],
    operators: [{ username: 'olga', name: 'Olga', departments: ['Sales'] }],
    say: (what) => console.log(what),
    onUnexpectedEnd: (server, how) => console.error(`${server} ended: ${how}`),
  });
  const end = () => void lhc.stop().then(() => process.exit(0));
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
  console.log(
    `LHC ${lhc.release}   ${lhc.url}/site_admin/ as admin, password ${lhc.admin.password}`,
  );
  console.log(`operator  olga, password ${lhc.operator('olga').password}`);
  console.log(`shop      ${lhc.shop}`);
  console.log(`PHP logs  ${dir}/log/php.log`);
  console.log('Ctrl-C    ends everything');
} catch (error) {
  console.error(messageOf(error));
  process.exit(1);
}
