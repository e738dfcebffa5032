import { expect, it } from 'vitest';
import { createBreakers } from '../../../src/kit/breaker.ts';
import {
  FAILING_LANES_SPACING_MS,
  Gate,
  LANES_WAITING,
  SLOW_ANSWER_MS,
  SLOW_START_LANES,
} from '../../../src/runtime/lanes/gate.ts';
import { place, upTo } from './rig.ts';

const POLICY = { failuresInRow: 3, callersInRow: 20, retry: { firstMs: 1_000, mostMs: 1_000 } };

function make(concurrency = 64) {
  let at = 0;
  let missed = 0;
  const monotonic = () => at;
  const breakers = createBreakers(POLICY, { now: Date.now, monotonic, random: () => 0 });
  const { destination } = place('lhc', { breakers, concurrency });
  const nothing = () => {};
  const listener = {
    onRoom: nothing,
    onMissed: () => void missed++,
    onProbe: nothing,
    onShut: nothing,
    onOpen: nothing,
  };
  const gate = new Gate('acme', destination, listener, monotonic);
  const passes = (ms: number): void => {
    at += ms;
  };
  return { gate, passes, missed: () => missed };
}

/** Lanes that are inside until `end`. */
function hang(gate: Gate, lanes: number) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const turns = upTo(lanes).map(() => gate.turn(() => promise));
  return {
    end: async () => {
      resolve();
      await Promise.all(turns);
    },
  };
}

it('a place that has answered nobody for a while gets no more calls than at the start', async () => {
  const { gate, passes } = make();
  // Its answers show that it can bear more.
  for (const lanes of upTo(10)) {
    const running = hang(gate, SLOW_START_LANES + lanes);
    gate.succeeded();
    await running.end();
  }
  const hanging = hang(gate, SLOW_START_LANES + 1);
  passes(SLOW_ANSWER_MS);
  expect(gate.hasRoom).toBe(true);
  passes(1);
  expect(gate.hasRoom).toBe(false);
  gate.succeeded();
  expect(gate.hasRoom).toBe(true);
  await hanging.end();
});

it('bounds the lanes that wait; the others are found in the table later', async () => {
  const { gate, missed } = make(1);
  const hanging = hang(gate, 1 + LANES_WAITING);
  expect(missed()).toBe(0);
  expect(await gate.turn(async () => 'in')).toBeNull();
  expect(missed()).toBe(1);
  await hanging.end();
});

it('spaces the tries of lanes that fail each for itself', () => {
  const { gate } = make();
  expect(upTo(3).map(() => gate.backsOff() / FAILING_LANES_SPACING_MS)).toEqual([0, 1, 2]);
  gate.backedOff();
  expect(gate.backsOff() / FAILING_LANES_SPACING_MS).toBe(2);
});
