/** Bearer tokens (RFC 6750). */

const SCHEME = 'bearer ';

/** The token of an Authorization header, or ''. The name of the scheme is not case-sensitive. */
export function bearerToken(header: string): string {
  const isBearer = header.slice(0, SCHEME.length).toLowerCase() === SCHEME;
  return isBearer ? header.slice(SCHEME.length).trim() : '';
}

/**
 * True if a caller can send the token and it arrives as it is. Clients differ in how they send other characters than
 * ASCII, and none sends spaces at the ends (RFC 9110 §5.5).
 */
export const isBearerToken = (token: string): boolean =>
  /^[ -~]+$/.test(token) && bearerToken(`Bearer ${token}`) === token;

/** For messages: why a token cannot be used. */
export const NO_BEARER_TOKEN =
  'has to be ASCII without a space at an end: no caller could send it otherwise';
