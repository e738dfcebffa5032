/** The tree of what one request caused, of the log alone and with the notes of a process. */
import { expect, test } from 'vitest';
import { PRESENCE } from '../../src/effects/presence.ts';
import type { RecordedEvent } from '../../src/eventstore/port.ts';
import { traceIdOf } from '../../src/kit/trace-context.ts';
import { effectsOf, type Note } from '../../src/replay/effects.ts';
import { loadTrace, MAX_TRACE_FACTS, type TraceSource } from '../../src/replay/trace.ts';
import { interleaved, recorded } from './memory-log.ts';

const START = Date.UTC(2026, 0, 1);
const VISITOR = 'visitor-acme.1';
const OPERATOR = 'operator-acme.op1';

interface Ids {
  readonly command: string;
  readonly correlation?: string;
  readonly cause?: string;
}
const fact = (
  stream: string,
  revision: number,
  type: string,
  { command, correlation = 'req-1', cause = command }: Ids,
  data: RecordedEvent['data'] = {},
): RecordedEvent => {
  const event = recorded(stream, { type, data }, revision, revision);
  const ids = { commandId: command, correlationId: correlation, causationId: cause };
  return { ...event, metadata: { ...event.metadata, at: START + revision * 1000, ...ids } };
};
const sent = fact(VISITOR, 0, 'VisitorMessageSent', { command: 'msg:m1' }, { messageId: 'm1' });

const sourceOf = (
  events: readonly RecordedEvent[],
  notes: readonly Note[] = [],
  more: Partial<TraceSource> = {},
): TraceSource => ({
  store: interleaved(events),
  factsOf: async (ids) =>
    events.filter(({ id, metadata }) =>
      [id, metadata.commandId, metadata.correlationId, traceIdOf(metadata)].some((each) =>
        ids.includes(each),
      ),
    ),
  notesOf: (facts) =>
    notes.filter((note) =>
      facts.some((each) => each.stream === note.stream && each.revision === note.revision),
    ),
  requestsOf: (id) => notes.filter((note) => note.kind === 'request' && note.id === id),
  places: [
    { name: 'xmpp', concerns: ({ type }) => type === 'VisitorMessageSent' },
    { name: 'lhc', concerns: ({ type }) => type === 'MessageDelivered' },
  ],
  now: () => START + 60_000,
  monotonic: () => 0,
  deadlineMs: 1_000,
  ...more,
});
const treeOf = async (source: TraceSource, id = 'req-1') => {
  const trace = await loadTrace(source, id);
  return trace?.nodes.map((node) => `${node.parent ?? '-'} > ${node.id} ${node.outcome ?? ''}`);
};
const attempt = (event: RecordedEvent, more: Partial<Note> = {}): Note =>
  ({
    kind: 'attempt',
    stream: event.stream,
    revision: event.revision,
    at: event.metadata.at,
    ms: 5,
    reason: null,
    destination: 'xmpp',
    outcome: 'done',
    ...more,
  }) as Note; // the parts of an attempt

test('of the log alone: facts under their causes, across actors; effects as far as lanes came', async () => {
  const reserved = fact(OPERATOR, 1, 'ChatReserved', { command: 'auto:2', cause: sent.id });
  // The cause may be a command, and several facts may come of one.
  const one = fact(OPERATOR, 2, 'ChatTaken', { command: 'auto:3', cause: 'auto:2' });
  const two = fact(OPERATOR, 3, 'ChatReleased', { command: 'auto:3', cause: 'auto:2' });
  const other = fact(OPERATOR, 4, 'ChatTaken', { command: 'auto:4', correlation: 'req-2' });
  const lane = recorded(
    `lane-${VISITOR}.xmpp`,
    { type: 'LaneAdvanced', data: { revision: 0 } },
    0,
    9,
  );
  const source = sourceOf([sent, reserved, one, two, other, lane]);
  const expected = [
    `- > ${sent.id} `,
    `${sent.id} > ${sent.id}/xmpp done`,
    `${sent.id} > ${reserved.id} `,
    `${reserved.id} > ${one.id} `,
    `${reserved.id} > ${two.id} `,
  ];
  // By any of its ids.
  for (const id of ['req-1', sent.id, 'auto:3', traceIdOf(sent.metadata)]) {
    expect(await treeOf(source, id), id).toEqual(expected);
  }
  expect(await loadTrace(source, 'nobody')).toBeNull();
});

test('a receipt of several messages is in the trace of each, though it belongs to the first', async () => {
  const second = fact(
    VISITOR,
    1,
    'VisitorMessageSent',
    { command: 'msg:m2', correlation: 'req-2' },
    { messageId: 'm2' },
  );
  const receipt = fact(
    VISITOR,
    2,
    'MessageDelivered',
    { command: 'auto:9', cause: sent.id },
    { messageIds: ['m1', 'm2'] },
  );
  const unrelated = fact(
    VISITOR,
    3,
    'MessageDelivered',
    { command: 'auto:10' },
    { messageIds: [] },
  );
  const events = [sent, second, receipt, unrelated];
  const webhook: Note = {
    kind: 'request',
    id: 'webhook:q:1',
    name: 'webhook delivered',
    status: null,
    at: START + 1_999,
    ms: 2,
    reason: null,
    stream: VISITOR,
    revision: 2,
  };
  expect(await treeOf(sourceOf(events, [webhook]), 'req-2')).toEqual([
    `- > ${second.id} `,
    `${second.id} > ${second.id}/xmpp pending`,
    `${second.id}/xmpp > request/webhook:q:1 done`,
    `request/webhook:q:1 > ${receipt.id} `,
    `${receipt.id} > ${receipt.id}/lhc pending`,
  ]);
  const trace = await loadTrace(sourceOf(events, [webhook]), 'req-2');
  expect(trace?.traceId).toBe(traceIdOf(second.metadata));
});

test('the requests of a batch are found by the id of the batch', async () => {
  const one = fact(VISITOR, 0, 'PageViewed', { command: 'key:a', correlation: 'req-9.0' });
  const two = fact(OPERATOR, 1, 'OperatorRegistered', { command: 'key:b', correlation: 'req-9.1' });
  expect(await treeOf(sourceOf([one, two]), 'req-9')).toEqual([`- > ${one.id} `, `- > ${two.id} `]);
  expect((await loadTrace(sourceOf([one, two]), 'req-9'))?.traceId).toBeNull();
});

test('what an effect became', () => {
  const places = [{ name: 'xmpp', concerns: () => true }];
  const outcome = (
    notes: readonly Note[],
    through = -1,
    dead: ReadonlyMap<number, string> = new Map(),
    now = START,
  ) => effectsOf(sent, places, notes, () => ({ through, dead, first: null }), now)[0]?.outcome;
  expect(outcome([])).toBe('pending');
  expect(outcome([], 0)).toBe('done');
  expect(outcome([attempt(sent)])).toBe('done'); // its progress is not in the log yet
  expect(outcome([attempt(sent, { outcome: 'retry' })])).toBe('pending');
  expect(outcome([attempt(sent, { outcome: 'dead' })])).toBe('dead');
  expect(outcome([], 0, new Map([[0, 'refused']]))).toBe('dead');
  expect(outcome([], -1, new Map(), START + 27 * 3_600_000)).toBe('unknown');
  // Of a log that was here before.
  expect(outcome([attempt(sent, { at: START - 3_600_000 })])).toBe('pending');
});

test('the presence of a visitor: it follows the state, so only attempts tell of it', async () => {
  const arrived = fact(VISITOR, 0, 'VisitorArrived', { command: 'view' });
  const ready = fact(VISITOR, 1, 'LoggedIn', { command: 'auto:1', cause: arrived.id });
  const places = [PRESENCE];
  const presence = { destination: 'presence' } as const;
  const of = (notes: readonly Note[], now = START) =>
    effectsOf(arrived, places, notes, () => ({ through: 9, dead: new Map(), first: null }), now);
  expect(of([])).toEqual([]); // nobody knows whether anything had to be done
  const failed = attempt(arrived, { ...presence, outcome: 'retry', reason: 'away' });
  expect(of([failed])[0]?.outcome).toBe('pending'); // whatever lanes have done
  expect(of([failed], START + 3_600_000)[0]?.outcome).toBe('unknown');
  const detail = 'register 3 ms, log in 9 ms';
  const done = attempt(arrived, { ...presence, at: START + 500, detail });
  expect(of([failed, done], START + 3_600_000)[0]?.outcome).toBe('done');

  const source = sourceOf([arrived, ready], [failed, done], { places });
  expect(await treeOf(source)).toEqual([
    `- > ${arrived.id} `,
    `${arrived.id} > ${arrived.id}/presence done`,
    `${arrived.id}/presence > ${arrived.id}/presence/1 retry`,
    `${arrived.id}/presence > ${arrived.id}/presence/2 done`,
    `${arrived.id}/presence > ${ready.id} `,
  ]);
  const details = (await loadTrace(source, 'req-1'))?.nodes.map((node) => node.detail);
  expect(details?.slice(2, 4)).toEqual(['away', detail]);

  const concerned = (type: string, data: RecordedEvent['data'] = {}, stream = VISITOR) =>
    PRESENCE.concerns(fact(stream, 0, type, { command: 'any' }, data));
  expect([concerned('PageViewed'), concerned('ChatAssigned')]).toEqual([true, true]);
  expect([concerned('MessageTaken'), concerned('CleanedUp', { silent: true })]).toEqual([
    false,
    false,
  ]);
  expect(concerned('ChatAssigned', {}, OPERATOR)).toBe(false);
});

test('an effect that nobody has tried says what it waits for', async () => {
  const messages = [0, 1, 2].map((revision) =>
    fact(VISITOR, revision, 'VisitorMessageSent', { command: `msg:${revision}` }),
  );
  const tried = attempt(messages[0] ?? sent, { outcome: 'retry', reason: 'no session' });
  const waits = async (source: TraceSource) =>
    ((await loadTrace(source, 'req-1'))?.nodes ?? [])
      .filter(({ kind }) => kind === 'effect')
      .map(({ outcome, detail }) => `${outcome} ${detail}`);
  const behind = ['pending null', 'pending waits behind fact 0', 'pending waits behind fact 0'];
  expect(await waits(sourceOf(messages, [tried]))).toEqual(behind);
  const away = 'pending away: connect ECONNREFUSED';
  const isAway = sourceOf(messages, [tried], { away: () => 'connect ECONNREFUSED' });
  expect(await waits(isAway)).toEqual(['pending null', away, away]);
  // The lane has gone on: the first of the others waits for nothing.
  const lane = recorded(
    `lane-${VISITOR}.xmpp`,
    { type: 'LaneAdvanced', data: { revision: 0 } },
    0,
    9,
  );
  const some = sourceOf(messages, [tried], { store: interleaved([...messages, lane]) });
  expect(await waits(some)).toEqual(['done null', 'pending null', 'pending waits behind fact 1']);
});

test('a callback belongs to the attempt at LHC, though one at ejabberd went on at the same time', () => {
  const places = ['xmpp', 'lhc'].map((name) => ({ name, concerns: () => true }));
  const callback: Note = {
    kind: 'callback',
    id: 'a1',
    name: 'chat.accepted',
    status: 200,
    at: START + 1,
    ms: 2,
    reason: null,
    stream: VISITOR,
    revision: 0,
  };
  const notes = [attempt(sent), attempt(sent, { destination: 'lhc' }), callback];
  const [xmpp, lhc] = effectsOf(
    sent,
    places,
    notes,
    () => ({ through: 0, dead: new Map(), first: null }),
    START,
  );
  expect([xmpp?.name, xmpp?.attempts[0]?.callbacks]).toEqual(['VisitorMessageSent', []]);
  expect([lhc?.name, lhc?.attempts[0]?.callbacks]).toEqual(['chat.accepted', [callback]]);
});

test('bounds: facts, streams, time', async () => {
  const many = Array.from({ length: MAX_TRACE_FACTS + 1 }, (_, revision) =>
    fact(VISITOR, revision, 'PageViewed', { command: `auto:${revision}` }),
  );
  const full = await loadTrace(sourceOf(many), 'req-1');
  expect(full?.truncated).toBe(true);
  expect(full?.nodes.length).toBeLessThanOrEqual(MAX_TRACE_FACTS);
  const streams = Array.from({ length: 101 }, (_, n) =>
    fact(`visitor-acme.${n}`, 0, 'PageViewed', { command: `auto:${n}` }),
  );
  const wide = await loadTrace(sourceOf(streams), 'req-1');
  expect([wide?.truncated, wide?.nodes.length]).toEqual([true, 100]);
  let ms = 0;
  const slow = sourceOf(streams, [], { monotonic: () => (ms += 300) });
  const late = await loadTrace(slow, 'req-1');
  expect(late?.truncated).toBe(true);
  expect(late?.nodes.length).toBeLessThan(100);
  const whole = await loadTrace(sourceOf([sent]), 'req-1');
  expect(whole?.truncated).toBe(false);
});
