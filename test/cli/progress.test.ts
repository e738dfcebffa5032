import { expect, test } from 'vitest';
import { createProgressDisplay } from '../../src/cli/progress.ts';
import type { Progress } from '../../src/eventstore/migration/migrate.ts';
import type { Position } from '../../src/eventstore/port.ts';

const rig = (isTTY: boolean) => {
  let written = '';
  let time = 0;
  const write = (text: string | Uint8Array): boolean => {
    written += String(text);
    return true;
  };
  const display = createProgressDisplay({ out: { isTTY, write }, now: () => time });
  const at = (ms: number, phase: Progress['phase'], events: number, from = 0): void => {
    time = ms;
    const position = (n: number) => `sqlite:a1b2:${n}` as Position;
    const progress = { phase, events, at: position(from + events), end: position(1_000) };
    display.update({ ...progress, from: from === 0 ? undefined : position(from) });
  };
  return { display, at, written: () => written };
};

test('on a terminal: one line that is written over, and a new one for each phase', () => {
  const { display, at, written } = rig(true);
  at(0, 'copying', 1);
  at(50, 'copying', 100);
  at(1_000, 'copying', 250);
  at(61_000, 'copying', 500);
  at(61_010, 'verifying', 1);
  display.done();
  display.done();
  expect(written().replaceAll('\r\x1b[K', '\n')).toBe(
    [
      '\ncopying …',
      'copying [########......................] 25 % of some 1000, 250 events, 250/s, 0:03 left',
      'copying [###############...............] 50 % of some 1000, 500 events, 8/s, 1:01 left\n',
      'verifying …\n',
    ].join('\n'),
  );
});

test('elsewhere: a line every three seconds; what was there already does not count', () => {
  const { display, at, written } = rig(false);
  for (let ms = 0; ms <= 6_500; ms += 500) at(ms, 'copying', ms / 500, 900);
  display.done();
  expect(written().split('\n')).toEqual([
    'copying …',
    'copying [##............................] 6 % of some 100, 6 events, 2/s, 0:47 left',
    'copying [####..........................] 12 % of some 100, 12 events, 2/s, 0:44 left',
    '',
  ]);
});
