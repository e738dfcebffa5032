/** Names of time zones. */
import { Lru } from './lru.ts';

/** The longest IANA name has 32 characters. */
export const MAX_ZONE_CHARACTERS = 64;
/** Answers kept in memory: a look costs some 100 µs. There are some 600 time zones, but visitors can invent names. */
const ZONES_KEPT = 1_000;
const known = new Lru<boolean>(ZONES_KEPT);

/** True if this is the name of a time zone that Intl knows, such as Europe/Riga. */
export function isTimeZone(name: string): boolean {
  const before = known.get(name);
  if (before !== undefined) return before;
  let isZone = true;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
  } catch {
    isZone = false; // a RangeError (ECMA-402 §11.1.2)
  }
  known.set(name, isZone);
  return isZone;
}
