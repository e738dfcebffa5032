import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type Check, ok, problem, runChecks, warning } from '../../src/doctor/check.ts';
import { reportOf, textOf } from '../../src/doctor/report.ts';
import { AppError } from '../../src/errors.ts';

const check = (name: string, run: Check['run']): Check => ({ name, run });
const good = (name: string) => check(name, async () => [ok('fine')]);

describe('running checks', () => {
  it('runs all of them and keeps their order, whatever happens in one', async () => {
    const results = await runChecks([
      good('first'),
      check('throws', async () => {
        throw new AppError('unavailable', 'it is away');
      }),
      check('breaks', async () => {
        throw new TypeError('a defect');
      }),
      good('last'),
    ]);
    expect(results.map(({ check, status, message }) => [check, status, message])).toEqual([
      ['first', 'ok', 'fine'],
      ['throws', 'problem', 'it is away'],
      ['breaks', 'problem', 'a defect'],
      ['last', 'ok', 'fine'],
    ]);
    expect(results[2]?.advice).toMatch(/defect of the doctor/);
  });

  it('gives each check its deadline, and waits while late checks clean up', async () => {
    let cleaned = false;
    const results = await runChecks(
      [
        check('hangs', async (signal) => {
          try {
            await delay(60_000, undefined, { signal });
          } finally {
            await delay(50);
            cleaned = true;
          }
          return [];
        }),
        check('never ends', () => new Promise(() => {})),
        good('last'),
      ],
      { deadlineMs: 100, cleanupMs: 500, concurrency: 1 },
    );
    expect(results.map(({ status }) => status)).toEqual(['problem', 'problem', 'ok']);
    expect(results[0]?.message).toBe('no answer within 0.1 s');
    expect(cleaned).toBe(true);
  });
});

describe('the report', () => {
  it('has the worst status, counts, and what to do', () => {
    const report = reportOf([
      { check: 'a', ...ok('fine') },
      { check: 'b', ...warning('hm\n', 'look at it') },
    ]);
    expect(report).toMatchObject({ status: 'warning', counts: { ok: 1, warning: 1, problem: 0 } });
    expect(textOf(report)).toBe(
      'ok      a: fine\nWARNING b: hm\n        -> look at it\n\n1 ok, 1 warning, 0 problems',
    );
    expect(reportOf([]).status).toBe('ok');
    const worse = reportOf([
      { check: 'a', ...warning('hm', 'look at it') },
      { check: 'b', ...problem('no', 'mend it') },
      { check: 'c', ...ok('fine') },
    ]);
    expect([worse.status, worse.counts.problem]).toEqual(['problem', 1]);
  });
});
