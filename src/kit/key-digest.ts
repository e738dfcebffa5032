/** Digests of keys and secrets that callers prove themselves with. The service keeps no such key in plain. */
import { hash, timingSafeEqual } from 'node:crypto';

const bytesOf = (text: string): Buffer => hash('sha256', text, 'buffer');

export const digestOf = (key: string): string => bytesOf(key).toString('base64url');

/** Whether a key has one of these digests. The time that it takes says how many there are, and nothing else. */
export function hasDigest(key: string, digests: readonly string[]): boolean {
  const given = bytesOf(key);
  let found = false;
  for (const digest of digests) {
    const known = Buffer.from(digest, 'base64url');
    if (known.length === given.length && timingSafeEqual(known, given)) found = true;
  }
  return found;
}
