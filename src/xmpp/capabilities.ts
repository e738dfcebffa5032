/**
 * What a visitor's client can do (XEP-0030), and its hash in every presence (XEP-0115). All visitors of a tenant have the
 * same, so a client that knows it of one visitor asks nobody else.
 */
import { createHash } from 'node:crypto';
import xml, { type Element } from '@xmpp/xml';

export const DISCO_INFO = 'http://jabber.org/protocol/disco#info'; // XEP-0030
const CAPS = 'http://jabber.org/protocol/caps'; // XEP-0115

interface Identity {
  readonly category: string;
  readonly type: string;
  readonly name: string;
}

export interface Capabilities {
  readonly identities: readonly Identity[];
  readonly features: readonly string[];
}

/**
 * A web chat of which LHC's extension can only add messages: LHC's REST API, and the older extension. A correction is a new
 * message with a mark there. Encryption is missing on purpose: a visitor's browser has no keys.
 */
export const WORDS_CAPABILITIES: Capabilities = {
  identities: [{ category: 'client', type: 'web', name: 'Live Helper Chat' }],
  features: [
    DISCO_INFO,
    CAPS,
    'http://jabber.org/protocol/chatstates', // XEP-0085: typing
    'http://jabber.org/protocol/commands', // XEP-0050: ad-hoc.ts
    'urn:xmpp:chat-markers:0', // XEP-0333: read
    'urn:xmpp:message-correct:0', // XEP-0308
    'urn:xmpp:ping', // XEP-0199
    'urn:xmpp:receipts', // XEP-0184: LHC has it
    'urn:xmpp:reply:0', // XEP-0461
  ],
};

/** What the web chat of an LHC with our extension can do. */
export const VISITOR_CAPABILITIES: Capabilities = {
  ...WORDS_CAPABILITIES,
  features: [
    ...WORDS_CAPABILITIES.features,
    'urn:xmpp:message-retract:1', // XEP-0424
    'urn:xmpp:reactions:0', // XEP-0444
  ],
};

/** Names the software. Nobody looks the address up. */
export const CAPS_NODE = 'urn:xmpp-chat:visitor';

/** Sorted by bytes of UTF-8, as `i;octet` does (RFC 4790). */
const sorted = (texts: readonly string[]): string[] =>
  texts.toSorted((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));

/** The hash of capabilities without forms, in base64 (XEP-0115 §5.1, with SHA-1). */
export function capsHash({ identities, features }: Capabilities): string {
  const parts = [
    ...sorted(identities.map(({ category, type, name }) => `${category}/${type}//${name}`)),
    ...sorted(features),
  ];
  return createHash('sha1')
    .update(parts.map((part) => `${part}<`).join(''))
    .digest('base64');
}

const KNOWN = new Map(
  [VISITOR_CAPABILITIES, WORDS_CAPABILITIES].map((each) => [capsHash(each), each] as const),
);
const HASHES = new Map([...KNOWN].map(([hash, each]) => [each, hash] as const));

/** The hash in a presence (XEP-0115 §4). */
export const capsElement = (capabilities: Capabilities): Element =>
  xml('c', {
    xmlns: CAPS,
    hash: 'sha-1',
    node: CAPS_NODE,
    ver: HASHES.get(capabilities) ?? capsHash(capabilities),
  });

/**
 * The answer to a query (XEP-0030 §3); null for a node that a visitor does not have. The node is that of the presence. A
 * query without one gets what every visitor can do.
 */
export function discoInfo(node: string | undefined): Element | null {
  const hash = node?.startsWith(`${CAPS_NODE}#`) ? node.slice(CAPS_NODE.length + 1) : '';
  const capabilities = node === undefined ? WORDS_CAPABILITIES : KNOWN.get(hash);
  if (!capabilities) return null;
  const { identities, features } = capabilities;
  return xml(
    'query',
    { xmlns: DISCO_INFO, ...(node !== undefined && { node }) },
    ...identities.map((identity) => xml('identity', { ...identity })),
    ...features.map((feature) => xml('feature', { var: feature })),
  );
}
