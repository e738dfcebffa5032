/** `make run` with a LISTEN that is not an address. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../support/folder.ts';

const dir = temporaryFolder('make-run');

it.each(['abc', '127.0.0.1:99999', ':8090', '127.0.0.1:0'])('LISTEN=%s is refused', (LISTEN) => {
  const { PATH = '' } = process.env;
  const ended = spawnSync(process.execPath, [join(import.meta.dirname, '../../scripts/run.ts')], {
    env: { PATH, LISTEN, DATA_DIR: join(dir, 'data') },
    encoding: 'utf8',
  });
  expect(ended.status).toBe(1);
  expect(ended.stderr.trim()).toBe(`LISTEN: ${LISTEN} is not HOST:PORT, e.g. 127.0.0.1:8090`);
});
