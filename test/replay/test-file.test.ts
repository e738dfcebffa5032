/** The tests that are written of branches run, and fail when something else happens. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WhatIf } from '../../src/replay/what-if.ts';
import { chatClosed, HOUR, receive, sendMessage, startChat } from '../actors/facts.ts';
import { asks, branch } from './branches.ts';

describe('the test of a branch', () => {
  const folder = join(import.meta.dirname, '../actors', `what-if-${process.pid}`);
  beforeAll(() => mkdirSync(folder));
  afterAll(() => rmSync(folder, { recursive: true }));

  const SECRET = 'Do you know my secret?';
  const CASES: Record<string, () => Promise<WhatIf>> = {
    short: () =>
      branch({ revision: 3 }, [
        asks({ ...sendMessage('m7'), body: SECRET }),
        asks(receive('op1', 'o7')),
        asks(startChat('c2')),
        { fact: chatClosed() as never },
        asks({ type: 'ReportSessionFailed', reason: SECRET }),
        asks({ type: 'ReportSessionFailed', reason: SECRET }),
        { wait: 48 * HOUR },
      ]),
    idle: () => branch({ time: Date.UTC(2026, 0, 1) + HOUR / 60 }, [{ wait: 48 * HOUR }]),
    long: () =>
      branch({ revision: 65 }, [asks(startChat('c1', 'm1')), { wait: HOUR }], 'visitor-acme.long'),
    operator: () =>
      branch({ revision: 9 }, [asks({ type: 'Remove' }), { wait: HOUR }], 'operator-acme.op'),
    tenant: () =>
      branch({ revision: 1 }, [asks({ type: 'PauseCallbacks', endpoint: 'e' })], 'tenant-acme'),
  };

  it('runs and passes; with another expectation it fails', async () => {
    for (const [name, make] of Object.entries(CASES)) {
      const { test } = await make();
      expect(test, name).not.toContain('secret');
      writeFileSync(
        join(folder, `${name}.test.ts`),
        test.replace("'./branch.ts'", "'../branch.ts'"),
      );
      if (name !== 'short') continue;
      const wrong = test.replace('["ChatAccepted",', '["ChatStarted",');
      expect(wrong).not.toBe(test);
      writeFileSync(
        join(folder, 'wrong.test.ts'),
        wrong.replace("'./branch.ts'", "'../branch.ts'"),
      );
    }
    const report = join(folder, 'report.json');
    spawnSync(
      process.execPath,
      [
        'node_modules/vitest/vitest.mjs',
        'run',
        '--reporter=json',
        `--outputFile=${report}`,
        '--config',
        'vitest.fast.config.ts',
        folder,
      ],
      { cwd: join(import.meta.dirname, '../..'), encoding: 'utf8' },
    );
    const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as {
      testResults: {
        name: string;
        status: string;
        message: string;
        assertionResults: { failureMessages: string[] }[];
      }[];
    };
    const outcomes = testResults.map(({ name, status, message, assertionResults }) => [
      name.split('/').at(-1),
      status,
      ...(status === 'passed' || name.endsWith('wrong.test.ts')
        ? []
        : [message, assertionResults.flatMap(({ failureMessages }) => failureMessages)]),
    ]);
    expect(outcomes.sort()).toEqual([
      ['idle.test.ts', 'passed'],
      ['long.test.ts', 'passed'],
      ['operator.test.ts', 'passed'],
      ['short.test.ts', 'passed'],
      ['tenant.test.ts', 'passed'],
      ['wrong.test.ts', 'failed'],
    ]);
  });
});
