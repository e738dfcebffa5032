/** The shipped configuration: a client that sends too much is read more slowly, and visitors have their own port. */
import { expect, it } from 'vitest';
import { freePorts } from '../../scripts/ejabberd/ports.ts';
import { testEjabberd } from '../support/ejabberd.ts';
import { connectOperator } from '../support/operator.ts';

const { c2s: visitors } = await freePorts({});
const ejabberd = await testEjabberd({ ports: { visitors } });
for (const user of ['op1', 'visitor.1']) await ejabberd.register(user, 'pw');
const login = { domain: ejabberd.host, password: 'pw', receipts: false };

it('limits operators, and not the sessions of visitors', async () => {
  const operator = await connectOperator({
    ...login,
    service: ejabberd.xmpp,
    username: 'op1',
  });
  const visitor = await connectOperator({
    ...login,
    service: `xmpp://127.0.0.1:${visitors}`,
    username: 'visitor.1',
  });
  // Some 700 kB each; an operator may send 600 kB at once, and then 20 kB a second.
  const texts = Array.from({ length: 12 }, () => 'x'.repeat(60_000));
  for (const text of texts) operator.send(operator.jid, text);
  let isOperatorDone = false;
  const operatorDone = operator.acknowledged().then(() => {
    isOperatorDone = true;
  });
  for (const text of texts) visitor.send(visitor.jid, text);
  await visitor.acknowledged();
  expect(isOperatorDone).toBe(false);
  await operatorDone;
  await operator.waitFor(({ messages }) => messages.length === texts.length);
  for (const client of [operator, visitor]) await client.disconnect();
});
