/** Authenticated encryption of small things: AES-256-GCM with a fresh nonce for each box. */
import { createCipheriv, createDecipheriv, randomFillSync } from 'node:crypto';

const ALGORITHM = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Random bytes for many nonces are fetched at once. Each nonce is used once. */
const NONCES = Buffer.alloc(NONCE_BYTES * 256);
let nonceBytesUsed = NONCES.length;

function freshNonce(): Buffer {
  if (nonceBytesUsed === NONCES.length) {
    randomFillSync(NONCES);
    nonceBytesUsed = 0;
  }
  nonceBytesUsed += NONCE_BYTES;
  return NONCES.subarray(nonceBytesUsed - NONCE_BYTES, nonceBytesUsed);
}

/**
 * @param key 32 bytes
 * @param context bound to the box, so that the box cannot be moved to another person
 * @returns nonce, ciphertext and tag in one
 */
export function encrypt(key: Buffer, context: string, plain: Buffer): Buffer {
  const nonce = freshNonce();
  const cipher = createCipheriv(ALGORITHM, key, nonce);
  cipher.setAAD(Buffer.from(context));
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** @returns null if the box was not made with this key and context, or is damaged */
export function decrypt(key: Buffer, context: string, box: Buffer): Buffer | null {
  try {
    const decipher = createDecipheriv(ALGORITHM, key, box.subarray(0, NONCE_BYTES), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(Buffer.from(context));
    decipher.setAuthTag(box.subarray(-TAG_BYTES));
    const text = decipher.update(box.subarray(NONCE_BYTES, -TAG_BYTES));
    return Buffer.concat([text, decipher.final()]);
  } catch {
    return null; // node:crypto throws for a wrong key and for a damaged box alike
  }
}
