import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AUTOMATIC,
  MEMORY_MAX_BYTES,
  REPEAT_WINDOW_MS,
  SAID_MEMORY_MAX_MESSAGES,
  type Said,
  Seen,
} from '../../../src/actors/machine/idempotency.ts';
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
    expect(seen.summary().commandHashes).toHaveLength(256);
  });

  it('has all of the last 24 hours, up to 4096', () => {
    const seen = new Seen();
    for (let i = 0; i < 4096; i++) seen.remember(`c${i}`, 1000 + i);
    seen.remember('later', 1000 + 24 * HOUR - 1);
    expect(seen.hasCommand('c0')).toBe(false); // the 4097th
    expect(seen.hasCommand('c1')).toBe(true);
    seen.remember('a day later', 1000 + 25 * HOUR);
    expect(seen.summary().commandHashes).toHaveLength(256);
    expect(seen.hasCommand('later')).toBe(true);
  });

  it('has no ids that nobody can repeat', () => {
    const seen = new Seen();
    for (let i = 0; i < 100; i++) seen.remember(`${AUTOMATIC}${i}`, i);
    expect(seen.summary().commandHashes).toEqual([]);
  });

  it('is bounded in bytes, however long the ids are', () => {
    const seen = new Seen();
    const long = (n: number) => `${n}:`.padEnd(1024, 'x');
    const last = Date.UTC(2100, 0);
    for (let n = 0; n <= 5000; n++) {
      const hook = { queueId: long(n), seq: Number.MAX_SAFE_INTEGER };
      const stream = { session: long(n), resumptions: Number.MAX_SAFE_INTEGER };
      const said = { key: long(n), at: last + n, ...stream };
      seen.remember(long(n), last + n, { hook, said, request: '1234567890' });
    }
    const { commandHashes, queueHashes, said } = seen.summary();
    expect([commandHashes.length, queueHashes.length, said?.length]).toEqual([4096, 32, 256]);
    const bytes = JSON.stringify(seen.summary()).length;
    expect(bytes).toBeLessThanOrEqual(MEMORY_MAX_BYTES);
    expect(bytes).toBeGreaterThan(MEMORY_MAX_BYTES * 0.9);
    expect(restored(seen).hasCommand(long(5000))).toBe(true);
    expect(restored(seen).hasHook({ queueId: long(5000), seq: 1 })).toBe(true);
  });

  it('has the highest number of a queue, from a summary or its own', () => {
    const ofQueue = (seq: number) => {
      const seen = new Seen();
      seen.remember(`c${seq}`, seq, { hook: { queueId: 'q', seq } });
      return seen;
    };
    for (const [own, summary] of [
      [3, 9],
      [9, 3],
    ] as const) {
      const seen = ofQueue(own);
      seen.merge(ofQueue(summary).summary());
      expect(seen.hasHook({ queueId: 'q', seq: 9 })).toBe(true);
    }
  });

  it('knows the ids of a summary of release 0.1.0, which are not hashed', () => {
    const seen = new Seen();
    seen.remember('new', 5, { hook: { queueId: 'q1', seq: 9 } });
    seen.merge({
      commands: [
        ['msg:1', 1],
        ['0123456789abcdef', 2],
      ],
      hooks: { q1: 3, q2: 4 },
    });
    for (const memory of [seen, restored(seen)]) {
      for (const id of ['msg:1', '0123456789abcdef', 'new']) {
        expect(memory.hasCommand(id), id).toBe(true);
      }
      expect(memory.hasHook({ queueId: 'q1', seq: 9 })).toBe(true);
      expect(memory.hasHook({ queueId: 'q2', seq: 4 })).toBe(true);
      expect(memory.hasHook({ queueId: 'q2', seq: 5 })).toBe(false);
    }
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
        expect(seen.summary().commandHashes.length).toBeLessThanOrEqual(4096);
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
          for (const hook of hooks) seen.remember('auto:', 0, { hook });
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
    for (let n = 0; n < 32; n++) seen.remember('auto:', 0, { hook: hook(n) });
    seen.remember('auto:', 0, { hook: hook(0, 2) });
    seen.remember('auto:', 0, { hook: hook(32) });
    const kept = restored(seen);
    expect(kept.hasHook(hook(1))).toBe(false);
    expect(kept.hasHook(hook(0, 2))).toBe(true);
    expect(kept.hasHook(hook(32))).toBe(true);
  });
});

describe('the memory of what was said', () => {
  const saying = fc.record({
    key: fc.constantFrom('1/Hello', '2/Bye'),
    session: fc.constantFrom('s', 't', undefined),
    resumptions: fc.nat({ max: 2 }),
    unique: fc.boolean(),
    passes: fc.nat({ max: REPEAT_WINDOW_MS }),
  });

  it('calls a repeat only what comes on another stream, soon, and from the same session or with an id like no other', () => {
    fc.assert(
      fc.property(fc.array(saying, { maxLength: 30 }), (sayings) => {
        let seen = new Seen();
        let at = 0;
        const before = new Map<string, Said>();
        for (const { key, session, resumptions, unique, passes } of sayings) {
          at += passes;
          const said: Said = { key, at, resumptions, unique, ...(session && { session }) };
          const last = before.get(key);
          const isSoon = last !== undefined && at - last.at <= REPEAT_WINDOW_MS;
          const isSame = session !== undefined && last?.session === session;
          const isResumed = isSame && (last.resumptions ?? 0) < resumptions;
          expect(seen.wasSaid(said)).toBe(isSoon && (isResumed || (!isSame && unique)));
          if (seen.wasSaid(said)) continue; // it would not be carried out
          seen.remember('auto:', at, { said });
          before.set(key, said);
          if (passes % 3 === 0) seen = restored(seen);
        }
      }),
    );
  });

  it('is bounded in number and time, and survives a summary', () => {
    const seen = new Seen();
    const said = (n: number, resumptions: number): Said => ({
      key: `${n}`,
      at: n,
      session: 's',
      resumptions,
    });
    for (let n = 0; n <= SAID_MEMORY_MAX_MESSAGES; n++) {
      seen.remember('auto:', n, { said: said(n, 0) });
    }
    for (const memory of [seen, restored(seen)]) {
      expect(memory.wasSaid(said(0, 1))).toBe(false);
      expect(memory.wasSaid(said(1, 1))).toBe(true);
      memory.remember('auto:', 0, { said: said(2 * REPEAT_WINDOW_MS, 0) });
      expect(memory.summary().said).toHaveLength(1);
    }
  });

  it('takes newer sayings before those of a summary', () => {
    const older = new Seen();
    older.remember('auto:', 1, { said: { key: 'k', at: 1, session: 's', resumptions: 0 } });
    const seen = new Seen();
    seen.remember('auto:', 2, { said: { key: 'k', at: 2, session: 's', resumptions: 1 } });
    seen.merge(older.summary());
    expect(seen.wasSaid({ key: 'k', at: 2, session: 's', resumptions: 1 })).toBe(false);
    expect(seen.wasSaid({ key: 'k', at: 2, session: 's', resumptions: 2 })).toBe(true);
  });
});
