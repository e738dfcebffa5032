/** Signatures of incoming webhooks: Standard Webhooks 1.0, symmetric. Checked on the raw bytes, in constant time. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { HonoRequest } from 'hono';
import { AppError, hasCode } from '../../errors.ts';
import { webhookKey } from '../../kit/webhook-key.ts';
import { unauthorized } from '../frame/auth.ts';

/** How far the sender's clock may be from ours. An older batch could be a replay. */
export const SIGNATURE_TOLERANCE_S = 300;
/** Beyond this no clock is wrong by accident: such a body is not even read. */
export const CLOCK_ERROR_MAX_S = 86_400;
/** Signatures of one request that are looked at. A sender has one for each secret of a rotation. */
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

/** How far a timestamp is ahead of our clock; negative if it is behind. */
const secondsAhead = (timestamp: string, now: () => number): number =>
  Number(timestamp) - now() / 1000;

/** @param seconds how far the timestamp is ahead of our clock; negative if it is behind */
function stale(seconds: number, details: { readonly stale?: true }): AppError {
  const direction = seconds < 0 ? 'behind' : 'ahead of';
  return new AppError(
    'unauthorized',
    `webhook-timestamp is ${Math.abs(Math.round(seconds))} s ${direction} our clock; ${SIGNATURE_TOLERANCE_S} s are allowed`,
    details,
  );
}

/** The value of a header of the signature. @throws {AppError} `unauthorized` if it is missing */
function headerOf(request: HonoRequest, name: string): string {
  const value = request.header(name);
  if (!value) throw unauthorized(`the header ${name} is missing`);
  return value;
}

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
    key: webhookKey(secret),
    hosts,
  }));
  return {
    claimOf(request) {
      const id = headerOf(request, 'webhook-id');
      const timestamp = headerOf(request, 'webhook-timestamp');
      const signatures = headerOf(request, 'webhook-signature')
        .split(' ', MAX_SIGNATURES)
        .filter((signature) => signature.startsWith('v1,'))
        .map((signature) => Buffer.from(signature.slice('v1,'.length), 'base64'))
        .filter(({ length }) => length === SIGNATURE_BYTES);
      if (!/^\d{1,12}$/.test(timestamp)) {
        throw unauthorized('webhook-timestamp is not a number of seconds since 1970');
      }
      if (signatures.length === 0) {
        throw unauthorized(
          `webhook-signature has no signature of the form v1,{base64 of ${SIGNATURE_BYTES} bytes}`,
        );
      }
      if (keys.length === 0) throw unauthorized('this service has no secret for webhooks');
      const ahead = secondsAhead(timestamp, now);
      if (Math.abs(ahead) > CLOCK_ERROR_MAX_S) throw stale(ahead, {});
      return { id, timestamp, signatures };
    },
    verify({ id, timestamp, signatures }, body) {
      const signed = keys.find(({ key }) => {
        const hmac = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body);
        const expected = hmac.digest();
        return signatures.some((one) => timingSafeEqual(one, expected));
      });
      // Not which part differs, nor from how many secrets: that would help to guess.
      if (!signed) {
        throw unauthorized(
          'webhook-signature does not match: another secret, or the id, the timestamp or the body was changed on the way',
        );
      }
      const ahead = secondsAhead(timestamp, now);
      if (Math.abs(ahead) > SIGNATURE_TOLERANCE_S) throw stale(ahead, { stale: true });
      return signed.hosts;
    },
  };
}
