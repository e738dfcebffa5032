import pino, { type Logger } from 'pino';
import { afterEach, expect, it, vi } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import {
  CONVERSATIONS_COUNTED,
  createReturns,
  RETURN_RATE,
  RETURN_RETRY,
  RETURN_TRIES,
  RETURNS_AT_ONCE,
} from '../../../src/reactors/lhc/returns.ts';
import { fakeEjabberd } from '../../support/fake-ejabberd.ts';
import { silent } from '../../support/rig.ts';
import { seeded } from '../../support/seeded.ts';
import { waitFor } from '../../support/wait.ts';

afterEach(() => void vi.useRealTimers());

const returnsOf = (
  { admin }: ReturnType<typeof fakeEjabberd>,
  monotonic: () => number = () => Date.now(),
  logger: Logger = silent,
) => createReturns({ admin, monotonic, random: () => 0.5, logger });

const stanza = (name: string, id = 'a') => ({
  tenant: 'main',
  sender: `${name}@xmpp.test/desk`,
  addressee: 'visitor.nobody@xmpp.test',
  id,
  condition: 'item-not-found' as const,
  reason: 'Not delivered: this visitor is not known.',
});

it('each sender gets a few errors at once, and more with time', async () => {
  const ejabberd = fakeEjabberd();
  let now = 0;
  const { returned: giveBack } = returnsOf(ejabberd, () => now);
  for (let i = 0; i < 100; i++) giveBack(stanza('op1', `m${i}`));
  giveBack({ ...stanza('OP1'), sender: 'OP1@xmpp.test/phone' }); // the same account
  giveBack(stanza('op2'));
  const to = (name: string) => ejabberd.returned.filter((each) => each.to.startsWith(name));
  await waitFor(() => to('op2').length === 1);
  expect(to('op1')).toHaveLength(RETURN_RATE.burst);
  expect(to('op1')[0]).toEqual({
    from: 'visitor.nobody@xmpp.test',
    to: 'op1@xmpp.test/desk',
    id: 'm0',
    condition: 'item-not-found',
    reason: 'Not delivered: this visitor is not known.',
  });
  now = 1000 / RETURN_RATE.perSecond;
  giveBack(stanza('op1', 'later'));
  giveBack(stanza('op1', 'dropped'));
  await waitFor(() => to('op1').at(-1)?.id === 'later');
});

it('an ejabberd that is away or hangs holds up nobody', async () => {
  const ejabberd = fakeEjabberd();
  const { returned: giveBack } = returnsOf(ejabberd, () => 0);
  const hanging = Promise.withResolvers<void>();
  ejabberd.state.before = () => hanging.promise;
  for (let i = 0; i < 100; i++) giveBack(stanza(`op${i}`));
  expect(ejabberd.count('returnMessage')).toBe(RETURNS_AT_ONCE);
  hanging.reject(new AppError('unavailable', 'ejabberd is away'));
  ejabberd.state.before = async () => {};
  await waitFor(() => {
    giveBack(stanza('op200'));
    return ejabberd.returned.length > 0;
  });
});

/** Messages that the errors account for. */
const accounted = (reasons: readonly string[]): number => {
  const more = reasons.flatMap((reason) => [...reason.matchAll(/Not delivered either: (\d+)/g)]);
  return more.reduce((sum, [, count]) => sum + Number(count), reasons.length);
};

it('what is too much for the rate is counted in the error for the last one, for each conversation', async () => {
  vi.useFakeTimers();
  const ejabberd = fakeEjabberd();
  const { returned: giveBack } = returnsOf(ejabberd);
  for (let i = 0; i < 360; i++) {
    giveBack({ ...stanza('op1', `m${i}`), addressee: `visitor.${i % 3}@xmpp.test` });
  }
  giveBack({ ...stanza('op1', 'other'), tenant: 'second' }); // another tenant's is not held up
  await vi.advanceTimersByTimeAsync(0);
  expect(ejabberd.returned.map(({ id }) => id)).toContain('other');
  await vi.advanceTimersByTimeAsync(60_000);
  const own = ejabberd.returned.filter(({ id }) => id !== 'other');
  expect(own).toHaveLength(RETURN_RATE.burst + 3);
  expect(
    own
      .slice(-3)
      .map(({ id }) => id)
      .sort(),
  ).toEqual(['m357', 'm358', 'm359']);
  expect(own.at(-1)?.reason).toMatch(
    /^Not delivered: .* Not delivered either: \d+ before it in this conversation/,
  );
  expect(accounted(own.map(({ reason }) => reason))).toBe(360);
});

it('no stanza is left out, over many conversations and a failure of ejabberd', async () => {
  vi.useFakeTimers();
  const ejabberd = fakeEjabberd();
  const { returned: giveBack } = returnsOf(ejabberd);
  ejabberd.state.before = async () => {
    throw new AppError('unavailable', 'ejabberd is away');
  };
  const most = 10 * CONVERSATIONS_COUNTED;
  for (let i = 0; i < most; i++) {
    giveBack({ ...stanza('op1', `m${i}`), addressee: `visitor.${i}@xmpp.test` });
    if (i % 20 === 19) await vi.advanceTimersByTimeAsync(1);
  }
  expect(ejabberd.returned).toEqual([]);
  ejabberd.state.before = async () => {};
  await vi.advanceTimersByTimeAsync(30 * 60_000);
  expect(ejabberd.returned.length).toBeLessThanOrEqual(RETURN_RATE.burst + CONVERSATIONS_COUNTED);
  expect(accounted(ejabberd.returned.map(({ reason }) => reason))).toBe(most);
});

it('an ejabberd that stays away is given up after some tries', async () => {
  vi.useFakeTimers();
  const ejabberd = fakeEjabberd();
  const { returned: giveBack } = returnsOf(ejabberd);
  ejabberd.state.before = async () => {
    throw new AppError('unavailable', 'ejabberd is away');
  };
  giveBack(stanza('op1'));
  await vi.advanceTimersByTimeAsync(60 * 60_000);
  expect(ejabberd.count('returnMessage')).toBe(RETURN_TRIES);
});

it('a stop sends the error of every conversation, whatever the rate', async () => {
  const ejabberd = fakeEjabberd();
  const { returned, stop } = returnsOf(ejabberd, () => performance.now());
  const senders = 40;
  for (let i = 0; i < 100 * senders; i++) {
    const visitor = `visitor.${i % 7}@xmpp.test`;
    returned({ ...stanza(`op${i % senders}`, `m${i}`), addressee: visitor });
  }
  await stop(5_000);
  expect(accounted(ejabberd.returned.map(({ reason }) => reason))).toBe(100 * senders);
  returned(stanza('op1', 'late')); // a request that was cut off: mod_lhc sends it again
  expect(ejabberd.returned.some(({ id }) => id === 'late')).toBe(false);
});

it('a stop waits for an ejabberd that hangs as long as it may, and says what was lost', async () => {
  const ejabberd = fakeEjabberd();
  const warnings: unknown[] = [];
  const logger = pino({ level: 'warn' }, { write: (line) => void warnings.push(JSON.parse(line)) });
  const { returned, stop } = returnsOf(ejabberd, () => performance.now(), logger);
  ejabberd.state.before = () => new Promise(() => undefined);
  for (let i = 0; i < 100; i++) returned(stanza(`op${i % 3}`, `m${i}`));
  await stop(200);
  expect(warnings).toMatchObject([{ stanzas: 100, reason: 'the service stops' }]);
});

it('accounts whose errors failed together do not try again together', async () => {
  vi.useFakeTimers();
  const ejabberd = fakeEjabberd();
  const { admin } = ejabberd;
  const random = seeded(7);
  const { returned } = createReturns({ admin, monotonic: Date.now, random, logger: silent });
  ejabberd.state.before = async () => {
    throw new AppError('unavailable', 'ejabberd is away');
  };
  for (let i = 0; i < RETURNS_AT_ONCE; i++) returned(stanza(`op${i}`));
  await vi.advanceTimersByTimeAsync(0);
  const times: number[] = [];
  ejabberd.state.before = async () => void times.push(Date.now());
  await vi.advanceTimersByTimeAsync(RETURN_RETRY.firstMs);
  expect(times).toHaveLength(RETURNS_AT_ONCE);
  expect(new Set(times).size).toBeGreaterThan(RETURNS_AT_ONCE / 2);
});
