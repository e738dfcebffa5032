import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { runFolder } from './run-folder.ts';

/**
 * Makes a new folder, in memory if possible. Thousands of flushes to a disk would slow the other tests down. The tests kill
 * processes, not the machine, so written data survives without a disk. The end of the run removes it.
 */
export const temporaryFolder = (name: string): string => mkdtempSync(join(runFolder(), `${name}-`));
