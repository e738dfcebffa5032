import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AUTOMATIC, Seen } from '../../../src/actors/machine/idempotency.ts';
import { HOUR } from '../facts.ts';
import { throughJson } from '../stream.ts';

const restored = (seen: Seen): Seen => {
  const copy = new Seen();
  copy.merge(throughJson(seen.summary()));
  return copy;
};

describe('the memory of commands', () => {
  it('has the last 256, however old', () => {
    const seen = new Seen();
    for (let i = 0; i < 1000; i++) seen.remember(`c${i}`, i * 48 * HOUR);
    expect(seen.hasCommand('c744')).toBe(true);
    expect(seen.hasCommand('c743')).toBe(false);
    expect(seen.summary().commands).toHaveLength(256);
  });

  it('has all of the last 24 hours, up to 4096', () => {
    const seen = new Seen();
    for (let i = 0; i < 4096; i++) seen.remember(`c${i}`, 1000 + i);
    seen.remember('later', 1000 + 24 * HOUR - 1);
    expect(seen.hasCommand('c0')).toBe(false); // the 4097th
    expect(seen.hasCommand('c1')).toBe(true);
    seen.remember('a day later', 1000 + 25 * HOUR);
    expect(seen.summary().commands).toHaveLength(256);
    expect(seen.hasCommand('later')).toBe(true);
  });

  it('has no ids that nobody can repeat', () => {
    const seen = new Seen();
    for (let i = 0; i < 100; i++) seen.remember(`${AUTOMATIC}${i}`, i);
    expect(seen.summary().commands).toEqual([]);
  });

  it('is bounded and complete in any order of times, also across restarts', () => {
    const step = fc.record({ id: fc.nat({ max: 6000 }), passes: fc.nat({ max: HOUR / 4 }) });
    fc.assert(
      fc.property(fc.array(step, { minLength: 200, maxLength: 1500, size: 'max' }), (steps) => {
        let seen = new Seen();
        const last = new Map<string, number>();
        let now = 0;
        for (const { id, passes } of steps) {
          now += passes;
          const name = `c${id}`;
          if (seen.hasCommand(name)) continue; // it would not be carried out again
          seen.remember(name, now);
          last.delete(name);
          last.set(name, now);
          if (id % 97 === 0) seen = restored(seen);
        }
        expect(seen.summary().commands.length).toBeLessThanOrEqual(4096);
        const due = [...last].filter(([, at], i) => now - at < 24 * HOUR || i >= last.size - 256);
        expect(due.slice(-4096).filter(([id]) => !seen.hasCommand(id))).toEqual([]);
      }),
      { numRuns: 30 },
    );
  });
});

describe('the memory of webhooks', () => {
  it('is the highest number of each queue', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ queueId: fc.uuid(), seq: fc.nat({ max: 50 }) }), { maxLength: 20 }),
        fc.nat({ max: 50 }),
        (hooks, asked) => {
          const seen = new Seen();
          for (const hook of hooks) seen.remember('auto:', 0, hook);
          for (const { queueId } of hooks) {
            const highest = Math.max(
              ...hooks.filter((hook) => hook.queueId === queueId).map((hook) => hook.seq),
            );
            for (const memory of [seen, restored(seen)]) {
              expect(memory.hasHook({ queueId, seq: asked })).toBe(asked <= highest);
            }
          }
        },
      ),
    );
  });

  it('has the 32 latest queues', () => {
    const seen = new Seen();
    const hook = (n: number, seq = 1) => ({ queueId: `queue-${n}`, seq });
    for (let n = 0; n < 32; n++) seen.remember('auto:', 0, hook(n));
    seen.remember('auto:', 0, hook(0, 2));
    seen.remember('auto:', 0, hook(32));
    const kept = restored(seen);
    expect(kept.hasHook(hook(1))).toBe(false);
    expect(kept.hasHook(hook(0, 2))).toBe(true);
    expect(kept.hasHook(hook(32))).toBe(true);
  });
});
