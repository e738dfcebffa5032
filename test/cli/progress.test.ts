import { expect, test } from 'vitest';
import { createProgressLog } from '../../src/cli/progress.ts';

test('a line when a phase begins, then one every three seconds', () => {
  const lines: string[] = [];
  let time = 0;
  const report = createProgressLog(
    (line) => lines.push(line),
    () => time,
  );
  for (; time <= 6_500; time += 500) report('copying', `${time} events`);
  report('verifying', '1 events');
  report('verifying', '2 events');
  expect(lines).toEqual([
    'copying: 0 events',
    'copying: 3000 events',
    'copying: 6000 events',
    'verifying: 1 events',
  ]);
});
