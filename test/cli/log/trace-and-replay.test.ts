/** `xmpp-chat trace`, `replay` and `streams`: of a store, and of a service that answers as the contract says. */
import { randomUUIDv7 } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, describe, expect, it } from 'vitest';
import { openServiceSource } from '../../../src/cli/log/service-source.ts';
import { shareOf } from '../../../src/cli/log/source.ts';
import { openStoreSource } from '../../../src/cli/log/store-source.ts';
import { runReplay } from '../../../src/cli/replay.ts';
import { showStreams } from '../../../src/cli/streams.ts';
import { showTrace } from '../../../src/cli/trace.ts';
import { createLaneLog } from '../../../src/runtime/lanes/log.ts';
import { sendMessage } from '../../actors/facts.ts';
import { event } from '../../eventstore/events.ts';
import { openScene, readingOf, VISITOR } from './scene.ts';

const scene = await openScene(async (rig) => {
  // A fact that this version's machine does not know, and one behind it that fits.
  await rig.store.append('visitor-shop.odd', [event(1, { type: 'FactOfTheFuture' })], 'no-stream');
});

const NODES = [
  { id: 'r', parent: null, kind: 'request', name: 'POST /v1/acme/visitors/42/chats', ms: 12 },
  { id: 'f', parent: 'r', kind: 'fact', name: 'ChatStarted' },
  { id: 'e', parent: 'f', kind: 'effect', name: 'xmpp ChatStarted', ms: 350, outcome: 'done' },
  {
    id: 'a',
    parent: 'e',
    kind: 'attempt',
    name: 'attempt 1',
    ms: 90,
    outcome: 'retry',
    detail: 'no \u001b[2J answer',
  },
  { id: 'g', parent: 'f', kind: 'fact', name: 'VisitorMessageSent' },
].map((node, n) => ({
  stream: VISITOR,
  revision: n,
  at: 1_000 + n * 250,
  ms: null,
  outcome: null,
  detail: null,
  ...node,
}));

const REPLAY = [
  { progress: { events: 10, position: 'x:1' } },
  { unfit: { stream: 'visitor-a.1', revision: 3, type: 'Old', reason: 'it does not fit' } },
  { snapshot: { stream: 'visitor-a.2', revision: 4, changes: [{ path: ['a', 0], before: 1 }] } },
  { done: { events: 20, streams: 2, unfit: 1, snapshots: 1, ms: 10 } },
];

const server = createServer((request, response) => {
  if (request.url?.startsWith('/debug/traces/known')) {
    response.setHeader('content-type', 'application/json');
    const trace = { id: 'known', traceId: 'ab'.repeat(16), nodes: NODES, truncated: false };
    return response.end(JSON.stringify(trace));
  }
  if (request.url?.startsWith('/debug/replay')) {
    // Lines that are cut anywhere.
    const text = REPLAY.map((line) => `${JSON.stringify(line)}\n`).join('');
    response.write(text.slice(0, 45));
    return response.end(text.slice(45));
  }
  response.writeHead(404, { 'content-type': 'application/problem+json' });
  response.end(JSON.stringify({ detail: 'not there' }));
});
await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
afterAll(() => new Promise((closed) => server.close(closed)));
const { port } = server.address() as AddressInfo; // it listens on a port
const service = openServiceSource({ url: `http://127.0.0.1:${port}`, token: 'x' });

describe('trace', () => {
  it('draws the tree with times, durations and outcomes', async () => {
    const reading = readingOf(service);
    await showTrace('known', reading);
    expect(reading.screen.lines.slice(1)).toEqual([
      '+0 ms        request POST /v1/acme/visitors/42/chats  12 ms',
      `+250 ms      └─ ChatStarted  ${VISITOR} @1`,
      '+500 ms         ├─ → xmpp ChatStarted  done  350 ms',
      '+750 ms         │  └─ attempt 1  retry  90 ms  no \\u001b[2J answer',
      `+1 s            └─ VisitorMessageSent  ${VISITOR} @4`,
    ]);
    expect(reading.screen.notes).toEqual([]);
    await expect(showTrace('none', readingOf(service))).rejects.toThrow(/nothing in the log has/);
  });

  it('finds the facts of a request on a store, and says what is not in the log', async () => {
    const { rig, store } = scene;
    const origin = { commandId: 'cmd-1', correlationId: 'request-1', causationId: 'cmd-1' };
    const viewed = { type: 'ViewPage', digest: 'x', department: null, profile: { page: '/x' } };
    const [first] = await store.readStream(VISITOR);
    const delays = first?.data.delays;
    rig.clock.passes(60_000);
    await rig.toVisitor('42', { ...viewed, delays } as Parameters<typeof rig.toVisitor>[1], origin);
    for (const id of ['request-1', 'cmd-1']) {
      const reading = readingOf(store);
      await showTrace(id, reading);
      expect(reading.screen.text()).toMatch(/^\+0 ms +PageViewed {2}visitor-acme\.42 @\d+$/m);
      expect(reading.screen.notes.join()).toMatch(/attempts and callbacks are not in the log/);
    }
    const json = readingOf(store, { json: true });
    await showTrace('request-1', json);
    const { nodes } = JSON.parse(json.screen.text());
    expect(nodes).toHaveLength(1);
    const byEvent = readingOf(store, { json: true });
    await showTrace(nodes[0].id, byEvent);
    expect(JSON.parse(byEvent.screen.text()).nodes).toEqual(nodes);
    await expect(showTrace('none', json)).rejects.toThrow(/nothing in the log has the id none/);
  });

  it('has the effects of the facts on a store, with what the log says became of them', async () => {
    const { rig, store } = scene;
    const origin = { commandId: 'cmd-2', correlationId: 'batch-1.7', causationId: 'cmd-2' };
    const { revision } = await rig.toVisitor('42', sendMessage('m9'), origin);
    const outcome = async (): Promise<string> => {
      const reading = readingOf(store);
      await showTrace('batch-1', reading); // the id of the batch finds its requests
      return reading.screen.lines.slice(2).join('\n');
    };
    expect(await outcome()).toMatch(/^\+0 ms +└─ → xmpp VisitorMessageSent {2}\w+ *$/);
    const lanes = createLaneLog({ store: rig.store, now: rig.now, newId: randomUUIDv7 });
    const [sent] = await rig.store.readStream(VISITOR, { from: revision });
    await lanes.advance(VISITOR, 'xmpp', sent ?? expect.unreachable(), 'no such account');
    expect(await outcome()).toMatch(/xmpp VisitorMessageSent {2}dead$/);
  });

  it('survives causes that go round in a circle', async () => {
    const round = NODES.map((node) => ({ ...node, parent: node.id === 'r' ? 'g' : node.parent }));
    const trace = { id: 'x', traceId: null, nodes: round, truncated: true } as const;
    const source = { ...scene.store, trace: async () => trace as never };
    const reading = readingOf(source);
    await showTrace('x', reading);
    expect(reading.screen.lines).toHaveLength(1 + NODES.length);
    expect(reading.screen.notes.join()).toMatch(/there is more/);
  });
});

describe('replay', () => {
  it.each(['service', 'store'] as const)('folds the log of the %s', async (kind) => {
    const source = scene[kind];
    const { screen, ...reading } = readingOf(source);
    expect(await runReplay({}, { screen, ...reading })).toBe(false);
    expect(screen.lines[0]).toMatch(/^does not fit {2}visitor-shop\.odd @0 FactOfTheFuture/);
    expect(screen.lines.at(-1)).toMatch(/^\d+ events of 4 streams in .*: not fitting: 1 fact, /);
    expect(await runReplay({ tenant: 'acme' }, readingOf(source))).toBe(true);
    const { events } = await source.readLog({ direction: 'backwards', limit: 1 });
    const behind = readingOf(source, { json: true });
    await runReplay({ from: events[0]?.position }, behind);
    expect(JSON.parse(behind.screen.text()).done).toMatchObject({ events: 0, streams: 0 });
    const none = readingOf(source);
    await runReplay({ tenant: 'slip' }, none);
    expect(none.screen.lines).toEqual(['nothing was found to replay']);
    const nowhere = runReplay({ from: 'nowhere' }, readingOf(source));
    await expect(nowhere).rejects.toThrow(/not a position of this event store/);
  });

  it('shows how much of the log is done, also behind a position', async () => {
    const reading = readingOf(scene.store);
    const shown: string[] = [];
    const screen = {
      ...reading.screen,
      isWatched: true,
      status: (text: string) => shown.push(text),
    };
    const { events } = await scene.store.readLog({ limit: 3 });
    await runReplay({ from: events[1]?.position }, { ...reading, screen });
    expect(shown.find((text) => text !== '')).toMatch(/^\[#{20,24}-*\] \d+ % {2}\d+ events/);
    expect(shareOf('sqlite:15', 'sqlite:10', 'sqlite:20')).toBe(0.5);
    expect(shareOf('sqlite:5', undefined, 'sqlite:20')).toBe(0.25);
  });

  it('tells what the service says', async () => {
    const reading = readingOf(service);
    expect(await runReplay({ tenant: 'a' }, reading)).toBe(false);
    expect(reading.screen.lines).toEqual([
      'does not fit  visitor-a.1 @3 Old  it does not fit',
      'snapshot differs  visitor-a.2 @4',
      '  context',
      '    a.0  1  →  (none)',
      '20 events of 2 streams in 10 ms, 2000 events/s: not fitting: 1 fact, differing: 1 snapshot',
    ]);
    const json = readingOf(service, { json: true });
    await runReplay({}, json);
    expect(json.screen.lines.map((line) => JSON.parse(line))).toEqual(REPLAY.slice(1));
  });
});

describe('streams', () => {
  it('of a store: by category, tenant, address, chat and text', async () => {
    const found = async (filter: Parameters<typeof showStreams>[0]) => {
      const reading = readingOf(scene.store, { json: true });
      await showStreams(filter, reading);
      return reading.screen.lines.map((line) => JSON.parse(line).stream);
    };
    expect(await found({ category: 'visitor', tenant: 'acme' })).toEqual([
      VISITOR,
      'visitor-acme.gone',
      'visitor-acme.43',
    ]);
    expect(await found({ jid: 'visitor.42@xmpp.test/web', category: 'visitor' })).toEqual([
      VISITOR,
    ]);
    expect(await found({ chat: 'c1', category: 'visitor' })).toEqual([VISITOR]);
    // As the service finds them: the visitor with lanes and data keys, and no operator of the chat.
    const around = ['key-acme.42', `lane-${VISITOR}.xmpp`, VISITOR];
    expect((await found({ chat: 'c1' })).sort()).toEqual(around);
    expect((await found({ jid: 'visitor.42@xmpp.test' })).sort()).toEqual(around);
    expect(await found({ text: 'ODD' })).toEqual(['visitor-shop.odd']);
    expect(await found({ limit: 1 })).toHaveLength(1);
  });

  it('stands in columns, with a note when there are more', async () => {
    const reading = readingOf(scene.store);
    await showStreams({ limit: 1, category: 'visitor' }, reading);
    expect(reading.screen.lines[0]).toMatch(/^STREAM +TENANT +REVISION +FROM +LAST/);
    expect(reading.screen.notes).toEqual(['the newest 1: --limit or --all shows more']);
    const none = readingOf(scene.store);
    await showStreams({ tenant: 'none' }, none);
    expect(none.screen.notes).toEqual(['no such streams']);
  });

  it('reads on behind the first page of a store', async () => {
    const many = Array.from({ length: 1_205 }, (_, n) => event(n));
    const store = {
      ...scene.rig.store,
      readAll: async ({ after, limit = 0 }: { after?: string; limit?: number } = {}) => {
        const from = after === undefined ? 0 : Number(after) + 1;
        const page = many.slice(from, from + limit);
        return page.map((each, n) => ({
          ...each,
          stream: `visitor-a.${from + n}`,
          revision: 0,
          position: String(from + n) as never, // of this store
        }));
      },
    };
    const source = openStoreSource({ store, name: 'x', serviceSecrets: [] });
    const rows = await Array.fromAsync(source.streams({}));
    expect(rows).toHaveLength(1_205);
  });
});
