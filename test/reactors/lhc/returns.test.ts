import { expect, it } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { createReturns, RETURN_RATE, RETURNS_AT_ONCE } from '../../../src/reactors/lhc/returns.ts';
import { fakeEjabberd } from '../../support/fake-ejabberd.ts';
import { silent } from '../../support/rig.ts';
import { waitFor } from '../../support/wait.ts';

const stanza = (name: string, id = 'a') => ({
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
