import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Makes a new folder, in memory if possible. Thousands of flushes to a disk would slow the other tests down. The tests kill
 * processes, not the machine, so written data survives without a disk.
 */
export const temporaryFolder = (name: string): string => {
  const memory = '/dev/shm';
  return mkdtempSync(join(existsSync(memory) ? memory : tmpdir(), `xmpp-chat-${name}-`));
};
