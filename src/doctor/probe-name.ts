/** Names of what the doctor makes and takes away again; they carry their time, so that leftovers are known. */
import { randomBytes } from 'node:crypto';

export interface Probe {
  readonly user: string;
  /** A roster group that is never made. */
  readonly group: string;
  readonly password: string;
}

const PREFIX = 'visitor-doctor-';
/** A doctor is done long before. */
const OLD_MS = 10 * 60_000;

/**
 * @param now ms since 1970
 * @param tail a-z and 0-9
 */
export function probeName(now: number, tail: string): Probe {
  const id = `${Math.floor(now / 1000).toString(36)}-${tail}`;
  return {
    user: `${PREFIX}${id}`,
    group: `doctor-${id}`,
    password: randomBytes(18).toString('base64url'),
  };
}

/** Whether this is the account of a doctor that was ended before it could remove it. */
export function isOld(user: string, now: number): boolean {
  const seconds = /^visitor-doctor-([0-9a-z]{6,8})-[0-9a-z]+$/.exec(user)?.[1];
  return seconds !== undefined && now - Number.parseInt(seconds, 36) * 1000 > OLD_MS;
}
