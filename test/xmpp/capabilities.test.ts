import { expect, test } from 'vitest';
import {
  CAPS_NODE,
  capsElement,
  capsHash,
  discoInfo,
  VISITOR_CAPABILITIES,
} from '../../src/xmpp/capabilities.ts';

test('the hash is that of the example of XEP-0115 §5.2', () => {
  const exodus = {
    identities: [{ category: 'client', type: 'pc', name: 'Exodus 0.9.1' }],
    features: [
      'http://jabber.org/protocol/disco#info',
      'http://jabber.org/protocol/caps',
      'http://jabber.org/protocol/muc',
      'http://jabber.org/protocol/disco#items',
    ],
  };
  expect(capsHash(exodus)).toBe('QgayPKawpkPSDYmwT/WM94uAlu0=');
});

test('identities and features are sorted by the bytes of their UTF-8', () => {
  const two = (names: readonly string[]) => ({
    identities: names.map((name) => ({ category: 'client', type: 'web', name })),
    features: names,
  });
  // U+FF01 stands before U+1F600 in UTF-8, and behind it in UTF-16.
  expect(capsHash(two(['\u{1f600}', '\uff01', 'a']))).toBe(
    capsHash(two(['a', '\uff01', '\u{1f600}'])),
  );
});

test('the answer to a query has what the hash in the presence stands for', () => {
  const { node, ver, hash } = capsElement().attrs;
  expect([node, ver, hash]).toEqual([CAPS_NODE, capsHash(VISITOR_CAPABILITIES), 'sha-1']);
  const answer = discoInfo(`${node}#${ver}`);
  const identities = answer?.getChildren('identity').map(({ attrs }) => attrs);
  const features = answer?.getChildren('feature').map(({ attrs }) => attrs.var);
  expect({ identities, features }).toEqual(VISITOR_CAPABILITIES);
  expect(answer?.attrs.node).toBe(`${node}#${ver}`);
  expect(discoInfo(undefined)?.attrs.node).toBeUndefined();
  expect(discoInfo(`${node}#other`)).toBeNull();
});

test('a visitor takes receipts, markers, typing and corrections, and no encryption', () => {
  const { features } = VISITOR_CAPABILITIES;
  expect(features).toEqual(
    expect.arrayContaining([
      'urn:xmpp:receipts',
      'urn:xmpp:chat-markers:0',
      'http://jabber.org/protocol/chatstates',
      'urn:xmpp:message-correct:0',
    ]),
  );
  expect(features.join(' ')).not.toMatch(/omemo|axolotl|openpgp|\+notify/);
});
