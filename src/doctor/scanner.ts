/** Whether the virus scanner (FILE_SCANNER) answers, and lets a harmless text through. */
import type { Scanner } from '../files/scanner.ts';
import { scannerFault } from '../files/scanner-watch.ts';
import { type Check, ok, problem } from './check.ts';

export const scannerCheck = (scan: Scanner): Check => ({
  name: 'file scanner',
  async run(signal) {
    const fault = await scannerFault(scan, signal);
    if (fault === null) return [ok('the virus scanner answers, and lets a harmless text through')];
    return [
      problem(
        `no file gets through, of operators or visitors: ${fault}`,
        'start the scanner, or correct FILE_SCANNER. Without FILE_SCANNER no file is scanned (docs/configuration.md)',
      ),
    ];
  },
});
