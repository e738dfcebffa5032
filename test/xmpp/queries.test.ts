import xml, { type Element } from '@xmpp/xml';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createSessionQueries,
  MAX_QUERY_ID_CHARACTERS,
  QUERY_RATE,
  type QueryHandler,
  queryError,
} from '../../src/xmpp/queries.ts';

const DOMAIN = 'xmpp.test';
const FROM = `op1@${DOMAIN}/phone`;
const INFO = 'http://jabber.org/protocol/disco#info';
const query = (type: string, ...children: Element[]): Element =>
  xml('iq', { type, id: 'q1', from: FROM, to: `visitor.1@${DOMAIN}/xmpp-chat` }, ...children);
function session(handler?: QueryHandler) {
  const answers: Element[] = [];
  const { heard } = createSessionQueries(DOMAIN, (each) => answers.push(each), handler);
  return { answers, heard };
}
function answer(stanza: Element): Element | null {
  const { answers, heard } = session();
  heard(stanza, 0);
  return answers[0] ?? null;
}
const outcome = (stanza: Element): string => {
  const given = answer(stanza);
  const [content] = given?.getChildElements() ?? [];
  return [given?.attrs.type, content?.getChildElements()[0]?.name ?? content?.name ?? '']
    .join(' ')
    .trim();
};

describe('a query', () => {
  it.each<[string, Element, string]>([
    ['what it can do', query('get', xml('query', INFO)), 'result identity'],
    [
      'what is in it',
      query('get', xml('query', 'http://jabber.org/protocol/disco#items')),
      'result query',
    ],
    ['a ping', query('get', xml('ping', 'urn:xmpp:ping')), 'result'],
    ['its version', query('get', xml('query', 'jabber:iq:version')), 'error service-unavailable'],
    [
      'its last activity',
      query('get', xml('query', 'jabber:iq:last')),
      'error service-unavailable',
    ],
    [
      'a file',
      query('set', xml('si', 'http://jabber.org/protocol/si')),
      'error service-unavailable',
    ],
    [
      'a node that it does not have',
      query('get', xml('query', { xmlns: INFO, node: 'x' })),
      'error item-not-found',
    ],
    ['nothing', query('get'), 'error bad-request'],
    [
      'two things',
      query('get', xml('ping', 'urn:xmpp:ping'), xml('query', INFO)),
      'error bad-request',
    ],
    ['in a way that there is not', query('ask', xml('query', INFO)), 'error bad-request'],
  ])('for %s is answered', (_what, stanza, expected) => {
    expect(outcome(stanza)).toBe(expected);
    expect(answer(stanza)?.attrs).toMatchObject({ id: 'q1', to: FROM });
  });

  it('of any kind gets one answer, which is short however long the question is', () => {
    const names = fc.constantFrom('query', 'ping', 'vCard', 'x');
    const spaces = fc.constantFrom(INFO, 'urn:xmpp:ping', 'vcard-temp', 'y');
    const child = fc
      .tuple(names, spaces, fc.string({ maxLength: 5_000 }))
      .map(([name, xmlns, text]) => xml(name, { xmlns }, text));
    const children = fc.array(child, { maxLength: 3 });
    fc.assert(
      fc.property(fc.constantFrom('get', 'set', 'x'), children, (type, elements) => {
        const text = answer(query(type, ...elements))?.toString() ?? '';
        expect(text).toContain('id="q1"');
        expect(text.length).toBeLessThan(2_000);
      }),
    );
  });

  it('is none: an answer, a message, a presence', () => {
    for (const stanza of [query('result'), query('error'), xml('message'), xml('presence')]) {
      expect(answer(stanza)).toBeNull();
    }
  });

  it('with an endless id gets no answer', () => {
    const long = query('get', xml('ping', 'urn:xmpp:ping'));
    long.attrs.id = 'x'.repeat(MAX_QUERY_ID_CHARACTERS + 1);
    expect(answer(long)).toBeNull();
  });
});

it('a flood is answered up to a bound, and the server always is', () => {
  const { answers, heard } = session();
  const ping = () => query('get', xml('ping', 'urn:xmpp:ping'));
  const count = (at: number, stanza: () => Element) => {
    const before = answers.length;
    for (let n = 0; n < 1_000; n++) heard(stanza(), at);
    return answers.length - before;
  };
  expect(count(0, ping)).toBe(QUERY_RATE.burst);
  const ofServer = () => {
    const stanza = ping();
    stanza.attrs.from = DOMAIN;
    return stanza;
  };
  expect(count(0, ofServer)).toBe(1_000);
  expect(count(1_000, ping)).toBe(QUERY_RATE.perSecond);
});

describe('a handler', () => {
  const COMMANDS = 'http://jabber.org/protocol/commands';
  const command = () => query('set', xml('command', COMMANDS));
  const turn = () => new Promise((resolve) => setImmediate(resolve));

  it('answers what the visitor does not know of itself, and leaves the rest', async () => {
    const asked: string[] = [];
    const { answers, heard } = session(async (to, from, iq) => {
      asked.push(`${to} ${from}`);
      return iq.getChild('command', COMMANDS) ? xml('command', COMMANDS) : null;
    });
    heard(command(), 0);
    heard(query('get', xml('query', 'jabber:iq:version')), 0);
    await turn();
    expect(asked).toEqual(Array(2).fill(`visitor.1@${DOMAIN}/xmpp-chat ${FROM}`));
    expect(answers.map(({ attrs }) => attrs.type)).toEqual(['result', 'error']);
    expect(answers[0]?.getChild('command', COMMANDS)).toBeDefined();
  });

  it('can refuse, and its failure is an error too', async () => {
    const refused = session(async () => queryError('cancel', 'forbidden'));
    const failing = session(() => {
      throw new Error('a bug');
    });
    refused.heard(command(), 0);
    failing.heard(command(), 0);
    await turn();
    const conditions = [refused, failing].map(
      ({ answers }) => answers[0]?.getChild('error')?.getChildElements()[0]?.name,
    );
    expect(conditions).toEqual(['forbidden', 'internal-server-error']);
  });

  it('is not asked by the server, nor for what is no query', async () => {
    let asked = 0;
    const { answers, heard } = session(async () => {
      asked += 1;
      return null;
    });
    const ofServer = command();
    ofServer.attrs.from = DOMAIN;
    heard(ofServer, 0);
    heard(query('get'), 0);
    heard(query('result'), 0);
    await turn();
    expect([asked, answers.length]).toEqual([0, 2]);
  });
});
