/** Everything that is derived from the service secret: one key for each purpose (HKDF, RFC 5869). */
import { createHmac, hkdfSync } from 'node:crypto';

const KEY_BYTES = 32;

export interface ServiceSecrets {
  /** Wraps the data keys of personal data (32 bytes). */
  readonly wrapping: Buffer;
  /** Keys the fingerprints that machines compare instead of personal data (32 bytes). */
  readonly digest: Buffer;
  /** The password of a visitor's XMPP account. It is stored nowhere. */
  passwordOf(jid: string): string;
}

/** @param secret at least 32 bytes, the same for every process of the service */
export function deriveSecrets(secret: string): ServiceSecrets {
  const derive = (purpose: string): Buffer =>
    Buffer.from(hkdfSync('sha256', secret, 'xmpp-chat', purpose, KEY_BYTES));
  const password = derive('visitor account passwords, key 1');
  return {
    wrapping: derive('wrapping of data keys'),
    digest: derive('fingerprints'),
    passwordOf: (jid) => createHmac('sha256', password).update(jid).digest('base64url'),
  };
}
