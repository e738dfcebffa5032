/** Backups are exact while writers go on, and complete or not there. */
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { requireSpace } from '../../src/backup/files.ts';
import { verifyBackup } from '../../src/backup/verify.ts';
import { openSqliteEventStore } from '../../src/eventstore/sqlite/store.ts';
import { event } from '../eventstore/events.ts';
import { waitFor } from '../support/wait.ts';
import { dataDirOf, everything, newFolder, root, run, start } from './backups.ts';

// The command line is started many times, on two cores that others use, too.
const SLOW = { timeout: 120_000 };

describe('backup', SLOW, () => {
  it('is an exact prefix of a log that 8 writers append to, with everything acknowledged before', async () => {
    const { dir, store } = await dataDirOf(10_000);
    const target = join(newFolder(), 'deep', 'copy');
    let stop = false;
    let worst = 0;
    const acknowledged: string[] = [];
    const writers = Array.from({ length: 8 }, async (_, writer) => {
      for (let n = 0; !stop; n += 1) {
        const one = event(n, { data: { writer } });
        const from = performance.now();
        await store.append(`visitor-demo.w${writer}`, [one], n === 0 ? 'no-stream' : n - 1);
        worst = Math.max(worst, performance.now() - from);
        acknowledged.push(one.id);
        await new Promise(setImmediate);
      }
    });
    await waitFor(() => acknowledged.length > 200);
    const before = [...acknowledged];
    const taken = await run(dir, ['backup', target]);
    const during = acknowledged.length - before.length;
    stop = true;
    await Promise.all(writers);
    await store.close();
    expect(taken, taken.output).toMatchObject({ code: 0 });
    expect(taken.output).toContain('The service secret is in it');
    expect(during).toBeGreaterThan(100);
    // A copy that locked writers out would make them wait for seconds.
    expect(worst).toBeLessThan(1000);

    const log = await everything(join(dir, 'events.db'));
    expect((await run(dir, ['backup', '--verify', target])).output).toContain('is whole');
    const restored = join(newFolder(), 'data');
    const put = await run(restored, ['restore', target]);
    expect(put, put.output).toMatchObject({ code: 0 });
    const copy = await everything(join(restored, 'events.db'));
    expect(copy).toEqual(log.slice(0, copy.length));
    expect(copy.length).toBeLessThan(log.length);
    const ids = new Set(copy.map(({ id }) => id));
    expect(before.filter((id) => !ids.has(id))).toEqual([]);
    // A writer goes on where the log ended.
    const again = await openSqliteEventStore(join(restored, 'events.db'));
    await again.append('visitor-demo.anna', [event(1)], 0);
    await again.close();

    const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8);
    expect(mode(target)).toBe('700');
    expect(readdirSync(target).toSorted()).toEqual([
      'events.db',
      'manifest.json',
      'service-secret',
    ]);
    for (const name of readdirSync(target)) expect(mode(join(target, name))).toBe('600');
    for (const name of ['events.db', 'service-secret'])
      expect(mode(join(restored, name))).toBe('600');
  });

  it('is complete or not there, whenever it is killed', async () => {
    const { dir, store } = await dataDirOf(20_000);
    await store.close();
    const target = join(newFolder(), 'copy');
    const partial = `${target}.partial`;
    const sizeOf = (path: string) => (existsSync(path) ? statSync(path).size : 0);
    const moments: Record<string, () => boolean> = {
      'when it begins': () => existsSync(partial),
      'when it copies': () => sizeOf(join(partial, 'events.db')) > 4_000_000,
      'when it has copied': () => existsSync(join(partial, 'service-secret')),
      'when the manifest appears': () => existsSync(join(partial, 'manifest.json')),
      'when the manifest is written': () => sizeOf(join(partial, 'manifest.json')) > 0,
      'when it has its name': () => existsSync(target),
    };
    const found: Record<string, string> = {};
    for (const [moment, reached] of Object.entries(moments)) {
      rmSync(target, { recursive: true, force: true });
      const { child, ended } = start(dir, ['backup', target]);
      await waitFor(() => reached() || child.exitCode !== null, {
        every: 1,
        deadlineMs: 20_000,
        what: moment,
      });
      child.kill('SIGKILL');
      await ended;
      found[moment] = existsSync(target) ? 'a backup' : 'none';
      const verified = verifyBackup(target, undefined);
      if (existsSync(target)) expect((await verified).manifest.log.events).toBe(20_002);
      else await expect(verified).rejects.toThrow('is no backup');
      if (existsSync(partial) && !existsSync(join(partial, 'manifest.json'))) {
        await expect(verifyBackup(partial, undefined)).rejects.toThrow('is no backup');
      }
    }
    expect(found).toMatchObject({ 'when it begins': 'none', 'when it copies': 'none' });
    // The next backup removes what a killed one left.
    rmSync(target, { recursive: true, force: true });
    const last = await run(dir, ['backup', target]);
    expect(last, last.output).toMatchObject({ code: 0 });
    expect(existsSync(partial)).toBe(false);
    // SIGTERM leaves nothing.
    const other = join(newFolder(), 'copy');
    const { child, ended } = start(dir, ['backup', other]);
    await waitFor(() => sizeOf(join(`${other}.partial`, 'events.db')) > 0, { every: 1 });
    child.kill('SIGTERM');
    const interrupted = await ended;
    if (interrupted.code !== 0) {
      expect(interrupted.output).toContain('interrupted');
      expect(readdirSync(join(other, '..'))).toEqual([]);
    }
  });

  it('detects damage and a wrong secret', async () => {
    const { dir, store } = await dataDirOf(200);
    await store.close();
    const target = join(newFolder(), 'copy');
    expect(await run(dir, ['backup', target])).toMatchObject({ code: 0 });
    expect(await run(dir, ['backup', target])).toMatchObject({
      code: 1,
      output: expect.stringMatching(/exists already/),
    });
    const log = join(target, 'events.db');
    const bytes = readFileSync(log);
    const verify = () => run(dir, ['backup', '--verify', target]);
    expect(await verify()).toMatchObject({
      code: 0,
      output: expect.stringMatching(/opens with the secret/),
    });

    bytes[20_000] = (bytes[20_000] ?? 0) ^ 1;
    writeFileSync(log, bytes);
    expect(await verify()).toMatchObject({
      code: 1,
      output: expect.stringMatching(/damaged: events.db/),
    });
    const into = join(newFolder(), 'data');
    expect(await run(into, ['restore', target])).toMatchObject({
      code: 1,
      output: expect.stringMatching(/damaged/),
    });
    expect(existsSync(join(into, 'events.db'))).toBe(false);
    bytes[20_000] = (bytes[20_000] ?? 0) ^ 1;
    writeFileSync(log, bytes);

    const other = { SERVICE_SECRET: 'another-secret-of-at-least-32-characters' };
    const refused = await run(into, ['restore', target], other);
    expect(refused).toMatchObject({
      code: 1,
      // The backup has its secret in it, and the variable replaces that.
      output: expect.stringMatching(/^SERVICE_SECRET does not open .*do not set SERVICE_SECRET/),
    });
    expect(refused.output).not.toContain(other.SERVICE_SECRET);
    const wrong = await run(dir, ['backup', join(newFolder(), 'copy')], other);
    expect(wrong).toMatchObject({
      code: 1,
      output: expect.stringMatching(/not the one that the log was written with/),
    });

    const manifest = join(target, 'manifest.json');
    const original = readFileSync(manifest, 'utf8');
    const { log: described, ...rest } = JSON.parse(original);
    writeFileSync(manifest, JSON.stringify({ ...rest, log: { ...described, events: 1 } }));
    expect(await verify()).toMatchObject({
      code: 1,
      output: expect.stringMatching(/not the log that the manifest describes/),
    });
    writeFileSync(manifest, original);

    rmSync(manifest);
    expect(await verify()).toMatchObject({
      code: 1,
      output: expect.stringMatching(/is no backup, or one that was not/),
    });
  });

  it('refuses a damaged log, whose damage shows in the copy only', async () => {
    const { dir, store } = await dataDirOf(1_000);
    await store.close();
    const log = join(dir, 'events.db');
    const bytes = readFileSync(log);
    const pageSize = bytes.readUInt16BE(16); // https://sqlite.org/fileformat2.html#page_size
    const pages = bytes.length / pageSize;
    // A page of events in the middle: neither opening the log nor reading its ends touches it.
    bytes.fill(0xff, Math.floor(pages / 2) * pageSize, Math.floor(pages / 2) * pageSize + 16);
    writeFileSync(log, bytes);
    const parent = newFolder();
    expect(await run(dir, ['backup', join(parent, 'copy')])).toMatchObject({
      code: 1,
      output: expect.stringMatching(
        /the copy is damaged, so the log itself may be: .*Keep your older/s,
      ),
    });
    expect(readdirSync(parent)).toEqual([]);
  });

  it('leaves out a secret of the environment, and asks for it when restoring', async () => {
    const { dir, store } = await dataDirOf(10);
    await store.close();
    const secret = readFileSync(join(dir, 'service-secret'), 'utf8').trim();
    const target = join(newFolder(), 'copy');
    const taken = await run(dir, ['backup', target], { SERVICE_SECRET: secret });
    expect(taken).toMatchObject({
      code: 0,
      output: expect.stringMatching(/The service secret is not in it/),
    });
    expect(existsSync(join(target, 'service-secret'))).toBe(false);
    const into = join(newFolder(), 'data');
    expect(await run(into, ['restore', target])).toMatchObject({
      code: 1,
      output: expect.stringMatching(/SERVICE_SECRET/),
    });
    const other = { SERVICE_SECRET: 'another-secret-of-at-least-32-characters' };
    expect(await run(into, ['restore', target], other)).toMatchObject({
      code: 1,
      output: expect.stringMatching(/^SERVICE_SECRET does not open .*: set it to what it was/),
    });
    const put = await run(into, ['restore', target], { SERVICE_SECRET: secret });
    expect(put, put.output).toMatchObject({ code: 0 });
  });

  it('names what is missing', async () => {
    const nowhere = join(newFolder(), 'data');
    const target = join(newFolder(), 'copy');
    const none = await run(nowhere, ['backup', target]);
    expect(none).toMatchObject({
      code: 1,
      output: expect.stringMatching(/there is no event store at/),
    });
    expect(existsSync(nowhere)).toBe(false);
    const server = {
      EVENT_STORE: 'esdb://u:hidden@localhost:2113',
      SERVICE_SECRET: 's'.repeat(32),
    };
    const remote = await run(nowhere, ['backup', target], server);
    expect(remote).toMatchObject({
      code: 1,
      output: expect.stringMatching(/the server's own means/),
    });
    expect(remote.output).not.toContain('hidden');
    expect(() => requireSpace(root, 2 ** 60)).toThrow(/MiB free/);
    const { dir, store } = await dataDirOf(1);
    await store.close();
    rmSync(join(dir, 'service-secret'));
    expect(await run(dir, ['backup', target])).toMatchObject({
      code: 1,
      output: expect.stringMatching(/service-secret is missing/),
    });
  });
});
