/** What is read from the logs of clients. */
import { expect, it } from 'vitest';
import { contactOf, kindsOf, logOfStanzas } from './stanza-log.ts';

const LOG = `(12:00:01) jabber: Sending (olga): <presence/>
(12:00:01) account: something else <b>
(12:00:02) jabber: Recv (99): <iq type='result' id='1'><query xmlns='jabber:iq:roster'><item jid='a@x' name='Anna' subscription='both'/><item jid='b@x' name='Bert' subscription='remove'/></query></iq><presence from='a@x/we
(12:00:02) jabber: Recv (45): b'><show>chat</show><status>Waiting
two lines</status></presence><r xmlns='urn:xmpp:sm:3'/>
`;
const read = () =>
  logOfStanzas(
    LOG,
    /^(?=\(\d\d:\d\d:\d\d\) )/m,
    /^.{11}jabber: Sending [^:]*: /,
    /^.{11}jabber: Recv [^:]*: /,
  );

it('finds stanzas that were read together, and one that was read in two parts', () => {
  const { sent, received } = read();
  expect(sent).toEqual(['<presence/>']);
  expect(received.map((stanza) => stanza.slice(0, 9))).toEqual([
    '<iq type=',
    '<presence',
    '<r xmlns=',
  ]);
});

it('makes a contact of its roster item and its presence', () => {
  const { received } = read();
  expect(contactOf('a@x', received)).toEqual({
    name: 'Anna',
    status: 'Waiting\ntwo lines',
    show: 'chat',
  });
  expect(contactOf('b@x', received)).toBeUndefined();
  expect(contactOf('c@x', received)).toBeUndefined();
});

it('counts stanzas by what they ask for', () => {
  const vcard = "<iq type='get' to='a@x' id='1'><vCard xmlns='vcard-temp'/></iq>";
  const picture =
    "<iq type='get' id='2'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:avatar:data'/></pubsub></iq>";
  expect(kindsOf([vcard, '<presence/>', picture, vcard, "<a h='1'/>"])).toEqual([
    ['iq get vcard-temp', 2],
    ['presence', 1],
    ['iq get urn:xmpp:avatar:data', 1],
  ]);
});
