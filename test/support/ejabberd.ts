/** A private ejabberd for a test file, in a temporary folder that is removed after the tests. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import {
  type Ejabberd,
  type EjabberdOptions,
  startEjabberd,
} from '../../scripts/private-ejabberd.ts';

export { FAST_OPERATORS } from '../../scripts/ejabberd/config.ts';
export type { Ejabberd, EjabberdOptions } from '../../scripts/private-ejabberd.ts';

/**
 * Starts ejabberd, and stops it after the tests of the file. Await it at the top level of a test file, because a hook cannot
 * register another hook: `const ejabberd = await testEjabberd();`. Without `dir` it uses a temporary folder.
 * `EJABBERD_ROOT` names an unpacked release to run instead of the system's ejabberd.
 */
export async function testEjabberd(options: Partial<EjabberdOptions> = {}): Promise<Ejabberd> {
  const dir = await mkdtemp(join(tmpdir(), 'ejabberd-'));
  const root = process.env.EJABBERD_ROOT;
  const ejabberd = await startEjabberd({ dir, ...(root ? { root } : {}), ...options }).catch(
    async (error: unknown) => {
      await rm(dir, { recursive: true, force: true });
      throw error;
    },
  );
  afterAll(async () => {
    await ejabberd.kill();
    await rm(ejabberd.dir, { recursive: true, force: true });
    await rm(dir, { recursive: true, force: true });
  });
  return ejabberd;
}
