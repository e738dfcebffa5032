/** `xmpp-chat migrate`: what it prints, how it ends, and that it goes on after a kill at any moment. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openEventStore } from '../../src/eventstore/open.ts';
import { event } from '../eventstore/events.ts';
import { fillRealistic } from '../eventstore/migration/realistic.ts';
import { folderOfTest } from '../eventstore/migration/stores.ts';
import { seeded } from '../support/seeded.ts';

const CLI = join(import.meta.dirname, '../../src/cli.ts');

const start = (...args: readonly string[]) => {
  const child = spawn(process.execPath, [CLI, 'migrate', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const ended = once(child, 'close').then(() => ({
    code: child.exitCode,
    signal: child.signalCode,
    output,
  }));
  return { child, ended };
};
const migrate = (...args: readonly string[]) => start(...args).ended;

const logOf = async (folder: string, count: number): Promise<string> => {
  const url = `sqlite:${join(folder, 'from.db')}`;
  const store = await openEventStore(url);
  await fillRealistic(store, { count });
  await store.close();
  return url;
};

test('copies, verifies, prints the result and exits with 0; a second run copies nothing', async () => {
  const folder = folderOfTest();
  const from = await logOf(folder, 500);
  const to = `sqlite:${join(folder, 'to.db')}`;
  const first = await migrate(from, to);
  expect(first).toMatchObject({ code: 0 });
  const line =
    /equal: \d+ streams, (\d+) events \((\d+) copied now, 0 were there\), sha256 (\w{64})/;
  const [, events, copied, digest] = line.exec(first.output) ?? expect.fail(first.output);
  expect(copied).toBe(events);
  const again = await migrate(from, to);
  expect(again.output).toContain(`(0 copied now, ${events} were there), sha256 ${digest}`);
  const verified = await migrate(from, to, '--verify-only');
  expect(verified.output).toMatch(new RegExp(`equal: .* events, sha256 ${digest}\\n$`));

  const target = await openEventStore(to);
  await target.append('visitor-new', [event(1)], 'no-stream');
  await target.close();
  const differing = await migrate(from, to, '--verify-only');
  expect(differing.code).toBe(1);
  expect(differing.output).toMatch(/first at visitor-new revision 0/);
});

test('goes on where it was when it is killed again and again', async () => {
  const folder = folderOfTest();
  const from = await logOf(folder, 12_000);
  const to = `sqlite:${join(folder, 'to.db')}`;
  const random = seeded(3);
  let kills = 0;
  for (;;) {
    const { child, ended } = start(from, to);
    if (kills < 6) {
      child.stderr.on('data', async (chunk: Buffer) => {
        if (!chunk.includes('copying')) return;
        await delay(random() * 300);
        child.kill('SIGKILL');
      });
    }
    const { signal, code, output } = await ended;
    if (signal === 'SIGKILL') {
      kills += 1;
      continue;
    }
    expect({ code, output }).toMatchObject({ code: 0 });
    expect(output).toMatch(/ [1-9]\d* were there/);
    break;
  }
  expect(kills).toBeGreaterThan(0);
  const { code, output } = await migrate(from, to, '--verify-only');
  expect({ code, output }).toMatchObject({ code: 0 });
});

test('SIGINT ends it, and the message says that the next run goes on', async () => {
  const folder = folderOfTest();
  const from = await logOf(folder, 8_000);
  const to = `sqlite:${join(folder, 'to.db')}`;
  const { child, ended } = start(from, to);
  await Promise.race([once(child.stderr, 'data'), ended]);
  child.kill('SIGINT');
  expect(await ended).toMatchObject({
    code: 1,
    output: expect.stringMatching(/interrupted: .*Start it again with the same arguments/),
  });
  expect(await migrate(from, to)).toMatchObject({ code: 0 });
});

test('refuses a log that has a writer, as source and as target', async () => {
  const folder = folderOfTest();
  const from = await logOf(folder, 50);
  const to = `sqlite:${join(folder, 'to.db')}`;
  for (const used of [from, to]) {
    const store = await openEventStore(used);
    expect(await migrate(from, to)).toMatchObject({
      code: 1,
      output: expect.stringMatching(/already has a writer: .*Stop the other one/),
    });
    await store.close();
  }
});

test('blames the argument that is wrong, and not EVENT_STORE', async () => {
  const folder = folderOfTest();
  const from = await logOf(folder, 5);
  const [path, to] = [join(folder, 'from.db'), `sqlite:${join(folder, 'to.db')}`];
  const cases: readonly [string, string, RegExp][] = [
    [path, to, /^the argument <from> has to be sqlite:PATH [^\n]*\n$/],
    [from, 'mysql://host/x', /^the argument <to> has to be sqlite:PATH [^\n]*\n$/],
    [path, 'sqlite:', /^the argument <from> has .*\nthe argument <to> has .*\n$/],
    [from, `sqlite:${folder}/./from.db`, /^the argument <from> and the argument <to> are the same/],
    [from, 'esdb://127.0.0.1:1?tls=nonsense', /^the argument <to>: /],
  ];
  for (const [source, target, fault] of cases) {
    const { code, output } = await migrate(source, target);
    expect(code).toBe(1);
    expect(output).toMatch(fault);
    expect(output).not.toContain('EVENT_STORE');
  }
  const store = await openEventStore(from);
  expect((await migrate(from, to)).output).toMatch(/set the argument <from> to another file/);
  await store.close();
});

test('creates neither a missing source nor its target', async () => {
  const folder = folderOfTest();
  const missing = join(folder, 'none.db');
  const { code, output } = await migrate(`sqlite:${missing}`, `sqlite:${join(folder, 'to.db')}`);
  expect(code).toBe(1);
  expect(output).toMatch(/there is no event store at/);
  expect(existsSync(missing) || existsSync(`${missing}.lock`)).toBe(false);
  expect(existsSync(join(folder, 'to.db'))).toBe(false);
});

test.each([
  ['esdb://user:sec/ret-word@@127.0.0.1:1?tls=nonsense', /^the argument <to>/],
  ['mysql://user:secret-word@host/x', /^the argument <to>/],
  // Waits for the server, for the deadline of a connection.
  ['esdb://user:secret-word@127.0.0.1:1?tls=false', /^the argument <to>: no EventStoreDB answers/],
])('prints no password: %s', async (url, fault) => {
  const from = await logOf(folderOfTest(), 5);
  const { code, output } = await migrate(from, url);
  expect({ code, output }).toEqual({ code: 1, output: expect.stringMatching(fault) });
  expect(output).not.toMatch(/secret-word|ret-word|EVENT_STORE/);
});
