/** A full queue of mod_lhc: ephemeral events are dropped first, and an operator learns which messages are refused. */
import { afterAll, expect, it } from 'vitest';
import { FAST_OPERATORS, testEjabberd } from '../support/ejabberd.ts';
import { connectOperator } from '../support/operator.ts';
import { waitFor } from '../support/wait.ts';
import { startReceiver } from './receiver.ts';

const bound = 40;
const receiver = await startReceiver();
const ejabberd = await testEjabberd({
  webhook: { url: receiver.url, secret: receiver.secret },
  modLhc: {
    ...FAST_OPERATORS,
    max_queue: bound,
    max_backoff: 1,
    batch_size: 7,
    ping_interval: 3600,
  },
});
await ejabberd.register('visitor.1', 'pw');
await ejabberd.registerOperator('op1', 'pw');
const login = { service: ejabberd.xmpp, domain: ejabberd.host, password: 'pw' };
const visitorJid = `visitor.1@${ejabberd.host}`;
afterAll(() => receiver.close());

it('drops chat states first, then refuses messages, and loses no accepted message', async () => {
  const visitor = await connectOperator({ ...login, username: 'visitor.1' });
  const operator = await connectOperator({ ...login, username: 'op1', streamManagement: true });
  await receiver.event('operator.presence');
  receiver.answer(503);
  for (let n = 0; n < 3 * bound; n += 1) operator.chatState(visitorJid, 'composing');
  await operator.acknowledged();
  // However many chat states wait, as many messages fit as without them.
  const sent = Array.from({ length: 2 * bound }, (_, n) => `full-${n}`);
  for (const id of sent) operator.send(visitorJid, `text ${id}`, id);
  await operator.acknowledged();
  operator.chatState(visitorJid, 'paused');
  await operator.acknowledged();

  const refused = operator.errors.map(({ attrs }) => attrs.id ?? '');
  expect(refused.length).toBeGreaterThan(0);
  const accepted = sent.filter((id) => !refused.includes(id));
  expect(accepted).toEqual(sent.slice(0, accepted.length));
  expect(accepted.length).toBeGreaterThanOrEqual(bound - 3);
  expect(accepted.length).toBeLessThanOrEqual(bound);
  for (const error of operator.errors) {
    expect(error.attrs).toMatchObject({ from: visitorJid, type: 'error' });
    const condition = error.getChild('error');
    expect(condition?.attrs.type).toBe('wait');
    expect(condition?.getChild('resource-constraint')).toBeDefined();
  }
  // Refused messages do not reach the visitor.
  await visitor.waitFor(({ messages }) => messages.length >= accepted.length);
  expect(visitor.messages.map(({ id }) => id)).toEqual(accepted);

  receiver.answer(204);
  await receiver.event('message', ({ id }) => id === accepted.at(-1), 10_000);
  expect(receiver.ofType('message').map(({ id }) => id)).toEqual(accepted);
  const states = receiver.ofType('chat_state');
  expect(states.length).toBeGreaterThan(0);
  expect(states.length).toBeLessThan(bound);
  expect(states.some(({ state }) => state === 'paused')).toBe(false);
  expect(receiver.batches.every(({ events }) => events.length <= 7)).toBe(true);

  await operator.sendAndAck(visitorJid, 'there is room again', 'again');
  await receiver.event('message', ({ id }) => id === 'again', 10_000);
  expect(operator.errors).toHaveLength(refused.length);
  expect(receiver.faults).toEqual([]);
  await operator.disconnect();
  await visitor.disconnect();
});

it('reports an overflow and all sessions when events of sessions were lost', async () => {
  const operator = await connectOperator({ ...login, username: 'op1' });
  await receiver.event('operator.presence', ({ show }) => show === 'available');
  const seen = receiver.events.length;
  receiver.answer(503);
  // Each session is three events.
  for (let n = 0; n < bound; n += 1) {
    const guest = await connectOperator({ ...login, username: 'op1', presence: false });
    await guest.disconnect();
  }
  operator.setPresence('away', 'the last');
  await operator.acknowledged();
  receiver.answer(204);
  const started = await receiver.event(
    'module.started',
    ({ reason }) => reason === 'overflow',
    10_000,
  );
  await waitFor(() => receiver.events.at(-1)?.type === 'operator.presence');
  const after = receiver.events.slice(receiver.events.indexOf(started));
  expect(after).toMatchObject([
    { type: 'module.started', reason: 'overflow', instance: '' },
    { type: 'operator.connected', user: 'op1' },
    { type: 'operator.presence', show: 'away', status: 'the last' },
  ]);
  expect(receiver.events.length - seen).toBeLessThan(2 * bound);
  expect(receiver.faults).toEqual([]);
  await operator.disconnect();
});
