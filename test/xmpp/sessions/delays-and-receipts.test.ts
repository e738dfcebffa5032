/** Delayed messages, notices of the service, receipts and markers, on a real ejabberd. */
import xml from '@xmpp/xml';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createEjabberdAdmin } from '../../../src/xmpp/admin/admin.ts';
import { createAccountsTransport } from '../../../src/xmpp/sessions/accounts.ts';
import { startReceiver } from '../../ejabberd/receiver.ts';
import { testEjabberd } from '../../support/ejabberd.ts';
import { connectOperator, type Operator } from '../../support/operator.ts';

const receiver = await startReceiver();
const ejabberd = await testEjabberd({ webhook: { url: receiver.url, secret: receiver.secret } });
const admin = createEjabberdAdmin({ url: ejabberd.apiUrl, ...ejabberd.api });
const operatorJid = `op1@${ejabberd.host}`;
const jid = `visitor.1@${ejabberd.host}`;
const transport = createAccountsTransport({
  service: ejabberd.xmpp,
  passwordOf: () => 'secret',
  logger: pino({ level: 'silent' }),
});
let operator: Operator;
/** 12:34:56.789 UTC. */
const earlier = Date.UTC(2026, 0, 2, 12, 34, 56, 789);

const login = (): Promise<Operator> =>
  connectOperator({
    service: ejabberd.xmpp,
    domain: ejabberd.host,
    username: 'op1',
    password: 'secret',
  });

/** Through the visitor's session, and through the admin API for a visitor without one. */
const ways = [
  ['its session', transport.send, transport.acknowledge],
  ['the admin API', admin.sendMessage, admin.sendAcknowledgement],
] as const;

beforeAll(async () => {
  await ejabberd.registerOperator('op1', 'secret');
  await admin.register(jid, 'secret');
  await transport.online(jid, { status: '', nick: '' });
});
beforeEach(async () => {
  operator = await login();
});
afterEach(async () => {
  await operator.disconnect();
  expect(receiver.faults).toEqual([]);
});
afterAll(async () => {
  await transport.close(2_000);
  await receiver.close();
});

test.each(ways)('by %s: a delayed message carries its time', async (way, send) => {
  const message = { from: jid, to: operatorJid, body: 'earlier' };
  await send({ ...message, id: `late ${way}`, delay: { at: earlier } });
  await send({ ...message, id: `from ${way}`, delay: { at: earlier, from: 'op2@xmpp.test' } });
  await operator.waitFor(() => operator.messages.length === 2);
  const [late, from] = operator.messages;
  // A client trusts the stamp of its own server.
  expect(late?.delay).toEqual({ at: earlier, from: ejabberd.host });
  expect(from?.delay).toEqual({ at: earlier, from: 'op2@xmpp.test' });
  expect(late?.stanza.getChild('delay')?.attrs.stamp).toBe('2026-01-02T12:34:56.789Z');
  // It asks for a receipt like any other message of a visitor.
  expect(late?.stanza.getChild('request', 'urn:xmpp:receipts')).toBeDefined();
  await receiver.event('delivered', ({ ids }) => ids.includes(`late ${way}`));
});

test.each(ways)('by %s: a delayed message keeps its time in offline storage', async (way, send) => {
  await operator.disconnect();
  const message = { from: jid, to: operatorJid, body: 'earlier, to nobody' };
  await send({ ...message, id: `away ${way}`, delay: { at: earlier } });
  operator = await login();
  await operator.waitFor(() => operator.messages.length === 1);
  expect(operator.messages[0]?.delay).toEqual({ at: earlier, from: ejabberd.host });
});

test.each(ways)(
  'by %s: a notice of the service asks for a marker and no receipt, and a repeat is dropped',
  async (way, send) => {
    const id = `notice ${way}`;
    const notice = {
      id,
      from: jid,
      to: operatorJid,
      body: 'Anna, /pricing',
      notice: true,
    } as const;
    await send(notice);
    await operator.waitFor(() => operator.messages.length === 1);
    const { stanza } = operator.messages[0] ?? {};
    const names = stanza?.getChildElements().map(({ name }) => name);
    expect(names?.toSorted()).toEqual(['body', 'markable', 'origin-id', 'unstyled']);
    // The client's answer to mod_lhc's ping proves the delivery, so a repeat is dropped.
    await receiver.event('delivered', ({ ids, by }) => ids.includes(id) && by === 'ping');
    await send(notice);
    await operator.acknowledged();
    expect(operator.messages).toHaveLength(1);
  },
);

test.each(ways)(
  'by %s: a receipt and a marker reach the operator',
  async (_way, _send, acknowledge) => {
    await operator.sendAndAck(jid, 'hello', 'm <1>');
    await acknowledge(jid, operator.jid, 'received', 'm <1>');
    await acknowledge(jid, operatorJid, 'displayed', 'm <1>');
    await operator.waitFor(() => operator.acknowledgements.length === 2);
    expect(operator.acknowledgements).toMatchObject([
      { what: 'received', id: 'm <1>' },
      { what: 'displayed', id: 'm <1>' },
    ]);
    for (const { from, stanza } of operator.acknowledgements) {
      expect(from.split('/')[0]).toBe(jid);
      expect(stanza.attrs).toMatchObject({
        type: 'chat',
        id: expect.stringMatching(/^\w+\.m <1>$/),
      });
      expect(stanza.getChild('store', 'urn:xmpp:hints')).toBeDefined();
    }
    expect(operator.messages).toEqual([]);
  },
);

test.each(ways)(
  'by %s: an operator who was away gets both later',
  async (_way, _send, acknowledge) => {
    const { jid: gone } = operator;
    await operator.disconnect();
    await acknowledge(jid, gone, 'received', 'm2');
    await acknowledge(jid, gone, 'displayed', 'm2');
    operator = await login();
    await operator.waitFor(() => operator.acknowledgements.length === 2);
    expect(operator.acknowledgements).toMatchObject([{ what: 'received' }, { what: 'displayed' }]);
  },
);

test("carbons inform the operator's other clients", async () => {
  const phone = await login();
  await phone.request(xml('iq', { type: 'set' }, xml('enable', { xmlns: 'urn:xmpp:carbons:2' })));
  await transport.acknowledge(jid, operator.jid, 'received', 'm4');
  const carbon = await phone.waitFor(({ stanzas }) =>
    stanzas
      .map((stanza) => stanza.getChild('received', 'urn:xmpp:carbons:2'))
      .find((each) => each !== undefined),
  );
  const copied = carbon.getChild('forwarded', 'urn:xmpp:forward:0')?.getChild('message');
  expect(copied?.getChild('received', 'urn:xmpp:receipts')?.attrs.id).toBe('m4');
  await phone.disconnect();
});

test('receipts and messages keep their order', async () => {
  const sent = Array.from({ length: 20 }, (_, n) =>
    n % 2 === 0
      ? transport.send({ id: `o${n}`, from: jid, to: operatorJid, body: `${n}` })
      : transport.acknowledge(jid, operatorJid, 'received', `o${n}`),
  );
  await Promise.all(sent);
  await operator.acknowledged();
  const order = operator.stanzas.flatMap(({ name, attrs }) =>
    name === 'message' ? [attrs.id?.replace('received.', '')] : [],
  );
  expect(order).toEqual(Array.from({ length: 20 }, (_, n) => `o${n}`));
});

test('a receipt to an unknown operator reaches nobody, and without a session it is unavailable', async () => {
  // mod_lhc drops it at its border, as what says nothing to a person.
  await transport.acknowledge(jid, `nobody@${ejabberd.host}`, 'received', 'm3');
  await expect(
    transport.acknowledge(`visitor.none@${ejabberd.host}`, operatorJid, 'received', 'm3'),
  ).rejects.toMatchObject({ code: 'unavailable' });
});
