/** When mod_lhc takes a client for silent, and when it ends its session. */
import { afterAll, afterEach, expect, it } from 'vitest';
import { FAST_OPERATORS, testEjabberd } from '../support/ejabberd.ts';
import { connectOperator } from '../support/operator.ts';
import { waitFor } from '../support/wait.ts';
import { startReceiver } from './receiver.ts';

const receiver = await startReceiver();
const PINGS = { ...FAST_OPERATORS, ping_interval: 1, ping_timeout: 1 };
const at = async (options: Readonly<Record<string, unknown>>) => {
  const ejabberd = await testEjabberd({
    webhook: { url: receiver.url, secret: receiver.secret },
    modLhc: { ...PINGS, ...options },
  });
  for (const user of ['op1', 'op2']) await ejabberd.registerOperator(user, 'pw');
  return { service: ejabberd.xmpp, domain: ejabberd.host, password: 'pw' };
};
/** A client that sends nothing. */
const HANGS = { answerPings: false, receipts: false } as const;

afterEach(() => expect(receiver.faults).toEqual([]));
afterAll(() => receiver.close());

it('silence soon after the login counts for nothing', async () => {
  const login = await at({ ping_grace: 3600 });
  const hanging = await connectOperator({ ...login, ...HANGS, username: 'op1', resource: 'early' });
  const alive = await connectOperator({ ...login, username: 'op2', resource: 'beside' });
  // Pings of both clients come in the same rhythm, so the time for the other one's answer is over.
  const answers = () => receiver.ofType('operator.ping').filter(({ user }) => user === 'op2');
  await waitFor(() => answers().length >= 4, { what: 'four answers' });
  expect(
    receiver.ofType('operator.ping_timeout').filter(({ resource }) => resource === 'early'),
  ).toEqual([]);
  await hanging.disconnect();
  await alive.disconnect();
});

it('a client without stream management that sends nothing for long is disconnected; one with it may resume', async () => {
  const login = await at({ ping_grace: 1, silence_timeout: 3 });
  const pending = await connectOperator({
    ...login,
    username: 'op1',
    resource: 'pending',
    streamManagement: 'resume',
  });
  pending.drop();
  const hanging = await connectOperator({ ...login, ...HANGS, username: 'op2', resource: 'dead' });
  await receiver.event('operator.ping_timeout', ({ resource }) => resource === 'dead');
  await receiver.event('operator.disconnected', ({ resource }) => resource === 'dead');
  await hanging.waitFor(({ lost }) => lost, 'the end of the stream');
  expect(String(hanging.lost?.message)).toContain('connection-timeout');
  await receiver.event('operator.ping_timeout', ({ resource }) => resource === 'pending');
  expect(
    receiver.ofType('operator.disconnected').filter(({ resource }) => resource === 'pending'),
  ).toEqual([]);
});
