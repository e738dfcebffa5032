/** The longest wait that an endpoint may ask for, in milliseconds. */
export const LONGEST_WAIT_MS = 3_600_000;

/**
 * Reads Retry-After: seconds or an HTTP date (RFC 9110 §10.2.3).
 * @param now milliseconds since 1970
 * @returns milliseconds from now, at most {@link LONGEST_WAIT_MS}; undefined if the header is missing or unreadable
 */
export function retryAfter(header: string | null, now: number): number | undefined {
  if (header === null) return undefined;
  const text = header.trim();
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), LONGEST_WAIT_MS);
}
