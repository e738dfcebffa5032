/** Signatures of incoming webhooks: Standard Webhooks 1.0, symmetric. Checked on the raw bytes, in constant time. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { HonoRequest } from 'hono';
import { unauthorized } from '../frame/auth.ts';

/** How far the sender's clock may be from ours. An older batch could be a replay. */
export const SIGNATURE_TOLERANCE_S = 300;

/**
 * @param secrets `whsec_…`; any of them may have signed (rotation)
 * @param now ms since 1970
 * @returns throws {@link AppError} `unauthorized` if the signature is missing, wrong or stale
 */
export function createSignatureCheck(
  secrets: readonly string[],
  now: () => number,
): (request: HonoRequest, body: Uint8Array) => void {
  const keys = secrets.map((secret) => Buffer.from(secret.replace(/^whsec_/, ''), 'base64'));
  return (request, body) => {
    const id = request.header('webhook-id');
    const timestamp = request.header('webhook-timestamp') ?? '';
    const signatures = (request.header('webhook-signature') ?? '').split(' ');
    if (!id || !/^\d{1,12}$/.test(timestamp)) throw unauthorized();
    if (Math.abs(now() / 1000 - Number(timestamp)) > SIGNATURE_TOLERANCE_S) throw unauthorized();
    const presented = signatures
      .filter((signature) => signature.startsWith('v1,'))
      .map((signature) => Buffer.from(signature.slice('v1,'.length), 'base64'));
    const isValid = keys.some((key) => {
      const expected = createHmac('sha256', key)
        .update(`${id}.${timestamp}.`)
        .update(body)
        .digest();
      return presented.some(
        (one) => one.length === expected.length && timingSafeEqual(one, expected),
      );
    });
    if (!isValid) throw unauthorized();
  };
}
