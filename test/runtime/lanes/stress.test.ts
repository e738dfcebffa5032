import { afterEach, expect, it } from 'vitest';
import { createBreakers } from '../../../src/kit/breaker.ts';
import type { Outcome } from '../../../src/runtime/lanes/destination.ts';
import { openRig } from '../../support/rig.ts';
import { waitFor } from '../../support/wait.ts';
import { done, lanesOn, place, speak } from './rig.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

it('a place that comes and goes, and hangs in between: no lane is forgotten', {
  timeout: 120_000,
}, async () => {
  const rig = await openRig();
  closing.push(() => rig.close());
  const { now, monotonic } = rig;
  const policy = { failuresInRow: 3, callersInRow: 20, retry: { firstMs: 20, mostMs: 60 } };
  const breakers = createBreakers(policy, { now, monotonic, random: Math.random });
  const lhc = place('lhc', { breakers, concurrency: 64 });
  let mode: 'ok' | 'away' | 'mixed' = 'ok';
  const away: Outcome = { kind: 'retry', reason: 'no answer', away: true };
  lhc.state.answer = async () => {
    await pause(Math.random() * 30);
    if (mode === 'away') return away;
    if (mode === 'mixed' && Math.random() < 0.5) return away;
    return done;
  };
  const { lanes } = await lanesOn(rig, [lhc.destination]);
  closing.push(() => lanes.stop());
  lanes.start();
  let said = 0;
  const next = new Map<string, number>();
  for (let round = 0; round < 5; round++) {
    for (const phase of ['away', 'mixed', 'ok', 'mixed'] as const) {
      mode = phase;
      for (let i = 0; i < 25; i++) {
        const key = `k${Math.floor(Math.random() * 10)}`;
        const n = next.get(key) ?? 0;
        next.set(key, n + 1);
        await speak(rig, key, [n]);
        said++;
        await pause(Math.random() * 6);
      }
    }
    mode = 'ok';
    await waitFor(() => lhc.made.length === said, {
      deadlineMs: 5_000,
      what: () =>
        `round ${round}: ${said - lhc.made.length} missing; ${JSON.stringify([...lanes.failures('lhc')])}`,
    });
  }
  for (const [key, n] of next) expect(lhc.of(key)).toEqual(Array.from({ length: n }, (_, i) => i));
});
