/** Lanes of one log in two processes. The owner of a partition performs its effects and goes on where the other stopped. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { partitionOf } from '../../../src/runtime/leases/ownership.ts';
import { movableOwnership } from '../../support/ownership.ts';
import { openRig, type Rig } from '../../support/rig.ts';
import { waitFor } from '../../support/wait.ts';
import { done, lanesBeside, lanesOn, place, speak, upTo } from './rig.ts';

const MINE = partitionOf('acme.1');
let rig: Rig;
let closing: (() => Promise<void>)[] = [];

beforeEach(async () => {
  rig = await openRig();
});
afterEach(async () => {
  for (const close of closing) await close();
  closing = [];
  await rig.close();
});

async function twoProcesses() {
  const [a, b] = [place('xmpp'), place('xmpp')];
  const [ofA, ofB] = [movableOwnership(), movableOwnership([])];
  const first = await lanesOn(rig, [a.destination], ofA);
  const second = await lanesBeside(rig, [b.destination], ofB);
  closing.push(() => first.lanes.stop(), second.close);
  first.lanes.start();
  second.lanes.start();
  return { a, b, ofA, ofB, caughtUp: second.caughtUp, ofCaughtUp: first.caughtUp };
}

it('a hand-over waits for the running effect; nothing is repeated or left out', async () => {
  const { a, b, ofA, ofB, caughtUp } = await twoProcesses();
  const answer = Promise.withResolvers<void>();
  a.state.answer = async ({ n }) => {
    if (n === 2) await answer.promise;
    return done;
  };
  await speak(rig, '1', upTo(5));
  await waitFor(() => a.attempts.length === 3, { what: 'the third effect to be under way' });
  const handed = ofA.handOver(MINE);
  answer.resolve();
  await handed;
  await caughtUp(); // a new owner waits for that, too
  ofB.gain(MINE);
  await waitFor(() => b.of('1').length === 2, { what: 'the other process to go on' });
  expect(a.of('1')).toEqual([0, 1, 2]);
  expect(b.of('1')).toEqual([3, 4]);
});

it('a lane performs nothing after the loss of its partition', async () => {
  const { a, b, ofA, ofB } = await twoProcesses();
  a.state.answer = async ({ n }) => {
    if (n === 1) ofA.lose(MINE);
    return done;
  };
  await speak(rig, '1', upTo(4));
  await waitFor(() => a.of('1').length === 2, { what: 'two effects' });
  ofB.gain(MINE);
  await waitFor(() => b.of('1').includes(3), { what: 'the other process to go on' });
  expect(a.of('1')).toEqual([0, 1]);
  // There was no hand-over, so the last effects may be repeated, with the same ids and in order.
  expect(b.of('1').at(0)).toBeLessThanOrEqual(2);
  expect(b.of('1')).toEqual(upTo(4).slice(b.of('1')[0]));
});

it('a lane goes on when its partition comes back', async () => {
  const { a, b, ofA, ofB, caughtUp } = await twoProcesses();
  await speak(rig, '1', [0]);
  await waitFor(() => a.of('1').length === 1, { what: 'the first effect' });
  await ofA.handOver(MINE);
  await caughtUp();
  ofB.gain(MINE);
  await speak(rig, '1', [1]);
  await waitFor(() => b.of('1').length === 1, { what: 'the second effect' });
  await ofB.handOver(MINE);
  ofA.gain(MINE);
  await speak(rig, '1', [2]);
  await waitFor(() => a.of('1').length === 2, { what: 'the third effect' });
  expect([...a.of('1'), ...b.of('1')]).toEqual([0, 2, 1]);
});

it('a lane whose partition went and came back during an effect goes on after the other process', async () => {
  const { a, b, ofA, ofB, caughtUp, ofCaughtUp } = await twoProcesses();
  const answer = Promise.withResolvers<void>();
  a.state.answer = async ({ n }) => {
    if (n === 0) await answer.promise;
    return done;
  };
  await speak(rig, '1', upTo(4));
  await waitFor(() => a.attempts.length === 1, { what: 'the first effect to be under way' });
  ofA.lose(MINE);
  ofB.gain(MINE);
  await waitFor(() => b.of('1').length === 4, { what: 'the other process to do it all' });
  await ofB.handOver(MINE);
  await caughtUp();
  await speak(rig, '1', [4]);
  await ofCaughtUp();
  ofA.gain(MINE);
  answer.resolve();
  await waitFor(() => a.of('1').includes(4), { what: 'the first process to go on' });
  expect(a.of('1')).toEqual([0, 4]); // the one that hung may come twice, with the same id
});
