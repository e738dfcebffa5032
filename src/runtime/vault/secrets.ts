/** Everything that is derived from the service secret: one key for each purpose (HKDF, RFC 5869). */
import { createHmac, hkdfSync } from 'node:crypto';
import { AppError } from '../../errors.ts';

const KEY_BYTES = 32;
const ID_BYTES = 9;
/** Of each service secret. */
export const SECRET_MIN_CHARACTERS = 32;

/** Wraps the data keys of personal data. */
export interface WrappingKey {
  /** Says in the log which secret wrapped a data key. It is derived as keys are, so it tells nothing about the secret. */
  readonly id: string;
  /** 32 bytes */
  readonly key: Buffer;
}

export interface ServiceSecrets {
  /** One for each secret, in their order. */
  readonly wrapping: readonly WrappingKey[];
  /** Keys the fingerprints that machines compare instead of personal data (32 bytes). */
  readonly digest: Buffer;
  /** The password of a visitor's XMPP account. It is stored nowhere. */
  passwordOf(jid: string): string;
}

/**
 * @param secrets one; several during a rotation, the new one first. It alone makes fingerprints and passwords
 */
export function deriveSecrets(secrets: readonly string[]): ServiceSecrets {
  const [first = ''] = secrets;
  const password = derive(first, 'visitor account passwords, key 1');
  return {
    wrapping: secrets.map((secret) => ({
      id: derive(secret, 'name of the wrapping key', ID_BYTES).toString('base64url'),
      key: derive(secret, 'wrapping of data keys'),
    })),
    digest: derive(first, 'fingerprints'),
    passwordOf: (jid) => createHmac('sha256', password).update(jid).digest('base64url'),
  };
}

const derive = (secret: string, purpose: string, bytes = KEY_BYTES): Buffer =>
  Buffer.from(hkdfSync('sha256', secret, 'xmpp-chat', purpose, bytes));

/**
 * The secrets in the text of a file, one in each line, the first one first.
 * @throws {AppError} `invalid` for a line that is too short for a secret
 */
export function secretsInFile(text: string): readonly string[] {
  const secrets = text.split('\n').map((line) => line.trim());
  while (secrets.at(-1) === '') secrets.pop();
  if (secrets.every((secret) => secret.length >= SECRET_MIN_CHARACTERS)) return secrets;
  throw new AppError(
    'invalid',
    `the file service-secret has a line with less than ${SECRET_MIN_CHARACTERS} characters: each line is a secret`,
  );
}
