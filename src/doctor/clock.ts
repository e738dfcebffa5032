/** Clocks that differ: webhooks whose time is 300 s off are refused by either side (Standard Webhooks). */
import { type Finding, ok, problem, warning } from './check.ts';

const WARN_S = 30;
const PROBLEM_S = 240;

/** @param offset the other clock less ours, in s */
export function judgeClock(whose: string, offset: number): Finding {
  const seconds = Math.abs(Math.round(offset));
  const direction = offset < 0 ? 'behind' : 'ahead';
  if (seconds <= WARN_S) return ok(`the clock of ${whose} agrees within ${WARN_S} s`);
  const message = `the clock of ${whose} is ${seconds} s ${direction} of ours; from 300 s on webhooks are refused`;
  const advice = `run NTP on both machines (chronyd, systemd-timesyncd; \`timedatectl\` shows it)`;
  return seconds > PROBLEM_S ? problem(message, advice) : warning(message, advice);
}
