/** What an operator's client learns of a visitor's client, on a real ejabberd. */
import { createHash } from 'node:crypto';
import xml, { type Element } from '@xmpp/xml';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createEjabberdAdmin } from '../../../src/xmpp/admin/admin.ts';
import { QUERY_RATE } from '../../../src/xmpp/queries.ts';
import { createAccountsTransport } from '../../../src/xmpp/sessions/accounts.ts';
import { startReceiver } from '../../ejabberd/receiver.ts';
import { testEjabberd } from '../../support/ejabberd.ts';
import { connectOperator, type Operator } from '../../support/operator.ts';

const INFO = 'http://jabber.org/protocol/disco#info';
const CAPS = 'http://jabber.org/protocol/caps';
const receiver = await startReceiver();
const ejabberd = await testEjabberd({ webhook: { url: receiver.url, secret: receiver.secret } });
const admin = createEjabberdAdmin({ url: ejabberd.apiUrl, ...ejabberd.api });
const { host } = ejabberd;
const jids = ['1', '2'].map((key) => `visitor.${key}@${host}`);
const [first = '', second = ''] = jids;
const transport = createAccountsTransport({
  service: ejabberd.xmpp,
  passwordOf: () => 'secret',
  logger: pino({ level: 'silent' }),
});
let operator: Operator;

beforeAll(async () => {
  await ejabberd.registerOperator('op1', 'secret');
  await admin.ensureGroups(host, { visitors: 'visitors', operators: 'operators' });
  await admin.joinGroup(`op1@${host}`, 'operators');
  for (const jid of jids) {
    await admin.register(jid, 'secret');
    await admin.joinGroup(jid, 'visitors');
    await transport.online(jid, { status: '', nick: '' });
  }
  operator = await connectOperator({
    service: ejabberd.xmpp,
    domain: host,
    username: 'op1',
    password: 'secret',
  });
});
afterAll(async () => {
  await transport.close(2_000);
  await receiver.close();
});

/** The capabilities in a visitor's presence. */
const capsOf = (jid: string) =>
  operator.waitFor(
    () =>
      operator.presenceStanzas
        .findLast(({ attrs }) => attrs.from?.startsWith(`${jid}/`))
        ?.getChild('c', CAPS)?.attrs,
    `the capabilities of ${jid}`,
  );
const ask = (to: string, ...children: Element[]): Promise<Element> =>
  operator.request(xml('iq', { type: 'get', to }, ...children));

test('every visitor says the same of their client, and the hash is right', async () => {
  const caps = await capsOf(first);
  expect(await capsOf(second)).toEqual(caps);
  const node = `${caps.node}#${caps.ver}`;
  const answer = await ask(`${first}/xmpp-chat`, xml('query', { xmlns: INFO, node }));
  const info = answer.getChild('query', INFO);
  // XEP-0115 §5.1, as a client does it.
  const identities = info?.getChildren('identity').map(({ attrs }) => {
    const { category, type, 'xml:lang': lang = '', name = '' } = attrs;
    return `${category}/${type}/${lang}/${name}`;
  });
  const features = info?.getChildren('feature').map(({ attrs }) => attrs.var ?? '') ?? [];
  const text = [...(identities ?? []).toSorted(), ...features.toSorted()]
    .map((part) => `${part}<`)
    .join('');
  expect(createHash('sha1').update(text).digest('base64')).toBe(caps.ver);
  expect(features).toContain('urn:xmpp:receipts');
});

test('every question to the account or to the session is answered', async () => {
  const questions = [
    [`${first}/xmpp-chat`, xml('query', INFO), 'result'],
    [first, xml('query', INFO), 'result'],
    [`${first}/xmpp-chat`, xml('ping', 'urn:xmpp:ping'), 'result'],
    [`${first}/xmpp-chat`, xml('query', 'jabber:iq:version'), 'error'],
    [`${first}/gone`, xml('query', INFO), 'error'],
    [`visitor.nobody@${host}/xmpp-chat`, xml('query', INFO), 'error'],
  ] as const;
  for (const [to, question, type] of questions) {
    const answer = await ask(to, question);
    expect([to, question.toString(), answer.attrs.type]).toEqual([to, question.toString(), type]);
  }
});

test('each question of a flood is answered, most by mod_lhc, and the visitor still writes', async () => {
  const to = `${first}/xmpp-chat`;
  const answers = () => operator.stanzas.filter(({ attrs }) => attrs.id?.startsWith('flood-'));
  const flood = QUERY_RATE.burst * 5;
  for (let n = 0; n < flood; n++) {
    const ping = xml('ping', 'urn:xmpp:ping');
    operator.sendStanza(xml('iq', { type: 'get', id: `flood-${n}`, to }, ping));
  }
  await transport.send({ id: 'm1', from: first, to: `op1@${host}`, body: 'I am still here' });
  await operator.waitFor(() => operator.messages.some(({ id }) => id === 'm1'), 'the message');
  await operator.waitFor(() => answers().length >= flood, 'the answers');
  expect(new Set(answers().map(({ attrs }) => attrs.id)).size).toBe(flood);
  const results = answers().filter(({ attrs }) => attrs.type === 'result').length;
  expect(results).toBeGreaterThan(0);
  expect(results).toBeLessThan(flood);
  expect(transport.isOnline(first)).toBe(true);
});
