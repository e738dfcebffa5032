/** Names of what the doctor makes and removes again. They contain the time, so that leftovers are recognized. */
import { randomBytes } from 'node:crypto';

export interface TestAccount {
  readonly user: string;
  /** A roster group that is never made. */
  readonly group: string;
  readonly password: string;
}

const PREFIX = 'visitor-doctor-';
/** No doctor takes that long. */
export const LEFTOVER_AFTER_MS = 10 * 60_000;

/**
 * @param now ms since 1970
 * @param suffix a-z and 0-9, to tell doctors of the same second apart
 * @param instance of the tenant whose operators' group the account joins
 */
export function nameTestAccount(now: number, suffix: string, instance?: string): TestAccount {
  const id = `${Math.floor(now / 1000).toString(36)}-${suffix}`;
  return {
    user: `${PREFIX}${id}${instance === undefined ? '' : `.${instance}`}`,
    group: `doctor-${id}`,
    password: randomBytes(18).toString('base64url'),
  };
}

/** True for the account of a doctor that was killed before it could remove it. */
export function isLeftover(user: string, now: number): boolean {
  const seconds = /^visitor-doctor-([0-9a-z]{6,8})-[0-9a-z]+(\.[0-9a-z-]+)?$/.exec(user)?.[1];
  return seconds !== undefined && now - Number.parseInt(seconds, 36) * 1000 > LEFTOVER_AFTER_MS;
}
