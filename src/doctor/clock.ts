/** Clocks that differ. Either side refuses webhooks whose time is 300 s off (Standard Webhooks). */
import { type Finding, ok, problem, warning } from './check.ts';

export const CLOCK_WARNING_S = 30;
export const CLOCK_PROBLEM_S = 240;
/** From here on webhooks are refused. */
export const WEBHOOK_TOLERANCE_S = 300;

/** @param offset the other clock minus ours, in seconds */
export function judgeClock(owner: string, offset: number): Finding {
  const seconds = Math.abs(Math.round(offset));
  if (seconds <= CLOCK_WARNING_S) {
    return ok(`the clock of ${owner} agrees with ours within ${CLOCK_WARNING_S} s`);
  }
  const direction = offset < 0 ? 'behind' : 'ahead of';
  const message = `the clock of ${owner} is ${seconds} s ${direction} ours. At ${WEBHOOK_TOLERANCE_S} s webhooks are refused`;
  const advice = 'run NTP on both machines (chronyd or systemd-timesyncd; check with timedatectl)';
  return seconds > CLOCK_PROBLEM_S ? problem(message, advice) : warning(message, advice);
}
