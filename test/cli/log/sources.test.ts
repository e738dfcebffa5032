/** All sources of the log keep the same promises: the service over HTTP, and both stores directly. */
import { afterAll, describe, expect, it } from 'vitest';
import {
  logEvents,
  positionBefore,
  revisionSince,
  streamEvents,
} from '../../../src/cli/log/source.ts';
import { openStoreSource } from '../../../src/cli/log/store-source.ts';
import { startEventStoreDouble } from '../../support/eventstoredb/server.ts';
import { HOSTILE, openScene, VISITOR } from './scene.ts';

const scene = await openScene();
const double = await startEventStoreDouble();
afterAll(() => double.close());
const onEventStoreDb = await openScene(undefined, double.url);
const SOURCES = {
  'the service': [scene.service, scene],
  'the store': [scene.store, scene],
  EventStoreDB: [onEventStoreDb.store, onEventStoreDb],
  'the service on EventStoreDB': [onEventStoreDb.service, onEventStoreDb],
} as const;
const START = Date.parse('2026-01-01T00:00:00Z');

describe.each(Object.entries(SOURCES))('%s', (_, [source, { rig }]) => {
  it('reads a stream in both directions, with personal data opened', async () => {
    const all = await Array.fromAsync(streamEvents(source, VISITOR));
    expect(all.map(({ type }) => type)).toEqual(await rig.types(VISITOR));
    expect(all[0]).toMatchObject({
      revision: 0,
      personal: { page: '/shoes', nick: 'Ann' },
      erased: false,
      sealedBy: 'acme.42',
      metadata: { tenant: 'acme' },
    });
    const back = await source.readStream(VISITOR, { direction: 'backwards', limit: 2 });
    expect(back.map(({ id }) => id)).toEqual([all.at(-1)?.id, all.at(-2)?.id]);
    expect(all.find(({ personal }) => personal?.body === HOSTILE)).toBeDefined();
    expect(await source.readStream('visitor-acme.none')).toEqual([]);
    expect(await source.readStream(VISITOR, { from: 1_000 })).toEqual([]);
  });

  it('tells erased data from none', async () => {
    const [event] = await source.readStream('visitor-acme.gone');
    expect(event).toMatchObject({ personal: null, erased: true, sealedBy: 'acme.gone' });
    expect(event?.sealed).toBeUndefined();
  });

  it('reads the log in pages, by tenant and type', async () => {
    const all = await Array.fromAsync(logEvents(source, { limit: 2 }));
    expect(all.length).toBeGreaterThan(6);
    const page = await source.readLog({ limit: 2, types: ['VisitorArrived'] });
    expect(page.events.map(({ stream }) => stream)).toEqual([VISITOR, 'visitor-acme.gone']);
    expect(await Array.fromAsync(logEvents(source, { tenant: 'other' }))).toEqual([]);
    const last = await source.readLog({ direction: 'backwards', limit: 1 });
    expect(last.events[0]?.position).toBe(all.at(-1)?.position);
    const end = await source.readLog({ after: last.events[0]?.position });
    expect(end).toEqual({ events: [], next: null, through: null });
  });

  it('finds where a time begins', async () => {
    expect(await revisionSince(source, VISITOR, START)).toBe(0);
    const from = await revisionSince(source, VISITOR, START + 20_000);
    const [event] = await source.readStream(VISITOR, { from, limit: 1 });
    expect(event?.metadata.at).toBe(START + 20_000);
    const behind = await revisionSince(source, VISITOR, START + 1e9);
    expect(await source.readStream(VISITOR, { from: behind })).toEqual([]);
    expect(await positionBefore(source, START)).toBeUndefined();
    expect(await positionBefore(source, START + 1e9)).toBeDefined();
  });

  it('folds the state at a revision and at a time', async () => {
    const now = await source.state(VISITOR, {});
    expect(now).toMatchObject({
      value: { conversation: 'chatting' },
      machine: expect.stringMatching(/^visitor\//),
    });
    expect(await source.state(VISITOR, { revision: 0 })).toMatchObject({
      revision: 0,
      value: { conversation: 'none' },
    });
    expect(await source.state(VISITOR, { at: START + 20_000 })).toMatchObject({
      value: { conversation: 'waiting' },
    });
    expect(await source.state('visitor-acme.none', {})).toBeNull();
    expect(await source.state('key-acme.42', {})).toBeNull();
  });

  it('compares two points', async () => {
    const found = await source.diff(VISITOR, 0, 2);
    expect(found).toMatchObject({
      a: { revision: 0, value: { conversation: 'none' } },
      b: { revision: 2, value: { conversation: 'waiting' } },
    });
    expect(found?.changes.map(({ path }) => path[0])).toContain('chat');
    expect(found?.timerChanges).toContainEqual({
      id: expect.stringContaining('chatIdle'),
      before: null,
      after: START + 20_000 + 86_400_000,
    });
    expect(await source.diff('visitor-acme.none', 0, 1)).toBeNull();
  });
});

it('gives the same from both', async () => {
  const [a, b] = [scene.service, scene.store].map((source) => source.readLog());
  expect(await a).toEqual(await b);
  const both = [scene.service, scene.store].map((source) => source.diff(VISITOR, 0, 3));
  expect(await both[0]).toEqual(await both[1]);
});

it('leaves personal data sealed without the secret', async () => {
  const source = openStoreSource({ store: scene.rig.store, name: 'x', serviceSecrets: [] });
  const [event] = await source.readStream(VISITOR);
  expect(event).toMatchObject({ personal: null, erased: false, sealed: true });
  const other = openStoreSource({
    store: scene.rig.store,
    name: 'x',
    serviceSecrets: ['another secret'],
  });
  expect((await other.readStream(VISITOR))[0]).toMatchObject({ sealed: true, erased: false });
});
