/** What the component answers, and how much of it, without a server. */
import xml, { type Element } from '@xmpp/xml';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import {
  ASKER_RATE,
  Inbox,
  type InboxOptions,
  QUERIES_AT_ONCE,
  QUERIES_OF_ASKER_AT_ONCE,
} from '../../../src/xmpp/component/inbox.ts';

const HOST = 'xmpp.test';
const DOMAIN = `visitors.${HOST}`;
const ANNA = `visitor.1@${DOMAIN}`;
const operator = (n: number): string => `op${n}@${HOST}/phone`;

function inbox(options: Partial<InboxOptions> = {}) {
  const answers: string[] = [];
  const box = new Inbox({
    host: HOST,
    domain: DOMAIN,
    reply: (text) => void answers.push(text),
    presenceOf: (jid) =>
      jid === ANNA ? { presence: { status: 'here', nick: 'Anna' }, photo: 'abc' } : null,
    nameOf: async () => null,
    pictureSeed: (jid) => jid,
    isShared: false,
    answerQuery: undefined,
    logger: pino({ level: 'silent' }),
    ...options,
  });
  return { answers, box };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));
const query = (from: string, to = ANNA, child: Element = xml('ping', 'urn:xmpp:ping')) =>
  xml('iq', { type: 'get', id: 'q', from, to }, child);
const count = (answers: readonly string[], text: string) =>
  answers.filter((answer) => answer.includes(text)).length;

test('an operator who floods gets errors, and takes nothing from another one', async () => {
  const { answers, box } = inbox();
  for (let n = 0; n < ASKER_RATE.burst; n++) {
    box.heard(query(operator(1)), 0);
    await turn();
  }
  expect(count(answers, 'type="result"')).toBe(ASKER_RATE.burst);
  for (let n = 0; n < 500; n++) box.heard(query(`op1@${HOST}/resource-${n}`), 0);
  expect(count(answers, 'resource-constraint')).toBe(500);
  box.heard(query(operator(2)), 0);
  await turn();
  expect(count(answers, 'type="result"')).toBe(ASKER_RATE.burst + 1);
});

test('answers that take long are bounded, for one operator and for all', async () => {
  const held: PromiseWithResolvers<null>[] = [];
  const { answers, box } = inbox({
    answerQuery() {
      const answer = Promise.withResolvers<null>();
      held.push(answer);
      return answer.promise;
    },
  });
  for (let n = 0; n < 100; n++) box.heard(query(operator(0)), 0);
  expect(held).toHaveLength(QUERIES_OF_ASKER_AT_ONCE);
  for (let asker = 1; asker < 50; asker++) {
    for (let n = 0; n < QUERIES_OF_ASKER_AT_ONCE; n++) box.heard(query(operator(asker)), 0);
  }
  expect(held).toHaveLength(QUERIES_AT_ONCE);
  for (const { resolve } of held) resolve(null);
  await turn();
  expect(count(answers, 'type="result"')).toBe(QUERIES_AT_ONCE);
  box.heard(query(operator(0)), 0);
  expect(held).toHaveLength(QUERIES_AT_ONCE + 1);
});

test('only accounts of the host learn who is there', async () => {
  const { answers, box } = inbox();
  for (const from of ['op1@evil.example/x', `x@${DOMAIN}`, `sub.${HOST}`, '', `op1@x${HOST}`]) {
    box.heard(query(from), 0);
    box.heard(xml('presence', { type: 'probe', from, to: ANNA }), 0);
  }
  await turn();
  expect(answers).toHaveLength(5);
  expect(count(answers, 'item-not-found')).toBe(5);
  // ejabberd itself may ask.
  box.heard(query(HOST), 0);
  await turn();
  expect(count(answers, 'type="result"')).toBe(1);
});

test('a probe is answered with what is there, of nobody with unavailable', () => {
  const probe = (to: string) => xml('presence', { type: 'probe', from: operator(1), to });
  const alone = inbox();
  alone.box.heard(probe(ANNA), 0);
  alone.box.heard(probe(`visitor.2@${DOMAIN}`), 0);
  expect(alone.answers[0]).toContain(`from="${ANNA}/xmpp-chat"`);
  expect(alone.answers[0]).toContain('<status>here</status>');
  expect(alone.answers[1]).toContain('type="unavailable"');
  // Another process may show them.
  const shared = inbox({ isShared: true });
  shared.box.heard(probe(`visitor.2@${DOMAIN}`), 0);
  expect(shared.answers).toEqual([]);
});

test('nothing else is answered', async () => {
  const { answers, box } = inbox();
  for (const type of ['result', 'error']) {
    box.heard(xml('iq', { type, id: 'x', from: operator(1), to: ANNA }), 0);
  }
  for (const type of [undefined, 'subscribe', 'unsubscribed', 'unavailable', 'error']) {
    box.heard(xml('presence', { type, from: operator(1), to: ANNA }), 0);
  }
  await turn();
  expect(answers).toEqual([]);
});

test('the component says that it is one, and knows nobody without a local part', async () => {
  const { answers, box } = inbox();
  const info = 'http://jabber.org/protocol/disco#info';
  const items = 'http://jabber.org/protocol/disco#items';
  box.heard(query(operator(1), DOMAIN, xml('query', info)), 0);
  box.heard(query(operator(1), DOMAIN, xml('query', items)), 0);
  box.heard(query(operator(1), DOMAIN, xml('vCard', 'vcard-temp')), 0);
  await turn();
  expect(answers[0]).toContain('category="component"');
  expect(answers[1]).toContain('type="result"');
  expect(answers[2]).toContain('service-unavailable');
  expect(answers.every((answer) => answer.includes(`from="${DOMAIN}"`))).toBe(true);
});
