import { createHmac } from 'node:crypto';
import type { Profile } from '../actors/visitor.ts';

const DIGEST_BYTES = 16;

/**
 * The fingerprint by which a machine knows the same page again without reading what is personal. Keyed, and different
 * for every visitor: the log does not tell who were on the same page.
 */
export function pageDigest(
  key: Uint8Array,
  tenant: string,
  visitor: string,
  department: string | null,
  profile: Profile,
): string {
  const { page, title, referrer, nick, country, city, timezone, visits, vid } = profile;
  // An array in this order is canonical: JSON of objects keeps the order in which a caller wrote them.
  const told = [page, title, referrer, nick, country, city, timezone, visits, vid];
  return createHmac('sha256', key)
    .update(JSON.stringify([tenant, visitor, department, ...told]))
    .digest()
    .toString('base64url', 0, DIGEST_BYTES);
}
