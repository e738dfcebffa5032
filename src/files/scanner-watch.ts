/**
 * Whether the virus scanner answers: what the last file told, or a harmless text that is sent when nothing was scanned for a
 * while. For `/readyz` and the doctor.
 */
import { AppError } from '../errors.ts';
import type { Scanned, Scanner } from './scanner.ts';

/** An answer counts for so long. `/readyz` may be asked each second. */
export const SCANNER_ASKED_EVERY_MS = 30_000;
/** Shorter than what `/readyz` gives a part. A file has longer. */
export const SCANNER_PROBE_DEADLINE_MS = 2_500;
/** Nothing that a scanner could know. */
const HARMLESS = Buffer.from('xmpp-chat asks whether the scanner answers\n');

/**
 * What is wrong with the scanner's answer to a harmless text; null: nothing.
 * @param signal ends the try
 */
export async function scannerFault(scan: Scanner, signal: AbortSignal): Promise<string | null> {
  return faultOf(await scan(HARMLESS, signal));
}

function faultOf(answer: Scanned): string | null {
  if (answer.outcome === 'clean') return null;
  if (answer.outcome === 'away') return answer.reason;
  return `it refuses a harmless text (${answer.reason})`;
}

export interface WatchedScanner {
  /** The same scanner. */
  readonly scan: Scanner;
  /** @throws {AppError} `unavailable`: the last answer was none, or the scanner lets nothing through */
  check(): Promise<void>;
}

/** @param monotonic ms, never backwards */
export function watchScanner(scanner: Scanner, monotonic: () => number): WatchedScanner {
  let fault: string | null = null;
  let askedAt = Number.NEGATIVE_INFINITY;
  let asking: Promise<void> | null = null;

  async function ask(): Promise<void> {
    fault = await scannerFault(scanner, AbortSignal.timeout(SCANNER_PROBE_DEADLINE_MS));
    askedAt = monotonic();
  }

  return {
    async scan(bytes, signal) {
      const answer = await scanner(bytes, signal);
      // A file that it refuses is an answer. One whose look was ended says nothing.
      if (!signal.aborted) {
        fault = answer.outcome === 'away' ? answer.reason : null;
        askedAt = monotonic();
      }
      return answer;
    },
    async check() {
      if (monotonic() - askedAt >= SCANNER_ASKED_EVERY_MS) {
        asking ??= ask().finally(() => {
          asking = null;
        });
        await asking;
      }
      if (fault !== null) throw new AppError('unavailable', `no file gets through: ${fault}`);
    },
  };
}
