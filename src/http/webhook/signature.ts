/** Signatures of incoming webhooks: Standard Webhooks 1.0, symmetric. Checked on the raw bytes, in constant time. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { HonoRequest } from 'hono';
import { AppError, hasCode } from '../../errors.ts';
import { unauthorized } from '../frame/auth.ts';

/** How far the sender's clock may be from ours. An older batch could be a replay. */
export const SIGNATURE_TOLERANCE_S = 300;
/** Beyond this no clock is wrong by accident: such a body is not even read. */
export const CLOCK_ERROR_MAX_S = 86_400;
/** Signatures of one request that are compared. A sender has one for each secret of a rotation. */
export const MAX_SIGNATURES = 8;
/** Bytes of an HMAC-SHA256. */
const SIGNATURE_BYTES = 32;

/** A secret of mod_lhc. */
export interface WebhookSecret {
  /** `whsec_…` */
  readonly secret: string;
  /** The hosts whose events it may sign; null for all. */
  readonly hosts: readonly string[] | null;
}

/** What the headers of a webhook claim. */
export interface Claim {
  readonly id: string;
  readonly timestamp: string;
  readonly signatures: readonly Buffer[];
}

export interface SignatureCheck {
  /**
   * Reads the headers, before anybody reads the body.
   * @throws {AppError} `unauthorized` if a header is missing or malformed, or the timestamp is more than a day off
   */
  claimOf(request: HonoRequest): Claim;
  /**
   * @returns the hosts whose events the secret may sign; null for all
   * @throws {AppError} `unauthorized` if no secret has signed this body, or the timestamp is stale ({@link isStale})
   */
  verify(claim: Claim, body: Uint8Array): readonly string[] | null;
}

const secondsOff = (timestamp: string, now: () => number): number =>
  Math.abs(now() / 1000 - Number(timestamp));

const stale = (details: { readonly stale?: true }): AppError =>
  new AppError(
    'unauthorized',
    `webhook-timestamp is more than ${SIGNATURE_TOLERANCE_S} s off`,
    details,
  );

/** True if a secret has signed the body, at a time that is too far from ours: one of the two clocks is wrong. */
export const isStale = (error: unknown): boolean =>
  hasCode(error, 'unauthorized') && error.details.stale === true;

/**
 * @param secrets any of them may have signed (rotation)
 * @param now ms since 1970
 */
export function createSignatureCheck(
  secrets: readonly WebhookSecret[],
  now: () => number,
): SignatureCheck {
  const keys = secrets.map(({ secret, hosts }) => ({
    key: Buffer.from(secret.replace(/^whsec_/, ''), 'base64'),
    hosts,
  }));
  return {
    claimOf(request) {
      const id = request.header('webhook-id') ?? '';
      const timestamp = request.header('webhook-timestamp') ?? '';
      const signatures = (request.header('webhook-signature') ?? '')
        .split(' ', 2 * MAX_SIGNATURES)
        .filter((signature) => signature.startsWith('v1,'))
        .map((signature) => Buffer.from(signature.slice('v1,'.length), 'base64'))
        .filter(({ length }) => length === SIGNATURE_BYTES)
        .slice(0, MAX_SIGNATURES);
      const isWellFormed = id !== '' && /^\d{1,12}$/.test(timestamp) && signatures.length > 0;
      if (keys.length === 0 || !isWellFormed) {
        throw unauthorized('sign the batch: webhook-id, webhook-timestamp and webhook-signature');
      }
      if (secondsOff(timestamp, now) > CLOCK_ERROR_MAX_S) throw stale({});
      return { id, timestamp, signatures };
    },
    verify({ id, timestamp, signatures }, body) {
      const signed = keys.find(({ key }) => {
        const hmac = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body);
        const expected = hmac.digest();
        return signatures.some((one) => timingSafeEqual(one, expected));
      });
      if (!signed) throw unauthorized('webhook-signature is not valid here');
      if (secondsOff(timestamp, now) > SIGNATURE_TOLERANCE_S) throw stale({ stale: true });
      return signed.hosts;
    },
  };
}
