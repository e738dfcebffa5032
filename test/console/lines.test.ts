/** The small parts of a step: who, timers, causes, and words with hidden characters. */
import { describe, expect, test } from 'vitest';
import type { RecordedEvent } from '../../console/src/api/debugger.ts';
import type { TraceNode } from '../../console/src/api/types.ts';
import { causesOf, MAX_CAUSED } from '../../console/src/stream/causes.ts';
import { dueText, timerLines, timerName } from '../../console/src/stream/timer-lines.ts';
import { whoOf, whoText } from '../../console/src/stream/who.ts';
import { partsOf } from '../../console/src/visible-text.ts';

describe('words with hidden characters', () => {
  const told = (text: string) =>
    partsOf(text).map(({ text: part, isSign }) => (isSign ? `<${part}>` : part));

  test.each([
    ['plain\twords\n', ['plain\twords\n']],
    ['', ['']],
    ['a\u202eb', ['a', '<U+202E>', 'b']],
    ['\u0000\u0007', ['<U+0000>', '<U+0007>']],
    ['x\u200by\ufeff', ['x', '<U+200B>', 'y', '<U+FEFF>']],
    ['tag \u{e0041}', ['tag ', '<U+E0041>']],
    ['half \ud83d', ['half ', '<U+D83D>']],
    ['family 👨‍👩‍👧 and می‌خواهم', ['family 👨‍👩‍👧 and می‌خواهم']],
  ])('%j', (text, parts) => expect(told(text)).toEqual(parts));
});

describe('who is behind a fact', () => {
  const event = (type: string, data = {}, more: Partial<RecordedEvent> = {}): RecordedEvent => ({
    stream: 'visitor-acme.7',
    revision: 1,
    id: 'e',
    type,
    schemaVersion: 1,
    data,
    personal: null,
    erased: false,
    metadata: {
      tenant: 'acme',
      at: 0,
      commandId: 'auto:1',
      correlationId: 'c',
      causationId: 'c',
      machine: 'visitor/1',
    },
    ...more,
  });

  test.each([
    ['visitor', event('VisitorMessageSent')],
    ['visitor', event('ChatClosed', { by: 'visitor' })],
    ['olga', event('ChatClosed', { by: 'operator', operator: 'olga' })],
    ['olga', event('OperatorMessageReceived', { operator: 'olga' })],
    ['olga', event('PresenceChanged', {}, { stream: 'operator-acme.olga' })],
    ['LHC', event('MessageWrittenInLhc', { operator: 'olga' })],
    ['LHC', event('ChatAssigned', { by: 'lhc', operator: 'olga' })],
    ['timer', event('TimedOut')],
    ['timer', event('ChatClosed', { by: 'system', reason: 'idle', operator: null })],
    ['service', event('ChatAssigned', { operator: 'olga', reason: 'least-loaded' })],
    ['service', event('LoggedIn')],
  ])('%s', (who, fact) => expect(whoText(whoOf(fact, fact.stream))).toBe(who));

  test('ejabberd, if a webhook brought it', () => {
    const fact = event('MessageDelivered');
    const metadata = { ...fact.metadata, hook: { queueId: 'q', seq: 1 } };
    expect(whoText(whoOf({ ...fact, metadata }, fact.stream))).toBe('ejabberd');
  });
});

test('timers: the next one first, with what the fact did, and those that it cancelled', () => {
  const id = (name: string) => `xstate.after.${name}.visitor.presence.online`;
  const lines = timerLines({ [id('late')]: 900, [id('next')]: 100, presencePause: 500 }, [
    { id: id('next'), before: 50, after: 100 },
    { id: 'presencePause', before: null, after: 500 },
    { id: id('gone'), before: 700, after: null },
  ]);
  expect(lines.map(({ name, due, before, did }) => [name, due, before, did])).toEqual([
    ['next', 100, 50, 'moved'],
    ['presencePause', 500, null, 'armed'],
    ['late', 900, null, null],
    ['gone', null, 700, 'cancelled'],
  ]);
  expect(timerName('presencePause')).toBe('presencePause');
  expect([dueText(0, false), dueText(60_000, false), dueText(60_000, true)]).toEqual([
    'at once',
    '1 min',
    '1 min, does nothing in this state',
  ]);
  expect(dueText(-60_000, true)).toBe('1 min before, does nothing in this state');
  expect(dueText(-60_000, false)).toBe('1 min before: late');
});

describe('causes', () => {
  const node = (id: string, parent: string | null, more: Partial<TraceNode> = {}): TraceNode => ({
    id,
    parent,
    kind: 'effect',
    name: id,
    stream: 'visitor-acme.1',
    revision: 0,
    at: 0,
    ms: null,
    outcome: null,
    detail: null,
    ...more,
  });
  const fact = (id: string, parent: string | null, stream: string, revision: number) =>
    node(id, parent, { kind: 'fact', stream, revision });
  const trace = (nodes: TraceNode[]) => ({ id: 't', traceId: null, nodes, truncated: false });

  test('what caused a fact from the beginning on, and what it caused, in other actors too', () => {
    const found = causesOf(
      trace([
        node('request', null, { kind: 'request' }),
        fact('sent', 'request', 'visitor-a.1', 4),
        fact('reserved', 'sent', 'operator-a.o', 9),
        node('stanza', 'sent'),
        fact('assigned', 'reserved', 'visitor-a.1', 5),
        node('callback', 'assigned'),
        fact('other', 'request', 'visitor-a.1', 6),
      ]),
      'operator-a.o',
      9,
    );
    expect(found?.causes.map(({ id }) => id)).toEqual(['request', 'sent']);
    expect(found?.caused.map(({ node: { id }, depth }) => [id, depth])).toEqual([
      ['assigned', 0],
      ['callback', 1],
    ]);
  });

  test('a trace without the fact, a parent that is not there, and a circle', () => {
    expect(causesOf(trace([node('a', null)]), 's', 1)).toBeNull();
    expect(causesOf(trace([fact('a', 'gone', 's', 1)]), 's', 1)).toEqual({
      causes: [],
      caused: [],
    });
    const circle = causesOf(trace([fact('a', 'b', 's', 1), node('b', 'a')]), 's', 1);
    expect(circle?.caused.length).toBeLessThanOrEqual(MAX_CAUSED);
  });

  test('a long list is cut', () => {
    const many = Array.from({ length: 2 * MAX_CAUSED }, (_, index) => node(`n${index}`, 'a'));
    expect(causesOf(trace([fact('a', null, 's', 1), ...many]), 's', 1)?.caused.length).toBe(
      MAX_CAUSED,
    );
  });
});
