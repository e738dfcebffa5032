/** The error behind a stanza that came back. */
import type { Element } from '@xmpp/xml';
import { AppError } from '../errors.ts';

const STANZA_ERRORS = 'urn:ietf:params:xml:ns:xmpp-stanzas';

/** RFC 6120 §8.3.3. */
const STANZA_CONDITIONS: ReadonlySet<string> = new Set([
  'bad-request',
  'conflict',
  'feature-not-implemented',
  'forbidden',
  'gone',
  'internal-server-error',
  'item-not-found',
  'jid-malformed',
  'not-acceptable',
  'not-allowed',
  'not-authorized',
  'policy-violation',
  'recipient-unavailable',
  'redirect',
  'registration-required',
  'remote-server-not-found',
  'remote-server-timeout',
  'resource-constraint',
  'service-unavailable',
  'subscription-required',
  'undefined-condition',
  'unexpected-request',
]);

/**
 * The error of a message that came back (RFC 6120 §8.3). Only the type `wait` is worth a retry. The error's message is
 * the condition alone: it becomes the reason in a fact, and whoever returns a message chooses all other words.
 */
export function returnedError(stanza: Element): AppError {
  const error = stanza.getChild('error');
  const name = error
    ?.getChildElements()
    .find((child) => child.getNS() === STANZA_ERRORS && STANZA_CONDITIONS.has(child.name))?.name;
  const condition = name ?? 'undefined-condition';
  const code = error?.attrs.type === 'wait' ? 'unavailable' : 'refused';
  return new AppError(code, condition, { condition, returned: true });
}
