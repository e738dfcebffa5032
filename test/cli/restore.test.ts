/** A restore deletes nothing, does not disturb a running service, and can be started again after a kill. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { claimDataDir } from '../../src/service/data-dir.ts';
import { event } from '../eventstore/events.ts';
import { CACHES, dataDirOf, everything, newFolder, run, start } from './backups.ts';

// The command line is started many times, on two cores that others use, too.
const SLOW = { timeout: 120_000 };

describe('restore', SLOW, () => {
  it('moves aside what is there, and refuses while a service runs', async () => {
    const { dir, store } = await dataDirOf(20);
    const target = join(newFolder(), 'copy');
    expect(await run(dir, ['backup', target])).toMatchObject({ code: 0 });
    await store.append('visitor-demo.anna', [event(1)], 0);
    await store.close();
    const before = await everything(join(dir, 'events.db'));
    const processId = readFileSync(join(dir, 'process-id'), 'utf8');

    const refused = await run(dir, ['restore', target]);
    expect(refused).toMatchObject({ code: 1, output: expect.stringMatching(/--force/) });
    const held = claimDataDir(dir, undefined);
    expect(await run(dir, ['restore', '--force', target])).toMatchObject({
      code: 1,
      output: expect.stringMatching(/a service runs on/),
    });
    held.release();
    expect(await everything(join(dir, 'events.db'))).toEqual(before);

    const put = await run(dir, ['restore', '--force', target]);
    expect(put, put.output).toMatchObject({ code: 0 });
    expect(await everything(join(dir, 'events.db'))).toEqual(before.slice(0, -1));
    const aside = readdirSync(dir).find((name) => name.startsWith('before-restore-')) ?? '';
    expect(await everything(join(dir, aside, 'events.db'))).toEqual(before);
    for (const name of CACHES) {
      expect(existsSync(join(dir, name))).toBe(false);
      expect(readFileSync(join(dir, aside, name), 'utf8')).toBe(`old ${name}`);
    }
    const claimed = claimDataDir(dir, undefined);
    expect(claimed.processId).not.toBe(processId.trim());
    expect(claimed.serviceSecrets).toEqual([
      readFileSync(join(target, 'service-secret'), 'utf8').trim(),
    ]);
    claimed.release();
  });

  it('can be started again after a kill at any moment', async () => {
    const { dir, store } = await dataDirOf(40_000);
    await store.close();
    const log = await everything(join(dir, 'events.db'));
    const target = join(newFolder(), 'copy');
    expect(await run(dir, ['backup', target])).toMatchObject({ code: 0 });
    const into = join(newFolder(), 'data');
    for (const wait of [80, 160, 240, 320, 400]) {
      const { child, ended } = start(into, ['restore', '--force', target]);
      // Chance decides the moment on purpose: each one has to do no harm.
      await Promise.race([delay(wait), ended]);
      child.kill('SIGKILL');
      await ended;
      const path = join(into, 'events.db');
      if (existsSync(path)) expect(await everything(path)).toHaveLength(log.length);
    }
    const put = await run(into, ['restore', '--force', target]);
    expect(put, put.output).toMatchObject({ code: 0 });
    expect(await everything(join(into, 'events.db'))).toEqual(log);
  });
});
