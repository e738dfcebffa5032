/** Requests that fail are in the log, and many of them do not fill it. */
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { LINE_RATE } from '../../../src/kit/line-budget.ts';
import { fakeApp, KEYS, visitorsThat } from '../fakes.ts';

function failingApp(error: () => Error) {
  const lines: { level: number; tenant: string; msg: string }[] = [];
  const { ask } = fakeApp({
    logger: pino({ level: 'warn' }, { write: (line) => lines.push(JSON.parse(line)) }),
    actors: visitorsThat(async () => {
      throw error();
    }),
  });
  const view = (tenant: 'acme' | 'beta') =>
    ask('POST', `/v1/${tenant}/visitors/7/page-views`, { key: KEYS[tenant], body: { page: '/' } });
  return { view, lines };
}
const MANY = LINE_RATE.burst * 5;

test('a tenant who gets 503 a thousand times causes a few lines, and hides nobody else’s', async () => {
  const { view, lines } = failingApp(() => new AppError('unavailable', 'the store is away'));
  for (let n = 0; n < MANY; n++) expect((await view('acme')).status).toBe(503);
  await view('beta');
  const of = (tenant: string) => lines.filter((line) => line.tenant === tenant).length;
  expect(of('acme')).toBeGreaterThanOrEqual(LINE_RATE.burst);
  expect(of('acme')).toBeLessThan(LINE_RATE.burst * 2);
  expect(of('beta')).toBe(1);
  expect(new Set(lines.map(({ msg }) => msg))).toEqual(new Set(['unavailable']));
});

test('each defect is a line', async () => {
  const { view, lines } = failingApp(() => new Error('a defect'));
  for (let n = 0; n < MANY; n++) expect((await view('acme')).status).toBe(500);
  expect(lines.map(({ level, msg }) => [level, msg])).toEqual(Array(MANY).fill([50, 'internal']));
});
