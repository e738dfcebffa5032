import { expect, test } from 'vitest';
import {
  CAPS_NODE,
  capsElement,
  capsHash,
  discoInfo,
  VISITOR_CAPABILITIES,
  WORDS_CAPABILITIES,
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
  const found = (node: string | undefined) => {
    const answer = discoInfo(node);
    expect(answer?.attrs.node).toBe(node);
    return {
      identities: answer?.getChildren('identity').map(({ attrs }) => attrs),
      features: answer?.getChildren('feature').map(({ attrs }) => attrs.var),
    };
  };
  for (const capabilities of [VISITOR_CAPABILITIES, WORDS_CAPABILITIES]) {
    const { node, ver, hash } = capsElement(capabilities).attrs;
    expect([node, ver, hash]).toEqual([CAPS_NODE, capsHash(capabilities), 'sha-1']);
    expect(found(`${node}#${ver}`)).toEqual(capabilities);
  }
  expect(found(undefined)).toEqual(WORDS_CAPABILITIES);
  for (const node of [`${CAPS_NODE}#other`, CAPS_NODE, 'other']) expect(discoInfo(node)).toBeNull();
});

test('what LHC cannot show with words alone is not announced for it', () => {
  const only = new Set(VISITOR_CAPABILITIES.features).difference(
    new Set(WORDS_CAPABILITIES.features),
  );
  expect([...only].sort()).toEqual(['urn:xmpp:message-retract:1', 'urn:xmpp:reactions:0']);
});

test('a visitor takes receipts, markers, typing, corrections and replies, and no encryption', () => {
  const { features } = VISITOR_CAPABILITIES;
  expect(features).toEqual(
    expect.arrayContaining([
      'urn:xmpp:receipts',
      'urn:xmpp:chat-markers:0',
      'http://jabber.org/protocol/chatstates',
      'urn:xmpp:message-correct:0',
      'urn:xmpp:reply:0',
    ]),
  );
  expect(features.join(' ')).not.toMatch(/omemo|axolotl|openpgp|\+notify/);
});
