/** The clock of the service, as far as its answers tell: what waits "for 3 min" must not depend on the browser's clock. */

/** The Date header has whole seconds, so a smaller difference means nothing. */
const LEAST_OFFSET_MS = 2_000;

let offset = 0;

/** Learns from an answer's Date header. @param sentAt @param receivedAt by the browser's clock, in ms */
export function learnClock(date: string | null, sentAt: number, receivedAt: number): void {
  const at = date === null ? Number.NaN : Date.parse(date);
  if (Number.isNaN(at)) return;
  const off = at + 500 - (sentAt + receivedAt) / 2;
  offset = Math.abs(off) < LEAST_OFFSET_MS ? 0 : Math.round(off);
}

/** The time of the service, in ms since 1970. */
export const serviceNow = (): number => Date.now() + offset;
