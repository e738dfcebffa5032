/** What a session hears from people who are not the receivers of its messages. */
import xml, { type Element } from '@xmpp/xml';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import {
  MAX_RETURNABLE_MESSAGES,
  Outgoing,
  type Sent,
} from '../../../src/xmpp/sessions/outgoing.ts';

const DOMAIN = 'xmpp.test';
const OWN = `visitor.1@${DOMAIN}`;
const OPERATOR = `op1@${DOMAIN}`;
const ROOM = `visitor.1@conference.${DOMAIN}`;
const ERRORS = 'urn:ietf:params:xml:ns:xmpp-stanzas';

function session() {
  const written: Element[] = [];
  const returned: string[] = [];
  const outgoing = new Outgoing({
    domain: DOMAIN,
    pingIntervalMs: 60_000,
    pingDeadlineMs: 20_000,
    onReturned: ({ id, to }: Sent, { code, message }: AppError) =>
      returned.push(`${id} ${to} ${code} ${message}`),
  });
  outgoing.attach({
    jid: `${OWN}/xmpp-chat`,
    send: (...stanzas) => void written.push(...stanzas),
    close: async () => undefined,
    destroy: () => undefined,
  });
  /** What became of each message. */
  const outcomes: string[] = [];
  return {
    outgoing,
    written,
    returned,
    outcomes,
    /** Writes a message. It stays in flight until {@link answerPing}. */
    async send(id: string, to = OPERATOR): Promise<void> {
      const isRoom = to === ROOM && { room: true as const };
      outgoing.send({ id, from: OWN, to, body: 'hello', ...isRoom }).then(
        () => outcomes.push(`${id} taken`),
        ({ code, message }: AppError) => outcomes.push(`${id} ${code} ${message}`),
      );
      await turn();
    },
    async answerPing(): Promise<void> {
      const id = written.findLast(({ name }) => name === 'iq')?.attrs.id;
      outgoing.heard(xml('iq', { type: 'result', id, from: DOMAIN, to: `${OWN}/xmpp-chat` }));
      await turn();
    },
  };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

function bounce(
  id: string,
  from: string | undefined,
  type: string,
  ...children: Element[]
): Element {
  return xml('message', { type: 'error', id, from }, xml('error', { type }, ...children));
}
const condition = (name: string, xmlns = ERRORS, text?: string) =>
  xml(name, { xmlns }, ...(text === undefined ? [] : [text]));

describe('an error from somebody else', () => {
  /** Everybody who is neither the receiver nor the server: other operators, visitors, hosts, and names that look alike. */
  const stranger = fc.oneof(
    fc.constantFrom(
      OWN,
      `${OWN}/xmpp-chat`,
      `op2@${DOMAIN}/phone`,
      `xop1@${DOMAIN}`,
      `op1@${DOMAIN}.evil.example`,
      'op1@evil.example/xmpp.test',
      `evil.example/op1@${DOMAIN}`,
      `evil.example/${DOMAIN}`,
      'evil.example',
      '',
      '/',
    ),
    fc.webUrl().map((url) => new URL(url).hostname),
    fc.string().filter((text) => text.split('/')[0] !== OPERATOR && text !== DOMAIN),
  );
  const id = fc.constantFrom('flying', 'taken', 'ping-1', 'ping-2', 'ping-3', 'received.taken', '');
  const children = fc.array(
    fc.constantFrom(
      condition('item-not-found'),
      condition('text', ERRORS, 'words of the sender'),
      condition('words-of-the-sender'),
      condition('body', 'jabber:client', 'hi'),
    ),
    { maxLength: 3 },
  );
  const stanza = fc.oneof(
    fc
      .tuple(stranger, id, fc.constantFrom('wait', 'cancel', 'modify', 'x'), children)
      .map(([from, each, type, inside]) => bounce(each, from, type, ...inside)),
    fc
      .tuple(stranger, id, fc.constantFrom('iq', 'message', 'presence'))
      .chain(([from, each, name]) =>
        fc
          .constantFrom('result', 'error', 'set', 'get', 'unavailable', 'subscribe', 'chat')
          .filter((type) => !(type === 'unavailable' && from === `${OWN}/xmpp-chat`))
          .filter((type) => !(name === 'message' && type === 'error'))
          .map((type) =>
            xml(name, { type, id: each, from }, condition('query', 'jabber:iq:roster')),
          ),
      ),
  );

  test('changes nothing, whatever it says', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(stanza, { maxLength: 20 }), async (stanzas) => {
        const { outgoing, written, returned, outcomes, send, answerPing } = session();
        await send('taken');
        await answerPing();
        await send('flying');
        const before = written.length;
        for (const each of stanzas) outgoing.heard(each);
        await turn();
        expect({ returned, outcomes }).toEqual({ returned: [], outcomes: ['taken taken'] });
        expect(written.length).toBe(before);
        await answerPing();
        expect(outcomes).toEqual(['taken taken', 'flying taken']);
      }),
    );
  });

  test('of the same tenant changes nothing: the message went to another operator', async () => {
    const { outgoing, outcomes, returned, send, answerPing } = session();
    await send('m1', OPERATOR);
    await send('m2', `op2@${DOMAIN}`);
    const denied = condition('item-not-found');
    outgoing.heard(bounce('m1', `op2@${DOMAIN}/x`, 'cancel', denied));
    outgoing.heard(bounce('m2', `op2@${DOMAIN}/x`, 'cancel', denied));
    await answerPing();
    await answerPing();
    expect(outcomes.toSorted()).toEqual(['m1 taken', 'm2 refused item-not-found']);
    outgoing.heard(bounce('m1', `op2@${DOMAIN}/x`, 'cancel', denied));
    expect(returned).toEqual([]);
  });
});

describe('an error from the receiver', () => {
  test.each([
    ['the account', OPERATOR],
    ['a client of the account', `${OPERATOR}/phone`],
  ])('counts, from %s', async (_who, from) => {
    const { outgoing, outcomes, returned, send, answerPing } = session();
    await send('m1');
    outgoing.heard(bounce('m1', from, 'cancel', condition('service-unavailable')));
    await turn();
    expect(outcomes).toEqual(['m1 refused service-unavailable']);
    await send('m2');
    await answerPing();
    await answerPing();
    outgoing.heard(bounce('m2', from, 'wait', condition('resource-constraint')));
    // Once: the message is not ours to report any more.
    outgoing.heard(bounce('m2', from, 'wait', condition('resource-constraint')));
    expect(returned).toEqual([`m2 ${OPERATOR} unavailable resource-constraint`]);
  });

  test('counts right behind the answer to the ping', async () => {
    const { outgoing, written, returned, send } = session();
    await send('m1');
    const ping = written.findLast(({ name }) => name === 'iq')?.attrs.id;
    outgoing.heard(xml('iq', { type: 'result', id: ping, from: DOMAIN }));
    outgoing.heard(bounce('m1', OPERATOR, 'cancel', condition('service-unavailable')));
    expect(returned).toEqual([`m1 ${OPERATOR} refused service-unavailable`]);
  });

  test.each([
    ['a text', [condition('text', ERRORS, 'words'), condition('forbidden')], 'forbidden'],
    ['an unknown condition', [condition('my-words')], 'undefined-condition'],
    ['a condition of another namespace', [condition('forbidden', 'urn:x')], 'undefined-condition'],
    ['an application condition', [condition('too-many', 'urn:x'), condition('gone')], 'gone'],
    ['nothing', [], 'undefined-condition'],
  ])('leaves the condition alone: %s', async (_what, children, reason) => {
    const { outgoing, outcomes, send } = session();
    await send('m1');
    outgoing.heard(bounce('m1', OPERATOR, 'cancel', ...children));
    await turn();
    expect(outcomes).toEqual([`m1 refused ${reason}`]);
  });

  test('counts for the latest messages only, so that a session remembers no more', async () => {
    const { outgoing, returned, send, answerPing } = session();
    for (let n = 0; n <= MAX_RETURNABLE_MESSAGES; n++) await send(`m${n}`);
    await answerPing();
    await answerPing();
    const error = condition('service-unavailable');
    outgoing.heard(bounce('m0', OPERATOR, 'cancel', error));
    outgoing.heard(bounce('m1', OPERATOR, 'cancel', error));
    expect(returned).toEqual([`m1 ${OPERATOR} refused service-unavailable`]);
  });
});

describe('a message to a room', () => {
  const pinged = (written: readonly Element[]) =>
    written.filter(({ name }) => name === 'iq').map(({ attrs }) => attrs.to);
  const answer = (written: readonly Element[], from: string, content: Element) => {
    const ping = written.findLast(({ attrs }) => attrs.to === ROOM && attrs.type === 'get');
    return xml('iq', { type: 'error', id: ping?.attrs.id, from }, xml('error', {}, content));
  };

  test('is taken when the room has answered, whatever the server and others say', async () => {
    const { outgoing, written, outcomes, send, answerPing } = session();
    await send('m1', ROOM);
    expect(pinged(written)).toEqual([ROOM]);
    await send('private');
    expect(pinged(written)).toEqual([ROOM, DOMAIN]);
    await answerPing();
    for (const from of [DOMAIN, OPERATOR, `${ROOM}/olga`, OWN]) {
      outgoing.heard(answer(written, from, condition('service-unavailable')));
      outgoing.heard(bounce('m1', from, 'cancel', condition('gone')));
    }
    await turn();
    expect(outcomes).toEqual(['private taken']);
    outgoing.heard(answer(written, ROOM, condition('service-unavailable')));
    await turn();
    expect(outcomes).toEqual(['private taken', 'm1 taken']);
  });

  test('is covered by the next ping, if one is on its way', async () => {
    const { outgoing, written, outcomes, send } = session();
    await send('m1', ROOM);
    await send('m2', ROOM);
    expect(pinged(written)).toEqual([ROOM]);
    for (const outcome of ['m1 taken', 'm2 taken']) {
      outgoing.heard(answer(written, ROOM, condition('service-unavailable')));
      await turn();
      expect(outcomes.at(-1)).toBe(outcome);
    }
    expect(pinged(written)).toEqual([ROOM, ROOM]);
  });

  test('comes back, or finds no room', async () => {
    const { outgoing, written, outcomes, returned, send } = session();
    await send('m1', ROOM);
    outgoing.heard(bounce('m1', ROOM, 'modify', condition('not-acceptable')));
    outgoing.heard(answer(written, ROOM, condition('service-unavailable')));
    await send('m2', ROOM);
    outgoing.heard(answer(written, ROOM, condition('item-not-found')));
    await turn();
    expect(outcomes).toEqual(['m1 refused not-acceptable', 'm2 refused item-not-found']);
    outgoing.heard(bounce('m2', ROOM, 'cancel', condition('item-not-found')));
    expect(returned).toEqual([]);
  });

  test('that hangs ends neither the session nor what is sent to people', async () => {
    const { outgoing, outcomes, send, answerPing } = session();
    await send('m1', ROOM);
    outgoing.check(performance.now() + 20_001);
    await send('private');
    await answerPing();
    expect(outcomes).toEqual(['m1 unavailable the room does not answer', 'private taken']);
  });

  test('fails with the session', async () => {
    const { outgoing, outcomes, send } = session();
    await send('m1', ROOM);
    outgoing.detach(new AppError('unavailable', 'lost'));
    await turn();
    expect(outcomes).toEqual(['m1 unavailable lost']);
  });
});
