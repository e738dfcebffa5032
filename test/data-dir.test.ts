import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { claimDataDir } from '../src/data-dir.ts';
import { temporaryFolder } from './sqlite/folder.ts';

it('a process keeps its name and its secret over restarts', () => {
  const folder = temporaryFolder('data-dir');
  const { release, ...first } = claimDataDir(folder, undefined);
  release();
  const again = claimDataDir(folder, undefined);
  expect(again).toMatchObject(first);
  expect(first.serviceSecret.length).toBeGreaterThanOrEqual(32);
  again.release();
});

it('a file that was left empty is no name and no secret', () => {
  const folder = temporaryFolder('data-dir');
  for (const name of ['process-id', 'service-secret']) writeFileSync(join(folder, name), '');
  const { release, processId, serviceSecret } = claimDataDir(folder, undefined);
  expect(processId).not.toBe('');
  expect(serviceSecret.length).toBeGreaterThanOrEqual(32);
  release();
});
