/** Whether the clock of this machine may be wrong: it was set, or it differs from ejabberd's. */
import { AppError } from '../../errors.ts';
import type { WebhookReceipts } from './receipts.ts';
import { SIGNATURE_TOLERANCE_S } from './signature.ts';

/** A difference from ejabberd's clock that /readyz shows, in seconds. */
export const CLOCK_OFFSET_SHOWN_S = 120;
/** What was seen so long ago is not shown any more. */
export const CLOCK_SEEN_MS = 3_600_000;

/**
 * @param jump what the process itself sees: a sentence, or null
 * @returns a check that rejects with what is wrong
 */
export function clockCheck(
  view: WebhookReceipts['view'],
  jump: () => string | null,
  now: () => number,
): () => Promise<void> {
  const isRecent = (at: number): boolean => Math.abs(now() - at) < CLOCK_SEEN_MS;
  return async () => {
    const { hosts, refused } = view();
    const faults = Object.entries(hosts)
      .filter(([, { acceptedAt }]) => isRecent(acceptedAt))
      .flatMap(([host, { clockOffset }]) => offsetOf(`ejabberd's clock (${host})`, clockOffset));
    const jumped = jump();
    if (jumped !== null) faults.unshift(jumped);
    const { clockOffset, clockSeenAt } = refused;
    if (clockOffset !== null && clockSeenAt !== null && isRecent(clockSeenAt)) {
      faults.push(...offsetOf('the clock of the last webhook that was refused', clockOffset));
    }
    if (faults.length > 0) throw new AppError('unavailable', faults.join('; '));
  };
}

/** @param offset the other clock minus ours, in s */
function offsetOf(what: string, offset: number): string[] {
  if (Math.abs(offset) <= CLOCK_OFFSET_SHOWN_S) return [];
  const direction = offset < 0 ? 'behind' : 'ahead of';
  return [
    `${what} is ${Math.abs(offset)} s ${direction} ours; at ${SIGNATURE_TOLERANCE_S} s webhooks are refused`,
  ];
}
