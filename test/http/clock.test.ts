import { expect, test } from 'vitest';
import { CLOCK_SEEN_MS, clockCheck } from '../../src/http/webhook/clock-check.ts';
import { createWebhookReceipts } from '../../src/http/webhook/receipts.ts';
import { createClock, FOLLOW_AFTER_MS } from '../../src/kit/clock.ts';
import { CLOCK_JUMP_TOLD_MS, clockJumpOf } from '../../src/service/health.ts';
import { ADMIN, fakeApp } from './fakes.ts';

const START = Date.parse('2026-01-01T00:00:00Z');

test('/readyz says that the clock was set, to the administrator alone, and stays ready', async () => {
  const { ask } = fakeApp({ clockJump: () => 'the clock was set' });
  expect(await ask('GET', '/readyz', { key: ADMIN })).toMatchObject({
    status: 200,
    json: { checks: { clock: { ok: false, reason: 'the clock was set' } } },
  });
  const anybody = await ask('GET', '/readyz', { key: null });
  expect(anybody.json).toMatchObject({ status: 'ready', checks: { clock: { ok: false } } });
  expect(JSON.stringify(anybody.json)).not.toContain('was set');
});

test("a clock that differs from ejabberd's by minutes is told for an hour", async () => {
  let now = START;
  const receipts = createWebhookReceipts(
    () => true,
    () => now,
  );
  const check = clockCheck(
    receipts.view,
    () => null,
    () => now,
  );
  const event = { host: 'xmpp.test', type: 'operator.ping' };
  receipts.onAccepted([event], START / 1000 - 119);
  await check();
  receipts.onAccepted([event], START / 1000 - 250);
  await expect(check()).rejects.toThrow(/clock \(xmpp.test\) is 250 s behind ours; at 300 s/);
  now += CLOCK_SEEN_MS;
  await check();
  receipts.onRefused(now / 1000 + 5);
  await check();
  receipts.onRefused(now / 1000 + 400);
  await expect(check()).rejects.toThrow(/last webhook that was refused is 400 s ahead of/);
  // Whoever signs nothing tells no time, and does not keep the fault alive.
  now += CLOCK_SEEN_MS;
  receipts.onRefused(null);
  await check();
});

test('a jump of the clock of this machine is told, before it is followed and after', () => {
  const time = { passed: 0, setBy: 0 };
  const clock = createClock(
    () => START + time.passed + time.setBy,
    () => time.passed,
  );
  expect(clockJumpOf(clock)).toBeNull();
  time.setBy = -7_200_000;
  expect(clockJumpOf(clock)).toMatch(
    /set back by 7200 s, 0 min ago; the service follows it after 10 min/,
  );
  time.passed += FOLLOW_AFTER_MS;
  expect(clockJumpOf(clock)).toMatch(/set back by 7200 s, 10 min ago; the service follows it$/);
  time.passed += CLOCK_JUMP_TOLD_MS;
  expect(clockJumpOf(clock)).toBeNull();
});
