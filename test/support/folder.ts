import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * A new folder, in memory where there is one: what is tested is the death of processes, which loses nothing of what
 * was written, flushed or not; and thousands of flushes would keep other tests from the disk.
 */
export const temporaryFolder = (name: string): string => {
  const memory = '/dev/shm';
  return mkdtempSync(join(existsSync(memory) ? memory : tmpdir(), `xmpp-chat-${name}-`));
};
