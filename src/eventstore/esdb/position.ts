import { AppError } from '../../errors.ts';
import type { Position } from '../port.ts';

/**
 * Positions of one log: `esdb:{id of the log}:{commit position}`. 0 is before the first event.
 *
 * One number is enough: for every event that was written through gRPC, the prepare position equals the commit position,
 * even for several events in one append and for system events (measured on 23.10). They differ only in transactions of
 * the old TCP client. The checkpoints of a catch-up have prepare 0; resuming from their commit position was exact.
 */
export interface Positions {
  format(commit: bigint): Position;
  /** @throws {AppError} `invalid` for a text that is not a position of this log */
  parse(text: string): bigint;
}

/** A log position is a signed 64-bit number. Leading zeros are refused, so that each place has exactly one name. */
const NUMBER = /^(?:0|[1-9][0-9]{0,18})$/;
const MAX = 2n ** 63n - 1n;

export const createPositions = (logId: string): Positions => {
  const prefix = `esdb:${logId}:`;
  return {
    // Positions of this store are created only here.
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
