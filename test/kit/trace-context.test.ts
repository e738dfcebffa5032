import { describe, expect, test } from 'vitest';
import {
  MAX_TRACESTATE_CHARACTERS,
  newParentId,
  traceContextOf,
  traceHeaders,
  traceIdOf,
} from '../../src/kit/trace-context.ts';

const ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const HEADER = `00-${ID}-${PARENT}-01`;
const read = (traceparent: string | undefined, tracestate?: string) =>
  traceContextOf(traceparent, tracestate);

describe('traceparent', () => {
  test.each([
    [HEADER, HEADER],
    [`00-${ID}-${PARENT}-00`, `00-${ID}-${PARENT}-00`],
    // Level 2: the random flag goes on; other bits mean nothing yet.
    [`00-${ID}-${PARENT}-ff`, `00-${ID}-${PARENT}-03`],
    // A later version is read as far as version 00 goes.
    [`cc-${ID}-${PARENT}-01`, HEADER],
    [`cc-${ID}-${PARENT}-01-what-the-future-will-be`, HEADER],
  ])('%s is taken', (header, kept) => {
    expect(read(header)).toEqual({ traceparent: kept });
  });

  test.each([
    undefined,
    '',
    'nonsense',
    `ff-${ID}-${PARENT}-01`,
    `00-${'0'.repeat(32)}-${PARENT}-01`,
    `00-${ID}-${'0'.repeat(16)}-01`,
    `00-${ID.toUpperCase()}-${PARENT}-01`,
    `00-${ID}-${PARENT}-01-more`,
    `cc-${ID}-${PARENT}-01.more`,
    `00-${ID.slice(1)}-${PARENT}-01`,
    `00-${ID}-${PARENT}-1`,
    ` ${HEADER}`,
    `${HEADER}\n`,
    // Two headers, as HTTP joins them.
    `${HEADER}, ${HEADER}`,
  ])('%s is ignored, and its tracestate too', (header) => {
    expect(read(header, 'a=1')).toEqual({});
  });
});

describe('tracestate', () => {
  const state = (header: string) => read(HEADER, header).tracestate;

  test.each([
    ['congo=t61rcWkgMzE,rojo=00f067aa0ba902b7', 'congo=t61rcWkgMzE,rojo=00f067aa0ba902b7'],
    ['a=1 ,\t b@c/d=2 x,,', 'a=1,b@c/d=2 x'],
    ['', undefined],
    ['A=1', undefined],
    ['a', undefined],
    ['a=', undefined],
    ['a=b=c', undefined],
    ['a=é', undefined],
    ['a=1,a=2', undefined],
    [Array.from({ length: 33 }, (_, i) => `k${i}=1`).join(), undefined],
  ])('%s', (header, kept) => {
    expect(state(header)).toBe(kept);
  });

  test('that is too long loses long members first, then the last ones', () => {
    const long = `long=${'x'.repeat(200)}`;
    const short = Array.from({ length: 10 }, (_, i) => `k${i}=${'x'.repeat(60)}`);
    const kept = state([short[0], long, ...short.slice(1)].join()) ?? '';
    expect(kept.split(',')).toEqual(short.slice(0, 8));
    expect(kept.length).toBeLessThanOrEqual(MAX_TRACESTATE_CHARACTERS);
  });
});

test('without a caller’s trace, one correlation id is one trace', () => {
  const trace = traceIdOf({ correlationId: 'req-1' });
  expect(trace).toMatch(/^[0-9a-f]{32}$/);
  expect(traceIdOf({ correlationId: 'req-1' })).toBe(trace);
  expect(traceIdOf({ correlationId: 'req-2' })).not.toBe(trace);
  expect(traceIdOf({ correlationId: 'req-1', traceparent: HEADER })).toBe(ID);
  const uuid = '01A22940-2da3-7fd7-a5cf-0be31ad9eaa2';
  expect(traceIdOf({ correlationId: uuid })).toBe('01a229402da37fd7a5cf0be31ad9eaa2');
  const none = '00000000-0000-0000-0000-000000000000';
  expect(traceIdOf({ correlationId: none })).toMatch(/[1-9a-f]/);
});

test('a request of ours has the trace, its flags and its state, and a parent id of its own', () => {
  const parentId = newParentId();
  expect(parentId).toMatch(/^[0-9a-f]{16}$/);
  const correlationId = 'req-1';
  expect(traceHeaders({ correlationId }, parentId)).toEqual({
    traceparent: `00-${traceIdOf({ correlationId })}-${parentId}-01`,
  });
  const caller = { correlationId, traceparent: `00-${ID}-${PARENT}-00`, tracestate: 'a=1' };
  expect(traceHeaders(caller, parentId)).toEqual({
    traceparent: `00-${ID}-${parentId}-00`,
    tracestate: 'a=1',
  });
});
