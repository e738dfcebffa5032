import { afterEach, expect, it, vi } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import {
  CONVERSATIONS_COUNTED,
  createReturns,
  RETURN_RATE,
  RETURN_TRIES,
  RETURNS_AT_ONCE,
} from '../../../src/reactors/lhc/returns.ts';
import { fakeEjabberd } from '../../support/fake-ejabberd.ts';
import { silent } from '../../support/rig.ts';
import { waitFor } from '../../support/wait.ts';

afterEach(() => void vi.useRealTimers());

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
  const giveBack = createReturns({ admin: ejabberd.admin, monotonic: () => now, logger: silent });
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
  const giveBack = createReturns({ admin: ejabberd.admin, monotonic: () => 0, logger: silent });
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
  const giveBack = createReturns({
    admin: ejabberd.admin,
    monotonic: () => Date.now(),
    logger: silent,
  });
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
  const giveBack = createReturns({
    admin: ejabberd.admin,
    monotonic: () => Date.now(),
    logger: silent,
  });
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
  const giveBack = createReturns({
    admin: ejabberd.admin,
    monotonic: () => Date.now(),
    logger: silent,
  });
  ejabberd.state.before = async () => {
    throw new AppError('unavailable', 'ejabberd is away');
  };
  giveBack(stanza('op1'));
  await vi.advanceTimersByTimeAsync(60 * 60_000);
  expect(ejabberd.count('returnMessage')).toBe(RETURN_TRIES);
});
