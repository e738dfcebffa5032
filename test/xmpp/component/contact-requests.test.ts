import xml, { type Element } from '@xmpp/xml';
import { expect, test } from 'vitest';
import { createContactRequests } from '../../../src/xmpp/component/contact-requests.ts';

const CONTACTS = 'urn:xmpp-chat:contacts:1';
const ADDRESSES = { from: 'visitors.xmpp.test', to: 'xmpp.test' };

/** mod_lhc that gives these answers, one after the other. */
function requestsTo(...answers: Element[]) {
  const asked: string[] = [];
  const ask = async (iq: (id: string) => string) => {
    asked.push(iq('1'));
    return answers.shift() ?? xml('iq', { type: 'result' });
  };
  return { asked, requests: createContactRequests({ ask }, ADDRESSES) };
}

const page = (more: boolean, ...jids: string[]): Element =>
  xml(
    'iq',
    { type: 'result' },
    xml(
      'contacts',
      { xmlns: CONTACTS, more: String(more) },
      ...jids.map((jid) => xml('contact', { jid, hash: `of ${jid}` })),
    ),
  );

const refusal = (condition: string, text = ''): Element =>
  xml(
    'iq',
    { type: 'error' },
    xml(
      'error',
      { type: 'modify' },
      xml(condition, { xmlns: 'urn:ietf:params:xml:ns:xmpp-stanzas' }),
      xml('text', { xmlns: 'urn:ietf:params:xml:ns:xmpp-stanzas' }, text),
    ),
  );

async function listed(list: AsyncIterable<readonly { readonly jid: string }[]>) {
  const jids: string[] = [];
  for await (const contacts of list) jids.push(...contacts.map(({ jid }) => jid));
  return jids;
}

test('a list goes on behind the last contact of each page', async () => {
  const { asked, requests } = requestsTo(page(true, 'a', 'b'), page(false, 'c'));
  expect(await listed(requests.list('acme'))).toEqual(['a', 'b', 'c']);
  expect(asked.map((iq) => /after="(.*?)"/.exec(iq)?.[1])).toEqual(['', 'b']);
});

test('an answer that is no page is a failure, and no end of the list', async () => {
  const { requests } = requestsTo(page(true, 'a'), xml('iq', { type: 'result' }));
  await expect(listed(requests.list(''))).rejects.toThrow('does not take the contacts');
});

test('a refusal says why, and whether one of the contacts may be the cause', async () => {
  const { requests } = requestsTo(
    refusal('bad-request', 'the name is too long'),
    refusal('forbidden'),
    refusal('service-unavailable'),
  );
  await expect(requests.send(['<contact/>'])).rejects.toMatchObject({
    message: 'mod_lhc does not take the contacts: bad-request (the name is too long)',
    details: { mayBeOne: true, returned: true },
  });
  await expect(requests.send(['<contact/>'])).rejects.toMatchObject({
    details: { mayBeOne: false },
  });
  await expect(requests.send(['<contact/>'])).rejects.toThrow('has to be newer');
});
