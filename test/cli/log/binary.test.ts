/** The commands for the log as processes: pipes, signals, colours, files, exit codes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { startEventStoreDouble } from '../../support/eventstoredb/server.ts';
import { dataDirOf, newFolder, root, run, start } from '../backups.ts';

let store: string;
let dir: string;
beforeAll(async () => {
  const made = await dataDirOf(600);
  dir = made.dir;
  store = `sqlite:${join(dir, 'events.db')}`;
  await made.store.close();
});

const ANNA = 'visitor-demo.anna';
const CLI = join(import.meta.dirname, '../../../src/cli.ts');

it('opens personal data with the secret beside the log, and has colours only if asked', async () => {
  const plain = await run(newFolder(), ['events', ANNA, '--store', store, '--utc']);
  expect(plain).toEqual({
    code: 0,
    output: '2023-11-14 22:13:20.000Z     0  PageViewed                n=0 nick=Anna\n',
  });
  const coloured = await run(newFolder(), ['events', ANNA, '--store', store, '--utc'], {
    FORCE_COLOR: '1',
  });
  expect(coloured.output).toContain('\u001b[33mnick=Anna\u001b[39m');
  const configured = await run(dir, ['events', ANNA, '--store', 'configured', '--json']);
  expect(JSON.parse(configured.output)).toMatchObject({ personal: { nick: 'Anna' } });
});

it('ends quietly when nobody reads on, as head does', async () => {
  const command = `"${process.execPath}" "${CLI}" events --all --store "${store}" | head -n 1`;
  const child = spawn('/bin/sh', ['-c', command], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  await once(child, 'close');
  expect(output).toMatch(/^[^\n]+\n$/);
});

it('follows until Ctrl-C, and ends with 0', async () => {
  const { child, ended } = start(newFolder(), ['events', ANNA, '-f', '--store', store]);
  await once(child.stdout, 'data');
  child.kill('SIGINT');
  expect((await ended).code).toBe(0);
});

it('exports to a private file, imports it, replays it, and the service refuses it', async () => {
  const folder = newFolder();
  const file = join(folder, 'case.ndjson');
  const target = `sqlite:${join(folder, 'case', 'events.db')}`;
  const exported = await run(folder, ['export', ANNA, '--store', store, '-o', file]);
  expect(exported).toEqual({
    code: 0,
    output: '1 event of 1 stream. Personal data is masked.\n',
  });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readFileSync(file, 'utf8')).not.toContain('Anna');
  const again = await run(folder, ['export', ANNA, '--store', store, '-o', file]);
  expect(again).toMatchObject({ code: 1, output: expect.stringContaining('EEXIST') });
  const imported = await run(folder, ['import', file, '--store', target]);
  expect(imported.output).toMatch(/^1 event of 1 stream now in sqlite:.*\n.*masked\.\nThe service/);
  expect(imported.code).toBe(0);
  // What the tests of the store append is no history of a visitor.
  const replayed = await run(folder, ['replay', '--store', target]);
  expect(replayed).toMatchObject({ code: 2, output: expect.stringMatching(/not fitting: 1 fact/) });
  const served = await run(join(folder, 'case'), ['serve'], {
    EVENT_STORE: target,
    EJABBERD_API_URL: 'http://127.0.0.1:5281',
    EJABBERD_API_USER: 'admin@localhost',
    EJABBERD_API_PASSWORD: 'a-password-of-the-tests',
    EJABBERD_XMPP: 'xmpp://127.0.0.1:5222',
    EJABBERD_WEBHOOK_SECRET: `whsec_${Buffer.from('mod_lhc signs with this').toString('base64')}`,
    LISTEN: '127.0.0.1:0',
  });
  expect(served).toMatchObject({
    code: 1,
    output: expect.stringMatching(/EVENT_STORE is a log that was imported/),
  });
});

it('reads, exports and imports an EventStoreDB, and opens personal data with the secret alone', async () => {
  const [double, other] = [await startEventStoreDouble(), await startEventStoreDouble()];
  onTestFinished(async () => {
    await Promise.all([double.close(), other.close()]);
  });
  const SERVICE_SECRET = readFileSync(join(dir, 'service-secret'), 'utf8').trim();
  const copied = await run(newFolder(), ['migrate', store, double.url], { SERVICE_SECRET });
  expect(copied.code, copied.output).toBe(0);

  const folder = newFolder();
  const events = (more: Record<string, string>, from = double.url) =>
    run(folder, ['events', ANNA, '--store', from, '--utc'], more);
  const line = '2023-11-14 22:13:20.000Z     0  PageViewed                n=0';
  expect(await events({ SERVICE_SECRET })).toEqual({ code: 0, output: `${line} nick=Anna\n` });
  const sealed = await events({});
  expect(sealed.output).toContain(`${line} (sealed)`);
  expect(sealed.output).toContain('there is no SERVICE_SECRET');
  const wrong = await events({ SERVICE_SECRET: 'another-secret-of-thirty-two-letters' });
  expect(wrong).toMatchObject({ code: 1, output: expect.stringContaining('SERVICE_SECRET') });

  const file = join(folder, 'case.ndjson');
  const exported = await run(folder, ['export', ANNA, '--store', double.url, '-o', file], {
    SERVICE_SECRET,
  });
  expect(exported.output).toBe('1 event of 1 stream. Personal data is masked.\n');
  expect(readFileSync(file, 'utf8')).not.toContain('Anna');
  const ofService = await run(folder, ['import', file, '--store', double.url], { SERVICE_SECRET });
  expect(ofService).toMatchObject({ code: 1 });
  const imported = await run(folder, ['import', file, '--store', other.url], { SERVICE_SECRET });
  expect(imported.code, imported.output).toBe(0);
  const masked = await events({ SERVICE_SECRET }, other.url);
  expect(masked.output).toContain(line);
  expect(masked.output).not.toContain('Anna');
});

it('says in one line what is wrong', async () => {
  for (const [args, reason] of [
    [['events', '--store', '/srv/events.db'], /^--store has to be sqlite:PATH/],
    [['events', '--store', `sqlite:${dir}/none.db`], /^--store: there is no event store at/],
    [['import', 'none.ndjson', '--store', 'sqlite:x.db'], /^there is no file none\.ndjson/],
  ] as const) {
    const { code, output } = await run(newFolder(), args);
    expect({ code, output }).toEqual({ code: 1, output: expect.stringMatching(reason) });
    expect(output.trim().split('\n')).toHaveLength(1);
  }
});
