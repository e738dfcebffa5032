/** Keys of Standard Webhooks 1.0, as settings have them: `whsec_` and base64. */

/** Of the decoded key. */
export const WEBHOOK_KEY_MIN_BYTES = 18;
/** mod_lhc takes no longer one. */
export const WEBHOOK_KEY_MAX_BYTES = 128;

/** For messages: what a secret has to be. */
export const WEBHOOK_SECRET_FORM = `whsec_ and the base64 of ${WEBHOOK_KEY_MIN_BYTES} to ${WEBHOOK_KEY_MAX_BYTES} bytes`;

const FORM = /^whsec_([A-Za-z0-9+/]+)(={0,2})$/;

/** The key in a secret. What is not base64 in it is left out: see {@link isWebhookSecret}. */
export const webhookKey = (secret: string): Buffer =>
  Buffer.from(secret.replace(/^whsec_/, ''), 'base64');

/** True if every implementation reads the same key from the secret, and the key is long enough to be one. */
export function isWebhookSecret(secret: string): boolean {
  const [, digits = '', padding = ''] = FORM.exec(secret) ?? [];
  const ends =
    padding === '' ? digits.length % 4 !== 1 : (digits.length + padding.length) % 4 === 0;
  const { length } = webhookKey(secret);
  return (
    digits !== '' && ends && length >= WEBHOOK_KEY_MIN_BYTES && length <= WEBHOOK_KEY_MAX_BYTES
  );
}
