import { AppError } from '../../errors.ts';
import type { Position } from '../port.ts';

/**
 * Positions of one log: `esdb:{id of the log}:{commit position}`, 0 being before the first event.
 *
 * One number is enough: of every event that was written through gRPC the prepare position is the commit position, also
 * of several in one append and of system events (measured on 23.10). They differ only in transactions of the old TCP
 * client. The checkpoints of a catch-up say prepare 0; going on from their commit position was exact.
 */
export interface Positions {
  format(commit: bigint): Position;
  /** @throws {AppError} `invalid` for what is not a position of this log */
  parse(text: string): bigint;
}

/** A log position is a signed 64-bit number; a leading zero would give one place two names. */
const NUMBER = /^(?:0|[1-9][0-9]{0,18})$/;
const MAX = 2n ** 63n - 1n;

export const createPositions = (logId: string): Positions => {
  const prefix = `esdb:${logId}:`;
  return {
    // The only place where positions of this store are made.
    format: (commit) => `${prefix}${commit}` as Position,
    parse: (text) => {
      const digits = text.slice(prefix.length);
      if (text.startsWith(prefix) && NUMBER.test(digits)) {
        const commit = BigInt(digits);
        if (commit <= MAX) return commit;
      }
      throw new AppError('invalid', `not a position of this event store: ${text.slice(0, 80)}`, {
        field: 'position',
      });
    },
  };
};
