/** `xmpp-chat export` and `import`: the round trip, what is masked, what is refused. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LogSource, logEvents } from '../../../src/cli/log/source.ts';
import { openStoreSource } from '../../../src/cli/log/store-source.ts';
import { type ExportOptions, exportLog } from '../../../src/cli/transfer/export.ts';
import { parseExport } from '../../../src/cli/transfer/format.ts';
import { importFile } from '../../../src/cli/transfer/import.ts';
import { openEventStore } from '../../../src/eventstore/open.ts';
import type { EventStore } from '../../../src/eventstore/port.ts';
import { createProjections } from '../../../src/projections/projections.ts';
import { refuseImportedLog } from '../../../src/runtime/imported-log.ts';
import { deriveSecrets } from '../../../src/runtime/vault/secrets.ts';
import { createVault } from '../../../src/runtime/vault/vault.ts';
import { operatorCommand, timed, visitorCommand } from '../../actors/arbitraries.ts';
import { startChat, viewPage } from '../../actors/facts.ts';
import { hashRows } from '../../projections/hash.ts';
import { type Log, openTestLog, SECRET } from '../../projections/log.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { newId } from '../../support/rig.ts';
import { testScreen } from '../log/scene.ts';

const folder = temporaryFolder('transfer');
afterAll(() => rmSync(folder, { recursive: true }));
const signal = new AbortController().signal;
const OTHER_SECRET = 'the secret of the imported log';

let log: Log;
let source: LogSource;
beforeAll(async () => {
  log = await openTestLog();
  source = openStoreSource({ store: log.store, name: 'log', serviceSecrets: [SECRET] });
  // The same histories in each run: what is tested is the round trip.
  const seeds = { seed: 16, numRuns: 14 };
  for (const [n, history] of fc.sample(timed(visitorCommand), seeds).entries()) {
    for (const { command, passes } of history) {
      log.passes(Math.max(0, passes));
      await log.visitor(`v${n}`, command);
    }
  }
  for (const [n, history] of fc.sample(timed(operatorCommand), seeds).entries()) {
    for (const { command, passes } of history) {
      log.passes(Math.max(0, passes));
      await log.operator(`op${n}`, command);
    }
  }
  const profile = { page: 'https://shop.test/shoes?for=ann', nick: 'Ann Example' };
  await log.visitor('ann', { ...viewPage('shoes'), profile } as ReturnType<typeof viewPage>);
  await log.visitor('ann', startChat('chat-of-ann', 'm1'));
  await log.visitor('bob', { ...viewPage('bags'), profile } as ReturnType<typeof viewPage>);
  await log.visitor('erased', viewPage('secret'));
  await log.store.deleteStream('key-acme.erased');
  for (const page of ['a', 'b', 'c', 'd']) {
    log.passes(60_000);
    await log.visitor('cut', viewPage(page));
  }
  await log.store.truncateBefore('visitor-acme.cut', 2);
});
afterAll(() => log.close());

async function exported(streams: readonly string[], options: ExportOptions): Promise<string> {
  const lines: string[] = [];
  const screen = testScreen();
  // The keys in memory may be of a person who was erased meanwhile.
  const fresh = openStoreSource({ store: log.store, name: 'log', serviceSecrets: [SECRET] });
  await exportLog(streams, options, { source: fresh, signal, screen }, (line) => lines.push(line));
  return `${lines.join('\n')}\n`;
}

let stores = 0;
interface Target {
  readonly dir: string;
  readonly store: EventStore;
  readonly source: LogSource;
  readonly vault: ReturnType<typeof createVault>;
  take(text: string): ReturnType<typeof importFile>;
  notes: string[];
}

async function newTarget(): Promise<Target> {
  stores += 1;
  const dir = join(folder, `store-${stores}`);
  mkdirSync(dir);
  const store = await openEventStore(`sqlite:${join(dir, 'events.db')}`);
  afterAll(() => store.close());
  const { wrapping } = deriveSecrets([OTHER_SECRET]);
  const vault = createVault({ store, wrapping, now: Date.now, newId });
  const screen = testScreen();
  return {
    dir,
    store,
    vault,
    source: openStoreSource({ store, name: 'target', serviceSecrets: [OTHER_SECRET] }),
    notes: screen.notes,
    take: (text) => importFile({ store, vault, open: () => bytesOf(text), screen, signal }),
  };
}

async function* bytesOf(text: string) {
  const bytes = Buffer.from(text);
  // Chunks that end in the middle of lines and characters.
  for (let at = 0; at < bytes.length; at += 999) yield bytes.subarray(at, at + 999);
}

/** What is not cut off: the first events of one stream may still be on the disk. */
const allOf = async (from: LogSource) =>
  (await Array.fromAsync(logEvents(from)))
    .filter(({ stream }) => !/^(key|service)-/.test(stream))
    .filter(({ stream, revision }) => stream !== 'visitor-acme.cut' || revision >= 2)
    .map(({ position: _, ...event }) => event);

/** Rows of the read models, without the streams of each log's own. */
async function rowsOf(dir: string, store: EventStore, vault: Target['vault']) {
  const path = join(dir, 'rows.db');
  const projections = createProjections({
    path,
    store,
    vault: { ...vault, learn: null },
    now: log.now,
  });
  const ending = new AbortController();
  const done = projections.start(ending.signal);
  await projections.waitFor((await store.head()) ?? expect.unreachable(), 30_000);
  const { current } = projections.builds();
  ending.abort();
  await done;
  projections.close();
  // This table has the data keys too, which are made anew.
  const { streams: _, ...hashes } = hashRows(`${path}.${current?.number}`);
  return hashes;
}

describe('a round trip with personal data', () => {
  it('keeps facts, states and rows of the read models', async () => {
    const text = await exported([], { tenant: 'acme', withPersonal: true });
    const target = await newTarget();
    const imported = await target.take(text);
    const original = await allOf(source);
    expect(imported).toMatchObject({ events: original.length, masked: false, before: 0 });
    expect(await allOf(target.source)).toEqual(original);
    const streams = [...new Set(original.map(({ stream }) => stream))];
    expect(streams.length).toBeGreaterThan(10);
    for (const stream of streams) {
      expect(await target.source.state(stream, {})).toEqual(await source.state(stream, {}));
    }
    const [cut] = await target.store.readStream('visitor-acme.cut');
    expect(cut?.revision).toBe(2);
    const rows = await rowsOf(target.dir, target.store, target.vault);
    // Its own vault has keys in memory that were destroyed.
    const { wrapping } = deriveSecrets([SECRET]);
    const vault = createVault({ store: log.store, wrapping, now: Date.now, newId });
    expect(rows).toEqual(await rowsOf(log.folder, log.store, vault));
  });

  it('keeps what was erased erased', async () => {
    const target = await newTarget();
    await target.take(await exported(['visitor-acme.erased'], { withPersonal: true }));
    const [event] = await target.source.readStream('visitor-acme.erased');
    expect(event).toMatchObject({ personal: null, erased: true });
  });
});

describe('an export', () => {
  it('has nothing of what was cut off or deleted, also while it is on the disk', async () => {
    // As EventStoreDB has it until a scavenge.
    const { store } = log;
    const all = await store.readAll();
    const unscavenged: EventStore = {
      ...store,
      readStream: (stream, options) =>
        stream === 'visitor-acme.bob'
          ? Promise.resolve([])
          : store.readStream(stream, { ...options, from: Math.max(1, options?.from ?? 0) }),
      readAll: async ({ after } = {}) => (after === undefined ? all : []),
    };
    const shown = openStoreSource({ store: unscavenged, name: 'log', serviceSecrets: [SECRET] });
    const lines: string[] = [];
    const screen = testScreen();
    const reading = { source: shown, signal, screen };
    await exportLog([], { tenant: 'acme' }, reading, (line) => lines.push(line));
    const events = lines.slice(1, -1).map((line) => JSON.parse(line));
    expect(events.length).toBeGreaterThan(10);
    expect(events.filter(({ stream }) => stream === 'visitor-acme.bob')).toEqual([]);
    expect(events.filter(({ revision }) => revision < 1)).toEqual([]);
  });

  it('masks what is personal, the same value the same way, and folds all the same', async () => {
    const text = await exported([], { tenant: 'acme' });
    // A digest is made with a secret of the service, except in these histories.
    expect(text.replaceAll(/"digest":"[^"]*"/g, '')).not.toMatch(
      /Ann Example|shop\.test|How can I help|Hello/,
    );
    const target = await newTarget();
    await target.take(text);
    const personalOf = async (key: string) =>
      (await target.source.readStream(`visitor-acme.${key}`))[0]?.personal;
    const ann = await personalOf('ann');
    expect(ann).toEqual({
      page: expect.stringMatching(/^https:\/\/masked\.invalid\/[0-9a-f]{8}$/),
      nick: expect.stringMatching(/^\[masked [0-9a-f]{8} 9-16\]$/),
    });
    expect(await personalOf('bob')).toEqual(ann);
    const state = await target.source.state('visitor-acme.ann', {});
    expect(state).toEqual(await source.state('visitor-acme.ann', {}));
    // Another export has other names: two of them cannot be laid side by side.
    expect(await exported(['visitor-acme.ann'], {})).not.toContain(
      JSON.stringify(ann?.nick).slice(1, -1),
    );
  });

  it('finds the streams of a chat and of a visitor', async () => {
    for (const choice of [{ chat: 'chat-of-ann' }, { visitor: 'ann', tenant: 'acme' }]) {
      const { events } = await parseExport(bytesOf(await exported([], choice)));
      const streams = new Set((await Array.fromAsync(events)).map(({ event }) => event.stream));
      expect([...streams]).toEqual(['visitor-acme.ann']);
    }
    // The cause may be in the history of somebody else.
    const more = await exported(['visitor-acme.bob'], { chat: 'chat-of-ann' });
    const { events } = await parseExport(bytesOf(more));
    const streams = new Set((await Array.fromAsync(events)).map(({ event }) => event.stream));
    expect([...streams].sort()).toEqual(['visitor-acme.ann', 'visitor-acme.bob']);
  });

  it('has chosen streams in the order of the log', async () => {
    const names = ['visitor-acme.bob', 'visitor-acme.ann'];
    const { events } = await parseExport(bytesOf(await exported(names, {})));
    const ids = (await Array.fromAsync(events)).map(({ event }) => event.id);
    const inLog = (await allOf(source)).filter(({ stream }) => names.includes(stream));
    expect(ids).toEqual(inLog.map(({ id }) => id));
  });

  it('says what is wrong with the choice', async () => {
    await expect(exported([], {})).rejects.toThrow(/^name streams, or say --tenant/);
    await expect(exported([], { chat: '1', visitor: 'ann' })).rejects.toThrow(/not both$/);
    await expect(exported(['key-acme.ann'], {})).rejects.toThrow(/of the log itself/);
    await expect(exported(['visitor-acme.none'], {})).rejects.toThrow(/there is no stream/);
    await expect(exported([], { tenant: 'none' })).rejects.toThrow(/nothing was found/);
    const locked = openStoreSource({ store: log.store, name: 'log', serviceSecrets: [] });
    const screen = testScreen();
    const work = exportLog(['visitor-acme.ann'], {}, { source: locked, signal, screen }, () => {});
    await expect(work).rejects.toThrow(/stays sealed here: set SERVICE_SECRET/);
  });
});

describe('an import', () => {
  const ofAnn = () => exported(['visitor-acme.ann'], { withPersonal: true });

  it('marks the log, and the service refuses it', async () => {
    const target = await newTarget();
    await refuseImportedLog(target.store);
    await target.take(await ofAnn());
    await expect(refuseImportedLog(target.store)).rejects.toThrow(/^EVENT_STORE is a log that was/);
    const [mark] = await target.store.readStream('service-imported');
    expect(mark).toMatchObject({ type: 'LogImported', data: { masked: false, streams: 1 } });
  });

  it('adds to a log with other imports, and refuses streams that exist', async () => {
    const target = await newTarget();
    const text = await ofAnn();
    await target.take(text);
    await target.take(await exported(['visitor-acme.bob'], {}));
    const before = await target.store.head();
    await expect(target.take(text)).rejects.toThrow(
      /^the log has visitor-acme.ann already. Nothing/,
    );
    expect(await target.store.head()).toBe(before);
  });

  it('refuses the log of a service', async () => {
    const target = await newTarget();
    await target.vault.seal('acme', { name: 'x' }, { stream: 's', type: 't', id: newId() });
    await expect(target.take(await ofAnn())).rejects.toThrow(/belongs to a service/);
  });

  it('goes on where it was interrupted, and takes no other file meanwhile', async () => {
    const target = await newTarget();
    const text = await exported([], { tenant: 'acme', withPersonal: true });
    let appends = 0;
    const failing: EventStore = {
      ...target.store,
      append: (...args) => {
        appends += args[0].startsWith('visitor-') ? 1 : 0;
        if (appends > 10) throw new Error('the disk is full');
        return target.store.append(...args);
      },
    };
    const screen = testScreen();
    const { vault } = target;
    const open = () => bytesOf(text);
    const interrupted = importFile({ store: failing, vault, open, screen, signal });
    await expect(interrupted).rejects.toThrow(/the disk is full/);
    expect(screen.notes.at(-1)).toMatch(/^[1-9]\d* of \d+ events are in the log\. The same import/);
    await expect(refuseImportedLog(target.store)).rejects.toThrow();
    await expect(target.take(await ofAnn())).rejects.toThrow(/another file was interrupted/);
    const { before, events } = await target.take(text);
    expect(before).toBeGreaterThan(0);
    const all = await allOf(target.source);
    expect(all).toHaveLength(events);
    expect(all.map(({ id }) => id)).toEqual((await allOf(source)).map(({ id }) => id));
  });

  it.each<[string, (lines: string[]) => string[], RegExp]>([
    ['no JSON', (lines) => lines.with(1, '{"stream":'), /^line 2: is not JSON/],
    ['a missing line', (lines) => lines.toSpliced(2, 1), /^line 3: revision: .* is at 1/],
    ['no end', (lines) => lines.toSpliced(-2, 1), /its last line is missing/],
    ['half a line', (lines) => [...lines.slice(0, 3), '{"stre'], /^line 4: the file ends in/],
    [
      'a changed line',
      (lines) => lines.with(1, lines[1]?.replace('"tenant":"acme"', '"tenant":"evil"') ?? ''),
      /the file was changed/,
    ],
    ['a line twice', (lines) => lines.toSpliced(1, 0, lines[1] ?? ''), /^line 3: revision/],
    ['no header', (lines) => lines.slice(1), /^line 1: is no header/],
    [
      'another version',
      (lines) => lines.with(0, lines[0]?.replace('"version":1', '"version":7') ?? ''),
      /^line 1: has version 7/,
    ],
    [
      'an internal stream',
      (lines) => lines.with(1, lines[1]?.replace('visitor-acme.ann', 'key-acme.ann') ?? ''),
      /^line 2: stream: is no stream/,
    ],
    [
      'a wrong id',
      (lines) => lines.with(1, lines[1]?.replace(/"id":"[^"]+"/, '"id":"1"') ?? ''),
      /^line 2: id: has to be a UUID/,
    ],
    [
      'a huge revision',
      (lines) => lines.with(1, lines[1]?.replace('"revision":0', '"revision":99999999') ?? ''),
      /^line 2: revision: a stream begins at/,
    ],
    [
      'more behind the end',
      (lines) => [...lines.slice(0, -1), lines[1] ?? '', ''],
      /something follows/,
    ],
    ['nothing', () => [], /the file is empty/],
  ])('names a damaged line and writes nothing: %s', async (_name, damage, reason) => {
    const target = await newTarget();
    const text = damage((await ofAnn()).split('\n')).join('\n');
    await expect(target.take(text)).rejects.toThrow(reason);
    expect(await target.store.head()).toBeNull();
  });

  it('bounds the length of a line', async () => {
    const target = await newTarget();
    const [header] = (await ofAnn()).split('\n');
    const text = `${header}\n${'x'.repeat(5 * 1024 * 1024)}`;
    await expect(target.take(text)).rejects.toThrow(/^line 2: is longer than/);
    const large = (await ofAnn()).split('\n');
    const line = JSON.parse(large[1] ?? '');
    const fat = large.with(1, JSON.stringify({ ...line, data: { x: 'x'.repeat(900_000) } }));
    await expect(target.take(fat.join('\n'))).rejects.toThrow(/^line 2: is too large for a log/);
    expect(await target.store.head()).toBeNull();
  });
});
