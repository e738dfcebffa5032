import { describe, expect, test } from 'vitest';
import type { State, Step } from '../../console/src/api/debugger.ts';
import {
  added,
  type BranchResult,
  branchAt,
  decode,
  encode,
  endOf,
  parseDuration,
  redone,
  stepsOf,
  undone,
  untilNextTimer,
} from '../../console/src/stream/what-if/branch.ts';

const state = (at: number, timers: Record<string, number> = {}): State => ({
  value: 'online',
  context: {},
  timers,
  held: [],
  at,
});

/** A step has more than these tests look at. */
const step = (revision: number, after: State): Step =>
  ({
    revision,
    state: after,
    taken: [],
    changes: [],
    timerChanges: [],
    unfit: null,
  }) as unknown as Step;

const RESULT: BranchResult = {
  base: { revision: 4, state: state(1_000, { hardTimeout: 61_000 }) },
  items: [
    { action: { wait: 30_000 }, refused: null, steps: [], effects: [] },
    {
      action: { command: { type: 'X' } },
      refused: null,
      steps: [
        step(5, state(31_000)),
        step(6, state(31_000, { late: 5, chatIdle: 91_000, next: 91_500 })),
      ],
      effects: [],
    },
  ],
  test: '',
};

describe('actions', () => {
  const one = added(branchAt(4), { wait: 1 });
  const two = added(one, { command: { type: 'X' } });

  test('are taken back and done again', () => {
    expect(undone(two)).toEqual({ ...one, undone: [{ command: { type: 'X' } }] });
    expect(redone(undone(two))).toEqual(two);
    expect(redone(redone(undone(undone(two))))).toEqual(two);
  });

  test('there is nothing more to take back or to do again', () => {
    expect([undone(branchAt(4)), redone(two)]).toEqual([branchAt(4), two]);
  });

  test('a new one ends what was taken back', () => {
    expect(added(undone(two), { wait: 2 }).undone).toEqual([]);
  });

  test('the tab keeps them', () => {
    expect(decode(encode(undone(two)))).toEqual(undone(two));
  });

  test.each([
    '',
    '{',
    'null',
    '[]',
    '{"revision":1}',
    '{"revision":1,"actions":[7],"undone":[]}',
    '{"revision":1.5,"actions":[],"undone":[]}',
    '{"revision":1,"actions":[{"wait":-1}],"undone":[]}',
  ])('what is no branch is none: %j', (text) => expect(decode(text)).toBeNull());
});

describe('the end of a branch', () => {
  test('has the last state, and the time that has passed', () => {
    expect(endOf(RESULT)).toEqual({ state: stepsOf(RESULT)[1]?.step.state, now: 31_000 });
  });

  test('the next timer is the one that is due next, not one that was due before', () => {
    expect(untilNextTimer(RESULT)).toEqual({ id: 'chatIdle', ms: 60_000 });
    expect(untilNextTimer({ ...RESULT, items: [] })).toEqual({ id: 'hardTimeout', ms: 60_000 });
    expect(
      untilNextTimer({ ...RESULT, base: { revision: 0, state: state(0) }, items: [] }),
    ).toBeNull();
  });
});

describe('durations', () => {
  test.each([
    ['90 s', 90_000],
    ['1h 30min', 5_400_000],
    ['250ms', 250],
    ['2d', 172_800_000],
    ['1.5 M', 90_000],
  ])('%s', (text, ms) => expect(parseDuration(text)).toBe(ms));

  test.each(['', '5', 'five s', '5 parsecs', '5 s later', '3651 d'])('%j is none', (text) =>
    expect(parseDuration(text)).toBeNull(),
  );
});
