import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { claimDataDir } from '../../src/service/data-dir.ts';
import { temporaryFolder } from '../support/folder.ts';

it('a process keeps its name and its secret over restarts', () => {
  const folder = temporaryFolder('data-dir');
  const { release, ...first } = claimDataDir(folder, undefined);
  release();
  const again = claimDataDir(folder, undefined);
  expect(again).toMatchObject(first);
  expect(first.serviceSecrets).toEqual([expect.stringMatching(/^.{32,}$/)]);
  again.release();
});

it('an empty file is replaced: it is no name and no secret', () => {
  const folder = temporaryFolder('data-dir');
  for (const name of ['process-id', 'service-secret']) writeFileSync(join(folder, name), '');
  const { release, processId, serviceSecrets } = claimDataDir(folder, undefined);
  expect(processId).not.toBe('');
  expect(serviceSecrets).toEqual([expect.stringMatching(/^.{32,}$/)]);
  release();
});

it('the folder belongs to one process until that ends, in whatever way', async () => {
  const folder = temporaryFolder('data-dir');
  const { href } = new URL('../../src/service/data-dir.ts', import.meta.url);
  const other = spawn(process.execPath, [
    '--input-type=module',
    '--eval',
    `import { claimDataDir } from '${href}';
     globalThis.claimed = claimDataDir(${JSON.stringify(folder)}); // without a reference the lock would be collected
     process.stdout.write('claimed');
     setInterval(() => {}, 60_000);`,
  ]);
  const ended = once(other, 'exit');
  try {
    expect(String(await Promise.race([once(other.stdout, 'data'), ended]))).toBe('claimed');
    const refused = expect.objectContaining({
      code: 'conflict',
      message: expect.stringMatching(/^DATA_DIR: another process uses .*data-dir/),
    });
    expect(() => claimDataDir(folder, undefined)).toThrow(refused);
  } finally {
    other.kill('SIGKILL');
    await ended;
  }
  claimDataDir(folder, undefined).release();
});
