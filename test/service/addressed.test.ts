/** LHC picks the operators itself: what their clients show, and who has the chat (docs/adr/0037). */
import { expect, it } from 'vitest';
import { freePorts } from '../../scripts/ejabberd/ports.ts';
import type { Operator } from '../support/operator.ts';
import { testWorld } from '../support/test-world.ts';

const SECRET = 'legacy-secret-1';
const { http: port } = await freePorts({});
const world = await testWorld({
  tenants: [{ id: 'acme', host: 'xmpp.test', settings: { routing: { by: 'lhc' } } }],
  environment: { LEGACY_LISTEN: `127.0.0.1:${port}`, LEGACY_SECRET_KEY: SECRET },
});
const acme = world.tenant('acme');
await acme.register('olga', { capacity: 1 });
await acme.register('pia', { capacity: 1 });
const olga = await acme.connect('olga');
const pia = await acme.connect('pia');
await acme.operatorIs('olga', 'available');
await acme.operatorIs('pia', 'available');

/** LHC's calls for one message of a visitor, one for each operator. */
async function say(visitor: string, message: string, operators: string[], chat = '41') {
  for (const operator of operators) {
    const response = await fetch(`http://127.0.0.1:${port}/xmpp-send-message`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        // LHC knows the host, and not where the service shows visitors.
        jid: `visitor.${visitor}@xmpp.test`,
        pass: '58fb5e0aeac7a4935ca4',
        host: 'localhost',
        operator_username: acme.operatorJid(operator),
        message,
        nick: `Anna Bell #${chat}`,
        status: 'Sales\n| /shoes\n| Active chat',
        secret_key: SECRET,
      }),
    });
    expect(await response.text()).toBe('ok');
  }
}
const read = (operator: Operator, visitor = '7') =>
  operator.messages.filter(({ from }) => from.startsWith(acme.visitorJid(visitor)));
const reads = (operator: Operator, text: RegExp, visitor?: string) =>
  operator.waitFor(
    () => read(operator, visitor).find(({ body, lines }) => text.test(`${body}\n${lines}`)),
    `${text}`,
  );
const answered = (id: string) => acme.callback('chat.message', ({ message }) => message.id === id);

it('each operator reads what LHC addresses to them, once; the first to answer has it until LHC picks another', async () => {
  await say('7', 'Do you have these in 43?', ['olga', 'pia']);
  const [first, second] = [await reads(olga, /in 43/), await reads(pia, /in 43/)];
  expect(first.id).toBe(second.id);
  expect(first.lines).toMatch(
    /^New chat #41 for Sales\. The first to reply gets it\.\nVisitor Anna/,
  );

  const yes = await olga.sendAndAck(acme.visitorJid('7'), 'Yes, we do.');
  await answered(yes);
  await reads(pia, /olga has taken chat #41/);
  await pia.sendAndAck(acme.visitorJid('7'), 'Me too');
  await reads(pia, /Not delivered: this chat belongs to olga/);

  // In the meantime the service dies, and LHC has another owner.
  await world.service.kill();
  await world.service.start();
  await say('7', 'Great', ['pia']);
  const great = await reads(pia, /^Great/);
  expect(great.lines).toMatch(/^LHC sends you chat #41 for Sales, which olga has answered/);
  expect(great.lines).toMatch(/olga: Yes, we do\.$/);
  await answered(await pia.sendAndAck(acme.visitorJid('7'), 'I am with you now.'));
  await reads(olga, /pia has taken chat #41/);
  await pia.sendAndAck(acme.visitorJid('7'), '!transfer olga');
  await reads(pia, /!transfer: LHC picks the operators of this chat; transfer it in LHC/);

  await world.idle();
  const words = (operator: Operator) =>
    read(operator).flatMap(({ body, lines }) => (body === lines ? [] : body));
  expect(words(olga)).toEqual(['Do you have these in 43?']);
  expect(words(pia)).toEqual(['Do you have these in 43?', 'Great']);
});

it('an operator who is offline finds it when they are back, with a chat beyond their capacity', async () => {
  await olga.disconnect();
  await acme.operatorIs('olga', 'offline');
  await say('8', 'Anyone there?', ['olga', 'pia'], '42');
  await reads(pia, /Anyone there/, '8');
  const back = await acme.connect('olga');
  await reads(back, /Anyone there/, '8');
  await say('9', 'Hello', ['pia'], '43');
  await answered(await pia.sendAndAck(acme.visitorJid('9'), 'Hi'));
  await answered(await back.sendAndAck(acme.visitorJid('8'), 'I am here.'));
  const { operator } = await acme.ask('GET', '/chats/42');
  expect(operator).toBe('olga');
  expect((await acme.ask('GET', '/queue')).items).toEqual([]);
});
